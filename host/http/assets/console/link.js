//! The page's way to the host: one session over a websocket, and the figures once a second.
//!
//! Enters: a login where one is needed. Leaves: events `state` (connecting, connected, disconnected), `login-needed`
//! ({reason}), `figures`, `figures-denied` ({message}), `description`, and the client to call with. Guaranteed: the
//! connection comes back by itself; figures are asked for only while the page is seen; the password and the token are in
//! memory and nowhere else.
import { Client } from '/api/client.mjs';

const BETWEEN = 1000;
const BETWEEN_DENIED = 10000;
const PATIENCE = 5000;

export class Link extends EventTarget {
  constructor() {
    super();
    this.client = null;
    this.state = 'connecting';
    /** The component that the figures are to describe. */
    this.described = null;
    this.timer = null;
    document.addEventListener('visibilitychange', () => this.poll());
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  setState(state) {
    this.state = state;
    this.tell('state', state);
  }

  get connected() {
    return this.client !== null && this.client.connected;
  }

  /** Connects, with credentials or without. Answers nothing: what comes of it is told by events. */
  async open(credentials = {}) {
    this.credentials = credentials;
    this.setState('connecting');
    const client = new Client({ url: location.origin, backOff: { minimum: 250, maximum: 3000 }, ...credentials });
    try {
      await client.connect();
    } catch (error) {
      this.refused(error);
      return;
    }
    this.client = client;
    const current = (handle) => (event) => { if (this.client === client) handle(event); };
    client.addEventListener('disconnected', current(() => this.setState('disconnected')));
    client.addEventListener('reconnected', current(() => { this.setState('connected'); this.poll(); }));
    client.addEventListener('description', current(() => this.tell('description', client.description)));
    client.addEventListener('subscription-lost', current((event) => this.tell('subscription-lost', event.detail)));
    client.addEventListener('session-ended', current((event) => this.ended(event.detail.reason)));
    this.setState('connected');
    if (client.description) this.tell('description', client.description);
    this.poll();
  }

  refused(error) {
    if (error.code === 'NO_CREDENTIALS') {
      this.tell('login-needed', {});
    } else if (['CONNECT_FAILED', 'CONNECT_TIMEOUT', 'CONNECTION_LOST', 'NOT_CONNECTED', 'TIMEOUT'].includes(error.code)) {
      this.setState('disconnected');
      setTimeout(() => this.open(this.credentials), BETWEEN);
    } else {
      this.tell('login-needed', { reason: error.message });
    }
  }

  ended(reason) {
    const secured = this.client.session === null ? Boolean(this.credentials.username) : Boolean(this.client.session.happn.secure);
    this.client = null;
    clearTimeout(this.timer);
    if (secured) {
      this.credentials = {};
      this.tell('login-needed', { reason: `The session has ended: ${reason}` });
    } else {
      this.setState('disconnected');
      setTimeout(() => this.open(), BETWEEN);
    }
  }

  async logOut() {
    const { client } = this;
    this.client = null;
    this.credentials = {};
    clearTimeout(this.timer);
    if (client) await client.disconnect({ revokeToken: true }).catch(() => {});
    this.tell('login-needed', {});
  }

  /** Wants the figures to tell more of this instance of a component. */
  describe(instance) {
    if (this.described === instance) return;
    this.described = instance;
    this.poll();
  }

  /** Asks for the figures now, and then again and again. */
  async poll() {
    clearTimeout(this.timer);
    const turn = {};
    this.turn = turn;
    if (document.visibilityState === 'hidden' || !this.connected) return;
    const again = await this.askForFigures(turn).catch(() => BETWEEN);
    if (this.turn === turn) this.timer = setTimeout(() => this.poll(), again);
  }

  async askForFigures(turn) {
    const { token } = this.client.session;
    const question = this.described === null ? '' : `?describe=${encodeURIComponent(this.described)}`;
    const answer = await fetch(`/console/status${question}`, {
      headers: token ? { authorization: `Bearer ${token}` } : {},
      // A cookie of another login must not stand before the token.
      credentials: 'omit',
      cache: 'no-store',
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.ok) {
      const figures = await answer.json();
      if (this.turn === turn) this.tell('figures', figures);
      return BETWEEN;
    }
    const message = await answer.text();
    if (this.turn === turn) this.tell('figures-denied', { status: answer.status, message });
    return BETWEEN_DENIED;
  }
}
