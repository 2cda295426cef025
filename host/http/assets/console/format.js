//! Numbers, times and values as people read them.
//!
//! Enters: a number, a value. Leaves: a short text. Guaranteed: no text is longer than its reader can bear.

const LONGEST_VALUE = 2000;
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

export const count = (number) => whole.format(number);

export function rate(number) {
  if (number === null || number === undefined) return '–';
  if (number >= 100000) return `${whole.format(number / 1000)} k`;
  return number < 10 && number > 0 ? fine.format(number) : whole.format(number);
}

/** A time in microseconds. */
export function latency(microseconds) {
  if (microseconds === null || microseconds === undefined) return '–';
  if (microseconds < 1000) return `${whole.format(microseconds)} µs`;
  if (microseconds < 1e6) return `${fine.format(microseconds / 1000)} ms`;
  return `${fine.format(microseconds / 1e6)} s`;
}

export function milliseconds(number) {
  if (number < 1) return `${whole.format(number * 1000)} µs`;
  return number < 1000 ? `${fine.format(number)} ms` : `${fine.format(number / 1000)} s`;
}

export function duration(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const days = Math.floor(total / 86400);
  const hours = Math.floor(total / 3600) % 24;
  const minutes = Math.floor(total / 60) % 60;
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${total % 60} s` : `${total} s`;
}

export function bytes(number) {
  if (number < 1024) return `${number} B`;
  return number < 1048576 ? `${fine.format(number / 1024)} KiB` : `${fine.format(number / 1048576)} MiB`;
}

export function clock(milliseconds) {
  const time = new Date(milliseconds);
  const two = (number) => String(number).padStart(2, '0');
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}

function shortened(text, longest) {
  return text.length > longest ? `${text.slice(0, longest)} … (${count(text.length)} characters)` : text;
}

/** A value in one line. */
export function compact(value) {
  return shortened(value === undefined ? 'undefined' : JSON.stringify(value), LONGEST_VALUE);
}

/** A value over several lines. */
export function pretty(value) {
  return shortened(value === undefined ? 'undefined' : JSON.stringify(value, null, 2), 100000);
}
