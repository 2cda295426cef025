'use strict';

// Starts a real, secured happn-3 server of each generation inside this process, and asks it.
//
// Leaves: for each generation `add(world)`, which makes its groups and users, and `session(user)`, which gives
// `may(action, path)`, as the server decides for a request, and the permissions of the user as the server has them;
// and the security component of a real mesh on the later server.

const util = require('util');

// The servers write what they do to the console.
console.log = console.warn = console.error = console.info = () => {};

const SERVER_NAME = 'SERVER';
const promised = (call) => new Promise((resolve, reject) => call((error, result) => (error ? reject(error) : resolve(result))));
const copy = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

async function startOne(happn, port, isFirst) {
  const config = { port, name: SERVER_NAME, secure: true, services: { transport: { config: { port } }, security: { config: { secure: true } } } };
  const service = await promised((done) => happn.service.create(config, done));
  const security = service.services.security;
  const users = security.users;
  const groups = isFirst ? users : security.groups;
  let sessions = 0;

  async function add(world) {
    const stored = {};
    for (const [name, permissions] of Object.entries(world.groups)) {
      stored[name] = await promised((done) => groups.upsertGroup({ name, permissions: copy(permissions) }, { overwrite: false }, done));
    }
    for (const user of world.users) {
      const { username, custom_data, permissions } = user;
      const given = { username, password: 'x', custom_data: copy(custom_data) };
      if (!isFirst) given.permissions = copy(permissions);
      const added = await promised((done) => users.upsertUser(given, { overwrite: false }, done));
      for (const name of user.groups) await promised((done) => groups.linkGroup(stored[name], added, {}, done));
    }
  }

  async function session(username) {
    const user = await promised((done) => users.getUser(username, {}, done));
    const id = `session-${(sessions += 1)}`;
    const credentials = { username, info: {}, type: 1 };
    const opened = isFirst ? await promised((done) => security.generateSession(user, id, credentials, done)) : security.generateSession(user, id, credentials);
    // A session that came in through a socket knows the server.
    if (!isFirst) opened.happn = service.services.system.getDescription();
    const may = async (action, path) => {
      // Web routes are asked for without a request of the protocol.
      if (!['get', 'set', 'remove', 'on'].includes(action)) return promised((done) => security.authorize(opened, path, action, done));
      const message = { session: opened, request: { action, path, options: {} } };
      const refused = isFirst ? security.processAuthorize(message) : promised((done) => security.processAuthorize(message, done));
      return refused.then(
        () => true,
        (error) => {
          if (error.code === 403 && error.message === 'unauthorized') return false;
          throw error;
        }
      );
    };
    const ofGroups = [];
    for (const name of Object.keys(opened.user.groups)) {
      ofGroups.push(copy((await promised((done) => groups.getGroup(name, {}, done))).permissions));
    }
    const own = isFirst ? {} : copy((await users.attachPermissions(copy(user))).permissions);
    return { may, ofGroups, own, identity: opened };
  }

  return { service, security, add, session };
}

async function start() {
  return {
    first: await startOne(require('happn-3-first'), 55873, true),
    later: await startOne(require('happn-3'), 55874, false),
  };
}

/** The security component of a mesh named `domain`, whose groups are those of the later server. */
function meshComponent(later, domain) {
  const Component = require('happner-2-later/lib/modules/security');
  const component = new Component();
  Object.assign(component, { __initialized: true, __securityService: later.security });
  const about = { info: { mesh: { domain } } };
  return {
    component,
    addGroup: (group) => promised((done) => component.addGroup(about, copy(group), done)),
    getGroup: (name) => promised((done) => component.getGroup(about, name, done)),
    stored: (name) => promised((done) => later.security.groups.getGroup(name, {}, done)),
  };
}

module.exports = { start, meshComponent, copy, SERVER_NAME, isEqual: util.isDeepStrictEqual };
