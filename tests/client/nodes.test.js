//! The nodes of a cluster in the console, in a real browser.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const { test, before, after } = require('node:test');
const chromium = require('./support/chromium');
const { freePort, startHost } = require('./support/mesh');
const nats = require('./support/nats');

const skip = chromium.skip || nats.skip;
const COUNTER = '\n[[components]]\nname = "counter"\nlibrary = "counter"\n';

let server;
let edge;
let provider;
let browser;
before(async () => {
  if (skip) return;
  server = await nats.startNats(freePort);
  const cluster = `\n[cluster]\nname = "shop"\nservers = ["${server.url}"]\n`;
  const start = (name, components) => startHost([`name=${name}`, 'domain=TestNode', 'console.enabled=true'], cluster + components);
  [edge, provider, browser] = await Promise.all([start('shop-1', ''), start('shop-2', COUNTER), chromium.launch()]);
});
after(async () => {
  if (skip) return;
  await browser.close();
  await Promise.all([edge.stop(), provider.stop('SIGKILL')]);
  await server.stop();
});

test('the console shows the other nodes, their calls, and one that dies', { skip }, async () => {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  const failures = [];
  page.on('pageerror', (error) => failures.push(error.message));
  await page.goto(`${edge.url}/console`);
  const row = page.locator('#node-table tbody tr');
  const cell = (place) => row.locator('td').nth(place);
  const reads = (place, text) => page.waitForFunction(
    ([at, expected]) => {
      const found = document.querySelectorAll('#node-table tbody tr td')[at];
      return found && new RegExp(expected).test(found.textContent);
    },
    [place, text],
    { timeout: 60000 },
  );
  await row.locator('th:text-is("shop-2")').waitFor({ timeout: 60000 });
  await reads(0, '^alive$');
  await reads(1, '^ready$');
  await reads(10, 'counter 1');
  assert.match(await page.locator('#node-own').textContent(), /^This is shop-1 of cluster shop, ready; server /);
  assert.equal(await page.locator('#node-count').textContent(), '1 of 1 others alive');

  // Both the row and the plot have a number as soon as there were calls between two looks.
  for (let calls = 0; calls < 3; calls += 1) await edge.command('call', 'counter/increment');
  await page.waitForFunction(
    () => /calls: .* between 0 and [^0]/.test(document.querySelector('#node-plot svg').getAttribute('aria-label')),
    null,
    { timeout: 60000 },
  );
  assert.equal(await cell(4).locator('svg').count(), 1);
  await page.keyboard.press('n');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'nodes-title');

  await page.evaluate(fs.readFileSync(require.resolve('axe-core'), 'utf8'));
  const { violations } = await page.evaluate(() => window.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`), []);

  await provider.stop('SIGKILL');
  await reads(0, '^lost$');
  assert.equal(await page.locator('#node-count').textContent(), '0 of 1 others alive');
  assert.match(await page.locator('#announcer').textContent(), /Node shop-2 is lost/);
  assert.deepEqual(failures, []);
});

test('a host on its own has no part for nodes', { skip }, async () => {
  const alone = await startHost(['console.enabled=true']);
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${alone.url}/console`);
  await page.locator('#component-table tbody tr').first().waitFor();
  assert.equal(await page.locator('#nodes').isVisible(), false);
  const figures = await (await fetch(`${alone.url}/console/status`)).json();
  assert.equal('cluster' in figures, false);
  await alone.stop();
});
