import path from 'path';
import type { Configuration } from 'webpack';

// The editors on a page of their own, with @grafana/ui and React bundled, which Grafana otherwise provides.
const config: Configuration = {
  mode: 'development',
  devtool: false,
  context: process.cwd(),
  entry: './harness/page.tsx',
  output: { path: path.resolve(process.cwd(), 'harness', 'build'), filename: 'page.js', publicPath: '/', clean: true },
  module: {
    rules: [
      {
        test: /\.tsx?$/,
        exclude: /node_modules/,
        use: {
          loader: 'swc-loader',
          options: { jsc: { target: 'es2020', parser: { syntax: 'typescript', tsx: true } } },
        },
      },
      { test: /\.m?js$/, resolve: { fullySpecified: false } },
      { test: /\.css$/, use: ['style-loader', 'css-loader'] },
      { test: /\.(png|svg|woff2?|ttf)$/, type: 'asset/resource' },
    ],
  },
  resolve: { extensions: ['.tsx', '.ts', '.mjs', '.js'] },
  performance: { hints: false },
};

export default config;
