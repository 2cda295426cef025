//! Pages in a real browser: one with the client's own names, one as an ES module, one as it was written for happner.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test, before, after } = require('node:test');
const { BINARY, servePages, startHost } = require('./support/mesh');

const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const skip = fs.existsSync(CHROMIUM) ? false : `there is no ${CHROMIUM}`;
// No traffic but that of the pages.
const QUIET = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const PAGES = {
  '/script': '<!doctype html><script src="/api/client"></script>',
  '/module': `<!doctype html><script type="module">
    import { connect } from '/api/client.mjs';
    window.connect = connect;
  </script>`,
};

const COUNTER = '\n[[components]]\nname = "counter"\nlibrary = "counter"\n';

let host;
let secured;
let pages;
let browser;
before(async () => {
  if (skip) return;
  const { chromium } = require('playwright-core');
  [host, secured, pages, browser] = await Promise.all([
    startHost([], COUNTER),
    startHost(['happn.secure=true', 'security.admin_password="secret"']),
    servePages(PAGES),
    chromium.launch({ executablePath: CHROMIUM, args: QUIET }),
  ]);
});
after(async () => {
  if (skip) return;
  await browser.close();
  pages.close();
  await Promise.all([host.stop(), secured.stop()]);
});

async function openPage(name) {
  const page = await (await browser.newContext()).newPage();
  const failures = [];
  page.on('pageerror', (error) => failures.push(error.message));
  await page.goto(pages.url + name);
  return { page, failures };
}

test('a page calls, hears events, and comes back by itself when the host was gone', { skip }, async () => {
  const { page, failures } = await openPage('/script');
  const first = await page.evaluate(async (url) => {
    window.mesh = await Mesh.connect({ url, backOff: { minimum: 50, maximum: 500 } });
    window.heard = [];
    window.events = [];
    for (const type of ['disconnected', 'reconnected']) mesh.addEventListener(type, () => events.push(type));
    await mesh.on('emitter', 'page/*', { version: '^2.0.0' }, (data) => heard.push(data.n));
    await mesh.call('emitter', 'emit', ['page/x', { n: 1 }]);
    return mesh.components.calc.add(1, 2);
  }, host.url);
  assert.equal(first, 3);
  await host.stop('SIGKILL');
  await page.waitForFunction(() => events.includes('disconnected'));
  await host.start();
  await page.waitForFunction(() => events.includes('reconnected'));
  await page.evaluate(() => mesh.call('emitter', 'emit', ['page/x', { n: 2 }]));
  assert.deepEqual(await page.evaluate(() => heard), [1, 2]);
  await page.evaluate(() => mesh.disconnect());
  assert.deepEqual(failures, []);
});

test('a page sees a swap while it calls, and loses no call', { skip }, async () => {
  const { page, failures } = await openPage('/module');
  await page.waitForFunction(() => window.connect);
  const before = await page.evaluate(async (url) => {
    window.mesh = await connect({ url });
    window.seen = [];
    mesh.addEventListener('description', ({ detail }) => seen.push(detail));
    window.calling = true;
    window.failed = [];
    window.calls = 0;
    (async () => {
      while (calling) {
        await mesh.components.counter.increment('page').then(() => { calls += 1; }, (error) => failed.push(error.message));
        await new Promise((resolve) => { setTimeout(resolve, 1); });
      }
    })();
    return mesh.description.components.counter.version;
  }, host.url);
  await page.waitForFunction(() => calls > 20);
  await host.command('swap', 'counter', path.join(path.dirname(BINARY), 'libfixture_counter_next.so'));
  await page.waitForFunction((version) => {
    const { counter } = mesh.description.components;
    return counter && counter.version !== version;
  }, before);
  const after = await page.evaluate(async () => {
    const count = calls;
    while (calls < count + 20 && failed.length === 0) await new Promise((resolve) => { setTimeout(resolve, 1); });
    calling = false;
    return { failed, seen: seen.length, connected: mesh.connected };
  });
  assert.deepEqual(after.failed, []);
  assert.ok(after.seen > 0 && after.connected);
  await page.evaluate(() => mesh.disconnect());
  assert.deepEqual(failures, []);
});

test('a page of happner logs in, keeps its token in the cookie, and logs in with it', { skip }, async () => {
  const { page, failures } = await openPage('/script');
  const done = await page.evaluate(async (port) => {
    const logIn = (credentials) => new Promise((resolve, reject) => {
      const client = new MeshClient({ hostname: '127.0.0.1', port, protocol: 'http' });
      client.on('login/allow', () => resolve(client));
      client.on('login/deny', reject);
      client.on('login/error', reject);
      client.login(credentials);
    });
    const denied = await logIn({ username: '_ADMIN', password: 'guess' }).catch((error) => error.message);
    const client = await logIn({ username: '_ADMIN', password: 'secret' });
    const cookie = document.cookie.startsWith('happn_token=');
    const again = await logIn({ useCookie: true });
    const user = (await new Promise((resolve, reject) => {
      again.exchange.calc.whoami((error, who) => (error ? reject(error) : resolve(who)));
    })).username;
    const heard = [];
    await new Promise((resolve, reject) => {
      again.event.emitter.on('cookie/*', (data) => heard.push(data), (error) => (error ? reject(error) : resolve()));
    });
    await again.exchange.emitter.emit('cookie/1', { n: 1 });
    await client.disconnect();
    await again.logout();
    return { denied, cookie, user, heard, left: document.cookie, globals: [typeof HappnClient, typeof Happner.HappnerClient, typeof Primus] };
  }, secured.port);
  assert.deepEqual(done, {
    denied: 'Invalid credentials', cookie: true, user: '_ADMIN', heard: [{ n: 1 }], left: '', globals: ['function', 'function', 'function'],
  });
  assert.deepEqual(failures, []);
});
