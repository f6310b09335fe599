// Tokens for portals: each reads one customer with all below it, for a short time.

import { h } from '../dom.js';
import { field, secret, select, suggested } from '../fields.js';
import { attempt } from '../states.js';
import { instantText } from '../time.js';

const LIFETIMES = [
  ['15m', '15 minutes'],
  ['1h', '1 hour'],
  ['8h', '8 hours'],
  ['1d', '1 day'],
];

export async function load(context) {
  const place = h('div', { 'aria-live': 'polite' });
  const customer = suggested(
    'portal-customer',
    context.parameters.customer,
    async (text) => {
      const page = await context.api.get('/v1/customers', { q: text, limit: 20 });
      return page.items.map((one) => [one.key, one.name]);
    },
    () => {},
    { required: true },
  );
  const lifetime = select(LIFETIMES, '1h');
  const button = h('button', { type: 'submit', class: 'primary submit', id: 'portal-create' }, 'Make a token');
  const send = (event) => {
    event.preventDefault();
    attempt(button, place, async () => {
      const token = await context.api.send('POST', '/v1/portal-tokens', {
        body: { customer: customer.input.value.trim(), expires_in: lifetime.value },
      });
      place.replaceChildren(
        secret(
          `A token for ${token.customer}`,
          token.token,
          `Good until ${instantText(token.expires_at, context.zone)}. It is shown this once. Whoever signs in here with it sees this customer and all below it, and nothing else.`,
        ),
      );
    });
  };
  return [
    h('h1', {}, 'Portal tokens'),
    h(
      'p',
      { class: 'muted' },
      'A portal’s server makes one for each visitor with ',
      h('code', {}, 'POST /v1/portal-tokens'),
      '. One that is made here ends with your key, or after the time that you choose. The audit has them all.',
    ),
    h(
      'form',
      { class: 'card', id: 'portal-form', onsubmit: send },
      h(
        'div',
        { class: 'form' },
        h('div', {}, field('portal-customer', 'Customer', customer.input), customer.list),
        field('portal-lifetime', 'Good for', lifetime),
        button,
      ),
    ),
    place,
  ];
}
