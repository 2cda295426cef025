'use strict';
// The component "security" through the published clients: a user and a group from their making to their end, with
// callbacks and with promises.
const { area } = require('../lib/kit');
const happner = area('security', { kind: 'happner', mode: 'secure', timeout: 15000 });
const mesh = area('security', { kind: 'mesh', mode: 'secure', timeout: 15000 });

const with_callback = (security) => (method, ...args) =>
  new Promise((resolve, reject) => security[method](...args, (error, result) => (error ? reject(error) : resolve(result))));
const with_promise = (security) => (method, ...args) => security[method](...args);

// The daily work of an administrator.
async function administer(t, call) {
  const group = t.unique('grp');
  const username = t.unique('usr');
  const permissions = { methods: { '/calc/add': { authorized: true } } };
  const added = await call('addGroup', { name: group, custom_data: { level: 5 }, permissions });
  t.eq(added.name, group);
  const user = await call('addUser', { username, password: 'TEST PWD', custom_data: { shoe: 42 } });
  t.eq(user.username, username);
  t.eq(user.password, undefined);

  await call('linkGroup', added, user);
  t.same(Object.keys((await call('getUser', username)).groups).sort(), ['_MESH_GST', group].sort());
  t.same((await call('getGroup', group)).permissions.methods, { [t.mesh + '/calc/add']: { authorized: true } });

  await call('addGroupPermissions', group, { methods: { [t.mesh + '/calc/fail']: { authorized: true } } });
  t.same(Object.keys((await call('getGroup', group)).permissions.methods).sort(), [t.mesh + '/calc/add', t.mesh + '/calc/fail']);
  await call('removeGroupPermissions', group, { methods: { [t.mesh + '/calc/fail']: {} } });
  t.same(Object.keys((await call('getGroup', group)).permissions.methods), [t.mesh + '/calc/add']);

  t.same((await call('listUsers', username)).map((found) => found.username), [username]);
  t.same((await call('listGroups', group)).map((found) => found.name), [group]);
  const again = await t.rejects(call('addUser', { username, password: 'x' }), /already exists/);
  t.eq(again.message, 'validation failure: user by the name ' + username + ' already exists');

  const unlinked = await call('unlinkGroup', added, user);
  t.eq(unlinked.data.removed, 1);
  const gone = await call('deleteUser', { username });
  t.eq(gone.obj.data.removed, 1);
  t.eq((await call('deleteGroup', { name: group })).removed, 1);
  t.eq(await call('getUser', username), null);
  t.eq(await call('getGroup', group), null);
}

happner('component-with-callbacks', async (t) => {
  const client = await t.admin();
  await administer(t, with_callback(client.api.exchange.security));
});

happner('component-with-promises', async (t) => {
  const client = await t.admin();
  await administer(t, with_promise(client.api.exchange.security));
});

mesh('component-with-callbacks-from-meshclient', async (t) => {
  const client = await t.meshClient();
  await administer(t, with_callback(client.exchange.security));
});

mesh('component-with-promises-from-meshclient', async (t) => {
  const client = await t.meshClient();
  await administer(t, with_promise(client.exchange.security));
});
