//! Counters over time: rates, and percentiles of latencies.
//!
//! Enters: the figures of the host, about once a second. Leaves: for each version of a component, and for all
//! together, the samples of the last five minutes. Guaranteed: a counter that begins again is not taken for a negative
//! rate; nothing is kept for longer, nor of versions that are gone.

/** Seconds that are kept. */
export const SPAN = 300;
/** Percentiles are of the calls of the last so many seconds. */
const WINDOW = 10;
/** Readings closer together than this, in seconds, are taken for one. */
const SHORTEST = 0.5;

/**
 * The latency, in microseconds, that this share of the calls did not exceed; null without calls. Calls are counted in
 * steps: within one they are taken to be spread evenly.
 */
export function percentile(counts, steps, share) {
  const all = counts.reduce((sum, number) => sum + number, 0);
  if (all === 0) return null;
  let left = share * all;
  for (let step = 0; step < counts.length; step += 1) {
    if (counts[step] >= left && counts[step] > 0) {
      const start = step === 0 ? 0 : steps[step - 1];
      // A call that took longer than the last step has no exact time.
      if (step >= steps.length) return steps[steps.length - 1];
      return start + ((steps[step] - start) * left) / counts[step];
    }
    left -= counts[step];
  }
  return steps[steps.length - 1];
}

/** One line of samples. */
export class Series {
  constructor() {
    /** {time (s), rate, errors (per second), p50, p99}, the oldest first. */
    this.samples = [];
    this.readings = [];
  }

  /** Takes counters as they are now. */
  add(time, { calls, errors, latencies }, steps) {
    const last = this.readings[this.readings.length - 1];
    // Too short a time for a rate.
    if (last && time > last.time && time - last.time < SHORTEST) return;
    if (last && (time <= last.time || calls < last.calls)) {
      this.readings = [];
      if (time <= last.time) this.samples = [];
    }
    const before = this.readings[this.readings.length - 1];
    const reading = { time, calls, errors, latencies };
    this.readings.push(reading);
    while (this.readings.length > 2 && this.readings[1].time <= time - WINDOW) this.readings.shift();
    if (before) {
      const seconds = time - before.time;
      // After a pause it is not known how the calls were spread over it.
      if (seconds > 5) this.samples.push({ time: before.time + 0.001, rate: null, errors: null, p50: null, p99: null });
      const first = this.readings[0];
      const recent = latencies.map((number, step) => Math.max(0, number - (first.latencies[step] || 0)));
      this.samples.push({
        time,
        rate: (calls - before.calls) / seconds,
        errors: Math.max(0, errors - before.errors) / seconds,
        p50: percentile(recent, steps, 0.5),
        p99: percentile(recent, steps, 0.99),
      });
    }
    while (this.samples.length > 0 && this.samples[0].time < time - SPAN - 5) this.samples.shift();
  }

  get latest() {
    return this.samples[this.samples.length - 1] || { rate: null, errors: null, p50: null, p99: null };
  }
}

/** All lines. */
export class History {
  constructor() {
    this.forget();
  }

  forget() {
    this.instance = null;
    this.all = new Series();
    this.components = new Map();
    this.gone = { calls: 0, errors: 0, latencies: [] };
    this.last = new Map();
  }

  add(figures) {
    if (this.instance !== figures.instance) {
      this.forget();
      this.instance = figures.instance;
    }
    const time = figures.uptime_milliseconds / 1000;
    const steps = figures.latency_steps;
    const present = new Map(figures.components.map((component) => [component.instance, component]));
    // The sum must not shrink when a version goes.
    for (const [instance, component] of this.last) {
      if (present.has(instance)) continue;
      this.gone = sum(this.gone, component);
      this.components.delete(instance);
    }
    this.last = present;
    let total = this.gone;
    for (const component of figures.components) {
      if (!this.components.has(component.instance)) this.components.set(component.instance, new Series());
      this.components.get(component.instance).add(time, component, steps);
      total = sum(total, component);
    }
    this.all.add(time, total, steps);
  }

  of(instance) {
    return this.components.get(instance) || new Series();
  }
}

function sum(one, other) {
  const length = Math.max(one.latencies.length, other.latencies.length);
  return {
    calls: one.calls + other.calls,
    errors: one.errors + other.errors,
    latencies: Array.from({ length }, (_, step) => (one.latencies[step] || 0) + (other.latencies[step] || 0)),
  };
}
