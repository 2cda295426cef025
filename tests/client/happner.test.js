//! Programs that were written for happner: its names, its arguments, its events, in Node against a running mesh.
'use strict';
const assert = require('node:assert/strict');
const { test, before, after } = require('node:test');
const { load, startHost } = require('./support/mesh');

const { HappnClient, HappnerClient, LightHappnerClient, MeshClient, Happner, Primus } = load();
const withCallback = (begin) => new Promise((resolve, reject) => {
  begin((error, ...results) => (error ? reject(error) : resolve(results)));
});

let host;
let secured;
before(async () => {
  [host, secured] = await Promise.all([startHost(), startHost(['happn.secure=true', 'security.admin_password="secret"'])]);
});
after(() => Promise.all([host.stop(), secured.stop()]));

test('MeshClient logs in, calls, listens and has the data of the mesh', async () => {
  const client = new MeshClient({ hostname: '127.0.0.1', port: host.port, protocol: 'http' });
  const seen = [];
  for (const name of ['login/allow', 'components/created', 'connection/ended']) client.on(name, () => seen.push(name));
  await client.login();
  assert.deepEqual(seen, ['login/allow', 'components/created']);
  const { calc, emitter } = client.exchange;
  assert.equal(await calc.add(1, 2), 3);
  assert.deepEqual(await withCallback((done) => calc.multi(done)), ['first', { second: 2 }, [3, 'three']]);
  assert.equal(await client.exchange.TestNode.calc.add(2, 2), 4);
  assert.equal(await client.exchange.$call({ component: 'calc', method: 'add', arguments: [3, 3] }), 6);
  assert.throws(() => client.exchange.$call({ component: 'calc', method: 'nope' }), /invalid endpoint options: \[calc\.nope\]/);

  const heard = [];
  const [number] = await withCallback((done) => client.event.emitter.on('*', (data) => heard.push(data), done));
  await emitter.emit('some/key', { n: 1 });
  await client.event.emitter.off(number);
  await emitter.emit('some/key', { n: 2 });
  assert.deepEqual(heard, [{ n: 1 }]);
  await assert.rejects(client.event.emitter.off('some/key'), /use offPath/);

  await client.data.set('/happner/1', { a: 1 });
  const document = await client.data.get('/happner/1');
  assert.deepEqual([document.a, document._meta.path], [1, '/happner/1']);
  assert.equal(client.info.name, 'TestNode');
  await withCallback((done) => client.disconnect(done));
  assert.equal(seen.at(-1), 'connection/ended');
});

test('MeshClient tells a wrong password from other failures, and has a token', async () => {
  const told = [];
  const attempt = async (port, credentials) => {
    const client = new MeshClient(port, '127.0.0.1');
    for (const name of ['login/allow', 'login/deny', 'login/error']) client.on(name, (error) => told.push([name, error && error.message]));
    await client.login(credentials).catch(() => {});
    return client;
  };
  await attempt(secured.port, { username: '_ADMIN', password: 'guess' });
  await attempt(secured.port, {});
  const client = await attempt(secured.port, { username: '_ADMIN', password: 'secret' });
  assert.deepEqual(told, [
    ['login/deny', 'Invalid credentials'],
    ['login/error', 'happn server is secure, please specify a username or token'],
    ['login/allow', undefined],
  ]);
  const again = await attempt(secured.port, { token: client.token });
  assert.equal((await again.exchange.calc.whoami()).username, '_ADMIN');
  await Promise.all([client.disconnect(), again.disconnect()]);
});

test('HappnerClient keeps to its model', async () => {
  const client = new Happner.HappnerClient();
  const model = {
    calc: { version: '^1.0.0', methods: { add: {}, divide: {}, nope: {} } },
    emitter: { version: '^2.0.0', methods: { emit: {} } },
    emitterOld: { version: '^9.0.0', methods: { emit: {} } },
  };
  const { exchange, event } = client.construct(model);
  await assert.rejects(exchange.calc.add(1, 2), /Not connected/);
  await withCallback((done) => client.connect(null, { host: '127.0.0.1', port: host.port }, done));
  assert.equal(await exchange.calc.add(1, 2), 3);
  assert.equal((await withCallback((done) => exchange.calc.add(1, 2, done)))[0], 3);
  await assert.rejects(exchange.calc.divide(1, 0), { name: 'DivisionError', message: 'division by zero' });
  await assert.rejects(exchange.calc.nope(), { message: 'Not implemented calc:^1.0.0:nope' });
  await assert.rejects(exchange.emitterOld.emit(), { message: 'Not implemented emitterOld:^9.0.0:emit' });
  const heard = [];
  await withCallback((done) => event.emitter.on('k/*', (data) => heard.push(data), done));
  await exchange.emitter.emit('k/1', { n: 1 });
  await event.emitter.offPath('k/*');
  await exchange.emitter.emit('k/1', { n: 2 });
  assert.deepEqual(heard, [{ n: 1 }]);
  await withCallback((done) => client.disconnect(done));
});

test('LightHappnerClient names everything with each call', async () => {
  const client = new LightHappnerClient();
  await client.connect({ host: '127.0.0.1', port: host.port });
  assert.equal(await client.exchange.$call({ component: 'calc', method: 'add', arguments: [1, 2], version: '^1.0.0' }), 3);
  const heard = [];
  const number = await client.event.$on({ component: 'emitter', path: 'light' }, (data) => heard.push(data));
  await client.exchange.$call({ component: 'emitter', method: 'emit', arguments: ['light', { n: 1 }] });
  await client.event.$off(number);
  assert.deepEqual(heard, [{ n: 1 }]);
  await client.disconnect();
});

test('HappnClient is given callbacks or gives promises', async () => {
  const options = { host: '127.0.0.1', port: secured.port, username: '_ADMIN', password: 'secret' };
  const [client] = await withCallback((done) => { HappnClient.create(options, done); });
  const heard = [];
  const [number] = await withCallback((done) => client.on('/q/*', { event_type: 'set' }, (data, meta) => heard.push([data, meta.path]), done));
  assert.equal(typeof number, 'number');
  assert.equal((await client.set('/q/1', 7)).value, 7);
  const [removed] = await withCallback((done) => client.remove('/q/1', done));
  assert.deepEqual([removed.removed, removed._meta.action], [1, 'remove']);
  assert.deepEqual(heard, [[{ value: 7 }, '/q/1']]);
  await client.off(number);
  await client.set('/q/1', 8);
  assert.equal(heard.length, 1);
  assert.equal(await client.increment('/gauge'), 1);
  await client.disconnect();
  await assert.rejects(HappnClient.create({ ...options, password: 'guess' }), { name: 'AccessDenied', code: 401 });
});

test('names of which only the name is there explain themselves', () => {
  assert.throws(() => new Primus('http://127.0.0.1'), /Primus is not part of this client/);
  assert.throws(() => new Happner.Messenger(), /Happner\.Messenger is not part of this client/);
  assert.equal(Happner.HappnerClient, HappnerClient);
});
