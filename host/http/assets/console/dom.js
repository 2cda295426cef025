//! Making and changing parts of the page.
//!
//! Enters: names of elements, attributes, texts. Leaves: nodes. Guaranteed: whatever the mesh says becomes text, never
//! markup; a text that is the same already is not written again, so that selections and screen readers are left in peace.

export const byId = (id) => document.getElementById(id);

/** `element('td', { class: 'number' }, 'text', node, …)`. Properties that are functions become listeners: `onclick`. */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, '');
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(key, String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function setText(node, text) {
  const next = String(text);
  if (node.textContent !== next) node.textContent = next;
}

export function setClass(node, name) {
  if (node.className !== name) node.className = name;
}

export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

const TONES = {
  active: 'good', alive: 'good', connected: 'good', complete: 'good',
  starting: 'busy', draining: 'busy', parked: 'busy', 'in probation': 'busy', connecting: 'busy', switching: 'busy',
  suspect: 'busy', away: 'busy', lost: 'bad',
  resident: 'bad', disconnected: 'bad', refused: 'bad', 'rolled back': 'bad', 'not rolled back': 'bad',
};

/** A word on a coloured ground. The word says it all; the colour only repeats it. */
export function showBadge(node, word) {
  setText(node, word);
  setClass(node, `badge ${TONES[word] || 'quiet'}`);
}

export function badge(word) {
  const node = element('span');
  showBadge(node, word);
  return node;
}

/** Tells users of screen readers, after what they hear now. */
export function announce(text) {
  const node = byId('announcer');
  // The same text again is no change, and would not be said.
  node.textContent = node.textContent === text ? `${text}\u00a0` : text;
}

/** Rows of a table or items of a list, kept by key: changed where they are, so that focus stays where it is. */
export class Rows {
  /** `make(item)` answers `{node, update(item)}`. */
  constructor(parent, make) {
    this.parent = parent;
    this.make = make;
    this.rows = new Map();
  }

  show(items, keyOf) {
    const keys = new Set(items.map(keyOf));
    for (const [key, row] of this.rows) {
      if (!keys.has(key)) {
        row.node.remove();
        this.rows.delete(key);
      }
    }
    let place = this.parent.firstChild;
    for (const item of items) {
      const key = keyOf(item);
      let row = this.rows.get(key);
      if (!row) {
        row = this.make(item);
        this.rows.set(key, row);
      }
      row.update(item);
      if (row.node === place) place = place.nextSibling;
      else this.parent.insertBefore(row.node, place);
    }
  }
}
