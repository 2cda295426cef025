//! The list of components: every loaded version with its state and its figures.
//!
//! Enters: the figures, or only the description where the figures are denied. Leaves: `onChoose(row)`, and the
//! version that is chosen. Guaranteed: the choice follows a version that is replaced to the one that took over.
import { announce, badge, byId, element, Rows, setText, showBadge } from './dom.js';
import { count, latency, rate } from './format.js';
import { Spark } from './plot.js';

/** The components as the description alone has them, in the form of the figures. */
function described(description) {
  return Object.entries(description.components).map(([listed, component]) => ({
    instance: `${listed} ${component.version}`, name: listed.split('@')[0], listed, version: component.version, state: 'listed',
  }));
}

export class Components {
  constructor(history, onChoose) {
    this.history = history;
    this.onChoose = onChoose;
    this.chosen = null;
    this.items = [];
    this.filter = byId('filter');
    this.body = byId('component-table').tBodies[0];
    this.rows = new Rows(this.body, (item) => this.makeRow(item));
    this.names = new Rows(byId('component-names'), ({ name }) => ({ node: element('option', { value: name }), update() {} }));
    this.filter.addEventListener('input', () => this.show());
    this.body.addEventListener('keydown', (event) => this.move(event));
  }

  makeRow(item) {
    const button = element('button', { type: 'button', class: 'choice', 'aria-controls': 'detail', onclick: () => this.choose(item.instance) },
      item.name);
    const state = badge(item.state);
    const number = () => element('td', { class: 'number' });
    const cells = { lanes: number(), rate: number(), p50: number(), p99: number(), calls: number(), errors: number(), pending: number() };
    const spark = new Spark();
    const node = element('tr', {},
      element('th', { scope: 'row' }, button, item.native ? element('span', { class: 'tag' }, 'host') : null),
      element('td', { class: 'version' }, item.version), element('td', {}, state), cells.lanes, cells.rate,
      element('td', { class: 'spark-cell' }, spark.node), cells.p50, cells.p99, cells.calls, cells.errors, cells.pending);
    return {
      node,
      button,
      update: (now) => {
        const chosen = this.chosen === now.instance;
        node.classList.toggle('chosen', chosen);
        button.setAttribute('aria-current', String(chosen));
        showBadge(state, now.state);
        const series = this.history.of(now.instance);
        const { rate: calls, p50, p99 } = series.latest;
        const known = (value) => (value === undefined ? '–' : count(value));
        setText(cells.lanes, now.native ? '–' : known(now.lanes));
        setText(cells.rate, rate(calls));
        setText(cells.p50, latency(p50));
        setText(cells.p99, latency(p99));
        setText(cells.calls, known(now.calls));
        setText(cells.errors, known(now.errors));
        setText(cells.pending, now.pending === undefined ? '–' : count(now.pending + now.waiting));
        cells.errors.classList.toggle('failing', now.errors > 0);
        spark.draw(series.samples, (sample) => sample.rate);
      },
    };
  }

  /** Takes the figures. */
  update(figures) {
    this.take(figures.components);
  }

  /** Takes the description, where there are no figures. */
  updateFrom(description) {
    this.take(described(description));
  }

  take(items) {
    const names = [...new Set(items.map((item) => item.name))];
    // Versions of one component stand together, those of the host below all others.
    this.items = names.flatMap((name) => items.filter((item) => item.name === name))
      .sort((one, other) => Number(Boolean(one.native)) - Number(Boolean(other.native)));
    this.follow();
    this.names.show(names.map((name) => ({ name })), (item) => item.name);
    this.show();
  }

  /** The item that is chosen. */
  get choice() {
    return this.items.find((item) => item.instance === this.chosen) || null;
  }

  /** Goes on with the version that took over when the chosen one does not serve any more. */
  follow() {
    const { choice } = this;
    if (choice && choice.listed) {
      this.last = choice;
      return;
    }
    const serving = this.items.filter((item) => item.listed);
    const heir = this.last && serving.find((item) => item.name === this.last.name);
    if (heir) {
      if (choice || heir.version !== this.last.version) announce(`${heir.name} ${this.last.version} was replaced by ${heir.version}`);
      this.choose(heir.instance, true);
    } else if (!choice && serving.length > 0) {
      this.choose(serving[0].instance, true);
    }
  }

  choose(instance, silently = false) {
    this.chosen = instance;
    const { choice } = this;
    if (!choice) return;
    this.last = choice;
    if (!silently) {
      announce(`${choice.name} ${choice.version} is shown`);
      this.show();
    }
    this.onChoose(choice, !silently);
  }

  show() {
    const wanted = this.filter.value.trim().toLowerCase();
    const shown = this.items.filter((item) => `${item.name} ${item.version} ${item.state}`.toLowerCase().includes(wanted));
    this.rows.show(shown, (item) => item.instance);
    const names = new Set(this.items.map((item) => item.name));
    setText(byId('component-count'), wanted ? `${shown.length} of ${this.items.length}` : `${names.size}`);
  }

  /** The arrow keys go from one component to the next. */
  move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.classList.contains('choice')) return;
    const buttons = [...this.body.querySelectorAll('.choice')];
    const next = buttons[buttons.indexOf(event.target) + step];
    if (next) next.focus();
    event.preventDefault();
  }
}
