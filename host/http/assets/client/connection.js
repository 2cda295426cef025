//! One session with a happn server, kept up: a part of the browser client.
//!
//! Enters: an address, credentials, a WebSocket class. Leaves: `Connection`, on which requests are made and
//! channels are listened to, and `MeshError`. Guaranteed: a request ends, with an answer, an error or its timeout, and
//! the requests of a connection that is lost fail at once; a connection that is lost comes back by itself, logged in and
//! with every subscription; what a channel delivers reaches each listener once; nothing grows without a bound.
//!
//! The parts (semver, connection, mesh, happn, happner, in this order) are classic scripts that add to one object:
//! `module.exports` in Node, `Mesh` in a page. They are served as one file, so there is nothing to build.
(function (library) {
  'use strict';

  const MAXIMUM_REQUESTS = 10000;
  const MAXIMUM_UNSENT_BYTES = 16 * 1024 * 1024;
  const inBrowser = typeof window === 'object' && typeof document === 'object';

  /** An error, with the name, the code and all further fields that the server gave. */
  class MeshError extends Error {
    /** @param {string} message @param {object} [fields] */
    constructor(message, fields) {
      super(message);
      this.name = 'MeshError';
      for (const [key, value] of Object.entries(fields || {})) {
        // A server names fields as it likes; these would change what the error is.
        if (key !== '__proto__' && key !== 'constructor' && key !== 'stack' && key !== 'message') this[key] = value;
      }
    }

    /** The error that a frame describes: an object with a message, or, from some methods, only a text. */
    static from(description) {
      if (description instanceof Error) return description;
      if (description !== null && typeof description === 'object') {
        return new MeshError(String(description.message), { name: 'Error', ...description });
      }
      return new MeshError(String(description), { name: 'Error' });
    }
  }

  const connectionLost = () => new MeshError('the connection was lost before the answer came', {
    name: 'ConnectionError', code: 'CONNECTION_LOST',
  });
  const notConnected = () => new MeshError('not connected', { name: 'ConnectionError', code: 'NOT_CONNECTED' });
  const isDenial = (error) => [401, 403, 'NO_CREDENTIALS'].includes(error.code);

  /** The websocket's address for `http://host:port`, `ws://…` or nothing at all. */
  function socketAddress(url) {
    const fallback = inBrowser && /^http/.test(location.protocol) ? location.origin : 'http://127.0.0.1:55000';
    const address = new URL(url || fallback, fallback);
    address.protocol = address.protocol.replace(/^http/, 'ws');
    if (!/\/primus/.test(address.pathname)) address.pathname = '/primus';
    address.hash = '';
    return address.href;
  }

  /** The class to open sockets with: the given one, the platform's, or that of the package `ws` where there is one. */
  async function socketClass(given) {
    if (given) return given;
    if (typeof WebSocket === 'function') return WebSocket;
    // Node before 22. The name is not written into the import, so that bundlers of pages do not look for the package.
    const name = 'ws';
    try {
      return typeof require === 'function' ? require(name) : (await import(name)).default;
    } catch (missing) {
      throw new MeshError('this platform has no WebSocket: install the package ws, or give the option WebSocket', {
        name: 'ConnectionError', code: 'NO_WEBSOCKET', cause: missing,
      });
    }
  }

  function readCookie(name) {
    if (!inBrowser) return undefined;
    const entry = document.cookie.split(/; */).find((text) => text.startsWith(name + '='));
    return entry && decodeURIComponent(entry.slice(name.length + 1));
  }

  function writeCookie(name, value) {
    if (!inBrowser) return;
    const end = value ? '' : '; expires=Thu, 01 Jan 1970 00:00:00 GMT';
    const secure = location.protocol === 'https:' ? '; Secure' : '';
    document.cookie = `${name}=${encodeURIComponent(value)}; path=/; SameSite=Lax${secure}${end}`;
  }

  /** One listener. `off()` ends it. */
  class Subscription {
    constructor(connection, channel, handler, options) {
      this.connection = connection;
      this.channel = channel;
      this.handler = handler;
      this.count = options.count || 0;
      this.depth = options.depth;
      this.version = options.meta && options.meta.componentVersion;
      // Ends with the session, as the addresses of answers do; all others are made again after a reconnect.
      this.ofSession = options.ofSession === true;
      this.active = true;
      this.request = { timeout: connection.options.timeout };
      for (const name of ['meta', 'depth', 'merge', 'event_type', 'initialCallback', 'initialEmit']) {
        if (options[name] !== undefined) this.request[name] = options[name];
      }
    }

    wants(meta) {
      if (this.depth !== undefined && meta.depth !== undefined && this.depth < meta.depth) return false;
      // The server withholds what no listener of this session wants; which of several listeners does is known here only.
      return !this.version || !meta.componentVersion
        || library.semver.coercedSatisfies(meta.componentVersion, this.version);
    }

    /** Ends the subscription, here at once, and at the server. */
    off() {
      return this.connection.off(this);
    }
  }

  /**
   * Events, as `CustomEvent`s: `connected`, `disconnected` ({reason, reconnecting}), `reconnecting` ({attempt, delay}),
   * `reconnected`, `session-ended` ({reason}), `subscription-lost` ({channel, error}), `error` (the error).
   */
  class Connection extends EventTarget {
    constructor(options) {
      super();
      this.options = {
        timeout: 30000, connectTimeout: 30000, heartbeatTimeout: 45000, cookieName: 'happn_token', reconnect: true, ...options,
      };
      this.backOff = { minimum: 500, maximum: 30000, factor: 2, ...this.options.backOff };
      this.address = socketAddress(this.options.url);
      /** The server's answer to the login: id, happn, user, token. */
      this.session = null;
      /** 'idle', 'connecting', 'connected', 'waiting' (for the next attempt) or 'ended'. */
      this.state = 'idle';
      this.requests = new Map();
      this.acknowledgements = new Map();
      this.channels = new Map();
      this.lastEventId = 0;
      this.attempt = 0;
      /** Run after each login, before anybody hears of the connection. */
      this.afterLogin = async () => {};
    }

    emit(type, detail) {
      this.dispatchEvent(new CustomEvent(type, { detail }));
    }

    /** Connects and logs in. Fails when either does: only a connection that stood once is brought back. */
    async connect() {
      if (this.state !== 'idle' && this.state !== 'ended') throw new MeshError('already connected or connecting');
      this.attempt = 0;
      try {
        await this.open();
      } catch (error) {
        this.end(null);
        throw error;
      }
      this.wake = () => this.state === 'waiting' && this.reconnect();
      if (inBrowser) window.addEventListener('online', this.wake);
      this.emit('connected');
      return this;
    }

    async open() {
      this.state = 'connecting';
      this.serverClosed = null;
      const SocketClass = await socketClass(this.options.WebSocket);
      if (this.state !== 'connecting') throw notConnected();
      const socket = new SocketClass(`${this.address}${this.address.includes('?') ? '&' : '?'}_primuscb=${Date.now().toString(36)}`);
      this.socket = socket;
      await new Promise((resolve, reject) => {
        const failed = (text, code) => {
          reject(new MeshError(text, { name: 'ConnectionError', code }));
          if (this.socket === socket) this.dropSocket();
        };
        const timer = setTimeout(() => failed('connection timed out', 'CONNECT_TIMEOUT'), this.options.connectTimeout);
        socket.onopen = () => { clearTimeout(timer); resolve(); };
        socket.onerror = () => {};
        socket.onmessage = (message) => this.receive(message.data);
        socket.onclose = () => {
          clearTimeout(timer);
          failed(`cannot connect to ${this.address}`, 'CONNECT_FAILED');
          if (this.socket === null) this.lost();
        };
      });
      this.watchHeartbeat();
      await this.login();
      await this.subscribeAgain();
      await this.afterLogin();
      // The connection may have gone while the last answer was on its way here.
      if (this.socket !== socket) throw connectionLost();
      this.state = 'connected';
      this.attempt = 0;
    }

    async login() {
      const { options } = this;
      const previous = this.session ? { sessionId: this.session.id } : {};
      this.session = null;
      await this.send({ action: 'configure-session', data: { protocol: 'happn_4', version: '1.0.0', browser: inBrowser } });
      const description = (await this.send({ action: 'describe', data: null })).data;
      const cookie = description.cookieName || options.cookieName;
      const credentials = {};
      const token = options.token || (options.useCookie ? readCookie(cookie) : undefined);
      if (token) credentials.token = token;
      else if (options.username) Object.assign(credentials, { username: options.username, password: options.password });
      if (description.secure && !credentials.token && !(credentials.username && credentials.password !== undefined)) {
        throw new MeshError('the server is secured: give a username and a password, or a token', {
          name: 'AccessDenied', code: 'NO_CREDENTIALS',
        });
      }
      const info = { ...options.info, _browser: inBrowser, _local: false };
      const answer = await this.send({
        action: 'login', data: { ...credentials, info, protocol: 'happn_4' }, options: { timeout: options.timeout }, ...previous,
      });
      this.session = answer.data;
      this.cookie = cookie;
      if (this.session.token && (options.useCookie || options.writesCookie)) writeCookie(cookie, this.session.token);
    }

    /** @returns {Promise<{data: any, meta: object}>} */
    request(action, path, data, options) {
      if (this.state !== 'connected' && !(this.state === 'connecting' && this.session)) return Promise.reject(notConnected());
      const frame = { action, data: data === undefined ? null : data, sessionId: this.session.id };
      if (path !== undefined) frame.path = path;
      frame.options = { timeout: this.options.timeout, ...options };
      return this.send(frame);
    }

    /** Async, so that data which is not JSON fails as every other request does. */
    async send(frame) {
      const socket = this.socket;
      if (!socket || socket.readyState !== 1) throw notConnected();
      if (this.requests.size >= MAXIMUM_REQUESTS || socket.bufferedAmount > MAXIMUM_UNSENT_BYTES) {
        throw new MeshError('too many requests wait for their answers', { name: 'ConnectionError', code: 'TOO_MANY_REQUESTS' });
      }
      const eventId = ++this.lastEventId;
      const text = JSON.stringify({ ...frame, eventId });
      const timeout = (frame.options && frame.options.timeout) || this.options.timeout;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          this.requests.delete(eventId);
          const where = frame.path ? ` path: ${frame.path}` : '';
          reject(new MeshError(`api request timed out${where} action: ${frame.action}`, { name: 'TimeoutError', code: 'TIMEOUT' }));
        }, timeout);
        this.requests.set(eventId, { resolve, reject, timer });
        socket.send(text);
      });
    }

    receive(text) {
      this.lastHeard = Date.now();
      let frame;
      try {
        frame = JSON.parse(text);
      } catch (malformed) {
        return;
      }
      if (typeof frame === 'string') {
        if (frame.startsWith('primus::ping::')) this.socket.send(JSON.stringify(frame.replace('ping', 'pong')));
        if (frame === 'primus::server::close') this.serverClosed = this.serverClosed || 'closed by the server';
        return;
      }
      if (frame === null || typeof frame !== 'object') return;
      if (Array.isArray(frame)) {
        const meta = frame.pop();
        this.answered(meta, frame);
        return;
      }
      const meta = frame._meta;
      if (!meta) return;
      if (meta.type === 'data') this.published(frame.data, meta);
      else if (meta.type === 'ack') this.acknowledged(frame, meta);
      else if (meta.type === 'system') this.systemMessage(frame);
      else this.answered(meta, frame.data === undefined ? null : frame.data, frame);
    }

    answered(meta, data) {
      const request = meta && this.requests.get(meta.eventId);
      if (!request) return;
      this.requests.delete(meta.eventId);
      clearTimeout(request.timer);
      if (meta.status === 'error') request.reject(MeshError.from(meta.error || { message: 'the server gave no reason' }));
      else request.resolve({ data, meta });
    }

    systemMessage(frame) {
      if (frame.eventKey === 'server-side-disconnect') {
        this.serverClosed = (frame.data && frame.data.reason) || frame.data || 'closed by the server';
      } else {
        this.emit('system', frame);
      }
    }

    published(data, meta) {
      // A copy: listeners come and go while it is gone through.
      for (const subscription of [...(this.channels.get(meta.channel) || [])]) {
        if (!subscription.active || !subscription.wants(meta)) continue;
        if (subscription.count > 0 && --subscription.count === 0) subscription.off().catch(() => {});
        try {
          subscription.handler(data, meta);
        } catch (error) {
          // A listener that fails is not the connection's failure, nor that of the next listener.
          if (typeof reportError === 'function') reportError(error);
          else console.error(error);
        }
      }
      if (meta.consistency === 3) this.request('ack', undefined, meta.publicationId).catch(() => {});
    }

    acknowledged(frame, meta) {
      const waiting = this.acknowledgements.get(meta.eventId);
      if (!waiting) return;
      this.acknowledgements.delete(meta.eventId);
      waiting(frame.status === 'error' ? MeshError.from(frame.error) : null, frame.result);
    }

    /** A `set` or `remove` whose `onPublished` hears what became of the publication (`consistency` 0, 1 and 3). */
    publish(action, path, data, options) {
      const { onPublished, ...sent } = options;
      const before = this.lastEventId;
      const answer = this.request(action, path, data, sent);
      const eventId = this.lastEventId;
      if (eventId === before || this.acknowledgements.size >= MAXIMUM_REQUESTS) return answer;
      this.acknowledgements.set(eventId, onPublished);
      return answer.catch((error) => { this.acknowledgements.delete(eventId); throw error; });
    }

    /** Listens to a channel, `/SET@/a/path`, `/REMOVE@…` or `/ALL@…`, until `off`. */
    async on(channel, options, handler) {
      const subscription = new Subscription(this, channel, handler, options);
      // Before the request: what is published between the server's doing and its answer counts.
      this.addSubscription(subscription);
      try {
        await this.subscribe(subscription);
      } catch (error) {
        this.removeSubscription(subscription);
        throw error;
      }
      return subscription;
    }

    async subscribe(subscription) {
      const { data, meta } = await this.request('on', subscription.channel, null, subscription.request);
      subscription.id = meta.referenceId || (data && data.id);
      subscription.initial = Array.isArray(data) ? data : undefined;
      // Ended while the request was on its way.
      if (!subscription.active) await this.release(subscription);
    }

    async off(subscription) {
      if (!subscription.active) return;
      this.removeSubscription(subscription);
      if (this.state === 'connected' && subscription.id !== undefined) await this.release(subscription);
    }

    release(subscription) {
      return this.request('off', subscription.channel, null, { referenceId: subscription.id });
    }

    addSubscription(subscription) {
      const listeners = this.channels.get(subscription.channel) || new Set();
      this.channels.set(subscription.channel, listeners.add(subscription));
    }

    removeSubscription(subscription) {
      subscription.active = false;
      const listeners = this.channels.get(subscription.channel);
      if (listeners && listeners.delete(subscription) && listeners.size === 0) this.channels.delete(subscription.channel);
    }

    subscriptions() {
      return [...this.channels.values()].flatMap((listeners) => [...listeners]);
    }

    async subscribeAgain() {
      const again = this.subscriptions().map(async (subscription) => {
        subscription.id = undefined;
        // Documents from before are known already.
        delete subscription.request.initialCallback;
        delete subscription.request.initialEmit;
        try {
          await this.subscribe(subscription);
        } catch (error) {
          if (!isDenial(error)) throw error;
          this.removeSubscription(subscription);
          this.emit('subscription-lost', { channel: subscription.channel, error });
        }
      });
      await Promise.all(again);
    }

    watchHeartbeat() {
      this.lastHeard = Date.now();
      const limit = this.options.heartbeatTimeout;
      this.heartbeat = setInterval(() => {
        if (Date.now() - this.lastHeard > limit) { this.dropSocket(); this.lost(); }
      }, Math.max(10, Math.min(5000, limit / 4)));
    }

    /** Lets go of the socket: nothing of it is heard any more, and whoever waits for its answers is told. */
    dropSocket() {
      const { socket } = this;
      this.socket = null;
      clearInterval(this.heartbeat);
      if (socket) {
        socket.onmessage = socket.onclose = socket.onopen = null;
        socket.close();
      }
      const requests = [...this.requests.values()];
      this.requests.clear();
      this.acknowledgements.clear();
      for (const request of requests) { clearTimeout(request.timer); request.reject(connectionLost()); }
      for (const subscription of this.subscriptions()) if (subscription.ofSession) this.removeSubscription(subscription);
    }

    lost() {
      // While connecting, whoever connects sees it by a failed request.
      if (this.state !== 'connected') return;
      const reason = this.serverClosed;
      if (reason || !this.options.reconnect) {
        this.end(reason || 'connection lost');
        return;
      }
      this.state = 'waiting';
      this.emit('disconnected', { reason: 'connection lost', reconnecting: true });
      this.scheduleReconnect();
    }

    scheduleReconnect() {
      if (this.state === 'ended') return;
      this.state = 'waiting';
      const { minimum, maximum, factor } = this.backOff;
      const limit = Math.min(maximum, minimum * factor ** this.attempt);
      // Half of it by chance: many pages that lost one host shall not come back in one moment.
      const delay = Math.round(limit / 2 + Math.random() * (limit / 2));
      this.attempt += 1;
      this.emit('reconnecting', { attempt: this.attempt, delay });
      this.timer = setTimeout(() => this.reconnect(), delay);
    }

    async reconnect() {
      clearTimeout(this.timer);
      if (this.state !== 'waiting') return;
      try {
        await this.open();
      } catch (error) {
        if (this.state === 'ended') return;
        const reason = this.serverClosed || (isDenial(error) ? error.message : null);
        this.dropSocket();
        if (reason) this.end(reason);
        else this.scheduleReconnect();
        return;
      }
      this.emit('reconnected');
    }

    /** Ends the connection for good. With a reason, it is the server's doing and is told. */
    end(reason) {
      const ended = this.state === 'ended';
      this.state = 'ended';
      clearTimeout(this.timer);
      if (inBrowser && this.wake) window.removeEventListener('online', this.wake);
      this.dropSocket();
      if (ended || !reason) return;
      this.emit('disconnected', { reason, reconnecting: false });
      this.emit('session-ended', { reason });
    }

    /**
     * Ends the session, or the attempts to have one. `revokeToken`: nobody can log in with its token again.
     * `deleteCookie`: forgets the page's token.
     */
    async disconnect(options) {
      const { revokeToken, deleteCookie } = options || {};
      try {
        if (revokeToken && this.state === 'connected') await this.request('revoke-token');
      } finally {
        if ((deleteCookie || revokeToken) && this.cookie) writeCookie(this.cookie, '');
        const stood = this.state !== 'idle' && this.state !== 'ended';
        this.end(null);
        for (const subscription of this.subscriptions()) this.removeSubscription(subscription);
        if (stood) this.emit('disconnected', { reason: 'disconnect', reconnecting: false });
      }
    }
  }

  Object.assign(library, { Connection, MeshError, Subscription, writeCookie });
})(typeof module === 'object' && module.exports ? module.exports : (globalThis.Mesh = globalThis.Mesh || {}));
