// Signing in with an API key or a portal token.

import { h } from './dom.js';
import { attempt, problem } from './states.js';

export function signIn(ended, open) {
  const place = h('div', { 'aria-live': 'polite' }, ended ? problem(over(ended)) : null);
  const key = h('input', {
    id: 'signin-key',
    name: 'key',
    type: 'password',
    autocomplete: 'current-password',
    spellcheck: 'false',
    required: true,
    autocapitalize: 'none',
    placeholder: 'mb_…',
    'aria-describedby': 'signin-help',
  });
  const show = h('input', {
    type: 'checkbox',
    id: 'signin-show',
    onchange: () => {
      key.type = show.checked ? 'text' : 'password';
    },
  });
  const button = h('button', { type: 'submit', class: 'primary' }, 'Sign in');
  const send = (event) => {
    event.preventDefault();
    const text = key.value.trim();
    if (text) attempt(button, place, () => open(text)).then(() => key.isConnected && key.focus());
  };
  return h(
    'main',
    { id: 'main', class: 'alone', tabindex: '-1', 'data-page': 'signin', 'data-state': 'ready' },
    h(
      'p',
      { class: 'brand' },
      h('img', { src: '/dashboard/icon.svg', alt: '', width: '28', height: '28' }),
      'Meterbase',
    ),
    h('h1', {}, 'Sign in'),
    h(
      'form',
      { id: 'signin-form', class: 'stack', onsubmit: send },
      h('label', { for: 'signin-key' }, 'API key or portal token'),
      key,
      h('label', { class: 'check' }, show, 'Show what I type'),
      h(
        'p',
        { id: 'signin-help', class: 'muted' },
        'A key is made with ',
        h('code', {}, 'meterbase keys create'),
        ' or by whoever runs your provider. It is sent once; the browser keeps a session, not the key.',
      ),
      place,
      h('p', {}, button),
    ),
  );
}

function over(why) {
  why.title = 'You are signed out';
  why.message = 'The session has ended, or its key was revoked. Sign in again to go on where you were.';
  return why;
}
