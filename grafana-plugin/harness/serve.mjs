// Serves the harness's page, what @grafana/ui fetches at run time, and the daemon's answers as the
// backend passes them on: node harness/serve.mjs [daemon] [port] [fonts], where fonts is a folder with
// those of Grafana (inter/Inter-Regular.woff2, …), which @grafana/ui does not bring along.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..');
const folders = [
  ['/public/build/img/icons/', 'node_modules/@grafana/ui/dist/public/img/icons/'],
  ['/public/lib/monaco/', 'node_modules/monaco-editor/'],
  ['/public/build/monaco/', 'node_modules/monaco-editor/'],
  ['/', 'harness/build/'],
];
const types = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.ttf': 'font/ttf' };
const page = `<!doctype html><meta charset="utf-8"><title>insightd</title>
<script>window.__grafana_public_path__ = '/public/';</script>
<body><div id="root"></div><script src="/page.js"></script></body>`;

export function serve(daemon, port, fonts) {
  const server = http.createServer(async (req, res) => {
    const url = new URL(req.url, 'http://harness');
    const asked = /^\/api\/datasources\/uid\/[^/]+\/resources\/(.*)$/.exec(url.pathname);
    if (asked) {
      try {
        const answer = await fetch(`${daemon}/api/v1/${asked[1]}${url.search}`);
        res.writeHead(answer.status, { 'Content-Type': 'application/json' });
        res.end(await answer.text());
      } catch (err) {
        res.writeHead(502, { 'Content-Type': 'application/json' });
        res.end(JSON.stringify({ status: 'error', error: String(err.cause ?? err) }));
      }
      return;
    }
    if (url.pathname === '/') {
      res.writeHead(200, { 'Content-Type': 'text/html' });
      res.end(page);
      return;
    }
    const known = fonts ? [['/public/fonts/', path.relative(root, fonts) + '/'], ...folders] : folders;
    const [prefix, folder] = known.find(([p]) => url.pathname.startsWith(p));
    const file = path.join(root, folder, path.normalize('/' + url.pathname.slice(prefix.length)));
    fs.readFile(file, (err, data) => {
      res.writeHead(err ? 404 : 200, { 'Content-Type': types[path.extname(file)] ?? 'application/octet-stream' });
      res.end(data);
    });
  });
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const server = await serve(
    process.argv[2] ?? 'http://127.0.0.1:9470',
    Number(process.argv[3] ?? 3999),
    process.argv[4]
  );
  console.log(`http://127.0.0.1:${server.address().port}/?view=insights&theme=dark`);
}
