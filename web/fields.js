// Fields of forms: each with its label, and an id that is the same each time, so that focus finds it again.

import { h } from './dom.js';

export function field(id, label, input, hint = null) {
  input.id = id;
  if (hint) input.setAttribute('aria-describedby', `${id}-hint`);
  return h(
    'div',
    { class: 'field' },
    h('label', { for: id }, label),
    input,
    hint && h('p', { id: `${id}-hint`, class: 'hint' }, hint),
  );
}

export function select(options, value, onchange = null) {
  const element = h(
    'select',
    { onchange: onchange && (() => onchange(element.value)) },
    options.map(([one, text]) => h('option', { value: one }, text)),
  );
  element.value = value ?? '';
  return element;
}

// Boxes of which several can be ticked; `onchange` gets the values that are.
export function choices(id, label, options, chosen, onchange) {
  const boxes = options.map(([value, text]) => [
    value,
    h('input', {
      type: 'checkbox',
      id: `${id}-${value}`,
      value,
      checked: chosen.includes(value),
      onchange: () => onchange(boxes.filter(([, box]) => box.checked).map(([one]) => one)),
    }),
    text,
  ]);
  return h(
    'fieldset',
    { class: 'choices', id },
    h('legend', {}, label),
    boxes.map(([, box, text]) => h('label', { class: 'check' }, box, text)),
  );
}

// A text with suggestions that are asked for while typing: `find(text)` answers with `[value, text]` pairs.
export function suggested(id, value, find, onchoose, attributes = {}) {
  const list = h('datalist', { id: `${id}-list` });
  let asked = 0;
  let timer = null;
  const ask = async () => {
    asked += 1;
    const mine = asked;
    const found = await find(input.value.trim()).catch(() => []);
    if (mine === asked) list.replaceChildren(...found.map(([one, text]) => h('option', { value: one }, text)));
  };
  const input = h('input', {
    type: 'text',
    value: value ?? '',
    list: `${id}-list`,
    autocomplete: 'off',
    spellcheck: 'false',
    autocapitalize: 'none',
    ...attributes,
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(ask, 180);
    },
    onfocus: () => {
      if (!list.firstChild) ask();
    },
    onchange: () => onchoose(input.value.trim()),
  });
  return { input, list };
}

// A secret that is shown this once, with a button that copies it.
export function secret(title, text, ...about) {
  const button = h('button', { type: 'button', onclick: copy }, 'Copy');
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      // Not allowed, or not over TLS: then it is marked, to be copied by hand.
      getSelection().selectAllChildren(shown);
      button.textContent = 'Marked: copy it now';
    }
  }
  const shown = h('code', { class: 'secret', 'data-secret': true }, text);
  return h(
    'div',
    { class: 'notice good', role: 'status' },
    h('p', { class: 'notice-title' }, title),
    h('p', {}, ...about),
    h('p', { class: 'actions' }, shown, button),
  );
}

// Asks before something that cannot be undone; what is focused first does nothing.
export function confirmed(title, text, verb, work) {
  const place = h('div', {});
  const dialog = h(
    'dialog',
    { 'aria-label': title, onclose: () => dialog.remove() },
    h('h2', {}, title),
    h('p', {}, text),
    place,
    h(
      'form',
      { method: 'dialog', class: 'actions' },
      h(
        'button',
        {
          type: 'button',
          class: 'danger',
          'data-confirm': true,
          onclick: (event) => work(event.target, place, () => dialog.close()),
        },
        verb,
      ),
      h('button', { type: 'submit', autofocus: true }, 'Cancel'),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}
