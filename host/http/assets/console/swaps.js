//! Swaps: the steps of the one that goes on, and how the last ones ended.
//!
//! Enters: the reports among the figures. Leaves: a list, the newest first. Guaranteed: users of screen readers hear
//! that a swap begins, that it has switched, and how it ends, each once.
import { announce, badge, byId, element, Rows, setHidden, setText, showBadge } from './dom.js';
import { bytes, clock, duration, milliseconds } from './format.js';

const ENDINGS = { replaced: 'complete', refused: 'refused', 'rolled-back': 'rolled back', 'not-rolled-back': 'not rolled back' };
const BACKWARDS = ['reopen', 'discard', 'quiet-back', 'snapshot-back', 'restore-back', 'switch-back', 'unload-new', 'reopen-new'];

function titleOf({ components }) {
  const parts = components.map(({ component, from, to, library }) => {
    if (from && to) return `${component} ${from} → ${to}`;
    if (from && library) return `${component} ${from} → new version`;
    if (from) return `${component} ${from} removed`;
    return to ? `${component} ${to} added` : component;
  });
  return parts.join(', ') || 'Nothing was changed';
}

function wordOf(report) {
  if (report.ending) return ENDINGS[report.ending] || report.ending;
  const last = report.steps[report.steps.length - 1];
  if (!last) return 'under way';
  return last.step === 'probation' ? 'in probation' : 'switching';
}

function factsOf(report) {
  const state = report.components.reduce((sum, { state_bytes: size }) => (size === null ? sum : (sum || 0) + size), null);
  const { switched_after_milliseconds: switched, paused_milliseconds: paused } = report;
  return [
    switched === null ? null : `served after ${milliseconds(switched)}`,
    paused > 0 ? `calls waited ${milliseconds(paused)}` : null,
    state === null ? null : `${bytes(state)} of state`,
  ].filter(Boolean).join(' · ');
}

export class Swaps {
  constructor() {
    this.known = null;
    this.rows = new Rows(byId('swap-list'), () => this.make());
  }

  make() {
    const title = element('b');
    const state = badge('');
    const when = element('span', { class: 'muted when' });
    const facts = element('p', { class: 'muted facts-line' });
    const reason = element('p', { class: 'error' });
    const steps = element('ol', { class: 'steps' });
    const notes = element('ul', { class: 'notes' });
    const stepRows = new Rows(steps, () => this.makeStep());
    const noteRows = new Rows(notes, () => {
      const node = element('li');
      return { node, update: (note) => setText(node, note) };
    });
    return {
      node: element('li', { class: 'swap' }, element('div', { class: 'swap-head' }, title, state, when), facts, reason, steps, notes),
      update: ({ report, now }) => {
        setText(title, `${report.number}. ${titleOf(report)}`);
        showBadge(state, wordOf(report));
        setText(when, `${duration((now - report.began) / 1000)} ago`);
        when.title = clock(report.began);
        const text = factsOf(report);
        setText(facts, text);
        setHidden(facts, text === '');
        setText(reason, report.reason || '');
        setHidden(reason, !report.reason);
        stepRows.show(report.steps.map((step, place) => ({ step, place, report, now })), (item) => item.place);
        noteRows.show(report.notes, (note) => note);
      },
    };
  }

  makeStep() {
    const mark = element('span', { class: 'mark', 'aria-hidden': 'true' });
    const text = element('span');
    const time = element('span', { class: 'muted number' });
    const node = element('li', {}, mark, text, time);
    return {
      node,
      update: ({ step, place, report, now }) => {
        const following = report.steps[place + 1];
        const running = !following && !report.ending;
        const elapsed = now - report.began;
        const end = following ? following.after_milliseconds
          : (report.ended_after_milliseconds === null ? elapsed : report.ended_after_milliseconds);
        node.className = running ? 'running' : '';
        node.toggleAttribute('aria-current', running);
        if (running) node.setAttribute('aria-current', 'step');
        setText(mark, BACKWARDS.includes(step.step) ? '↩' : (running ? '●' : '✓'));
        setText(text, step.text);
        const spent = Math.max(0, end - step.after_milliseconds);
        const left = report.probation_seconds === null ? 0 : report.probation_seconds * 1000 - spent;
        setText(time, running && step.step === 'probation' ? `${duration(left / 1000)} left` : milliseconds(spent));
      },
    };
  }

  update(figures) {
    const reports = [...figures.swaps].reverse();
    setHidden(byId('no-swaps'), reports.length > 0);
    setText(byId('swap-count'), reports.length > 0 ? String(reports.length) : '');
    this.rows.show(reports.map((report) => ({ report, now: figures.time })), ({ report }) => report.number);
    const words = new Map(reports.map((report) => [report.number, wordOf(report)]));
    if (this.known && this.instance === figures.instance) {
      for (const report of reports) {
        const word = words.get(report.number);
        if (this.known.get(report.number) !== word) announce(`Swap of ${titleOf(report)}: ${word}`);
      }
    }
    this.known = words;
    this.instance = figures.instance;
  }
}
