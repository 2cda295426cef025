'use strict';

// Writes worlds.jsonl, rows.jsonl and mesh.jsonl: what real secured servers of both generations allow to users, and how a
// real mesh stores and shows the permissions of groups.
//
// Enters: the servers of servers.js; all choices come from a seed. Leaves: JSON lines, described in README.md.
// Two runs write the same bytes.

const fs = require('fs');
const path = require('path');
const { start, meshComponent, copy, isEqual, SERVER_NAME } = require('./servers');
const faults = require('./faults');
const { below, chance, pick, times } = require('../query/random')(0x9e3779);

const WORLDS = 108;
const DOMAIN = 'Dom';

// --- worlds --------------------------------------------------------------------------------------------------------

const segment = () => pick(['a', 'a', 'a', 'b', 'b', 'c', 'd', 'ab', 'aa', 'books', 'A', 'x.y', '1', '2', '']);
const words = ['get', 'set', 'remove', 'on'];
const someActions = () => (chance(0.2) ? ['*'] : words.filter(() => chance(0.5)));
const atLeastOne = (list) => (list.length === 0 ? [pick(words)] : list);

const names = [
  'user.username', 'user.username', 'user.custom_data.team', 'user.custom_data.teams', 'user.custom_data.number', 'user.custom_data.deep.er', 'user.custom_data.star', 'user.custom_data.empty',
  'user.custom_data.missing', 'user.custom_data.none', 'happn.name', 'user.custom_data.flag',
];

function somePattern(isFull) {
  const parts = times(1 + below(4), segment);
  if (chance(0.55)) parts.push('*');
  if (chance(0.3)) {
    const place = below(parts.length);
    parts[place] = pick(['*', `*${parts[place]}`, `${parts[place]}*`, `${parts[place]}*b`, '**', '*/*']);
  }
  if (isFull && chance(0.25)) parts.splice(below(parts.length + 1), chance(0.3) ? 1 : 0, `{{${pick(names)}}}`);
  const beginning = pick(['', '', '', '', '', '', '/d', '/d', '/_events/Dom', '/_exchange/requests/Dom', '/@HTTP']);
  const pattern = `${beginning}/${parts.join('/')}`;
  if (chance(0.04)) return pick(['*', '/*', '/a*', '*a']);
  return chance(0.04) ? pattern.slice(1) || '*' : pattern;
}

function somePermissions(count, isFull, known) {
  const permissions = {};
  for (let index = 0; index < count; index += 1) {
    // Groups often speak of the same paths.
    const key = known.length > 0 && chance(0.15) ? pick(known) : somePattern(isFull);
    known.push(key);
    const actions = atLeastOne(someActions());
    if (isFull && chance(0.25)) permissions[key] = { prohibit: chance(0.3) ? ['*'] : atLeastOne(words.filter(() => chance(0.35))) };
    else permissions[key] = { actions };
    if (isFull && chance(0.1)) {
      // A server keeps one of both for an action.
      const other = pick(words);
      const entry = permissions[key];
      if (entry.actions && !entry.actions.includes(other)) entry.prohibit = [other];
    }
    if (key.startsWith('/@HTTP') && permissions[key].actions && chance(0.7)) permissions[key].actions = [pick(['get', 'post', 'put', 'head', 'delete', 'options', '*'])];
  }
  return permissions;
}

function someWorld(number) {
  const isFull = number % 3 !== 0;
  const known = [];
  const groups = {};
  for (let index = 0; index < 2 + below(3); index += 1) groups[`g${number}-${index}`] = somePermissions(1 + below(7), isFull, known);
  const users = times(3, (index) => {
    const user = { username: `u${number}-${index}`, groups: Object.keys(groups).filter(() => chance(0.65)) };
    if (user.groups.length === 0) user.groups.push(Object.keys(groups)[0]);
    if (!isFull) return user;
    if (chance(0.8)) {
      user.custom_data = { team: pick(['red', 'blue']), teams: pick([['red', 'blue'], ['green'], ['a', '*'], []]), number: 7, deep: { er: 'b' }, star: 'a*', empty: '', none: null, flag: true };
    }
    if (chance(0.5)) user.permissions = somePermissions(1 + below(3), true, known);
    return user;
  });
  return { world: number, generations: isFull ? ['later'] : ['first', 'later'], groups, users };
}

// --- requests ------------------------------------------------------------------------------------------------------

/** A path that the pattern may cover, or nearly. */
function near(pattern, user) {
  let text = pattern;
  const facts = {
    'user.username': chance(0.7) ? user.username : 'eve', 'happn.name': SERVER_NAME, 'user.custom_data.number': '7', 'user.custom_data.deep.er': 'b', 'user.custom_data.star': pick(['a*', 'ab']), 'user.custom_data.empty': pick(['', 'x']),
    'user.custom_data.flag': 'true', 'user.custom_data.none': 'null', 'user.custom_data.missing': 'undefined',
  };
  text = text.replace(/\{\{(.*?)\}\}/g, (_, name) => facts[name] || (name in facts ? '' : pick(['red', 'blue', 'green', 'a', '*'])));
  text = text.replace(/\*/g, () => pick(['', 'x', 'x', 'b', 'x/y', 'x/b/1', '*', '*', '**', 'B']));
  if (chance(0.35)) {
    const parts = text.split('/');
    const place = below(parts.length);
    const changed = pick(['upper', 'letter', 'more', 'less', 'front', 'star', 'double', 'dot']);
    if (changed === 'upper') text = text.toUpperCase();
    if (changed === 'letter') parts[place] = parts[place].replace(/[a-z]/, 'q');
    if (changed === 'star') parts[place] = pick(['*', '**']);
    if (changed === 'double') parts[place] = parts[place].replace(/([a-z])\1/, 'zyz');
    if (changed === 'more') parts.push(pick(['more', '', 'a']));
    if (changed === 'less') parts.pop();
    if (changed === 'front') parts.splice(1, 0, 'front');
    if (changed === 'dot') parts[place] = parts[place].replace('.', '-');
    if (changed !== 'upper') text = parts.join('/');
  }
  if (chance(0.12)) text = `/${pick(['SET', 'SET', 'REMOVE', 'ALL', 'ALL', 'set', 'GET', 'SET@/ALL'])}@${text}`;
  return text || '/';
}

async function rowsOf(world, servers) {
  const rows = [];
  const patterns = world.users.flatMap((user) => [...user.groups.flatMap((name) => Object.keys(world.groups[name])), ...Object.keys(user.permissions || {})]);
  for (const user of world.users) {
    const paths = new Set(times(16, () => near(pick(patterns), user)));
    for (const text of ['/', '*', '/a/b', '/a/b/c']) if (chance(0.2)) paths.add(text);
    for (const generation of world.generations) user[generation] = await servers[generation].session(user.username);
    for (const text of paths) {
      const row = { user: user.username, path: text };
      const actions = text.startsWith('/@HTTP') ? ['get', 'post', 'put', 'trace'] : words;
      for (const generation of world.generations) {
        const answers = {};
        for (const action of actions) answers[action] = await user[generation].may(action, text);
        const model = faults[generation];
        for (const action of actions) {
          if (model.whole(user[generation], action, text) !== answers[action]) {
            const { ofGroups, own } = user[generation];
            throw new Error(`${generation} is not understood: ${JSON.stringify({ row, action, answers, ofGroups, own })}`);
          }
        }
        row[generation] = actions.filter((action) => answers[action]).join();
        const right = actions.filter((action) => model.right(user[generation], action, text)).join();
        if (right !== row[generation]) {
          row[`${generation}_right`] = right;
          row[`${generation}_why`] = model.why(user[generation], text, answers);
        }
      }
      rows.push(row);
    }
    for (const generation of world.generations) delete user[generation];
  }
  return rows;
}

// --- the mesh's form -----------------------------------------------------------------------------------------------

const meshPath = () => {
  const parts = times(1 + below(3), () => pick(['lab', 'lab', 'echo', 'Data', DOMAIN, 'a', '*']));
  return pick(['', '/', `/${DOMAIN}/`, `/${DOMAIN}/`, `${DOMAIN}/`]) + parts.join('/');
};

function someMeshPermissions() {
  const permissions = {};
  const authorized = () => pick([true, true, true, true, false]);
  const entries = (make) => Object.fromEntries(times(1 + below(3), make));
  if (chance(0.8)) permissions.methods = entries(() => [meshPath(), { authorized: authorized(), ...(chance(0.2) ? { description: 'told' } : {}) }]);
  if (chance(0.7)) permissions.events = entries(() => [meshPath(), chance(0.1) ? {} : { authorized: authorized() }]);
  if (chance(0.6)) {
    const verbs = () => times(1 + below(3), () => pick(['get', 'post', 'put', 'head', 'delete', 'options', '*', 'get']));
    permissions.web = entries(() => [pick(['', '/']) + times(1 + below(2), () => pick(['lab', 'r1', '*'])).join('/'), { ...(chance(0.8) ? { authorized: authorized() } : {}), ...(chance(0.95) ? { actions: verbs() } : {}) }]);
    if (chance(0.08)) permissions.web = { 'lab/r2': { authorized: authorized(), actions: ['get', 'fly'] } };
  }
  if (chance(0.6)) {
    permissions.data = entries(() => [
      pick([somePattern(true).replace('/_events', '/e').replace('/_exchange', '/x').replace('/@HTTP', '/h'), chance(0.1) ? pick(['/_events/x', '*/_exchange', '//@HTTP/x']) : '/data/*']),
      pick([{ actions: atLeastOne(someActions()) }, { actions: atLeastOne(someActions()) }, { authorized: false, actions: ['get'] }, { prohibit: ['on'] }, { authorized: true, actions: ['on', 'get'] }, chance(0.1) ? {} : { actions: ['*'] }]),
    ]);
  }
  return permissions;
}

const sorted = (permissions) => Object.fromEntries(Object.keys(permissions).sort().map((key) => [key, permissions[key]]));

async function meshRow(mesh, name, permissions) {
  try {
    await mesh.addGroup({ name, permissions });
  } catch (error) {
    return { error: error.message };
  }
  const shown = copy((await mesh.getGroup(name)).permissions);
  return { stored: sorted(copy((await mesh.stored(name)).permissions)), shown };
}

async function meshRows(servers) {
  const real = meshComponent(servers.later, DOMAIN);
  const mended = meshComponent(servers.later, DOMAIN);
  // The domain counts wherever its letters are; it should count as the first segment only.
  mended.component.__getPermissionPath = (about, raw, prefix, isWildcard) => {
    let text = isWildcard ? `${raw.replace(/[/*]+$/, '')}/*` : raw;
    if (!text.startsWith('/')) text = `/${text}`;
    return `/${prefix}${text.split('/')[1] === DOMAIN ? '' : `/${DOMAIN}`}${text}`;
  };
  const rows = [];
  for (let index = 0; index < 220; index += 1) {
    const permissions = someMeshPermissions();
    const row = { permissions, ...(await meshRow(real, `m${index}`, permissions)) };
    const right = await meshRow(mended, `n${index}`, permissions);
    if (!isEqual(right, { ...row, permissions: undefined }) && !isEqual({ permissions, ...right }, row)) row.right = right;
    rows.push(row);
  }
  return rows;
}

async function main() {
  const servers = await start();
  const worlds = times(WORLDS, someWorld);
  const rows = [];
  for (const world of worlds) {
    for (const generation of world.generations) await servers[generation].add(world);
    rows.push(...(await rowsOf(world, servers)));
  }
  const mesh = await meshRows(servers);
  const target = process.argv[2] || __dirname;
  const write = (name, lines) => fs.writeFileSync(path.join(target, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  write('worlds.jsonl', worlds);
  write('rows.jsonl', rows);
  write('mesh.jsonl', mesh);
  const counts = {};
  for (const row of rows) for (const key of ['first_why', 'later_why']) for (const name of row[key] || []) counts[`${key} ${name}`] = (counts[`${key} ${name}`] || 0) + 1;
  process.stderr.write(`${worlds.length} worlds, ${rows.length} rows, ${mesh.length} of the mesh, ${JSON.stringify(counts)}\n`);
  process.exit(0);
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
