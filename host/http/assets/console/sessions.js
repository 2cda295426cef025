//! The table of connected sessions.
//!
//! Enters: the sessions among the figures, and the page's own. Leaves: a table, the newest first.
import { byId, element, Rows, setText } from './dom.js';
import { bytes, count, duration } from './format.js';

export class Sessions {
  constructor(link) {
    this.link = link;
    this.rows = new Rows(byId('session-table').tBodies[0], (session) => this.make(session));
  }

  make({ id }) {
    const cells = Array.from({ length: 5 }, (_, place) => element('td', place > 2 ? { class: 'number' } : {}));
    const own = this.link.client && this.link.client.session && this.link.client.session.id === id;
    const name = element('th', { scope: 'row' }, element('code', {}, id), own ? element('span', { class: 'tag' }, 'this page') : null);
    return {
      node: element('tr', {}, name, ...cells),
      update: (session) => {
        const texts = [session.user || '–', session.dialect, session.address, duration(session.open_seconds), bytes(session.queued_bytes)];
        cells.forEach((cell, place) => setText(cell, texts[place]));
      },
    };
  }

  update({ sessions, session_count: all }) {
    this.rows.show(sessions, (session) => session.id);
    setText(byId('session-count'), sessions.length < all ? `the newest ${sessions.length} of ${count(all)}` : count(all));
  }
}
