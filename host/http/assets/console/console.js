//! The console: puts the parts together.
//!
//! Enters: what `link.js` tells. Leaves: a page that follows the mesh. Guaranteed: no part of the page is made from
//! markup of the mesh; where figures are denied, what is left works.
import { announce, byId, element, Rows, setHidden, setText, showBadge } from './dom.js';
import { Components } from './components.js';
import { Detail } from './detail.js';
import { Events } from './events.js';
import { bytes, count, duration, latency, rate } from './format.js';
import { History } from './history.js';
import { goTo, watchKeys } from './keys.js';
import { Link } from './link.js';
import { Nodes } from './nodes.js';
import { linear, logarithmic, Plot } from './plot.js';
import { Sessions } from './sessions.js';
import { Swaps } from './swaps.js';

const link = new Link();
const history = new History();
const events = new Events(link);
const detail = new Detail(link, (component, event) => {
  goTo('events-title');
  events.listen(component, event);
});
const components = new Components(history, (item, byHand) => {
  detail.show(item);
  link.describe(hasFigures ? item.instance : null);
  describeFromDescription();
  // Where the parts stand below each other, the choice would not be seen.
  if (byHand && matchMedia('(max-width: 1099px)').matches) goTo('detail-title');
});
const swaps = new Swaps();
const sessions = new Sessions(link);
const nodes = new Nodes();
let hasFigures = false;

const ratePlot = new Plot(byId('rate-plot'), {
  title: 'Calls per second', scale: linear, format: rate,
  lines: [{ name: 'calls', read: (sample) => sample.rate }],
});
const latencyPlot = new Plot(byId('latency-plot'), {
  title: 'Latency', scale: logarithmic, format: latency,
  lines: [{ name: 'p50', read: (sample) => sample.p50 }, { name: 'p99', read: (sample) => sample.p99 }],
});
const facts = new Rows(byId('facts'), ({ name }) => {
  const value = element('dd');
  const node = element('div', {}, element('dt', {}, name), value);
  return { node, update: (fact) => { setText(value, fact.value); node.className = fact.alarming ? 'alarming' : ''; } };
});

function showOverview(figures) {
  const { samples, latest } = history.all;
  ratePlot.draw(samples);
  latencyPlot.draw(samples);
  setText(byId('rate-now'), `${rate(latest.rate)}`);
  setText(byId('p50-now'), latency(latest.p50));
  setText(byId('p99-now'), latency(latest.p99));
  const sum = (read) => figures.components.reduce((total, component) => total + read(component), 0);
  const queued = figures.sessions.reduce((total, session) => total + session.queued_bytes, 0);
  const shown = [
    ['Errors per second', rate(latest.errors), latest.errors > 0],
    ['Calls pending', count(sum((component) => component.pending + component.waiting))],
    ['Sessions', count(figures.session_count)],
    ['Subscriptions', count(figures.subscriptions)],
    ['Documents', count(figures.documents)],
    ['Slow readers closed', count(figures.slow_consumers), figures.slow_consumers > 0],
    ['Queued for sessions', bytes(queued)],
    ['Threads of components', count(sum((component) => component.lanes))],
  ];
  facts.show(shown.map(([name, value, alarming]) => ({ name, value, alarming })), (fact) => fact.name);
}

function showFigures(figures) {
  hasFigures = true;
  history.add(figures);
  setText(byId('mesh-name'), figures.name);
  document.title = `${figures.name} – mesh console`;
  setText(byId('about'), `mesh ${figures.version} · pid ${figures.pid} · up ${duration(figures.uptime_milliseconds / 1000)}`);
  notice(figures.unready ? `Not ready: ${figures.unready}` : '');
  for (const id of ['overview', 'swaps', 'sessions']) setHidden(byId(id), false);
  setHidden(byId('board'), false);
  showOverview(figures);
  components.update(figures);
  const { choice } = components;
  if (choice) {
    detail.show(choice);
    link.describe(choice.instance);
    if (figures.described && figures.described.instance === choice.instance) {
      const listed = (link.client.description && link.client.description.components[choice.listed]) || {};
      detail.describe({ ...figures.described, routes: listed.routes });
    }
  }
  swaps.update(figures);
  sessions.update(figures);
  nodes.update(figures);
}

function describeFromDescription() {
  const { choice } = components;
  const description = link.client && link.client.description;
  const found = !hasFigures && choice && description && description.components[choice.listed];
  if (found) detail.describe(found);
}

/** Without figures: what the description tells, and calls. */
function showDescription(description) {
  setText(byId('mesh-name'), description.name);
  document.title = `${description.name} – mesh console`;
  setHidden(byId('board'), false);
  components.updateFrom(description);
  if (components.choice) detail.show(components.choice);
  describeFromDescription();
}

function notice(text) {
  const node = byId('notice');
  setText(node, text);
  setHidden(node, text === '');
}

link.addEventListener('figures', ({ detail: figures }) => showFigures(figures));
link.addEventListener('figures-denied', ({ detail: { status } }) => {
  hasFigures = false;
  for (const id of ['overview', 'nodes', 'swaps', 'sessions']) setHidden(byId(id), true);
  const { user } = link.client.session;
  const who = user ? user.username : 'You';
  const text = status === 403
    ? `${who} may not read the figures of this mesh: that needs the permission to get /@HTTP/console/status. Components, calls and events are shown as far as they are allowed.`
    : `The host does not give its figures (status ${status}). Components, calls and events are shown as far as they are allowed.`;
  notice(text);
  announce(text);
  if (link.client.description) showDescription(link.client.description);
  else setHidden(byId('board'), false);
});
link.addEventListener('description', ({ detail: description }) => { if (!hasFigures && !byId('notice').hidden) showDescription(description); });
link.addEventListener('subscription-lost', ({ detail: { error } }) => events.lost(error.message));
link.addEventListener('state', ({ detail: state }) => {
  showBadge(byId('connection'), state);
  document.body.classList.toggle('stale', state === 'disconnected');
  if (state === 'connected') {
    setHidden(byId('login'), true);
    byId('password').value = '';
    const { user } = link.client.session;
    setText(byId('who'), user ? user.username : '');
    setHidden(byId('who'), !user);
    setHidden(byId('log-out'), !user);
    events.lost('the session is another one now.');
  }
  if (state !== 'connecting') announce(state === 'connected' ? 'Connected' : 'Disconnected; the page comes back by itself');
});
link.addEventListener('login-needed', ({ detail: { reason } }) => {
  showBadge(byId('connection'), 'logged out');
  for (const id of ['board', 'notice', 'who', 'log-out']) setHidden(byId(id), true);
  setHidden(byId('login'), false);
  hasFigures = false;
  history.forget();
  nodes.forget();
  events.lost('logged out.');
  events.clear();
  setText(byId('login-error'), reason || '');
  byId(reason && byId('username').value ? 'password' : 'username').focus();
});
byId('login-form').addEventListener('submit', (event) => {
  event.preventDefault();
  setText(byId('login-error'), '');
  link.open({ username: byId('username').value, password: byId('password').value });
});
byId('log-out').addEventListener('click', () => link.logOut());

const theme = byId('theme');
theme.value = window.appearance.chosen();
theme.addEventListener('change', () => window.appearance.choose(theme.value));
watchKeys({
  p: () => events.pause(),
  t: () => {
    window.appearance.other();
    theme.value = window.appearance.chosen();
  },
});
link.open();
