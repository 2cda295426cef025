'use strict';
// Case registration and the per-case toolbox ("t").
const assert = require('assert');
const { spawn } = require('child_process');
const { CLIENTS, NEWEST, load } = require('./clients');
const util = require('./util');
const { Raw } = require('./raw');
const { sleep, cb, cbAll, waitFor, plain, rejects, request, Proxy, toError } = util;

const cases = [];
let currentSet = 'cases';

/* options of a case:
   kind    happn | happner | mesh | raw | http   (which family of clients runs it)
   profile era | modern | both                    (default both)
   mode    unsecure | secure | any                (default any; "any" runs in both, see README)
   clients list of client ids                     (default: all of the kind and profile)
   slow    true: only with --slow ; spawn true: needs --spawn-cmd
   timeout milliseconds                           (default 10000) */
function area(name, defaults) {
  return function add(id, opts, fn) {
    if (typeof opts === 'function') {
      fn = opts;
      opts = {};
    }
    const c = Object.assign({ kind: 'happn', profile: 'both', mode: 'any', timeout: 10000 }, defaults, opts);
    c.id = name + '/' + id;
    c.area = name;
    c.set = currentSet;
    c.fn = fn;
    if (cases.some((x) => x.id === c.id)) throw new Error('duplicate case id ' + c.id);
    cases.push(c);
  };
}
const setCurrentSet = (s) => {
  currentSet = s;
};

const MODEL = {
  componentName: { version: '^1.0.0', methods: { methodName: {}, causeEventMethod: {}, erroringMethodName: {} } },
  calc: {
    version: '^1.0.0',
    methods: {
      add: {}, divide: {}, echo: {}, concat: {}, slow: {}, never: {}, multi: {}, nothing: {}, nullResult: {},
      namedError: {}, whoami: {}, bigPayload: {}, size: {}, tick: {},
    },
  },
  emitter: { version: '^2.0.0', methods: { emit: {}, emitMany: {}, emitSpread: {} } },
  emitterOld: { version: '^1.0.0', methods: { emit: {}, emitMany: {}, emitSpread: {} } },
  store: { version: '^1.0.0', methods: { setData: {}, getData: {}, removeData: {}, count: {} } },
  web: { version: '^1.0.0', methods: { ping: {} } },
};
const SECURITY_METHODS = [
  'addUser', 'updateUser', 'upsertUser', 'getUser', 'listUsers', 'deleteUser', 'addGroup', 'updateGroup', 'upsertGroup',
  'getGroup', 'listGroups', 'deleteGroup', 'linkGroup', 'unlinkGroup', 'linkGroupName', 'unlinkGroupName',
  'addGroupPermissions', 'removeGroupPermissions', 'updateOwnUser', 'listActiveSessions', 'listSessionActivity',
  'listRevokedSessions', 'revokeSession', 'restoreSession', 'activateSessionManagement', 'deactivateSessionManagement',
  'activateSessionActivity', 'deactivateSessionActivity', 'attachToSecurityChanges', 'attachToSessionChanges',
  'changePassword', 'addUserPermissions', 'removeUserPermissions', 'listUsersByGroup', 'listUserNamesByGroup',
  'revokeToken', 'restoreToken', 'listRevokedTokens', 'resetPassword', 'sessionManagementActive', 'getSystemPermissions',
  'upsertLookupTable', 'fetchLookupTable', 'deleteLookupTable', 'insertLookupPath', 'removeLookupPath',
  'upsertLookupPermission', 'fetchLookupPermissions', 'removeLookupPermission',
];

let runTag = Date.now().toString(36);
let pathSerial = 0;
let proxyPort = 0;

// A thin uniform skin over a native happn client of any version.
class Happn {
  constructor(native) {
    this.native = native;
  }
  get session() {
    return this.native.session;
  }
  set(path, data, options) {
    return cb((f) => this.native.set(path, data, options || {}, f));
  }
  get(path, options) {
    return cb((f) => this.native.get(path, options || {}, f));
  }
  remove(path, options) {
    return cb((f) => this.native.remove(path, options || {}, f));
  }
  getPaths(path) {
    return cb((f) => this.native.getPaths(path, f));
  }
  count(path, options) {
    return cb((f) => this.native.count(path, options || {}, f));
  }
  increment(path, gauge, by, options) {
    return cb((f) => (options ? this.native.increment(path, gauge, by, options, f) : this.native.increment(path, gauge, by, f)));
  }
  publish(path, data, options) {
    return cb((f) => this.native.publish(path, data, options || {}, f));
  }
  // resolves {id, initial}
  async on(path, options, handler) {
    if (typeof options === 'function') {
      handler = options;
      options = {};
    }
    const r = await cbAll((f) => {
      this.native.on(path, Object.assign({}, options), handler, f);
    });
    return { id: r[0], initial: r[1] };
  }
  off(id) {
    return cb((f) => this.native.off(id, f));
  }
  offPath(path) {
    return cb((f) => this.native.offPath(path, f));
  }
  offAll() {
    return cb((f) => {
      this.native.offAll(f);
    });
  }
  // subscribe and collect [{data, meta}] in an array
  async collect(path, options) {
    const got = [];
    got.sub = await this.on(path, options || {}, (data, meta) => got.push({ data: plain(data), meta: Object.assign({}, meta), raw: data }));
    return got;
  }
  disconnect(options) {
    return cb((f) => this.native.disconnect(options || {}, f));
  }
}

// compare as JSON does: arrays handed out by some clients carry extra properties
const norm = (v) => (v === undefined ? v : JSON.parse(JSON.stringify(v)));

class Toolbox {
  constructor(cfg, c, clientId, secure) {
    this.cfg = cfg;
    this.case = c;
    this.clientId = clientId;
    this.client = CLIENTS[clientId];
    this.profile = this.client.profile;
    this.era = this.profile === 'era';
    this.modern = !this.era;
    this.secure = secure;
    this.host = cfg.host;
    this.port = secure ? cfg.securePort : cfg.port;
    this.mesh = cfg.mesh;
    this.adminPassword = cfg.adminPassword;
    this.cleanups = [];
    this.base = '/ck/' + runTag + '/n' + ++pathSerial;
    this.tag = 'ck' + runTag + 'n' + pathSerial;
  }
  path(sub) {
    return this.base + (sub ? '/' + sub : '');
  }
  cleanup(fn) {
    this.cleanups.unshift(fn);
  }
  async dispose() {
    await Promise.all(
      this.cleanups.map((fn) => Promise.race([Promise.resolve().then(fn).catch(() => {}), sleep(600)]))
    );
  }
  options(extra) {
    const o = { host: this.host, port: this.port, loginRetry: 0, callTimeout: 9000, connectTimeout: 8000 };
    if (this.cfg.protocol === 'https') o.protocol = 'https';
    if (this.secure) {
      o.username = '_ADMIN';
      o.password = this.adminPassword;
    }
    Object.assign(o, extra);
    Object.keys(o).forEach((k) => o[k] === undefined && delete o[k]);
    return o;
  }
  // fast reconnection settings understood by every version
  reconnectOptions(extra) {
    const rc = { min: 80, max: 300, retries: Infinity };
    return Object.assign({ reconnect: Object.assign({}, rc), socket: { reconnect: Object.assign({}, rc) } }, extra);
  }
  // a connected happn client of the version under test (or of the named version)
  async happn(extra, id) {
    const lib = load(id || (this.client.kind === 'happn' ? this.clientId : NEWEST[this.profile].happn));
    const native = await cb((f) => {
      lib.client.create(this.options(extra), f);
    });
    const c = new Happn(native);
    this.cleanup(() => c.disconnect({ reconnect: false }));
    return c;
  }
  // a connected happner client; returns {client, api, call, callAll, on, data}
  async happner(extra, id, model, clientOptions) {
    const Lib = load(id || (this.client.kind === 'happner' ? this.clientId : NEWEST[this.profile].happner));
    const client = new Lib(Object.assign({ requestTimeout: 9000, responseTimeout: 9000 }, clientOptions));
    let full = model;
    if (!full) {
      full = JSON.parse(JSON.stringify(MODEL));
      full.security = { version: '*', methods: {} };
      SECURITY_METHODS.forEach((m) => (full.security.methods[m] = {}));
    }
    const api = client.construct(full);
    const o = this.options(extra);
    await cb((f) => {
      client.connect({ host: o.host, port: o.port }, o, f);
    });
    this.cleanup(() => cb((f) => { client.disconnect(f); }));
    const self = {
      client,
      api,
      native: () => client.__connection.client,
      data: () => new Happn(client.__connection.client),
      callAll: (component, method, ...args) =>
        cbAll((f) => {
          api.exchange[component][method](...args, f);
        }),
      call: async (component, method, ...args) => (await self.callAll(component, method, ...args))[0],
      on: (component, key, handler) => cb((f) => { api.event[component].on(key, handler, f); }),
      off: (component, id) => cb((f) => { api.event[component].off(id, f); }),
      offPath: (component, key) => cb((f) => { api.event[component].offPath(key, f); }),
      collect: async (component, key) => {
        const got = [];
        got.id = await self.on(component, key, (data, meta) => got.push({ data: plain(data), meta: Object.assign({}, meta) }));
        return got;
      },
      sec: (method, ...args) => self.call('security', method, ...args),
      disconnect: () => cb((f) => { client.disconnect(f); }),
    };
    return self;
  }
  admin() {
    return this.happner();
  }
  // the MeshClient that ships inside happner-2: learns its api from the server's description
  async meshClient(credentials, id) {
    const Happner = load(id || (this.client.kind === 'mesh' ? this.clientId : NEWEST[this.profile].mesh));
    const client = new Happner.MeshClient({ protocol: this.cfg.protocol, hostname: this.host, port: this.port, loginRetry: 0 });
    const events = [];
    ['login/allow', 'login/deny', 'login/error', 'components/created', 'connection/ended'].forEach((e) => client.on(e, () => events.push(e)));
    client.seen = events;
    const o = this.options(credentials);
    const outcome = new Promise((resolve, reject) => {
      client.on('login/allow', () => resolve());
      client.on('login/deny', (e) => reject(toError(e || 'denied')));
      client.on('login/error', (e) => reject(toError(e || 'login error')));
    });
    const p = client.login({ username: o.username, password: o.password, token: o.token });
    if (p && p.catch) p.catch(() => {});
    await outcome;
    this.cleanup(() => cb((f) => { client.disconnect(f); }));
    return client;
  }
  async raw(opts) {
    const r = new Raw((opts && opts.host) || this.host, (opts && opts.port) || this.port,
      Object.assign({ protocol: this.era ? 'happn_1.3.0' : 'happn_4', tls: this.cfg.protocol === 'https' }, opts));
    await r.open();
    this.cleanup(() => r.close());
    return r;
  }
  // an opened and logged in raw session
  async rawSession(opts, login) {
    const r = await this.raw(opts);
    const l = Object.assign({}, login);
    if (this.secure && !(l.data && (l.data.username || l.data.token)))
      l.data = Object.assign({ username: '_ADMIN', password: this.adminPassword }, l.data);
    await r.login(l);
    return r;
  }
  http(path, opts) {
    return request(Object.assign({ protocol: this.cfg.protocol, host: this.host, port: this.port, path }, opts));
  }
  async proxy() {
    const p = new Proxy(this.host, this.port);
    const base = this.cfg.proxyPort;
    let port = 0;
    if (base) {
      port = base + (proxyPort++ % 20);
    }
    await p.listen(port);
    this.cleanup(() => p.close());
    return p;
  }
  // start a private server with the configured spawn command (lifecycle cases)
  async server(o) {
    o = o || {};
    const port = o.port || this.cfg.spawnPort;
    const env = Object.assign({}, process.env, {
      CK_PORT: String(port), CK_MESH: this.mesh, CK_SECURE: o.secure ? '1' : '', CK_ADMIN_PASSWORD: o.password || 'secret', CK_DB: o.db || '',
    });
    const cmd = this.cfg.spawnCmd.replace(/\{port\}/g, String(port));
    const child = spawn('/bin/sh', ['-c', 'exec ' + cmd], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const s = { child, port, out: '', exited: null };
    child.stdout.on('data', (d) => (s.out += d));
    child.stderr.on('data', (d) => (s.out += d));
    child.on('exit', (code, sig) => (s.exited = { code, sig }));
    s.stop = async (sig) => {
      if (s.exited) return s.exited;
      child.kill(sig || 'SIGTERM');
      await waitFor(() => s.exited, 9000, 'the server process to end');
      return s.exited;
    };
    this.cleanup(() => { if (!s.exited) child.kill('SIGKILL'); });
    await waitFor(() => { if (s.exited) throw new Error('server ended early: ' + s.out.slice(-400)); return /READY/.test(s.out); }, 20000, 'READY from the spawned server');
    return s;
  }
  // secure helpers -----------------------------------------------------------
  unique(prefix) {
    return prefix + '_' + this.tag + '_' + ++pathSerial;
  }
  // create a group and a user member of it, returns {username, password, user, group}
  async member(admin, permissions, extra) {
    const group = { name: this.unique('grp'), permissions: permissions || {} };
    const user = Object.assign({ username: this.unique('usr'), password: 'TEST PWD', custom_data: { something: 'useful' } }, extra);
    const savedGroup = await admin.sec('addGroup', group);
    const savedUser = await admin.sec('addUser', user);
    await admin.sec('linkGroup', savedGroup, savedUser);
    return { username: user.username, password: user.password, user: savedUser, group: savedGroup, groupName: group.name };
  }
  // create a user without groups
  async user(admin, extra) {
    const user = Object.assign({ username: this.unique('usr'), password: 'TEST PWD' }, extra);
    const saved = await admin.sec('addUser', Object.assign({}, user));
    return { username: user.username, password: user.password, user: saved };
  }
}
Object.assign(Toolbox.prototype, { sleep, cb, cbAll, waitFor, plain, rejects, assert, eq: assert.strictEqual, same: (a, b, m) => assert.deepStrictEqual(norm(a), norm(b), m) });
Toolbox.prototype.like = function (actual, part, what) {
  Object.keys(part).forEach((k) =>
    assert.deepStrictEqual(actual && actual[k], part[k], (what || 'field ') + k + ': ' + JSON.stringify(actual && actual[k]) + ' is not ' + JSON.stringify(part[k]))
  );
};

module.exports = { area, cases, setCurrentSet, Toolbox, MODEL, CLIENTS, NEWEST, util };
