//! Events as they happen.
//!
//! Enters: a component and a pattern of events, and what the mesh publishes. Leaves: rows, the newest first.
//! Guaranteed: at most two hundred rows, painted once a frame, however many events come; what is not shown is counted.
import { announce, byId, element, setText } from './dom.js';
import { clock, compact, count } from './format.js';

const MOST_ROWS = 200;

export class Events {
  constructor(link) {
    this.link = link;
    this.body = byId('event-table').tBodies[0];
    this.component = byId('event-component');
    this.key = byId('event-key');
    this.listenButton = byId('event-listen');
    this.pauseButton = byId('event-pause');
    this.clearButton = byId('event-clear');
    this.state = byId('event-state');
    this.subscription = null;
    this.paused = false;
    this.clear();
    byId('event-form').addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.subscription) this.stop('Not listening.');
      else this.listen(this.component.value.trim(), this.key.value.trim());
    });
    this.pauseButton.addEventListener('click', () => this.pause());
    this.clearButton.addEventListener('click', () => this.clear());
  }

  async listen(component, key) {
    this.stop('');
    this.component.value = component;
    this.key.value = key;
    const { client } = this.link;
    if (!client) {
      this.say('Not listening: not connected.', true);
      return;
    }
    try {
      const subscription = await client.on(component, key, (data, meta) => this.take(data, meta));
      if (this.subscription) await this.subscription.off();
      this.subscription = subscription;
    } catch (error) {
      this.say(`Not listening: ${error.message}`, true);
      return;
    }
    this.client = client;
    this.say(`Listening to ${key} of ${component}.`);
    this.buttons();
  }

  /** Called when the connection is another one, or when the subscription is not allowed any more. */
  lost(reason) {
    if (this.subscription && (!this.subscription.active || this.link.client !== this.client)) this.stop(`Not listening: ${reason}`);
  }

  stop(text) {
    if (this.subscription) this.subscription.off().catch(() => {});
    this.subscription = null;
    if (this.paused) this.pause();
    if (text) this.say(text);
    this.buttons();
  }

  say(text, isError = false) {
    setText(this.state, text);
    this.state.className = isError ? 'error line' : 'muted line';
    announce(text);
  }

  buttons() {
    setText(this.listenButton, this.subscription ? 'Stop' : 'Listen');
    this.pauseButton.disabled = this.subscription === null;
  }

  pause() {
    if (!this.subscription && !this.paused) return;
    this.paused = !this.paused;
    this.pauseButton.setAttribute('aria-pressed', String(this.paused));
    announce(this.paused ? 'Events are paused' : 'Events go on');
    this.paint();
  }

  clear() {
    this.waiting = [];
    this.heard = 0;
    this.body.replaceChildren();
    this.paint();
  }

  take(data, meta) {
    this.heard += 1;
    this.waiting.push({ data, meta, time: Date.now() });
    if (this.waiting.length > MOST_ROWS) this.waiting.shift();
    if (!this.frame) this.frame = requestAnimationFrame(() => { this.frame = null; this.paint(); });
  }

  paint() {
    const missed = this.paused ? `, paused` : '';
    setText(byId('event-count'), this.heard > 0 ? `${count(this.heard)}${missed}` : '');
    this.clearButton.disabled = this.heard === 0;
    if (this.paused) return;
    const rows = this.waiting.map((event) => this.row(event)).reverse();
    this.waiting = [];
    this.body.prepend(...rows);
    while (this.body.rows.length > MOST_ROWS) this.body.lastElementChild.remove();
  }

  row({ data, meta, time }) {
    // /_events/MESH/COMPONENT/KEY…
    const [, , , component, ...key] = String(meta.path || '').split('/');
    return element('tr', {},
      element('td', { class: 'time' }, clock(time)), element('td', {}, component || ''),
      element('td', {}, element('code', {}, key.join('/'))), element('td', { class: 'version' }, String(meta.componentVersion || '')),
      element('td', { class: 'wide' }, element('code', {}, compact(data))));
  }
}
