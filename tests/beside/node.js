'use strict';
// One node of a happner-cluster. Its parent gives its settings, and ends it by going away.
process.env.LOG_LEVEL = process.env.LOG_LEVEL || 'off';
const HappnerCluster = require('happner-cluster');

/** The components of a provider. */
function components(name) {
  const enter = async (client, number, milliseconds) => {
    if (milliseconds) await new Promise((resolve) => setTimeout(resolve, milliseconds));
    return { version: '1.0.0', node: name };
  };
  return {
    calc: { add: async (a, b) => a + b },
    ledger: { enter, again: enter },
  };
}

function modules(instances) {
  return Object.fromEntries(Object.entries(instances).map(([name, instance]) => [name, { instance, path: name }]));
}

function configuration({ name, port, proxy, swim, seed, data, isEdge }) {
  const instances = isEdge ? { edge: {} } : components(name);
  const brokered = {
    calc: { version: '^1.0.0', methods: { add: {} } },
    ledger: { version: '^1.0.0', methods: { enter: {}, again: {} } },
  };
  return {
    name,
    domain: 'shop',
    port,
    cluster: { requestTimeout: 3000, responseTimeout: 5000 },
    happn: {
      port,
      host: '127.0.0.1',
      announceHost: '127.0.0.1',
      secure: false,
      services: {
        data: {
          config: {
            datastores: [
              { name: 'shared', provider: 'happn-service-mongo-2', isDefault: true, settings: { port: data } },
            ],
          },
        },
        membership: {
          config: {
            clusterName: 'shop',
            host: '127.0.0.1',
            port: swim,
            hosts: [`127.0.0.1:${seed}`],
            seed: swim === seed,
            // A busy machine answers late. Nobody answers the seed.
            joinTimeout: swim === seed ? 500 : 5000,
          },
        },
        orchestrator: { config: { minimumPeers: 1 } },
        proxy: { config: { host: '127.0.0.1', port: proxy } },
      },
    },
    modules: modules(instances),
    components: Object.fromEntries(
      Object.keys(instances).map((name) => [
        name,
        isEdge ? { dependencies: { $broker: brokered } } : { version: '1.0.0' },
      ])
    ),
  };
}

process.once('message', (settings) => {
  HappnerCluster.create(configuration(settings))
    .then(() => process.send({ serves: settings.name }))
    .catch((error) => {
      process.send({ failed: String((error && error.stack) || error) });
      process.exit(1);
    });
});
process.on('disconnect', () => process.exit());
