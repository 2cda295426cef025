'use strict';

// Every method with arguments without sense. They are JSON, so that nothing is changed on the way.

const LONG = 'x'.repeat(300);

/// Of each: a name, and the argument as JSON.
const VALUES = [
  ['nothing', null],
  ['null', 'null'],
  ['a number', '7'],
  ['a list', '["bob"]'],
  ['true', 'true'],
  ['an empty object', '{}'],
  ['an empty text', '""'],
  ['proto', '{"__proto__":{"username":"bob","name":"red"}}'],
];
const POISON = '{"username":"__proto__","name":"__proto__","password":"x","custom_data":{"__proto__":{"admin":true}},"groups":{"__proto__":true},"permissions":{"methods":{"__proto__":{"authorized":true}}}}';

const ONE = {
  addUser: 'both', updateUser: 'both', upsertUser: 'both', deleteUser: 'both', getUser: 'both', updateOwnUser: 'both', listUsers: 'both',
  addGroup: 'both', updateGroup: 'both', upsertGroup: 'both', deleteGroup: 'both', getGroup: 'both', listGroups: 'both',
  getSystemPermissions: 'both', resetPassword: 'later', listUserNamesByGroup: 'later', listUsersByGroup: 'later',
  fetchLookupTable: 'later', deleteLookupTable: 'later', fetchLookupPermissions: 'later', upsertLookupTable: 'later', linkAnonymousGroup: 'later',
  revokeToken: 'later', restoreToken: 'later', revokeSession: 'first', restoreSession: 'first',
};
const TWO = {
  addGroupPermissions: '"red"', removeGroupPermissions: '"red"', addUserPermissions: '"bob"', removeUserPermissions: '"bob"',
  linkGroup: '"red"', unlinkGroup: '"red"', linkGroupName: '"red"', unlinkGroupName: '"red"', associateGroups: '{"username":"bob"}',
  insertLookupPath: '"devices"', removeLookupPath: '"devices"', upsertLookupPermission: '"red"', removeLookupPermission: '"red"',
  upsertEventLookupPermission: '"red"', upsertExchangeLookupPermission: '"red"',
  unlinkLookupTable: '"red"', listUsers: '"*"', listGroups: '"*"', getUser: '"bob"',
};
/// The first generation ends, or never answers, when it is asked these with such arguments.
const LATER = new Set(Object.keys(TWO));

module.exports = (call, later, first) => {
  const text = (step, method, parts) => ({ step: `${method} ${step}`, method, args: `[${parts.filter((part) => part !== null).join(',')}]` });
  const steps = [
    call('bob', 'addUser', { username: 'bob', password: 'secret' }),
    call('red', 'addGroup', { name: 'red', permissions: {} }),
    later(call('devices', 'upsertLookupTable', { name: 'devices', paths: [] })),
  ];
  for (const [method, who] of Object.entries(ONE)) {
    for (const [name, value] of VALUES) {
      const step = text(name, method, [value]);
      // An argument that is missing takes the place of the callback, in both generations.
      if (value === null && !['getUser', 'getGroup', 'listUsers', 'listGroups'].includes(method)) continue;
      // That would take all users' passwords away.
      steps.push(who === 'first' ? first(step) : later(step));
    }
  }
  for (const [method, subject] of Object.entries(TWO)) {
    for (const [name, value] of VALUES) {
      if (value === null) continue;
      const step = text(`second ${name}`, method, [subject, value]);
      steps.push(LATER.has(method) ? later(step) : step);
    }
  }
  for (const method of ['addUser', 'upsertUser', 'updateUser', 'addGroup', 'upsertGroup', 'updateGroup']) steps.push(later(text('poison', method, [POISON])));
  for (const method of ['getUser', 'getGroup', 'listUsers', 'listGroups', 'fetchLookupTable']) steps.push(later(text('name proto', method, ['"__proto__"'])));
  steps.push(
    later(call('long username', 'addUser', { username: LONG, password: 'x' })),
    later(call('long group', 'addGroup', { name: LONG, permissions: {} })),
    later(call('long password', 'addUser', { username: 'lon', password: LONG })),
    later(call('line in the name', 'addUser', { username: 'a\nb', password: 'x' })),
    later(call('permissions are a text', 'addGroup', { name: 'text', permissions: 'all' })),
    later(call('permissions are a list', 'addGroup', { name: 'list', permissions: ['all'] })),
    later(call('methods are a text', 'addGroup', { name: 'methods', permissions: { methods: 'all' } })),
    later(call('an entry is null', 'addGroup', { name: 'entry', permissions: { methods: { 'web/ping': null } } })),
    later(call('an entry is true', 'addGroup', { name: 'entry2', permissions: { methods: { 'web/ping': true } } })),
    later(call('actions are a text', 'addGroup', { name: 'actions', permissions: { web: { 'web/page': { authorized: true, actions: 'get' } } } })),
    later(call('no actions', 'addGroup', { name: 'noactions', permissions: { web: { 'web/page': { authorized: true } } } })),
    later(call('groups are a list', 'upsertUser', { username: 'gus', password: 'x', groups: ['red'] })),
    later(call('password is a number', 'addUser', { username: 'num', password: 7 })),
    later(call('password is an object', 'addUser', { username: 'obj', password: { a: 1 } })),
    later(call('criteria are a text', 'listUsers', '*', { criteria: 'all' })),
    later(call('unknown operator', 'listUsers', '*', { criteria: { username: { $fly: 1 } } })),
    later(call('bob is still there', 'getUser', 'bob')),
    later(call('red is still there', 'getGroup', 'red'))
  );
  return steps;
};
