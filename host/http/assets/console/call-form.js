//! A form to call one method.
//!
//! Enters: the method's parameters, and a function that calls. Leaves: the form; in it the answer or the error, and
//! how long it took. Guaranteed: nothing is sent while an argument is not what it should be, and each such argument says so
//! beside its field.
import { element, setHidden, setText } from './dom.js';
import { milliseconds, pretty } from './format.js';

let lastId = 0;

/** The type that a parameter declares, if it does. */
const typeOf = (parameter) => (parameter.schema && parameter.schema.type) || parameter.type;

/** One argument. */
class Field {
  constructor(parameter) {
    this.id = `argument-${++lastId}`;
    this.isText = typeOf(parameter) === 'string';
    this.input = element('textarea', {
      id: this.id, rows: 1, spellcheck: 'false', autocomplete: 'off', 'aria-describedby': `${this.id}-error`,
      placeholder: this.isText ? 'text' : 'JSON, such as 1 or "text"',
    });
    this.kind = element('select', { 'aria-label': `What ${parameter.name} is` },
      element('option', { value: 'json' }, 'JSON'), element('option', { value: 'text', selected: this.isText }, 'text'));
    this.error = element('p', { id: `${this.id}-error`, class: 'error', hidden: true });
    this.input.addEventListener('input', () => {
      this.input.style.height = 'auto';
      this.input.style.height = `${Math.min(this.input.scrollHeight + 2, 200)}px`;
      this.complain('');
    });
    this.kind.addEventListener('change', () => this.complain(''));
    const type = typeOf(parameter);
    this.node = element('div', { class: 'field' },
      element('label', { for: this.id }, parameter.name, type ? element('span', { class: 'muted' }, ` ${type}`) : null),
      element('div', { class: 'value' }, this.input, this.kind), this.error);
  }

  complain(text) {
    setText(this.error, text);
    setHidden(this.error, text === '');
    this.input.toggleAttribute('aria-invalid', text !== '');
    if (text !== '') this.input.setAttribute('aria-invalid', 'true');
  }

  /** `{value}`, `{}` for an empty field, or `{wrong}`. */
  read() {
    const text = this.input.value;
    if (this.kind.value === 'text') return { value: text };
    if (text.trim() === '') return {};
    try {
      return { value: JSON.parse(text) };
    } catch (malformed) {
      const wrong = `This is not JSON (${malformed.message}). Text needs quotes: ${JSON.stringify(text)}, or choose “text”.`;
      this.complain(wrong);
      return { wrong };
    }
  }
}

export class CallForm {
  constructor(method, parameters, call) {
    this.call = call;
    this.fields = parameters.map((parameter) => new Field(parameter));
    this.button = element('button', { type: 'submit', class: 'primary' }, `Call ${method}`);
    this.outcome = element('p', { class: 'outcome', role: 'status' });
    this.result = element('pre', { class: 'result', tabindex: '0', hidden: true, role: 'region', 'aria-label': `What ${method} answered` });
    this.node = element('form', { class: 'call', onsubmit: (event) => this.submit(event) },
      ...this.fields.map((field) => field.node),
      element('div', { class: 'go' }, this.button, this.outcome), this.result);
    this.node.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.node.requestSubmit();
    });
  }

  /** The arguments; nothing when one is wrong. Empty fields at the end are left out, others are null. */
  read() {
    const read = this.fields.map((field) => field.read());
    const wrong = read.findIndex((argument) => argument.wrong);
    if (wrong >= 0) {
      this.fields[wrong].input.focus();
      return undefined;
    }
    const args = read.map(({ value }) => value);
    while (args.length > 0 && args[args.length - 1] === undefined) args.pop();
    return args.map((value) => (value === undefined ? null : value));
  }

  async submit(event) {
    event.preventDefault();
    const args = this.read();
    if (args === undefined || this.button.getAttribute('aria-disabled') === 'true') return;
    this.button.setAttribute('aria-disabled', 'true');
    setText(this.outcome, 'Calling …');
    this.outcome.className = 'outcome';
    const began = performance.now();
    const took = () => milliseconds(performance.now() - began);
    try {
      const results = await this.call(args);
      const time = took();
      this.show('good', `Answered in ${time}`, results.length > 1 ? results : results[0]);
    } catch (error) {
      const { message, name, code, ...more } = { ...error, message: error.message, name: error.name };
      const title = [name, code].filter((part) => part !== undefined && part !== 'Error').join(' ');
      this.show('bad', `Failed after ${took()}: ${title ? `${title}: ` : ''}${message}`, Object.keys(more).length > 0 ? more : null);
    } finally {
      this.button.removeAttribute('aria-disabled');
    }
  }

  show(tone, text, value) {
    this.outcome.className = `outcome ${tone}`;
    setText(this.outcome, text);
    setHidden(this.result, tone === 'bad' && value === null);
    setText(this.result, pretty(value));
  }
}
