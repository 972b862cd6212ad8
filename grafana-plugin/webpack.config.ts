import CopyWebpackPlugin from 'copy-webpack-plugin';
import type { Configuration } from 'webpack';

import grafanaConfig, { type Env } from './.config/webpack/webpack.config.ts';
import { copyFilePatterns } from './.config/bundler/copyFiles.ts';

// The licence stands once, at the root of the project.
const shared: Record<string, string> = { '../LICENSE': '../../LICENSE' };

const config = async (env: Env): Promise<Configuration> => {
  const base = await grafanaConfig(env);
  const others = (base.plugins ?? []).filter((p) => !(p instanceof CopyWebpackPlugin));
  const patterns = copyFilePatterns.map((p) => ({ ...p, from: shared[p.from] ?? p.from }));
  // Files are copied before what replaces the version in them, as in Grafana's own order.
  const plugins = [new CopyWebpackPlugin({ patterns }), ...others];
  // What is shipped is built anew: the cache on disk was seen to copy an older plugin.json.
  return { ...base, plugins, ...(env.production ? { cache: false } : {}) };
};

export default config;
