// Tokens for portals: each reads one customer with all below it, for a short time.

import { momentColumn, standingColumn } from '../columns.js';
import { h, hidden } from '../dom.js';
import { confirmed, field, secret, select } from '../fields.js';
import { suggestedCustomer } from '../scope.js';
import { attempt, empty } from '../states.js';
import { paged } from '../table.js';
import { instantText } from '../time.js';

const LIFETIMES = [
  ['15m', '15 minutes'],
  ['1h', '1 hour'],
  ['8h', '8 hours'],
  ['1d', '1 day'],
];

export async function load(context) {
  const columns = [
    { name: 'customer', title: 'Reads', sorts: 'text', value: (one) => one.customer, cell: (one) => one.customer },
    momentColumn('created_at', 'Made', context.zone, { sorts: 'text' }),
    momentColumn('expires_at', 'Ends', context.zone, { sorts: 'text' }),
    {
      name: 'key_id',
      title: 'With the key',
      value: (one) => one.key_id,
      cell: (one) => h('code', { title: one.key_id }, one.key_id.slice(0, 13)),
    },
    standingColumn(standing),
    {
      name: 'actions',
      title: 'Change',
      align: 'actions-cell',
      cell: (one) =>
        standing(one) !== 'good'
          ? ''
          : h(
              'button',
              { type: 'button', class: 'danger', 'data-revoke': one.id, onclick: () => revoke(context, one) },
              'Revoke…',
              hidden(` token of ${one.customer}`),
            ),
    },
  ];
  const list = await paged(
    { name: 'portal-tokens', caption: 'Portal tokens', columns, key: (one) => one.id },
    (cursor) => context.api.get('/v1/portal-tokens', { limit: 500, cursor }),
  );
  return [
    h('h1', {}, 'Portal tokens'),
    h(
      'p',
      { class: 'muted' },
      'A portal’s server makes one for each visitor with ',
      h('code', {}, 'POST /v1/portal-tokens'),
      '. One that is made here ends with your key, or after the time that you choose.',
    ),
    h('div', { id: 'portal-revealed', 'aria-live': 'polite' }),
    form(context),
    list.rows.length
      ? h('section', { class: 'card', 'aria-label': 'List' }, list.element)
      : empty('No token is good now', 'Make one above, or let a portal make them.'),
  ];
}

function standing(one) {
  if (one.revoked_at) return 'revoked';
  return Date.parse(one.expires_at) <= Date.now() ? 'expired' : 'good';
}

function revoke(context, one) {
  confirmed(
    `Revoke a token of ${one.customer}?`,
    'It is refused from now on; whoever signed in with it is signed out. This cannot be taken back.',
    'Revoke',
    (button, place, close) =>
      attempt(button, place, async () => {
        await context.api.send('DELETE', `/v1/portal-tokens/${one.id}`);
        close();
        context.redraw();
      }),
  );
}

function form(context) {
  const place = h('div', {});
  const customer = suggestedCustomer(context, 'portal-customer', context.parameters.customer, { required: true });
  const lifetime = select(LIFETIMES, '1h');
  const button = h('button', { type: 'submit', class: 'primary submit', id: 'portal-create' }, 'Make a token');
  const send = (event) => {
    event.preventDefault();
    attempt(button, place, async () => {
      const token = await context.api.send('POST', '/v1/portal-tokens', {
        body: { customer: customer.input.value.trim(), expires_in: lifetime.value },
      });
      await context.redraw();
      document
        .getElementById('portal-revealed')
        ?.replaceChildren(
          secret(
            `A token for ${token.customer}`,
            token.token,
            `Good until ${instantText(token.expires_at, context.zone)}. It is shown this once. Whoever signs in here with it sees this customer and all below it, and nothing else.`,
          ),
        );
    });
  };
  return h(
    'form',
    { class: 'card', id: 'portal-form', onsubmit: send },
    h(
      'div',
      { class: 'form' },
      h('div', {}, field('portal-customer', 'Customer', customer.input), customer.list),
      field('portal-lifetime', 'Good for', lifetime),
      button,
    ),
    place,
  );
}
