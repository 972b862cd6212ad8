// Takes pictures of every view in a headless browser: node harness/shoot.mjs [--daemon=URL] [--out=DIR]
// [--browser=PATH] [--fonts=DIR] [--width=PIXELS] [view[:theme[:action]] ...]. An action is typed into the view's code field first.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import WebSocket from 'ws';
import { serve } from './serve.mjs';

const flags = Object.fromEntries(
  process.argv
    .slice(2)
    .filter((a) => a.startsWith('--'))
    .map((a) => a.slice(2).split(/=(.*)/s))
);
const views = process.argv.slice(2).filter((a) => !a.startsWith('--'));
const out = flags.out ?? 'harness/shots';
const width = Number(flags.width ?? 1132);

fs.mkdirSync(out, { recursive: true });
const server = await serve(flags.daemon ?? 'http://127.0.0.1:9470', 0, flags.fonts);
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'insightd-harness-'));
const browser = spawn(
  flags.browser ?? 'chromium',
  [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--hide-scrollbars',
    '--remote-debugging-port=0',
    `--user-data-dir=${profile}`,
    'about:blank',
  ],
  { stdio: ['ignore', 'ignore', 'pipe'] }
);
try {
  const address = await new Promise((resolve, reject) => {
    let text = '';
    browser.stderr.on('data', (d) => {
      text += d;
      const found = /ws:\/\/\S+/.exec(text);
      if (found) {
        resolve(found[0]);
      }
    });
    browser.on('exit', () => reject(new Error(`the browser ended: ${text}`)));
  });
  const call = await connect(address);
  for (const view of views) {
    await shoot(call, view);
  }
} finally {
  browser.kill();
  server.close();
  server.closeAllConnections();
  await new Promise((resolve) => browser.on('exit', resolve));
  fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}

async function connect(address) {
  const socket = new WebSocket(address, { maxPayload: 256 << 20 });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const waiting = new Map();
  let last = 0;
  socket.on('message', (data) => {
    const { id, result, error } = JSON.parse(data);
    waiting.get(id)?.(error ? Promise.reject(new Error(error.message)) : result);
    waiting.delete(id);
  });
  return (method, params = {}, sessionId) =>
    new Promise((resolve) => {
      waiting.set(++last, resolve);
      socket.send(JSON.stringify({ id: last, method, params, sessionId }));
    });
}

async function shoot(call, spec) {
  const [view, theme = 'dark', ...rest] = spec.split(':');
  const action = rest.join(':');
  const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
  const page = (method, params) => call(method, params, sessionId);
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await page('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) {
      throw new Error(`${spec}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    }
    return result.value;
  };
  const until = async (expression) => {
    for (let i = 0; i < 150; i++) {
      if (await evaluate(expression)) {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${spec}: waited in vain for ${expression}`);
  };
  await page('Emulation.setDeviceMetricsOverride', { width, height: 900, deviceScaleFactor: 1, mobile: false });
  const { port } = server.address();
  await page('Page.navigate', { url: `http://127.0.0.1:${port}/?view=${view}&theme=${theme}&width=${width}` });
  await until(
    `document.querySelector('#view')?.textContent.length > 0 && !document.body.textContent.includes('Loading...')`
  );
  await evaluate('document.fonts.ready.then(() => true)');
  await until(`!document.querySelector('#view section[style*="position: relative"]:not(:has(.view-lines))')`);
  await new Promise((resolve) => setTimeout(resolve, 1200));
  if (action?.startsWith('#')) {
    // A menu is opened with the arrow, by the id's ending.
    await evaluate(`document.querySelector('[id$="${action.slice(1)}"]').focus()`);
    await page('Input.dispatchKeyEvent', {
      type: 'rawKeyDown',
      key: 'ArrowDown',
      code: 'ArrowDown',
      windowsVirtualKeyCode: 40,
    });
    await new Promise((resolve) => setTimeout(resolve, 1500));
  } else if (action) {
    await until(`document.querySelector('.monaco-editor .view-lines .view-line') !== null`);
    await evaluate(`document.querySelector('.monaco-editor textarea').focus()`);
    const end = { key: 'End', code: 'End', windowsVirtualKeyCode: 35, modifiers: 2 };
    for (const type of ['rawKeyDown', 'keyUp']) {
      await page('Input.dispatchKeyEvent', { type, ...end });
    }
    for (const c of action) {
      await page('Input.dispatchKeyEvent', { type: 'char', text: c });
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
  const height = await evaluate(
    `Math.ceil(Math.max(document.querySelector('#view').getBoundingClientRect().bottom, ...[...document.querySelectorAll('.suggest-widget.visible, [class*="grafana-select-menu"], [data-testid="Select menu"]')].map((e) => e.getBoundingClientRect().bottom + 16)))`
  );
  const { data } = await page('Page.captureScreenshot', {
    clip: { x: 0, y: 0, width, height, scale: 1 },
    captureBeyondViewport: true,
  });
  const file = path.join(out, `${view}${action ? '-typed' : ''}-${theme}.png`);
  fs.writeFileSync(file, Buffer.from(data, 'base64'));
  console.log(`${file} ${width}x${height}`);
  await call('Target.closeTarget', { targetId });
}
