//! Lines over time, drawn as SVG.
//!
//! Enters: samples of `history.js`. Leaves: a plot with a text that says the same. Guaranteed: a gap in the
//! samples is a gap in the line; the scale fits what is shown.
import { setText, element } from './dom.js';
import { SPAN } from './history.js';

/** Seconds that a plot may span. */
const SPANS = [60, 120, SPAN];
const SVG = 'http://www.w3.org/2000/svg';

function svg(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

/** The path of one line, and with `floor` that of the area below it. */
function path(samples, read, x, y, floor) {
  const parts = [];
  let run = [];
  const end = () => {
    if (run.length > 0) {
      const line = run.map(([left, top]) => `${left.toFixed(1)} ${top.toFixed(1)}`).join('L');
      parts.push(floor === undefined ? `M${line}` : `M${run[0][0].toFixed(1)} ${floor}L${line}L${run[run.length - 1][0].toFixed(1)} ${floor}Z`);
    }
    run = [];
  };
  for (const sample of samples) {
    const value = read(sample);
    if (value === null) end();
    else run.push([x(sample.time), y(value)]);
  }
  end();
  return parts.join('');
}

/** 1, 2 or 5 times a power of ten: at least the given number. */
function roundedUp(number) {
  if (number <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= number * 0.999);
}

/** From nothing to a round number above the highest value. */
export function linear(values) {
  const highest = roundedUp(Math.max(0, ...values));
  return { highest, middle: highest / 2, share: (value) => value / highest };
}

/** Powers of ten around all values: what is a hundred times as much is still seen beside the other. */
export function logarithmic(values) {
  const known = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(10, ...known)));
  const high = Math.max(low + 2, Math.ceil(Math.log10(Math.max(1000, ...known))));
  return {
    highest: 10 ** high,
    middle: 10 ** ((low + high) / 2),
    share: (value) => Math.max(0, (Math.log10(Math.max(value, 1e-9)) - low) / (high - low)),
  };
}

/** A plot with a scale: `lines` are `{name, read}`, `format` turns a value into text, `scale` is one of those above. */
export class Plot {
  constructor(parent, { lines, format, scale, title }) {
    Object.assign(this, { lines, format, scale, title });
    this.top = element('span', { class: 'scale top', 'aria-hidden': 'true' });
    this.middle = element('span', { class: 'scale middle', 'aria-hidden': 'true' });
    this.readout = element('span', { class: 'readout', 'aria-hidden': 'true', hidden: true });
    this.svg = svg('svg', { class: 'plot', viewBox: '0 0 300 100', preserveAspectRatio: 'none', role: 'img' });
    for (const height of [0, 50, 100]) {
      this.svg.append(svg('line', { class: 'grid', x1: 0, x2: 300, y1: height, y2: height }));
    }
    this.area = svg('path', { class: 'area' });
    this.paths = lines.map((line) => svg('path', { class: `line ${line.name}` }));
    this.cursor = svg('line', { class: 'cursor', y1: 0, y2: 100, visibility: 'hidden' });
    this.svg.append(this.area, ...this.paths, this.cursor);
    this.first = element('span');
    const times = element('div', { class: 'times', 'aria-hidden': 'true' }, this.first, element('span', {}, 'now'));
    this.frame = element('div', { class: 'plot-frame' }, this.svg, this.top, this.middle, this.readout);
    parent.append(this.frame, times);
    this.frame.addEventListener('pointermove', (event) => this.point(event));
    this.frame.addEventListener('pointerleave', () => this.point(null));
    this.samples = [];
  }

  draw(samples) {
    this.samples = samples;
    const now = samples.length > 0 ? samples[samples.length - 1].time : 0;
    // A page that was opened just now shows what there is, and not five minutes of nothing.
    const known = samples.length > 0 ? now - samples[0].time : 0;
    this.span = SPANS.find((span) => known <= span) || SPAN;
    setText(this.first, `${this.span / 60} min ago`);
    this.begin = now - this.span;
    const shown = samples.filter((sample) => sample.time >= this.begin);
    const values = this.lines.flatMap((line) => shown.map(line.read)).filter((value) => value !== null);
    const { highest, middle, share } = this.scale(values);
    const x = (time) => ((time - this.begin) / this.span) * 300;
    const y = (value) => 100 - share(value) * 100;
    this.paths.forEach((node, index) => node.setAttribute('d', path(shown, this.lines[index].read, x, y)));
    this.area.setAttribute('d', path(shown, this.lines[0].read, x, y, 100));
    setText(this.top, this.format(highest));
    setText(this.middle, this.format(middle));
    this.svg.setAttribute('aria-label', `${this.title}, last ${this.span / 60} min. ${this.inWords(shown)}`);
  }

  inWords(samples) {
    const sentences = this.lines.map(({ name, read }) => {
      const values = samples.map(read).filter((value) => value !== null);
      if (values.length === 0) return `${name}: nothing yet.`;
      const now = read(samples[samples.length - 1]);
      return `${name}: ${this.format(now)} now, between ${this.format(Math.min(...values))} and ${this.format(Math.max(...values))}.`;
    });
    return sentences.join(' ');
  }

  /** Says what was where the pointer is. */
  point(event) {
    const box = this.frame.getBoundingClientRect();
    const share = event ? (event.clientX - box.left) / box.width : -1;
    const time = this.begin + share * this.span;
    const near = this.samples.filter((sample) => Math.abs(sample.time - time) < this.span / 60)
      .sort((one, other) => Math.abs(one.time - time) - Math.abs(other.time - time))[0];
    this.readout.hidden = !near;
    this.cursor.setAttribute('visibility', near ? 'visible' : 'hidden');
    const left = share * 300;
    this.cursor.setAttribute('x1', left);
    this.cursor.setAttribute('x2', left);
    if (!near) return;
    const now = this.samples[this.samples.length - 1].time;
    const values = this.lines.map(({ name, read }) => `${name} ${this.format(read(near))}`).join(', ');
    setText(this.readout, `${Math.round(now - near.time)} s ago: ${values}`);
    this.readout.classList.toggle('left', share > 0.5);
  }
}

/** A line without a scale, for a row of a table; the number beside it is its text. */
export class Spark {
  constructor() {
    this.node = svg('svg', { class: 'spark', viewBox: '0 0 60 20', preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' });
    this.area = svg('path', { class: 'area' });
    this.line = svg('path', { class: 'line calls' });
    this.node.append(this.area, this.line);
  }

  draw(samples, read) {
    const now = samples.length > 0 ? samples[samples.length - 1].time : 0;
    const shown = samples.filter((sample) => sample.time >= now - 60);
    const highest = Math.max(1, ...shown.map((sample) => read(sample) || 0));
    const x = (time) => time - now + 60;
    const y = (value) => 19 - (value / highest) * 18;
    this.line.setAttribute('d', path(shown, read, x, y));
    this.area.setAttribute('d', path(shown, read, x, y, 20));
  }
}
