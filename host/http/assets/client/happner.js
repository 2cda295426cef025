//! The names of happner's browser script: `MeshClient`, `Happner`, `Primus`, for pages that were written for it.
//!
//! Enters: calls as such pages make them. Leaves: `MeshClient`, `HappnerClient`, and in a page the globals
//! `MeshClient`, `HappnClient`, `Happner` and `Primus`. Guaranteed: events, arguments and errors are those that pages of happner
//! know; what was internal to its script is there by name and says that it is not, when it is used.
(function (library) {
  'use strict';

  const { Client, Emitter, HappnClient, MeshError } = library;
  const { settle, takeCallback, connectionOptions, loginError } = library.internals;

  const notOnApi = (what, kind) => new Error(`invalid endpoint options: [${what}] ${kind} does not exist on the api`);

  /** Events of one component: `on`, `once`, `off`, `offPath`, with numbers for listeners. `listeners` are all of a client. */
  function eventsOf(client, listeners, component, version, wholeForStar) {
    const listen = async (key, options, handler, count) => {
      const number = ++listeners.last;
      const pattern = key === '*' && wholeForStar ? '**' : key;
      const subscription = await client().on(component, pattern, { ...options, ...(version ? { version } : {}), ...count }, handler);
      listeners.all.set(number, { component, key, subscription });
      return number;
    };
    const end = async (isMeant) => {
      const meant = [...listeners.all].filter(([number, listener]) => isMeant(number, listener));
      for (const [number] of meant) listeners.all.delete(number);
      await Promise.all(meant.map(([, listener]) => listener.subscription.off()));
    };
    const form = (count) => (key, options, handler, callback) => (typeof options === 'function'
      ? settle(listen(key, {}, options, count), handler) : settle(listen(key, options, handler, count), callback));
    return {
      on: form({}),
      once: form({ count: 1 }),
      off: (number, callback) => settle(typeof number === 'number' ? end((one) => one === number)
        : Promise.reject(new Error(`off using a path or string is not possible, use offPath, path:${number}`)), callback),
      offPath: (key, callback) => settle(end((_, listener) => listener.component === component && listener.key === key), callback),
    };
  }

  /** `{component, path, …}` as `$on`, `$once`, `$off` and `$offPath` take it, on top of events by component. */
  function addGeneralEvents(event, of) {
    event.$on = ({ component, path, options }, handler, callback) => of(component).on(path, options || {}, handler, callback);
    event.$once = ({ component, path, options }, handler, callback) => of(component).once(path, options || {}, handler, callback);
    event.$off = ({ component, id }, callback) => of(component).off(id, callback);
    event.$offPath = ({ component, path }, callback) => of(component).offPath(path, callback);
  }

  /** Makes a method of `call(args)`: the callback at the end is given all results, a promise one of them or an array. */
  const method = (call) => (...args) => {
    const { rest, callback } = takeCallback(args);
    const results = call(rest);
    return typeof callback === 'function' ? settle(results, callback, true)
      : results.then((all) => (all.length > 1 ? all : all[0]));
  };

  /**
   * Events: `login/allow`, `login/deny`, `login/error`, `components/created`, `components/destroyed`, `connection/ended`,
   * `reconnect/scheduled`, `reconnect/successful`, `session/ended`.
   */
  class MeshClient extends Emitter {
    /** `new MeshClient({hostname, port, protocol})`, or a host name, a port and options in this order, each left out at will. */
    constructor(...args) {
      super();
      this.opts = {};
      for (const given of args) {
        if (typeof given === 'string') this.opts.hostname = given;
        else if (typeof given === 'number') this.opts.port = given;
        else Object.assign(this.opts, given);
      }
      this.exchange = {};
      this.event = {};
      this.numbers = { last: 0, all: new Map() };
      addGeneralEvents(this.event, (component) => {
        if (!this.event[component]) throw notOnApi(component, 'component');
        return this.event[component];
      });
      this.exchange.$call = ({ component, method: name, arguments: args = [], as }, callback) => {
        if (!this.exchange[component]) throw notOnApi(component, 'component');
        if (!this.exchange[component][name]) throw notOnApi(`${component}.${name}`, 'method');
        const call = method((rest) => this.client.callAll(component, name, rest, { onBehalfOf: as }));
        return call(...args, callback);
      };
    }

    get session() {
      return this.client ? this.client.session : undefined;
    }

    login(...args) {
      const { rest: [credentials], callback } = takeCallback(args);
      const attempt = this.logIn(credentials);
      // Pages that only listen to `login/deny` and `login/error` shall not have an uncaught error besides.
      attempt.catch(() => {});
      return settle(attempt, callback);
    }

    async logIn(credentials) {
      if (this.client) await this.client.disconnect();
      const client = new Client({ ...connectionOptions({ ...this.opts, ...credentials }), writesCookie: true });
      this.client = client;
      this.described = new Map();
      client.addEventListener('description', () => this.build());
      const forward = (from, to, convert) => client.addEventListener(from, ({ detail }) => this.emit(to, convert(detail)));
      forward('disconnected', 'connection/ended', () => client.session && client.session.id);
      forward('reconnecting', 'reconnect/scheduled', (detail) => ({ attempt: detail.attempt, scheduled: detail.delay }));
      forward('reconnected', 'reconnect/successful', () => ({ id: client.session.id }));
      forward('session-ended', 'session/ended', (detail) => detail);
      try {
        await client.connect();
      } catch (reason) {
        const error = loginError(reason);
        this.emit(error.code === 401 || error.code === 403 ? 'login/deny' : 'login/error', error);
        throw error;
      }
      this.data = HappnClient.over(client.connection);
      this.token = client.session.token;
      const config = await client.data.get('/mesh/schema/config').catch(() => null);
      this.info = { name: client.name, version: config ? config.version : undefined };
      this.ready = true;
      this.emit('login/allow');
      this.build();
    }

    isConnected() {
      return this.client !== undefined && this.client.connected;
    }

    /** Brings `exchange` and `event` up to the description, and tells what came and what went. */
    build() {
      // A page may only use what it was told of after `login/allow`.
      if (!this.ready || !this.client.description) return;
      const { components } = this.client.description;
      const created = Object.values(components).filter(({ name }) => !this.described.has(name));
      const destroyed = [...this.described.values()].filter(({ name }) => !components[name]);
      const mesh = this.client.name;
      this.exchange[mesh] = this.exchange[mesh] || {};
      this.event[mesh] = this.event[mesh] || {};
      for (const { name } of destroyed) {
        for (const api of [this.exchange, this.event]) { delete api[name]; delete api[mesh][name]; }
      }
      for (const component of Object.values(components)) {
        const { name } = component;
        this.exchange[name] = this.exchange[mesh][name] = this.methodsOf(component, this.exchange[name] || {});
        this.event[name] = this.event[mesh][name] = this.event[name]
          || eventsOf(() => this.client, this.numbers, name, undefined, true);
      }
      this.described = new Map(Object.entries(components));
      if (created.length > 0) this.emit('components/created', created.map((description) => ({ description })));
      if (destroyed.length > 0) this.emit('components/destroyed', destroyed.map((description) => ({ description })));
    }

    methodsOf(component, methods) {
      for (const name of Object.keys(methods)) delete methods[name];
      methods.__version = component.version;
      for (const [name, { alias }] of Object.entries(component.methods || {})) {
        methods[name] = method((args) => this.client.callAll(component.name, name, args));
        if (alias) methods[alias] = methods[name];
      }
      return methods;
    }

    logout(callback) {
      return this.disconnect({ revokeToken: true, deleteCookie: true }, callback);
    }

    disconnect(...args) {
      const { rest: [options], callback } = takeCallback(args);
      return settle(this.client ? this.client.disconnect(options) : Promise.resolve(), callback);
    }
  }

  /** The client of the package happner-client: a model of what is wanted, with ranges of versions. */
  class HappnerClient extends Emitter {
    constructor(options) {
      super();
      this.options = { requestTimeout: 60000, responseTimeout: 120000, ...options };
      this.numbers = { last: 0, all: new Map() };
    }

    /** `connect({host, port, username, password})`, also as the second argument, or in an array as the first. */
    connect(...args) {
      const { rest: [first, second], callback } = takeCallback(args);
      const given = Array.isArray(first) ? { ...first[0], info: second } : { ...first, ...(first ? {} : second) };
      return settle(this.open(given), callback);
    }

    async open(given) {
      const { requestTimeout, responseTimeout } = this.options;
      const client = new Client({ timeout: requestTimeout, callTimeout: responseTimeout, ...connectionOptions(given), writesCookie: true });
      for (const name of ['connected', 'disconnected', 'reconnecting', 'reconnected', 'session-ended']) {
        client.addEventListener(name, ({ detail }) => this.emit(name, detail));
      }
      await client.connect().catch((error) => { throw loginError(error); });
      this.client = client;
      return this;
    }

    connected() {
      if (!this.client || !this.client.connected) throw new Error('Not connected');
      return this.client;
    }

    /** `{component: {version: '^1.0.0', methods: {name: {}}}}` to `{exchange, event}`; before or after `connect`. */
    construct(model) {
      if (model === null || typeof model !== 'object') throw new Error('Missing model');
      const api = { exchange: {}, event: {} };
      for (const [name, { version, methods }] of Object.entries(model)) {
        if (!version) throw new Error('Missing version');
        api.exchange[name] = { __version: version };
        for (const one of Object.keys(methods || {})) {
          api.exchange[name][one] = method((args) => this.call(name, one, args, version));
        }
        api.event[name] = eventsOf(() => this.connected(), this.numbers, name, version, false);
      }
      api.exchange.$call = ({ component, method: name, arguments: args = [], as }, callback) => {
        if (!api.exchange[component]) throw notOnApi(component, 'component');
        if (!api.exchange[component][name]) throw notOnApi(`${component}.${name}`, 'method');
        return method((rest) => this.call(component, name, rest, model[component].version, as))(...args, callback);
      };
      addGeneralEvents(api.event, (component) => api.event[component]);
      return api;
    }

    async call(component, name, args, version, onBehalfOf) {
      const client = this.connected();
      const offered = client.description && client.description.components[component];
      const fits = offered && library.semver.coercedSatisfies(offered.version, version) && offered.methods[name];
      if (client.description && !fits) throw new Error(`Not implemented ${component}:${version}:${name}`);
      return client.callAll(component, name, args, { version, onBehalfOf });
    }

    dataClient() {
      return HappnClient.over(this.connected().connection);
    }

    logout(callback) {
      return settle(this.client ? this.client.disconnect({ revokeToken: true, deleteCookie: true }) : Promise.resolve(), callback);
    }

    disconnect(...args) {
      const { rest: [options], callback } = takeCallback(args);
      return settle(this.client ? this.client.disconnect(options) : Promise.resolve(), callback);
    }
  }

  /** The one without a model: everything is named with each call, and the mesh answers for what it does not have. */
  class LightHappnerClient extends HappnerClient {
    constructor(options) {
      super(options);
      const events = new Map();
      const of = ({ component, version = '*' }) => {
        const name = `${component} ${version}`;
        if (!events.has(name)) events.set(name, eventsOf(() => this.connected(), this.numbers, component, version, false));
        return events.get(name);
      };
      this.exchange = {
        $call: ({ component, method: name, arguments: args = [], version = '*', as }, callback) =>
          method(async (rest) => this.connected().callAll(component, name, rest, { version, onBehalfOf: as }))(...args, callback),
      };
      this.event = {
        $on: (options, handler, callback) => of(options).on(options.path, options.options || {}, handler, callback),
        $once: (options, handler, callback) => of(options).once(options.path, options.options || {}, handler, callback),
        $off: (number, callback) => of({}).off(number, callback),
        $offPath: (options, callback) => of(options).offPath(options.path, callback),
      };
    }
  }

  /** A name that pages of happner may mention, with what stands in its place. */
  function absent(name, instead) {
    return function Absent() {
      throw new MeshError(`${name} is not part of this client: ${instead}`, { name: 'NotSupported', code: 'NOT_SUPPORTED' });
    };
  }

  const internal = (name) => absent(`Happner.${name}`, 'it was internal to happner\'s script; use MeshClient or HappnerClient');
  const logger = () => Object.fromEntries(['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map((level) => [
    level, level === 'warn' || level === 'error' || level === 'fatal' ? (...args) => console.error(...args) : () => {},
  ]));
  const Happner = {
    MeshClient, HappnerClient, LightHappnerClient, MeshError, semver: library.semver, Internals: {}, createLogger: logger,
  };
  for (const name of ['Promisify', 'Messenger', 'RequestBuilder', 'ConnectionProvider', 'ImplementorsProvider',
    'OperationsProvider', 'LightImplementorsProvider']) Happner[name] = internal(name);
  const Primus = absent('Primus', 'the client speaks with the host itself; use Mesh.connect, MeshClient or HappnClient');

  Object.assign(library, { MeshClient, HappnerClient, LightHappnerClient, Happner, Primus });
  delete library.internals;
  // In Node nobody expects globals of a module that was required.
  if (typeof window === 'object') Object.assign(window, { MeshClient, HappnClient, Happner, Primus });
})(typeof module === 'object' && module.exports ? module.exports : (globalThis.Mesh = globalThis.Mesh || {}));
