'use strict';

// Asks a server, as a client of its own generation does, with the arguments as they are.
//
// Enters: a method and arguments. Leaves: `{results}`, `{error}` or `{silent: true}`, and the events that came.
// Times, identifiers and tokens are replaced by words.

const SETTLE = 120;
const PATIENCE = 1500;
const DOMAIN = 'TestNode';

const wait = (time) => new Promise((resolve) => setTimeout(resolve, time));
const promised = (call) => new Promise((resolve, reject) => call((error, result) => (error ? reject(error) : resolve(result))));

const HAPPN = {
  first: () => require('happn-3'),
  later: () => require('happner-2-later/node_modules/happn-3'),
};

class Session {
  static async open(generation, port, username, password) {
    const settings = { host: '127.0.0.1', port, secure: true, username, password };
    const options = generation === 'first' ? { config: settings } : settings;
    const session = new Session();
    session.client = await promised((done) => HAPPN[generation]().client.create(options, done));
    session.id = session.client.session.id;
    session.token = session.client.session.token;
    session.count = 0;
    session.waiting = new Map();
    session.methods = new Set();
    session.events = [];
    return session;
  }

  async listen() {
    const heard = (data, meta) => this.events.push([meta.path.split('/').pop(), plain(data)]);
    await promised((done) => this.client.on(`/_events/${DOMAIN}/security/*`, { event_type: 'set' }, heard, done));
  }

  async call(method, args) {
    const folder = `/_exchange/responses/${DOMAIN}/security/${method}/${this.id}`;
    if (!this.methods.has(method)) {
      this.methods.add(method);
      const answered = (data, meta) => {
        const address = meta.path.slice(meta.path.indexOf('/_exchange'));
        const done = this.waiting.get(address);
        if (done) done(data);
      };
      const heard = await promised((done) => this.client.on(`${folder}/*`, { event_type: 'set' }, answered, done)).then(() => null, (error) => error);
      if (heard) return { denied: heard.message };
    }
    const callbackAddress = `${folder}/${(this.count += 1)}`;
    const answer = new Promise((resolve) => {
      this.waiting.set(callbackAddress, resolve);
      setTimeout(() => resolve(null), PATIENCE);
    });
    const request = { callbackAddress, args, origin: { id: this.id, username: this.client.session.user && this.client.session.user.username } };
    const path = `/_exchange/requests/${DOMAIN}/security/${method}`;
    const denied = await promised((done) => this.client.set(path, request, { noStore: true, timeout: 5000 }, done)).then(() => null, (error) => error);
    if (denied) return { denied: denied.message };
    const given = await answer;
    this.waiting.delete(callbackAddress);
    if (given === null) return { silent: true };
    const { status, args: values } = plain(given);
    return status === 'ok' ? { results: values.slice(1), ...(values[0] == null ? {} : { thrown: values[0] }) } : { error: values[0] };
  }

  /// Ends a session whose server may have ended before.
  abandon() {
    try {
      this.client.disconnect({ reconnect: false }, () => {});
    } catch (error) {
      // There was nothing to end.
    }
  }

  close() {
    return promised((done) => this.client.disconnect({}, done)).catch(() => {});
  }
}

function plain(value) {
  return value === undefined ? null : JSON.parse(JSON.stringify(value));
}

/// Fields that the socket or a key made at start decides.
const HIDDEN = Object.assign(Object.create(null), { headers: '<headers>', url: '<url>', upgradeUrl: '<url>', msgCount: '<count>' });

/// Replaces the fields that differ from run to run.
function stable(value, key) {
  if (Array.isArray(value)) return value.map((item) => stable(item));
  if (value && typeof value === 'object') {
    if ('encryptPayloads' in value) value = { ...value, publicKey: '<key>' };
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [word(name), name in HIDDEN ? HIDDEN[name] : stable(item, name)]));
  }
  if (typeof value === 'number') {
    if (value > 1.6e12) return '<time>';
    return /port$/i.test(key || '') ? '<port>' : value;
  }
  return typeof value === 'string' ? word(value) : value;
}

function word(text) {
  return text
    .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, '<token>')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>');
}

module.exports = { Session, stable, wait, SETTLE };
