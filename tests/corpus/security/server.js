'use strict';

// A real, secured mesh server of one generation, in a process of its own.
//
// Enters: `first` or `later`, and a port. Leaves: a message when it serves. A failure inside the server is
// kept from ending it: servers that end are servers that do not answer.

const generation = process.argv[2];
const port = Number(process.argv[3]);
process.env.LOG_LEVEL = 'off';

const Happner = require(`happner-2-${generation}`);

// The component `web` of the conformance kit, as far as it matters here. The first generation cannot read arrow functions.
const web = {
  ping: function (callback) {
    callback(null, 'pong');
  },
  hello: function (request, response) {
    response.end('{}');
  },
  page: function (request, response) {
    response.end('page');
  },
  missing: function (request, response) {
    response.end('nothing');
  },
};

const config = {
  name: 'TestNode',
  happn: {
    port,
    secure: true,
    setOptions: { timeout: 5000, noStore: true },
    services: { security: { config: { adminUser: { password: 'happn' }, sessionTokenSecret: 'secret' } } },
  },
  modules: { web: { instance: web } },
  components: { web: { moduleName: 'web', web: { routes: { hello: 'hello', page: 'page', missing: 'missing' } } } },
};

process.on('uncaughtException', () => {});
process.on('unhandledRejection', () => {});

Happner.create(config, (error) => {
  if (error) process.exit(1);
  process.send('serves');
});
