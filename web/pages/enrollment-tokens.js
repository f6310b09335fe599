// Tokens with which devices register themselves.

import { momentColumn, standingColumn } from '../columns.js';
import { figure } from '../decimal.js';
import { h, hidden } from '../dom.js';
import { confirmed, field, secret, select, suggested } from '../fields.js';
import { suggestedCustomer } from '../scope.js';
import { attempt, empty } from '../states.js';
import { paged } from '../table.js';
import { addDays, today } from '../time.js';

export async function load(context) {
  const { api } = context;
  const columns = [
    {
      name: 'name',
      title: 'Name',
      sorts: 'text',
      value: (one) => one.name,
      cell: (one) => one.name ?? h('code', { title: one.id }, one.id.slice(0, 13)),
    },
    {
      name: 'customer',
      title: 'For',
      sorts: 'text',
      value: (one) => one.customer,
      cell: (one) => [one.customer, one.group && ` / ${one.group}`],
    },
    {
      name: 'uses',
      title: 'Used',
      align: 'right',
      value: (one) => one.uses,
      cell: (one) => [figure(one.uses), ' of ', figure(one.uses_allowed)],
    },
    {
      name: 'approval',
      title: 'Approval',
      value: (one) => String(one.approval),
      cell: (one) => (one.approval ? 'by somebody' : 'not needed'),
    },
    momentColumn('expires_at', 'Ends', context.zone, { sorts: 'text' }),
    standingColumn(standing),
    {
      name: 'actions',
      title: 'Change',
      align: 'actions-cell',
      cell: (one) =>
        one.revoked_at
          ? ''
          : h(
              'button',
              { type: 'button', class: 'danger', 'data-revoke': one.id, onclick: () => revoke(context, one) },
              'Revoke…',
              hidden(` ${one.name ?? one.id}`),
            ),
    },
  ];
  const list = await paged(
    { name: 'enrollment-tokens', caption: 'Enrollment tokens', columns, key: (one) => one.id },
    (cursor) => api.get('/v1/enrollment-tokens', { limit: 200, cursor }),
  );
  return [
    h('h1', {}, 'Enrollment tokens'),
    h('div', { id: 'tokens-revealed' }),
    form(context),
    list.rows.length
      ? h('section', { class: 'card', 'aria-label': 'Tokens' }, list.element)
      : empty(
          'There is no token yet',
          'Make one above, and put it into the devices that are to register themselves with ',
          h('code', {}, 'POST /v1/enroll'),
          '.',
        ),
  ];
}

function standing(one) {
  if (one.revoked_at) return 'revoked';
  if (Date.parse(one.expires_at) <= Date.now()) return 'expired';
  return one.uses >= one.uses_allowed ? 'used up' : 'good';
}

function revoke(context, one) {
  confirmed(
    `Revoke “${one.name ?? one.id}”?`,
    'No device can enroll with it from now on. Those that did stay. This cannot be taken back.',
    'Revoke',
    (button, place, close) =>
      attempt(button, place, async () => {
        await context.api.send('DELETE', `/v1/enrollment-tokens/${one.id}`);
        close();
        context.redraw();
      }),
  );
}

function form(context) {
  const place = h('div', { class: 'break' });
  const name = h('input', { type: 'text', maxlength: '256', autocomplete: 'off' });
  const customer = suggestedCustomer(context, 'token-customer', '', { required: true });
  const group = suggested(
    'token-group',
    '',
    async () => {
      const of = customer.input.value.trim();
      const page = await context.api.get('/v1/groups', { customer: of, limit: 100 });
      return page.items.map((one) => [one.key, one.name]);
    },
    () => {},
  );
  const uses = h('input', { type: 'number', min: '1', max: '100000', value: '1', required: true });
  const end = h('input', {
    type: 'date',
    required: true,
    min: addDays(today('UTC'), 1),
    value: addDays(today('UTC'), 30),
  });
  const approval = select(
    [
      ['true', 'Somebody approves each device'],
      ['false', 'Not needed'],
    ],
    'true',
  );
  const button = h('button', { type: 'submit', class: 'primary submit', id: 'token-create' }, 'Make a token');
  const send = (event) => {
    event.preventDefault();
    attempt(button, place, async () => {
      const body = {
        customer: customer.input.value.trim(),
        uses: Number(uses.value),
        expires_at: `${end.value}T00:00:00Z`,
        approval: approval.value === 'true',
      };
      if (group.input.value.trim()) body.group = group.input.value.trim();
      if (name.value.trim()) body.name = name.value.trim();
      const token = await context.api.send('POST', '/v1/enrollment-tokens', { body });
      await context.redraw();
      document
        .getElementById('tokens-revealed')
        ?.replaceChildren(
          secret(
            `A token for devices of ${token.customer}`,
            token.token,
            'It is shown this once: only a hash of it is stored. Devices send it to ',
            h('code', {}, 'POST /v1/enroll'),
            '.',
          ),
        );
    });
  };
  return h(
    'form',
    { class: 'card', id: 'token-form', onsubmit: send },
    h('h2', {}, 'Make a token'),
    h(
      'div',
      { class: 'form' },
      field('token-name', 'Name', name),
      h('div', {}, field('token-customer', 'Customer', customer.input), customer.list),
      h('div', {}, field('token-group', 'Group (none when empty)', group.input), group.list),
      field('token-uses', 'Devices', uses),
      field('token-end', 'Ends on, UTC', end),
      field('token-approval', 'Approval', approval),
      button,
    ),
    place,
  );
}
