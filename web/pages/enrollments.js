// Devices that registered themselves: those that wait for somebody to approve them first.

import { momentColumn } from '../columns.js';
import { h, hidden } from '../dom.js';
import { confirmed, field, select } from '../fields.js';
import { attempt, done, empty } from '../states.js';
import { paged } from '../table.js';

const STATES = [
  ['pending', 'Waiting'],
  ['approved', 'Approved'],
  ['refused', 'Refused'],
  ['all', 'All'],
];

export async function load(context) {
  const { api, parameters } = context;
  const state = parameters.state ?? 'pending';
  const place = h('div', { 'aria-live': 'polite' });
  const columns = [
    {
      name: 'serial',
      title: 'Serial number',
      sorts: 'text',
      value: (one) => one.serial,
      cell: (one) => h('code', {}, one.serial),
    },
    {
      name: 'device',
      title: 'Device',
      sorts: 'text',
      value: (one) => one.device,
      cell: (one) =>
        one.state === 'approved'
          ? h('a', { href: context.link('device', { device: one.device }) }, one.device)
          : one.device,
    },
    {
      name: 'model',
      title: 'Model and firmware',
      value: (one) => one.model,
      cell: (one) => [one.model, one.firmware].filter(Boolean).join(', ') || '–',
    },
    {
      name: 'customer',
      title: 'For',
      value: (one) => one.customer,
      cell: (one) => [one.customer, one.group && ` / ${one.group}`],
    },
    momentColumn('created_at', 'Asked', context.zone, { sorts: 'text' }),
    {
      name: 'state',
      title: 'State',
      align: 'tight',
      value: (one) => one.state,
      cell: (one) =>
        h(
          'span',
          { class: { approved: 'state on', refused: 'state warn' }[one.state] ?? 'state' },
          one.state === 'pending' ? 'waiting' : one.state,
        ),
    },
    {
      name: 'actions',
      title: 'Decision',
      align: 'actions-cell',
      cell: (one) =>
        one.state === 'pending'
          ? [
              h(
                'button',
                {
                  type: 'button',
                  'data-approve': one.id,
                  onclick: (event) => approve(context, one, event.currentTarget, place),
                },
                'Approve',
                hidden(` ${one.serial}`),
              ),
              h(
                'button',
                { type: 'button', class: 'danger', 'data-refuse': one.id, onclick: () => refuse(context, one) },
                'Refuse…',
                hidden(` ${one.serial}`),
              ),
            ]
          : '',
    },
  ];
  const list = await paged({ name: 'enrollments', caption: 'Enrollments', columns, key: (one) => one.id }, (cursor) =>
    api.get('/v1/enrollments', { state: state === 'all' ? null : state, limit: 200, cursor }),
  );
  return [
    h('h1', {}, 'Enrollments'),
    h(
      'div',
      { class: 'card form' },
      field(
        'enrollments-state',
        'State',
        select(STATES, state, (chosen) => context.go({ state: chosen })),
      ),
    ),
    place,
    list.rows.length
      ? h('section', { class: 'card', 'aria-label': 'Enrollments' }, list.element)
      : empty(
          state === 'pending' ? 'No device waits for approval' : 'There is none',
          'Devices enroll with a token; ',
          h('a', { href: context.link('enrollment-tokens') }, 'make one'),
          ' and give it to them.',
        ),
  ];
}

function approve(context, one, button, place) {
  attempt(button, place, async () => {
    await context.api.send('POST', `/v1/enrollments/${one.id}/approve`);
    place.replaceChildren(
      done(
        `${one.device} is approved: what it posted so far counts within a second or so. `,
        h('button', { type: 'button', onclick: context.redraw }, 'Show what is left'),
      ),
    );
    button.closest('td').replaceChildren('approved');
  });
}

function refuse(context, one) {
  confirmed(
    `Refuse ${one.serial}?`,
    'Its key is revoked. What it posted stays in quarantine until it is deleted there. This cannot be taken back.',
    'Refuse',
    (button, place, close) =>
      attempt(button, place, async () => {
        await context.api.send('POST', `/v1/enrollments/${one.id}/refuse`);
        close();
        context.redraw();
      }),
  );
}
