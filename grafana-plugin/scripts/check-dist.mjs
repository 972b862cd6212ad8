// Holds the built frontend against what Grafana 10.4 to 13 provide at run time.
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';

const dist = process.argv[2] ?? 'dist';

// What Grafana 10.4 gives to plugins, as far as this one may use it. `module` is AMD's own.
const provided = new Set([
  '@emotion/css',
  '@grafana/data',
  '@grafana/runtime',
  '@grafana/ui',
  'lodash',
  'module',
  'react',
  'react-dom',
  'rxjs',
]);

// React's JSX runtime is missing in 10.4; elements of React 18 break under the React 19 of 13.2.
const forbidden = [
  /react\/jsx(-dev)?-runtime/,
  /react\.(transitional\.)?element/,
  /\bfindDOMNode\b/,
  /\bReactDOM\.render\b/,
];

const problems = [];
const scripts = fs
  .readdirSync(dist, { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.js'));
if (!scripts.includes('module.js')) {
  problems.push('module.js is missing: run npm run build first');
}
for (const name of scripts) {
  const text = fs.readFileSync(path.join(dist, name), 'utf8');
  for (const pattern of forbidden) {
    const found = pattern.exec(text);
    if (found) {
      problems.push(`${name} contains ${found[0]}`);
    }
  }
  if (name === 'module.js') {
    const define = /\bdefine\(\s*(?:"[^"]*",\s*)?\[([^\]]*)\]/.exec(text);
    if (!define) {
      problems.push('module.js defines no AMD module');
      continue;
    }
    for (const external of JSON.parse(`[${define[1].replace(/'/g, '"')}]`)) {
      if (!provided.has(external)) {
        problems.push(`module.js requires ${external}, which Grafana 10.4 does not provide`);
      }
    }
  }
}
for (const name of ['module.js.map', 'plugin.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'img/logo.svg']) {
  if (!fs.existsSync(path.join(dist, name))) {
    problems.push(`${name} is missing`);
  }
}
const pluginFile = path.join(dist, 'plugin.json');
if (fs.existsSync(pluginFile)) {
  const plugin = JSON.parse(fs.readFileSync(pluginFile, 'utf8'));
  const { version } = JSON.parse(fs.readFileSync('package.json', 'utf8'));
  if (plugin.info.version !== version) {
    problems.push(`plugin.json says version ${plugin.info.version}, package.json ${version}`);
  }
  for (const { path: file } of [...(plugin.info.screenshots ?? []), ...(plugin.includes ?? [])]) {
    if (file && !fs.existsSync(path.join(dist, file))) {
      problems.push(`plugin.json names ${file}, which is missing`);
    }
  }
}
if (problems.length > 0) {
  console.error(problems.map((p) => `check-dist: ${p}`).join('\n'));
  process.exit(1);
}
const size = fs.statSync(path.join(dist, 'module.js')).size;
console.log(
  `check-dist: ${scripts.length} scripts, module.js ${Math.round(size / 1024)} KiB, nothing that Grafana 10.4 lacks`
);
