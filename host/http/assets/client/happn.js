//! The names of happn's browser script: `HappnClient`, for pages that were written for it.
//!
//! Enters: calls as such pages make them, with callbacks or without. Leaves: `HappnClient`, `Emitter` and
//! the tools that the happner names are made of. Guaranteed: what pages see (results with `_meta`, numbers for listeners,
//! names of events) is what happn's script shows; everything else is `Connection`'s.
(function (library) {
  'use strict';

  const { Connection } = library;
  const CONNECTION_EVENTS = {
    'connection-ended': 'disconnected', 'reconnect-scheduled': 'reconnecting', 'reconnect-successful': 'reconnected', error: 'error',
  };

  /** Hands a promise's end to a callback, `(error, result)`, where there is one; otherwise the promise is the answer. */
  function settle(promise, callback, spread) {
    if (typeof callback !== 'function') return promise;
    // Out of the promise: what a callback throws is the page's error, not a rejection that nobody sees.
    const hand = (...args) => queueMicrotask(() => callback(...args));
    promise.then((result) => (spread ? hand(null, ...result) : hand(null, result)), hand);
    return undefined;
  }

  /** The callback at the end of arguments that may have been left out, and those before it. */
  function takeCallback(args) {
    const rest = [...args];
    while (rest.length > 0 && rest[rest.length - 1] === undefined) rest.pop();
    const callback = typeof rest[rest.length - 1] === 'function' ? rest.pop() : undefined;
    return { rest, callback };
  }

  /** Events as Node's emitters have them. */
  class Emitter {
    on(name, listener) {
      this.emitted = this.emitted || new Map();
      this.emitted.set(name, [...(this.emitted.get(name) || []), listener]);
      return this;
    }

    once(name, listener) {
      const once = (...args) => { this.off(name, once); listener(...args); };
      once.listener = listener;
      return this.on(name, once);
    }

    off(name, listener) {
      const kept = this.listeners(name).filter((one) => one !== listener && one.listener !== listener);
      if (this.emitted) this.emitted.set(name, kept);
      return this;
    }

    listeners(name) {
      return (this.emitted && this.emitted.get(name)) || [];
    }

    removeAllListeners(name) {
      if (this.emitted && name === undefined) this.emitted.clear();
      else if (this.emitted) this.emitted.delete(name);
      return this;
    }

    emit(name, ...args) {
      const listeners = this.listeners(name);
      for (const listener of listeners) listener.apply(this, args);
      return listeners.length > 0;
    }
  }
  Emitter.prototype.addListener = Emitter.prototype.on;
  Emitter.prototype.removeListener = Emitter.prototype.off;

  /** Options of `Connection` from those of happn: `{host | hostname, port, protocol, secure, config}`, or a `url`. */
  function connectionOptions(given) {
    const { config, host, hostname, port, protocol, secure, url, ...rest } = { ...given, ...(given && given.config) };
    const options = { ...rest };
    if (url) {
      options.url = url;
    } else if (host || hostname || port) {
      const inPage = typeof location === 'object' && /^http/.test(location.protocol);
      const scheme = String(protocol || (inPage ? location.protocol : 'http')).replace(/[:/]+$/, '');
      const name = host || hostname || (inPage ? location.hostname : '127.0.0.1');
      options.url = `${scheme}://${name.includes(':') && !name.startsWith('[') ? `[${name}]` : name}:${port || (inPage && location.port) || 55000}`;
    }
    if (typeof options.callTimeout === 'number') options.timeout = options.callTimeout;
    return options;
  }

  /** A failed login as happn's clients name it. */
  function loginError(error) {
    return error.code === 'NO_CREDENTIALS' ? new Error('happn server is secure, please specify a username or token') : error;
  }

  class HappnClient {
    /** `create(options, callback)`, or a promise of a client that has logged in. */
    static create(...args) {
      const { rest, callback } = takeCallback(args);
      // happn's script takes a connection in front of the options, and options alone.
      return settle(new HappnClient().client(rest[1] || rest[0]).initialize(), callback);
    }

    /** A client on a connection that somebody else made. */
    static over(connection) {
      const client = new HappnClient();
      client.connection = connection;
      return client;
    }

    constructor() {
      this.listening = new Map();
      this.lastListener = -1;
      this.eventListeners = new Map();
    }

    client(options) {
      const { connection = new Connection({ ...connectionOptions(options), writesCookie: true }) } = this;
      this.connection = connection;
      return this;
    }

    initialize(callback) {
      const ready = this.connection.connect().then(() => this, (error) => { throw loginError(error); });
      return settle(ready, callback);
    }

    connect(callback) {
      return this.initialize(callback);
    }

    get session() {
      return this.connection.session;
    }

    get serverInfo() {
      return this.session && this.session.happn;
    }

    /** A result as happn gives it: the document with what is known of it in `_meta`. */
    async ask(action, path, data, options) {
      const answer = await this.connection.request(action, path, data, options);
      if (answer.data === null || Array.isArray(answer.data)) return answer.data;
      return { ...answer.data, _meta: answer.meta };
    }

    get(path, ...more) {
      const { rest: [options], callback } = takeCallback(more);
      return settle(this.ask('get', path, null, options), callback);
    }

    getPaths(path, callback) {
      return settle(this.ask('get', path, null, { options: { path_only: true } }), callback);
    }

    getCreatedBetween(path, from, to, callback) {
      const criteria = { $and: [{ '_meta.created': { $gte: from } }, { '_meta.created': { $lte: to } }] };
      return settle(this.ask('get', path, null, { criteria }), callback);
    }

    count(path, ...more) {
      const { rest: [options], callback } = takeCallback(more);
      return settle(this.ask('count', path, null, options), callback);
    }

    set(path, data, ...more) {
      const { rest: [options], callback } = takeCallback(more);
      return settle(this.change('set', path, data, options), callback);
    }

    publish(path, data, ...more) {
      const { rest: [options], callback } = takeCallback(more);
      return settle(this.change('set', path, data, { noStore: true, noDataResponse: true, ...options }), callback);
    }

    remove(path, ...more) {
      const { rest: [options], callback } = takeCallback(more);
      return settle(this.change('remove', path, null, options), callback);
    }

    increment(path, ...more) {
      const { rest: [gauge = 'counter', by = 1], callback } = takeCallback(more);
      // happn's script takes `increment(path, number)` for a step of the usual counter.
      const [name, step] = typeof gauge === 'number' ? ['counter', gauge] : [gauge, by];
      return settle(this.ask('set', path, name, { increment: step }).then((result) => result.value), callback);
    }

    async change(action, path, data, options) {
      if (!options || !options.onPublished) return this.ask(action, path, data, options);
      const answer = await this.connection.publish(action, path, data, options);
      return { ...answer.data, _meta: answer.meta };
    }

    /** `on(path, [options], handler, [callback])`; the answer is the number of the listener. */
    on(path, options, handler, callback) {
      if (typeof options === 'function') return this.on(path, {}, options, handler);
      const listening = this.listen(path, options || {}, handler);
      return typeof callback === 'function' ? settle(listening, callback, true) : listening.then(([number]) => number);
    }

    async listen(path, options, handler) {
      const type = String(options.event_type || 'all').toLowerCase();
      const channel = /^\/(SET|REMOVE|ALL)@/.test(path) ? path : `/${type.toUpperCase()}@${path}`;
      const sent = { event_type: type, count: 0, ...options };
      if (channel.endsWith('**') && sent.depth === undefined) sent.depth = 5;
      const number = ++this.lastListener;
      const subscription = await this.connection.on(channel, sent, (data, meta) => handler(data, meta));
      this.listening.set(number, { path, subscription });
      if (options.initialEmit) for (const item of subscription.initial || []) handler(item, item._meta);
      return [number, subscription.initial];
    }

    onAll(handler, callback) {
      return this.on('*', {}, handler, callback);
    }

    once(path, options, handler, callback) {
      if (typeof options === 'function') return this.once(path, {}, options, handler);
      return this.on(path, { ...options, count: 1 }, handler, callback);
    }

    off(number, callback) {
      if (typeof number !== 'number') return settle(Promise.reject(new Error('handle must be a number')), callback);
      return settle(this.endListeners((_, key) => key === number), callback);
    }

    offPath(path, callback) {
      return settle(this.endListeners((listener) => listener.path === path), callback);
    }

    offAll(callback) {
      return settle(this.endListeners(() => true), callback);
    }

    async endListeners(isMeant) {
      const meant = [...this.listening].filter(([key, listener]) => isMeant(listener, key));
      for (const [key] of meant) this.listening.delete(key);
      await Promise.all(meant.map(([, listener]) => listener.subscription.off()));
    }

    /** Events of the connection: `connection-ended`, `reconnect-scheduled`, `reconnect-successful`, `session-ended`, `error`. */
    onEvent(name, handler) {
      const type = CONNECTION_EVENTS[name] || name;
      const listener = (event) => handler(event.detail);
      const number = `${name}|${this.eventListeners.size}`;
      this.eventListeners.set(number, () => this.connection.removeEventListener(type, listener));
      this.connection.addEventListener(type, listener);
      return number;
    }

    offEvent(number) {
      const end = this.eventListeners.get(number);
      if (end) end();
      // The entry stays: numbers are made from how many there were.
      this.eventListeners.set(number, null);
    }

    onSystemMessage(handler) {
      return this.onEvent('system', (frame) => handler(frame.eventKey, frame.data));
    }

    offSystemMessage(number) {
      this.offEvent(number);
    }

    revokeToken(callback) {
      return settle(this.connection.request('revoke-token'), callback);
    }

    changePassword(oldPassword, newPassword, callback) {
      return settle(this.connection.request('change-password', undefined, { oldPassword, newPassword }), callback);
    }

    logout(callback) {
      return settle(this.connection.disconnect({ revokeToken: true, deleteCookie: true }), callback);
    }

    stop(callback) {
      return this.disconnect(callback);
    }

    disconnect(...args) {
      const { rest: [options], callback } = takeCallback(args);
      this.listening.clear();
      return settle(this.connection.disconnect(options), callback);
    }
  }

  Object.assign(library, { HappnClient, Emitter });
  Object.assign(library.internals = library.internals || {}, { settle, takeCallback, connectionOptions, loginError });
})(typeof module === 'object' && module.exports ? module.exports : (globalThis.Mesh = globalThis.Mesh || {}));
