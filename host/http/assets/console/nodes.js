//! The other nodes of the cluster, and the calls that go to them.
//!
//! Enters: the cluster among the figures. Leaves: a table, by name, and a plot. Guaranteed: without a cluster there is
//! nothing of it; a node that is heard no more is seen as such, and said to users of screen readers once.
import { announce, badge, byId, element, Rows, setHidden, setText, showBadge } from './dom.js';
import { bytes, count, duration, rate } from './format.js';
import { Series } from './history.js';
import { linear, Plot, Spark } from './plot.js';

const NUMBERS = 6;

function ended({ calls }) {
  return calls.answered + calls.refused + calls.lost + calls.timed_out;
}

export class Nodes {
  constructor() {
    this.rows = new Rows(byId('node-table').tBodies[0], (node) => this.make(node));
    this.plot = new Plot(byId('node-plot'), {
      title: 'Calls to other nodes per second', scale: linear, format: rate,
      lines: [{ name: 'calls', read: (sample) => sample.rate }],
    });
    this.forget();
  }

  forget() {
    this.instance = null;
    this.all = new Series();
    this.series = new Map();
    this.verdicts = new Map();
  }

  make({ name }) {
    const verdict = badge('');
    const state = element('td');
    const since = element('td', { class: 'number' });
    const spark = new Spark();
    const numbers = Array.from({ length: NUMBERS }, () => element('td', { class: 'number' }));
    const components = element('td', { class: 'wide' });
    const [perSecond, ...others] = numbers;
    return {
      node: element('tr', {}, element('th', { scope: 'row' }, name), element('td', {}, verdict), state, since,
        perSecond, element('td', {}, spark.node), ...others, components),
      update: (node) => {
        const series = this.series.get(node.name);
        showBadge(verdict, node.verdict);
        setText(state, node.state);
        setText(since, duration((this.now - node.since) / 1000));
        spark.draw(series.samples, (sample) => sample.rate);
        const texts = [rate(series.latest.rate), count(node.in_flight), count(node.calls.lost + node.calls.timed_out),
          `${count(node.events.sent)} / ${count(node.events.received)}`, count(node.events.lost), bytes(node.waiting_bytes)];
        numbers.forEach((cell, place) => setText(cell, texts[place]));
        const versions = Object.entries(node.versions).map(([component, all]) => `${component} ${all.join(' ')}`);
        setText(components, versions.join(', ') || '–');
      },
    };
  }

  update(figures) {
    const { cluster } = figures;
    setHidden(byId('nodes'), !cluster);
    if (!cluster) return;
    if (this.instance !== figures.instance) this.forget();
    this.instance = figures.instance;
    this.now = figures.time;
    this.count(figures.uptime_milliseconds / 1000, cluster.nodes);
    const alive = cluster.nodes.filter((node) => node.verdict === 'alive').length;
    setText(byId('node-count'), `${alive} of ${cluster.nodes.length} others alive`);
    const { server } = cluster;
    const connected = server.connected ? `server ${server.address || ''}` : `not connected: ${server.why || 'no server has answered'}`;
    setText(byId('node-own'), `This is ${cluster.node} of cluster ${cluster.name}, ${cluster.state}; ${connected}`
      + (cluster.alone ? `. It judges no other node: ${cluster.alone}.` : ''));
    this.rows.show(cluster.nodes, (node) => node.name);
    this.plot.draw(this.all.samples);
    setText(byId('node-rate-now'), rate(this.all.latest.rate));
    this.tell(cluster.nodes);
  }

  count(time, nodes) {
    const add = (series, calls) => series.add(time, { calls, errors: 0, latencies: [] }, []);
    const names = new Set(nodes.map((node) => node.name));
    for (const name of this.series.keys()) if (!names.has(name)) this.series.delete(name);
    for (const node of nodes) {
      if (!this.series.has(node.name)) this.series.set(node.name, new Series());
      add(this.series.get(node.name), ended(node));
    }
    add(this.all, nodes.reduce((total, node) => total + ended(node), 0));
  }

  tell(nodes) {
    const verdicts = new Map(nodes.map((node) => [node.name, node.verdict]));
    for (const [name, verdict] of verdicts) {
      const before = this.verdicts.get(name);
      if (before !== undefined && before !== verdict) announce(`Node ${name} is ${verdict}`);
    }
    this.verdicts = verdicts;
  }
}
