// Webhooks: who is told of events, what each was told, and sending again what was given up.

import { segment } from '../api.js';
import { momentColumn } from '../columns.js';
import { figure } from '../decimal.js';
import { h, hidden } from '../dom.js';
import { choices, confirmed, field, secret, select } from '../fields.js';
import { attempt, done, empty } from '../states.js';
import { facts, paged } from '../table.js';
import { instant } from '../time.js';

const EVENTS = [
  ['alert.firing', 'An alert fires'],
  ['alert.resolved', 'An alert resolves'],
];
const STATES = [
  ['', 'All'],
  ['pending', 'Waiting'],
  ['delivered', 'Delivered'],
  ['dead', 'Given up'],
];
const SHOWN = { ok: 'state on', delivered: 'state on', failing: 'state warn', dead: 'state warn' };

export const FOLLOWS = ['alerts'];

export async function load(context) {
  return context.parameters.webhook ? one(context, context.parameters.webhook) : all(context);
}

const shown = (state) => h('span', { class: SHOWN[state] ?? 'state' }, state === 'dead' ? 'given up' : state);

async function all(context) {
  const columns = [
    {
      name: 'key',
      title: 'Webhook',
      sorts: 'text',
      value: (row) => row.key,
      cell: (row) => h('a', { href: context.link('webhooks', { webhook: row.key }) }, row.key),
    },
    { name: 'url', title: 'Address', value: (row) => row.url, cell: (row) => h('code', {}, row.url) },
    { name: 'events', title: 'Is told of', value: (row) => row.events.join(','), cell: (row) => row.events.join(', ') },
    {
      name: 'state',
      title: 'State',
      align: 'tight',
      sorts: 'text',
      value: (row) => row.state,
      cell: (row) => shown(row.state),
    },
    momentColumn('last_success_at', 'Last took an event', context.zone, { absent: 'never' }),
  ];
  const list = await paged({ name: 'webhooks', caption: 'Webhooks', columns, key: (row) => row.key }, (cursor) =>
    context.api.get('/v1/webhooks', { limit: 200, cursor }),
  );
  return [
    h('h1', {}, 'Webhooks'),
    h('div', { id: 'webhook-revealed' }),
    list.rows.length
      ? h('section', { class: 'card', 'aria-label': 'List' }, list.element)
      : empty(
          'There is no webhook yet',
          'Make one below: events are posted to its address, signed as Standard Webhooks says.',
        ),
    form(context, null),
  ];
}

async function one(context, key) {
  const path = `/v1/webhooks/${segment(key)}`;
  const { api, parameters } = context;
  const webhook = await api.get(path);
  const place = h('div', { 'aria-live': 'polite', id: 'webhook-done' });
  const columns = [
    momentColumn('at', 'Happened', context.zone),
    { name: 'type', title: 'Event', value: (row) => row.type, cell: (row) => row.type },
    { name: 'subject', title: 'Of', value: (row) => row.subject, cell: (row) => row.subject },
    {
      name: 'state',
      title: 'State',
      align: 'tight',
      value: (row) => row.state,
      cell: (row) => [
        shown(row.state),
        row.due_at && h('span', { class: 'hint' }, ' next ', instant(row.due_at, context.zone)),
      ],
    },
    { name: 'made', title: 'Attempts', align: 'right', value: (row) => row.made, cell: (row) => figure(row.made) },
    { name: 'attempts', title: 'What came of them', cell: (row) => attempts(context, row.attempts) },
    {
      name: 'actions',
      title: 'Change',
      align: 'actions-cell',
      cell: (row) =>
        h(
          'button',
          {
            type: 'button',
            'data-resend': row.id,
            onclick: (event) => resend(context, path, row, event.currentTarget, place),
          },
          'Send again',
          hidden(` ${row.type} of ${row.subject}`),
        ),
    },
  ];
  const list = await paged({ name: 'deliveries', caption: 'Deliveries', columns, key: (row) => row.id }, (cursor) =>
    api.get(`${path}/deliveries`, { state: parameters.state, limit: 100, cursor }),
  );
  return [
    h(
      'div',
      { class: 'title' },
      h('div', {}, h('h1', {}, webhook.key), h('p', { class: 'muted' }, h('code', {}, webhook.url))),
      h(
        'span',
        { class: 'actions' },
        h('a', { href: context.link('webhooks') }, 'All webhooks'),
        ...buttons(context, webhook, path, place),
      ),
    ),
    h('div', { id: 'webhook-revealed' }),
    place,
    h(
      'section',
      { class: 'card', 'aria-label': 'How it stands' },
      facts([
        [
          'State',
          [shown(webhook.state), webhook.failing_since && [' since ', instant(webhook.failing_since, context.zone)]],
        ],
        ['Is told of', webhook.events.join(', ')],
        ['Failed since the last success', figure(webhook.failures)],
        ['Last took an event', webhook.last_success_at ? instant(webhook.last_success_at, context.zone) : 'never'],
        webhook.previous_until && ['Secret before signs too until', instant(webhook.previous_until, context.zone)],
      ]),
    ),
    h(
      'section',
      { class: 'card', 'aria-labelledby': 'deliveries' },
      h(
        'header',
        {},
        h('h2', { id: 'deliveries' }, 'Deliveries'),
        h(
          'span',
          { class: 'actions' },
          field(
            'deliveries-state',
            'State',
            select(STATES, parameters.state ?? '', (state) => context.go({ state })),
          ),
        ),
      ),
      list.rows.length
        ? list.element
        : h(
            'p',
            { class: 'muted' },
            parameters.state ? 'None is in this state.' : 'It was told nothing yet. Tell it of a test.',
          ),
    ),
    form(context, webhook),
  ];
}

function attempts(context, all) {
  const last = all.at(-1);
  if (!last) return '–';
  const text = (attempt) => [
    instant(attempt.at, context.zone),
    ` ${attempt.error ?? `answered ${attempt.status}`}, ${attempt.millis} ms`,
  ];
  if (all.length === 1) return text(last);
  return h(
    'details',
    {},
    h('summary', {}, last.error ?? `answered ${last.status}`),
    h(
      'ul',
      {},
      all.map((attempt) => h('li', {}, text(attempt))),
    ),
  );
}

function resend(context, path, row, button, place) {
  attempt(button, place, async () => {
    await context.api.send('POST', `${path}/deliveries/${row.id}/resend`);
    place.replaceChildren(
      done(
        'It is sent again at once. ',
        h('button', { type: 'button', onclick: context.redraw }, 'Show what came of it'),
      ),
    );
  });
}

function buttons(context, webhook, path, place) {
  const test = (event) =>
    attempt(event.currentTarget, place, async () => {
      await context.api.send('POST', `${path}/test`);
      place.replaceChildren(
        done(
          'It is told of a test. ',
          h('button', { type: 'button', onclick: context.redraw }, 'Show what came of it'),
        ),
      );
    });
  const rotate = () =>
    confirmed(
      `Give “${webhook.key}” another secret?`,
      'For a day both sign what is posted, so that its receiver can change over.',
      'Another secret',
      (button, inside, close) =>
        attempt(button, inside, async () => {
          const answer = await context.api.send('POST', `${path}/secret`, { body: {} });
          close();
          reveal(answer);
        }),
    );
  const remove = () =>
    confirmed(
      `Delete “${webhook.key}”?`,
      'It is told nothing more, and what it was told is forgotten.',
      'Delete',
      (button, inside, close) =>
        attempt(button, inside, async () => {
          await context.api.send('DELETE', path);
          close();
          location.hash = context.link('webhooks');
        }),
    );
  return [
    h('button', { type: 'button', id: 'webhook-test', onclick: test }, 'Tell it of a test'),
    h('button', { type: 'button', id: 'webhook-rotate', onclick: rotate }, 'Another secret…'),
    h('button', { type: 'button', id: 'webhook-delete', class: 'danger', onclick: remove }, 'Delete…'),
  ];
}

function reveal(webhook) {
  if (!webhook.secret) return;
  document
    .getElementById('webhook-revealed')
    ?.replaceChildren(
      secret(
        `Secret of ${webhook.key}`,
        webhook.secret,
        'With it the receiver checks signatures. It is shown this once. Copy it now.',
      ),
    );
}

// Makes a webhook, or changes the one that is given.
function form(context, webhook) {
  const place = h('div', { class: 'break' });
  const key = h('input', {
    type: 'text',
    value: webhook?.key ?? '',
    required: true,
    autocomplete: 'off',
    pattern: '[A-Za-z0-9._:~\\-]{1,128}',
    disabled: Boolean(webhook),
  });
  const url = h('input', {
    type: 'text',
    inputmode: 'url',
    value: webhook?.url ?? '',
    required: true,
    maxlength: '2048',
    placeholder: 'https://',
    autocomplete: 'off',
  });
  const enabled = h('input', { type: 'checkbox', id: 'webhook-enabled', checked: webhook?.enabled ?? true });
  let events =
    webhook?.events.filter((event) => EVENTS.some(([name]) => name === event)) ?? EVENTS.map(([name]) => name);
  const button = h(
    'button',
    { type: 'submit', class: 'primary', id: 'webhook-save' },
    webhook ? 'Change it' : 'Make the webhook',
  );
  const send = (event) => {
    event.preventDefault();
    attempt(button, place, async () => {
      const body = { url: url.value.trim(), events, enabled: enabled.checked };
      const saved = await context.api.send('PUT', `/v1/webhooks/${segment(key.value.trim())}`, { body });
      await context.redraw();
      reveal(saved);
    });
  };
  return h(
    'form',
    { class: 'card', id: 'webhook-form', onsubmit: send },
    h('h2', {}, webhook ? 'Change' : 'Make a webhook'),
    h(
      'div',
      { class: 'form' },
      field('webhook-key', 'Key', key),
      field('webhook-url', 'Address', url),
      choices('webhook-events', 'Is told when', EVENTS, events, (all) => {
        events = all;
      }),
    ),
    place,
    h('p', { class: 'actions' }, button, h('label', { class: 'check' }, enabled, 'Enabled')),
  );
}
