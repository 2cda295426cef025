//! `/browser_client` as pages of happn use it: the script as the host serves it, in a page's surroundings and required.
'use strict';
const assert = require('node:assert/strict');
const vm = require('node:vm');
const { test, before, after } = require('node:test');
const { startHost } = require('./support/mesh');

let host;
let secured;
let script;
before(async () => {
  [host, secured] = await Promise.all([
    startHost(),
    startHost(['happn.secure=true', 'security.admin_password="secret"']),
  ]);
  const served = await fetch(`${host.url}/browser_client`);
  assert.equal(served.headers.get('content-type'), 'application/javascript');
  script = await served.text();
});
after(() => Promise.all([host.stop(), secured.stop()]));

/** The state of a page after the script, which came from `url`. */
function page(url) {
  const window = {
    console, URL, setTimeout, clearTimeout, setInterval, clearInterval, queueMicrotask, EventTarget, Event, CustomEvent,
    WebSocket: require('ws'),
    location: new URL(url),
    document: { cookie: '' },
    addEventListener() {},
    removeEventListener() {},
  };
  window.window = window;
  vm.runInContext(script, vm.createContext(window));
  return window;
}

test('the script says what it is and leaves one name behind', () => {
  assert.match(script, /^\/\/happn client v[0-9.]+\r\n\/\/protocol v4\r\n/);
  const before = Object.keys(page('http://127.0.0.1:1')).sort();
  const names = before.filter((name) => ['HappnClient', 'Mesh', 'Happner', 'MeshClient', 'Primus', 'module'].includes(name));
  assert.deepEqual(names, ['HappnClient']);
});

test('a page stores, hears and counts, with callbacks', async () => {
  const { HappnClient } = page(host.url);
  const { hostname, port } = new URL(host.url);
  const client = await new Promise((resolve, reject) => {
    HappnClient.create({ host: hostname, port }, (error, made) => (error ? reject(error) : resolve(made)));
  });
  const heard = new Promise((resolve, reject) => {
    client.on('/browser/*', { event_type: 'set' }, (data, meta) => resolve([data, meta.path]), (error) => {
      if (error) return reject(error);
      client.set('/browser/one', { n: 1 }, { noPublish: false }, (failed) => failed && reject(failed));
    });
  });
  const [data, path] = await heard;
  assert.deepEqual([data.n, path], [1, '/browser/one']);
  const got = await client.get('/browser/one');
  assert.deepEqual([got.n, got._meta.path], [1, '/browser/one']);
  assert.equal((await client.count('/browser/*')).value, 1);
  assert.equal((await client.get('/browser/*')).length, 1);
  await client.remove('/browser/one');
  assert.equal(await client.get('/browser/one'), null);
  await client.stop();
});

test('a page logs in, is refused, and keeps its token in a cookie', async () => {
  const window = page(secured.url);
  await assert.rejects(window.HappnClient.create({ url: secured.url, username: '_ADMIN', password: 'wrong' }), /Invalid credentials/);
  const client = await window.HappnClient.create({ config: { url: secured.url, username: '_ADMIN', password: 'secret' } });
  assert.equal(client.session.user.username, '_ADMIN');
  assert.match(window.document.cookie, /^happn_token=[\w%.-]+; path=\//);
  await client.disconnect();
});

test('it can be required', async () => {
  const module = { exports: {} };
  vm.runInThisContext(`(function (module, require) {${script}\n})`)(module, require);
  assert.equal(globalThis.HappnClient, undefined);
  const client = await module.exports.create({ url: host.url });
  assert.equal((await client.set('/required/one', { n: 2 })).n, 2);
  await client.disconnect();
});
