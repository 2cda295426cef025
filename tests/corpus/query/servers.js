'use strict';

// Starts a real happn-3 server of each generation inside this process, with a clock that stands still.
//
// Leaves: `start()`, which gives for each generation `set`, `get` and `count` of a client inside the server, and
// the server's own store; and `mended()`, the later store with faults taken out that are named here.

const assert = require('assert');
const fs = require('fs');
const Module = require('module');
const util = require('util');

// Servers stamp documents with the time. All choices of the generators come from a seed, so the time must, too.
let now = 1700000000000;
const RealDate = Date;
global.Date = class extends RealDate {
  constructor(...parameters) {
    super(...(parameters.length === 0 ? [now] : parameters));
  }
  static now() {
    return now;
  }
};
const setClock = (time) => {
  now = time;
};

// The servers write errors to the console that the corpus records anyway.
console.log = console.warn = console.error = () => {};

const asPromise = (call) =>
  new Promise((resolve) => {
    call((error, result) => resolve(error ? { error: String(error.message || error) } : result));
  });
const copy = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

/** A client inside the server, with a session of its own. */
const openClient = (service) =>
  new Promise((resolve, reject) => {
    service.services.session.localClient((error, created) => (error ? reject(error) : resolve(created)));
  });

async function startOne(happn, port) {
  const service = await new Promise((resolve, reject) => {
    const config = { port, services: { transport: { config: { port } } } };
    happn.service.create(config, (error, created) => (error ? reject(error) : resolve(created)));
  });
  const client = await openClient(service);
  return {
    service,
    client,
    set: (path, data, options = {}) => asPromise((done) => client.set(path, copy(data), copy(options), done)),
    get: (path, options) => asPromise((done) => client.get(path, copy(options), done)),
    count: (path, options) => asPromise((done) => client.count(path, copy(options), done)),
    store: service.services.data.db('/'),
  };
}

async function start() {
  const first = await startOne(require('happn-3-first'), 55871);
  const later = await startOne(require('happn-3-later'), 55872);
  return { first, later };
}

/** Replaces what must occur exactly once. */
function replaceOnce(text, from, to) {
  assert.strictEqual(text.split(from).length, 2, from);
  return text.replace(from, () => to);
}

/** The later generation's store, with these faults of lokijs mended. */
async function mended() {
  const file = require.resolve('lokijs');
  const provider = require.resolve('happn-db-provider-loki');
  let source = fs.readFileSync(file, 'utf8');
  // A null on the way to a field is an error.
  source = replaceOnce(source, "if (typeof root === 'object' && path in root) {", "if (root !== null && typeof root === 'object' && Object.hasOwn(root, path)) {");
  // Only the first operator of a nested object counts.
  source = replaceOnce(
    source,
    'if (hasOwnProperty.call(op, p)) {\n          return LokiOps[p](val, op[p], record);\n        }\n      }\n      return false;',
    'if (hasOwnProperty.call(op, p) && !LokiOps[p](val, op[p], record)) return false;\n      }\n      return true;'
  );
  // Regular expressions are tried on the words "undefined" and "null", and remember where they were.
  source = replaceOnce(source, 'return b.test(a);', 'b.lastIndex = 0; return a !== null && a !== undefined && b.test(a);');
  // Arrays and objects equal nothing.
  source = replaceOnce(source, '$eq: function (a, b) {\n        return a === b;', '$eq: function (a, b) {\n        return require("util").isDeepStrictEqual(a, b);');
  const patched = new Module(file, null);
  patched.filename = file;
  patched.paths = Module._nodeModulePaths(file);
  patched._compile(source, file);
  const cached = require.cache[file];
  const cachedProvider = require.cache[provider];
  delete require.cache[provider];
  require.cache[file] = patched;
  const Provider = require(provider);
  require.cache[file] = cached;
  require.cache[provider] = cachedProvider;
  const store = new Provider({}, {});
  await new Promise((resolve, reject) => store.initialize((error) => (error ? reject(error) : resolve())));
  return store;
}

module.exports = { start, openClient, mended, setClock, asPromise, copy, isEqual: util.isDeepStrictEqual };
