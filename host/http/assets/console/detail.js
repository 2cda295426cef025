//! The chosen component: what else is known of it, its methods to call, its routes and events.
//!
//! Enters: the chosen row, what the figures or the description say of its methods. Leaves: calls, and
//! `onListen(component, event)`. Guaranteed: forms stay as they are, with what was typed, while a component only changes
//! its version or its figures.
import { CallForm } from './call-form.js';
import { badge, byId, element, Rows, setText, showBadge } from './dom.js';
import { count } from './format.js';

/** The last parameter of happner's methods, which no caller gives. */
const CALLBACK = 'callback';

function signature(name, parameters) {
  return `${name}(${parameters.map((parameter) => parameter.name).join(', ')})`;
}

function methodsOf(component) {
  if (Array.isArray(component.methods)) return component.methods;
  return Object.entries(component.methods || {}).map(([name, method]) => ({ name, ...method }));
}

export class Detail {
  constructor(link, onListen) {
    this.link = link;
    this.onListen = onListen;
    this.node = byId('detail');
    this.title = element('h2', { id: 'detail-title', tabindex: '-1' }, 'No component');
    this.state = badge('');
    this.facts = element('dl', { class: 'facts small' });
    this.factRows = new Rows(this.facts, ({ name }) => {
      const value = element('dd');
      return { node: element('div', {}, element('dt', {}, name), value), update: (fact) => setText(value, fact.value) };
    });
    this.note = element('p', { class: 'notice', hidden: true });
    this.body = element('div', { class: 'detail-body' });
    this.node.append(element('div', { class: 'bar' }, this.title, this.state), this.facts, this.note, this.body);
    this.described = null;
  }

  /** Shows a row of the list. */
  show(item) {
    this.item = item;
    setText(this.title, `${item.name} ${item.version}`);
    showBadge(this.state, item.state);
    const figures = item.calls !== undefined;
    const facts = figures && !item.native ? [
      ['Waiting', count(item.waiting)], ['Panics', count(item.panics)], ['Timeouts', count(item.timeouts)],
      ['Late answers', count(item.late_completions)], ['Events dropped', count(item.dropped_events)], ['Built with', item.sdk],
    ] : [];
    this.factRows.show(facts.map(([name, value]) => ({ name, value })), (fact) => fact.name);
    this.note.hidden = !item.note;
    setText(this.note, item.note || '');
  }

  /** Shows what can be done with it. */
  describe(component) {
    const text = JSON.stringify([this.item.name, component.methods, component.routes, component.events]);
    if (text === this.described) return;
    this.described = text;
    const { name } = this.item;
    const methods = methodsOf(component).map((method) => this.method(method));
    const routes = Object.entries(component.routes || {});
    const events = Object.keys(component.events || {});
    this.body.replaceChildren(
      element('h3', {}, 'Methods ', element('span', { class: 'count' }, String(methods.length))),
      methods.length > 0 ? element('div', { class: 'methods' }, ...methods) : element('p', { class: 'muted line' }, 'None.'),
      ...(routes.length === 0 ? [] : [
        element('h3', {}, 'Routes ', element('span', { class: 'count' }, String(routes.length))),
        element('ul', { class: 'names' }, ...routes.map(([route]) => element('li', {}, element('code', {}, route)))),
      ]),
      element('h3', {}, 'Events ', element('span', { class: 'count' }, String(events.length))),
      element('ul', { class: 'names' },
        ...events.map((event) => element('li', {}, element('code', {}, event), ' ', this.listen(name, event))),
        element('li', {}, events.length === 0 ? 'None are declared. ' : '', this.listen(name, '**'))),
    );
  }

  listen(component, event) {
    const label = event === '**' ? `Listen to all of ${component}` : `Listen to ${event}`;
    return element('button', { type: 'button', class: 'plain', onclick: () => this.onListen(component, event) }, label);
  }

  method({ name, parameters = [], description }) {
    const asked = parameters.filter((parameter, place) => place < parameters.length - 1 || parameter.name !== CALLBACK);
    const node = element('details', { class: 'method' },
      element('summary', {}, element('code', {}, signature(name, asked)),
        description ? element('span', { class: 'muted about' }, description) : null));
    // Most are never opened.
    node.addEventListener('toggle', () => {
      if (!node.open || this.hasForm(node)) return;
      const form = new CallForm(name, asked, (args) => this.call(name, args));
      node.append(form.node);
    });
    return node;
  }

  hasForm(node) {
    return node.querySelector('form') !== null;
  }

  call(method, args) {
    const { name, version, calls } = this.item;
    if (!this.link.client) throw new Error('not connected');
    // Without figures the name itself says which version is meant.
    return this.link.client.callAll(calls === undefined ? this.item.listed : name, method, args, calls === undefined ? {} : { version });
  }
}
