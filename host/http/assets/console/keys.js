//! Keys that do something wherever the focus is.
//!
//! Enters: pressed keys. Leaves: focus on a part of the page, or an action. Guaranteed: nothing happens while
//! somebody types, or with a modifier; single letters can be switched off, which the browser remembers.
import { byId } from './dom.js';

const KEPT = 'mesh-console-keys';

function remembered() {
  try {
    return localStorage.getItem(KEPT) !== 'off';
  } catch (forbidden) {
    return true;
  }
}

function remember(enabled) {
  try {
    localStorage.setItem(KEPT, enabled ? 'on' : 'off');
  } catch (forbidden) {
    // Until the page is closed, then.
  }
}

/** Brings a part into view, for eyes and for screen readers. */
export function goTo(id) {
  const node = byId(id);
  node.scrollIntoView({ block: 'nearest' });
  node.focus({ preventScroll: true });
}

export function watchKeys(actions) {
  const dialog = byId('keys');
  const enabled = byId('keys-enabled');
  enabled.checked = remembered();
  enabled.addEventListener('change', () => remember(enabled.checked));
  byId('show-keys').addEventListener('click', () => dialog.showModal());
  const all = {
    '/': () => goTo('filter'),
    c: () => goTo('components-title'),
    d: () => goTo('detail-title'),
    e: () => goTo('events-title'),
    w: () => goTo('swaps-title'),
    s: () => goTo('sessions-title'),
    n: () => goTo('nodes-title'),
    '?': () => dialog.showModal(),
    ...actions,
  };
  document.addEventListener('keydown', (event) => {
    const action = all[event.key];
    if (!action || !enabled.checked || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (dialog.open || event.target.closest('input, textarea, select') || byId('board').hidden) return;
    event.preventDefault();
    action();
  });
}
