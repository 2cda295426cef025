//! The console in a real browser, against a running mesh.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test, before, after } = require('node:test');
const { launch, skip } = require('./support/chromium');
const { BINARY, load, startHost } = require('./support/mesh');

const COUNTER = '\n[[components]]\nname = "counter"\nlibrary = "counter"\n';
const CONSOLE = 'console.enabled=true';

let host;
let secured;
let browser;
before(async () => {
  if (skip) return;
  [host, secured, browser] = await Promise.all([
    startHost([CONSOLE, 'swap.probation_ms=600000'], COUNTER),
    startHost([CONSOLE, 'happn.secure=true', 'security.admin_password="secret"']),
    launch(),
  ]);
});
after(async () => {
  if (skip) return;
  await browser.close();
  await Promise.all([host.stop(), secured.stop()]);
});

/** The console of a host; `failures` are scripts that failed and what the page was forbidden. */
async function openConsole({ url }, options = {}) {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options })).newPage();
  const failures = [];
  page.on('pageerror', (error) => failures.push(error.message));
  page.on('console', (message) => { if (/Content Security Policy/.test(message.text())) failures.push(message.text()); });
  await page.goto(`${url}/console`);
  return { page, failures };
}

const row = (page, name) => page.locator('#component-table tbody tr', { has: page.locator(`.choice:text-is("${name}")`) });
const choose = (page, name) => row(page, name).first().locator('.choice').click();

/** Opens the form of a method and sends arguments. */
async function call(page, method, ...args) {
  const details = page.locator('details.method', { has: page.locator(`summary code:text-matches("^${method}\\\\(")`) });
  if (await details.getAttribute('open') === null) await details.locator('summary').click();
  for (const [place, text] of args.entries()) await details.locator('textarea').nth(place).fill(text);
  await details.locator('button[type=submit]').click();
  return details;
}

const outcome = async (details) => {
  await details.locator('.outcome:text-matches("^(Answered|Failed)")').waitFor();
  return [await details.locator('.outcome').textContent(), await details.locator('.result').textContent()];
};

async function logIn(page, username, password) {
  await page.fill('#username', username);
  await page.fill('#password', password);
  await page.click('#login-form button');
}

test('it lists the components with their state and calls their methods', { skip }, async () => {
  const { page, failures } = await openConsole(host);
  await row(page, 'calc').waitFor();
  assert.match(await row(page, 'calc').textContent(), /calc1\.2\.3active/);
  assert.equal(await page.title(), 'TestNode – mesh console');
  await choose(page, 'calc');
  await page.locator('#detail-title:text-is("calc 1.2.3")').waitFor();
  const added = await call(page, 'add', '1', '2');
  const [answered, result] = await outcome(added);
  assert.match(answered, /^Answered in /);
  assert.equal(result, '3');
  const [failed, more] = await outcome(await call(page, 'divide', '1', '0'));
  assert.match(failed, /^Failed after .*: DivisionError 4220: division by zero$/);
  assert.deepEqual(JSON.parse(more).details, { a: 1, b: 0 });
  const echo = await call(page, 'echo', 'hello');
  await echo.locator('.error:text-matches("not JSON")').waitFor();
  assert.equal(await echo.locator('textarea').getAttribute('aria-invalid'), 'true');
  await echo.locator('select').selectOption('text');
  await echo.locator('button[type=submit]').click();
  assert.equal((await outcome(echo))[1], '"hello"');
  await page.waitForFunction(() => /calls: [^n]/.test(document.querySelector('#rate-plot svg').getAttribute('aria-label')));
  await page.locator('#session-table .tag:text-is("this page")').waitFor();
  assert.deepEqual(failures, []);
});

test('events are shown as they come, and hostile ones as the text that they are', { skip }, async () => {
  const { page, failures } = await openConsole(host);
  const mesh = await load().connect({ url: host.url });
  await row(page, 'emitter').waitFor();
  await page.fill('#event-component', 'emitter');
  await page.fill('#event-key', 'xss/*');
  await page.click('#event-listen');
  await page.locator('#event-state:text-is("Listening to xss/* of emitter.")').waitFor();
  const hostile = '<img src=x onerror="window.attacked = true"><script>window.attacked = true</script>';
  await mesh.call('emitter', 'emit', ['xss/one', { text: hostile }]);
  const shown = page.locator('#event-table tbody tr').first();
  await shown.waitFor();
  assert.equal(await shown.locator('.wide').textContent(), JSON.stringify({ text: hostile }));
  assert.equal(await page.locator('#event-table img, #event-table script').count(), 0);
  await choose(page, 'calc');
  const [failed] = await outcome(await call(page, 'namedError', JSON.stringify('Evil'), JSON.stringify(hostile)));
  assert.ok(failed.includes(hostile), failed);
  assert.equal(await page.evaluate(() => window.attacked), undefined);
  await page.click('#event-pause');
  await mesh.call('emitter', 'emit', ['xss/two', 2]);
  await page.locator('#event-count:text-is("2, paused")').waitFor();
  assert.equal(await page.locator('#event-table tbody tr').count(), 1);
  await page.click('#event-pause');
  await page.locator('#event-table tbody tr').nth(1).waitFor();
  await mesh.call('emitter', 'emitMany', ['xss/many', 500]);
  await page.locator('#event-count:text-is("502")').waitFor();
  assert.equal(await page.locator('#event-table tbody tr').count(), 200);
  await page.click('#event-clear');
  assert.equal(await page.locator('#event-table tbody tr').count(), 0);
  await mesh.disconnect();
  assert.deepEqual(failures, []);
});

test('a swap is seen while it goes on, and the chosen component is the one that took over', { skip }, async () => {
  const { page, failures } = await openConsole(host);
  await row(page, 'counter').waitFor();
  await choose(page, 'counter');
  await page.locator('#detail-title:text-is("counter 1.0.0")').waitFor();
  await host.command('swap', 'counter', path.join(path.dirname(BINARY), 'libfixture_counter_next.so'));
  const swap = page.locator('#swap-list .swap').first();
  await swap.locator('.badge:text-is("in probation")').waitFor();
  assert.match(await swap.textContent(), /counter 1\.0\.0 → 1\.1\.0/);
  assert.match(await swap.locator('[aria-current=step]').textContent(), /in probation/);
  const states = () => row(page, 'counter').evaluateAll((rows) => rows.map((found) => found.querySelector('.badge').textContent));
  await page.waitForFunction(() => [...document.querySelectorAll('#component-table .badge')].some((node) => node.textContent === 'parked'));
  assert.deepEqual(await states(), ['active', 'parked']);
  const [, result] = await outcome(await call(page, 'version'));
  assert.ok(result.length > 0);
  assert.deepEqual(failures, []);
});

test('it comes back by itself when the host was gone, and goes on listening', { skip }, async () => {
  const { page, failures } = await openConsole(host);
  await row(page, 'emitter').waitFor();
  await page.fill('#event-component', 'emitter');
  await page.fill('#event-key', 'again');
  await page.click('#event-listen');
  await page.locator('#event-state:text-matches("^Listening")').waitFor();
  await host.stop('SIGKILL');
  await page.locator('#connection:text-is("disconnected")').waitFor();
  await host.start();
  await page.locator('#connection:text-is("connected")').waitFor();
  const mesh = await load().connect({ url: host.url });
  await mesh.call('emitter', 'emit', ['again', { n: 1 }]);
  await page.locator('#event-table tbody tr').first().waitFor();
  await page.locator(`#about:text-matches("pid ${host.process.pid} ")`).waitFor();
  await mesh.disconnect();
  assert.deepEqual(failures, []);
});

test('a secure mesh asks for a login, and says what a user may not see', { skip }, async () => {
  const { page, failures } = await openConsole(secured);
  await page.locator('#login').waitFor();
  assert.equal(await page.locator('#board').isVisible(), false);
  await logIn(page, '_ADMIN', 'guess');
  await page.locator('#login-error:text-is("Invalid credentials")').waitFor();
  await logIn(page, '_ADMIN', 'secret');
  await page.locator('#who:text-is("_ADMIN")').waitFor();
  await row(page, 'calc').waitFor();
  const kept = await page.evaluate(() => [document.cookie, JSON.stringify({ ...localStorage, ...sessionStorage }),
    document.querySelector('#password').value]);
  assert.deepEqual([kept[0], kept[2]], ['', '']);
  assert.doesNotMatch(kept[1], /secret|token|eyJ/);
  await page.click('#log-out');
  await page.locator('#login').waitFor();

  const admin = await load().connect({ url: secured.url, username: '_ADMIN', password: 'secret' });
  const group = {
    name: 'callers',
    permissions: { methods: { '/TestNode/calc/add': { authorized: true } }, events: {}, data: {} },
  };
  const made = await admin.call('security', 'upsertGroup', [group]);
  const user = await admin.call('security', 'upsertUser', [{ username: 'caller', password: 'secret' }]);
  await admin.call('security', 'linkGroup', [made, user]);
  await logIn(page, 'caller', 'secret');
  await page.locator('#notice:text-matches("^caller may not read the figures")').waitFor();
  assert.equal(await page.locator('#overview').isVisible(), false);
  await row(page, 'calc').waitFor();
  await choose(page, 'calc');
  const [, result] = await outcome(await call(page, 'add', '4', '5'));
  assert.equal(result, '9');
  const [denied] = await outcome(await call(page, 'divide', '4', '2'));
  assert.match(denied, /^Failed after .*(denied|unauthorized)/i);
  await admin.disconnect();
  assert.deepEqual(failures, []);
});

test('everything is reached with the keyboard alone', { skip }, async () => {
  const { page, failures } = await openConsole(host);
  await row(page, 'calc').waitFor();
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'Skip to the content');
  await page.keyboard.press('Enter');
  const seen = new Set();
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press('Tab');
    seen.add(await focused());
    const outline = await page.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return document.activeElement === document.body || (outlineStyle !== 'none' && outlineWidth !== '0px');
    });
    assert.ok(outline, `where the focus is, is seen: ${await focused()}`);
  }
  for (const reached of ['filter', 'calc', 'event-component', 'event-listen', 'theme', 'show-keys']) {
    assert.ok(seen.has(reached), `${reached}: ${[...seen].join(', ')}`);
  }
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('/');
  assert.equal(await focused(), 'filter');
  await page.keyboard.type('cal');
  await page.locator('#component-count:text-matches("^1 of ")').waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'calc');
  await page.keyboard.press('Enter');
  await page.locator('#detail-title:text-is("calc 1.2.3")').waitFor();
  await page.keyboard.press('d');
  assert.equal(await focused(), 'detail-title');
  await page.keyboard.press('t');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.keyboard.press('?');
  await page.locator('#keys[open]').waitFor();
  await page.keyboard.press('Escape');
  assert.deepEqual(failures, []);
});

// The short form looks at each width and each colour scheme once.
const LOOKS = [['light', 1440], ['dark', 390]];
if (process.env.MESH_TESTS_LONG) LOOKS.push(['light', 390], ['dark', 1440]);
for (const [colorScheme, width] of LOOKS) {
  test(`axe finds nothing to complain of, ${colorScheme} at ${width} pixels`, { skip }, async () => {
    const axe = fs.readFileSync(require.resolve('axe-core'), 'utf8');
    const found = async (page) => {
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run());
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
    };
    const options = { colorScheme, viewport: { width, height: 844 } };
    const { page } = await openConsole(host, options);
    await row(page, 'calc').waitFor();
    await choose(page, 'calc');
    await outcome(await call(page, 'divide', '1', '0'));
    assert.deepEqual(await found(page), []);
    const login = await openConsole(secured, options);
    await login.page.locator('#login').waitFor();
    assert.deepEqual(await found(login.page), []);
  });
}

test('percentiles and rates are those of the counters', { skip }, async () => {
  const { page } = await openConsole(host);
  const found = await page.evaluate(async () => {
    const { percentile, Series } = await import('/console/history.js');
    const steps = [100, 200];
    const series = new Series();
    const add = (time, calls) => series.add(time, { calls, errors: 0, latencies: [calls, 0, 0] }, steps);
    [[1, 10], [2, 30], [2.1, 31], [3, 40], [4, 0], [5, 5]].forEach(([time, calls]) => add(time, calls));
    return {
      none: percentile([0, 0, 0], steps, 0.5),
      half: percentile([10, 10, 0], steps, 0.5),
      most: percentile([10, 10, 0], steps, 0.75),
      beyond: percentile([0, 0, 4], steps, 0.99),
      rates: series.samples.map((sample) => sample.rate),
    };
  });
  assert.deepEqual(found, { none: null, half: 100, most: 150, beyond: 200, rates: [20, 10, 5] });
});
