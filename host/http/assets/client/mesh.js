//! The mesh on top of a connection: components, calls, events, data.
//!
//! Enters: options of a connection, calls, listeners. Leaves: `connect` and `Client`. Guaranteed: a call ends with
//! its result, an `Error` with the fields that the component gave, or a timeout; a call whose connection is lost fails at
//! once and says so; `components` follows the mesh's description, and its objects stay the same across swaps and reconnects.
(function (library) {
  'use strict';

  const { Connection, MeshError } = library;
  const DESCRIPTION = '/mesh/schema/description';
  const MAXIMUM_CALLS = 10000;
  // A component whose methods change goes and comes again; in between, its methods stay where a page looks for them.
  const REPLACEMENT_GRACE = 1000;
  const FORWARDED = ['connected', 'reconnecting', 'reconnected', 'session-ended', 'subscription-lost', 'error'];

  const withoutLeadingSlash = (text) => String(text).replace(/^\//, '');

  /** Documents of the mesh, by path. Wildcards: `*` in `get`, `remove` and `count`, `*` and `/**` in `on`. */
  class Data {
    constructor(connection) {
      this.connection = connection;
    }

    /** The document, or null; with a `*` in the path all that match, as an array. */
    async get(path, options) {
      return (await this.connection.request('get', path, null, options)).data;
    }

    /** Stores a document; what is not an object is stored as `{value}`. Answers what is stored. */
    async set(path, value, options) {
      return (await this.change('set', path, value, options)).data;
    }

    /** Answers how many documents there were. */
    async remove(path, options) {
      return (await this.change('remove', path, null, options)).data.removed;
    }

    async count(path, options) {
      return (await this.connection.request('count', path, null, options)).data.value;
    }

    /** Adds to a counter of a document and answers what it counts now. */
    async increment(path, counter, by) {
      const options = { increment: by === undefined ? 1 : by };
      return (await this.connection.request('set', path, counter === undefined ? 'counter' : counter, options)).data.value;
    }

    change(action, path, value, options) {
      const { connection } = this;
      return options && options.onPublished
        ? connection.publish(action, path, value, options) : connection.request(action, path, value, options);
    }

    /** `on(path, handler)` or `on(path, {event: 'set' | 'remove' | 'all', depth, count, initial}, handler)`. */
    async on(path, options, handler) {
      if (typeof options === 'function') return this.on(path, {}, options);
      const { event = 'all', initial, ...rest } = options;
      const sent = { event_type: event, ...rest };
      if (path.endsWith('**') && sent.depth === undefined) sent.depth = 5;
      if (initial) sent.initialCallback = true;
      const subscription = await this.connection.on(`/${event.toUpperCase()}@${path}`, sent, handler);
      if (initial) {
        for (const { _meta, ...document } of subscription.initial || []) {
          if (subscription.active) handler(document, _meta || {});
        }
      }
      return subscription;
    }
  }

  /**
   * A client of a mesh. Its events are those of a connection and `description` ({description, created, destroyed,
   * changed}: names of components).
   */
  class Client extends EventTarget {
    constructor(options) {
      super();
      this.options = { callTimeout: 60000, ...options };
      this.connection = new Connection(this.options);
      this.connection.afterLogin = () => this.learn();
      for (const type of FORWARDED) {
        this.connection.addEventListener(type, (event) => this.emit(type, event.detail));
      }
      this.connection.addEventListener('disconnected', (event) => {
        this.failCalls();
        this.emit('disconnected', event.detail);
      });
      /** The mesh's own description; null where this user may not read it. */
      this.description = null;
      /** The name that stands in the mesh's paths. */
      this.name = null;
      /** A method for each method of each component. */
      this.components = Object.create(null);
      this.data = new Data(this.connection);
      this.calls = new Map();
      this.lastCall = 0;
      this.answers = new Map();
    }

    get session() {
      return this.connection.session;
    }

    get connected() {
      return this.connection.state === 'connected';
    }

    emit(type, detail) {
      this.dispatchEvent(new CustomEvent(type, { detail }));
    }

    async connect() {
      await this.connection.connect();
      return this;
    }

    disconnect(options) {
      return this.connection.disconnect(options);
    }

    /** Run after every login: what the mesh offers may be another by now. */
    async learn() {
      this.answers.clear();
      this.name = this.session.happn.name;
      try {
        if (!this.following || !this.following.active) {
          this.following = await this.connection.on(`/ALL@${DESCRIPTION}`, { event_type: 'all' }, (data) => this.described(data));
        }
        const until = Date.now() + this.connection.options.connectTimeout;
        for (;;) {
          const { data } = await this.connection.request('get', DESCRIPTION);
          if (data && !data.initializing) { this.described(data); return; }
          if (Date.now() > until) throw new MeshError('the mesh did not finish starting', { name: 'TimeoutError', code: 'TIMEOUT' });
          await new Promise((resolve) => { setTimeout(resolve, 500); });
        }
      } catch (error) {
        // A user who may not read the description can still call methods by name.
        if (error.code !== 403) throw error;
      }
    }

    described(description) {
      if (!description || description.initializing || !description.components) return;
      const before = this.description ? this.description.components : {};
      const now = description.components;
      this.description = description;
      this.name = description.name;
      for (const [name, component] of Object.entries(now)) {
        const methods = this.components[name] || (this.components[name] = Object.create(null));
        const offered = component.methods || {};
        for (const method of Object.keys(methods)) if (!offered[method]) delete methods[method];
        for (const method of Object.keys(offered)) {
          if (!methods[method]) methods[method] = (...args) => this.call(name, method, args);
        }
      }
      setTimeout(() => this.forgetDestroyed(), REPLACEMENT_GRACE);
      const same = (name) => JSON.stringify(before[name]) === JSON.stringify(now[name]);
      this.emit('description', {
        description,
        created: Object.keys(now).filter((name) => !before[name]),
        destroyed: Object.keys(before).filter((name) => !now[name]),
        changed: Object.keys(now).filter((name) => before[name] && !same(name)),
      });
    }

    forgetDestroyed() {
      for (const name of Object.keys(this.components)) {
        if (!this.description.components[name]) delete this.components[name];
      }
    }

    /**
     * Calls a method. Several results come as an array. Options: `version` (an npm range that the component must be in),
     * `timeout` (ms), `onBehalfOf` (a user; for those who may).
     */
    async call(component, method, args, options) {
      const results = await this.callAll(component, method, args, options);
      return results.length > 1 ? results : results[0];
    }

    /** As `call`, with all results. */
    async callAll(component, method, args, { version, timeout = this.options.callTimeout, onBehalfOf } = {}) {
      if (!this.connected) throw new MeshError('not connected', { name: 'ConnectionError', code: 'NOT_CONNECTED' });
      if (this.calls.size >= MAXIMUM_CALLS) {
        throw new MeshError('too many calls wait for their answers', { name: 'ConnectionError', code: 'TOO_MANY_CALLS' });
      }
      const path = `${this.name}/${component}/${method}`;
      const { session } = this;
      const address = session.happn.secure ? `/_exchange/responses/${path}/${session.id}` : `/_exchange/responses/${session.id}`;
      await this.listenForAnswers(address);
      if (this.session !== session || !this.connected) throw this.lostCall();
      const number = ++this.lastCall;
      const callbackAddress = session.happn.secure ? `${address}/${number}` : `${address}/${path}/${number}`;
      const origin = { id: session.id, ...(session.user ? { username: session.user.username } : {}) };
      const request = { callbackAddress, args: [...(args || [])], origin, ...(version === undefined ? {} : { version }) };
      return new Promise((resolve, reject) => {
        const done = (settle) => (value) => {
          clearTimeout(timer);
          this.calls.delete(callbackAddress);
          settle(value);
        };
        const timer = setTimeout(() => this.calls.get(callbackAddress).reject(new MeshError(
          `${component}.${method} did not answer within ${timeout} ms`, { name: 'TimeoutError', code: 'TIMEOUT' })), timeout);
        this.calls.set(callbackAddress, { resolve: done(resolve), reject: done(reject) });
        const sent = { noStore: true, noDataResponse: true, noCluster: true, timeout, ...(onBehalfOf ? { onBehalfOf } : {}) };
        this.connection.request('set', `/_exchange/requests/${path}`, request, sent).catch((error) => {
          const call = this.calls.get(callbackAddress);
          if (call) call.reject(error.code === 'CONNECTION_LOST' ? this.lostCall() : error);
        });
      });
    }

    lostCall() {
      return new MeshError('the connection was lost: whether the call was carried out is not known', {
        name: 'ConnectionError', code: 'CONNECTION_LOST',
      });
    }

    failCalls() {
      for (const call of [...this.calls.values()]) call.reject(this.lostCall());
    }

    /** One subscription for all answers, or with security one for each method; once per session. */
    listenForAnswers(address) {
      if (!this.answers.has(address)) {
        const options = { event_type: 'set', ofSession: true };
        const listening = this.connection.on(`/SET@${address}/*`, options, (data, meta) => this.answered(data, meta.path));
        this.answers.set(address, listening);
        // Denied now, allowed later: the next call asks again.
        listening.catch(() => { if (this.answers.get(address) === listening) this.answers.delete(address); });
      }
      return this.answers.get(address);
    }

    answered(answer, address) {
      const call = this.calls.get(address);
      if (!call) return;
      const [error, ...results] = answer.args || [];
      if (answer.status === 'ok' && (error === null || error === undefined)) call.resolve(results);
      else call.reject(MeshError.from(error === undefined ? { message: 'the call failed without a reason' } : error));
    }

    /**
     * Listens to an event of a component: `on('emitter', 'key/*', handler)`, or with options before the handler:
     * `version` (an npm range), `depth` (for a key that ends with `**`), `count` (as often, then no more). The handler is
     * given the data and what is known of it.
     */
    on(component, key, options, handler) {
      if (typeof options === 'function') return this.on(component, key, {}, options);
      const { version, ...rest } = options;
      const sent = { event_type: 'set', ...rest };
      if (version !== undefined) sent.meta = { componentVersion: version };
      if (key.endsWith('**') && sent.depth === undefined) sent.depth = 5;
      return this.connection.on(`/SET@/_events/${this.name}/${component}/${withoutLeadingSlash(key)}`, sent, handler);
    }

    once(component, key, options, handler) {
      if (typeof options === 'function') return this.once(component, key, {}, options);
      return this.on(component, key, { ...options, count: 1 }, handler);
    }

    /** Ends what `on` began. */
    off(subscription) {
      return subscription.off();
    }
  }

  /** Connects to a mesh: `{url, username, password}`, `{token}` or `{useCookie: true}`. */
  function connect(options) {
    return new Client(options).connect();
  }

  Object.assign(library, { connect, Client, Data });
})(typeof module === 'object' && module.exports ? module.exports : (globalThis.Mesh = globalThis.Mesh || {}));
