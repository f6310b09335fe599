// API keys: making them (the text is shown once), giving them another secret, ending them.

import { momentColumn, standingColumn } from '../columns.js';
import { h, hidden } from '../dom.js';
import { confirmed, field, secret, select, suggested } from '../fields.js';
import { attempt, empty } from '../states.js';
import { paged } from '../table.js';

const SCOPES = [
  ['ingest', 'ingest: posts readings'],
  ['read', 'read: sees registry and figures'],
  ['provider', 'provider: everything in this provider'],
];

export async function load(context) {
  const { api } = context;
  const revealed = h('div', { id: 'keys-revealed' });
  const withEnded = context.parameters.ended === 'true';
  const list = await paged(
    { name: 'keys', caption: 'Keys', columns: columns(context, revealed), key: (one) => one.id },
    async (cursor) => {
      const page = await api.get('/v1/keys', { limit: 500, cursor });
      return withEnded ? page : { ...page, items: page.items.filter((one) => standing(one) !== 'revoked') };
    },
  );
  return [
    h('h1', {}, 'Keys'),
    revealed,
    form(context, revealed),
    h(
      'section',
      { class: 'card', 'aria-labelledby': 'keys-list' },
      h(
        'header',
        {},
        h('h2', { id: 'keys-list' }, 'Keys'),
        h(
          'span',
          { class: 'actions' },
          h(
            'a',
            { id: 'keys-ended', href: context.link('keys', { ended: withEnded ? null : 'true' }) },
            withEnded ? 'Without revoked ones' : 'Revoked ones too',
          ),
        ),
      ),
      list.rows.length
        ? list.element
        : empty('There is no key here', 'Make one above. Keys of the command line are here too.'),
    ),
  ];
}

function standing(one) {
  if (one.revoked_at) return 'revoked';
  if (one.expires_at && Date.parse(one.expires_at) <= Date.now()) return 'expired';
  return 'good';
}

function partOf(one) {
  if (one.device) return `device ${one.device}`;
  if (one.group) return `group ${one.group}`;
  return one.customer ? `customer ${one.customer}` : one.provider ? 'all of the provider' : 'all providers';
}

function columns(context, revealed) {
  return [
    {
      name: 'name',
      title: 'Name',
      sorts: 'text',
      value: (one) => one.name,
      cell: (one) => one.name ?? h('code', { title: one.id }, one.id.slice(0, 13)),
    },
    { name: 'scope', title: 'Scope', sorts: 'text', value: (one) => one.scope, cell: (one) => one.scope },
    { name: 'part', title: 'For', sorts: 'text', value: partOf, cell: partOf },
    standingColumn(standing),
    momentColumn('created_at', 'Made', context.zone, { sorts: 'text' }),
    momentColumn('last_used_at', 'Last used', context.zone, { sorts: 'text', absent: 'never' }),
    momentColumn('expires_at', 'Ends', context.zone, { sorts: 'text', absent: 'never' }),
    {
      name: 'actions',
      title: 'Change',
      align: 'actions-cell',
      cell: (one) =>
        standing(one) === 'revoked'
          ? ''
          : [
              !one.certificate_subject &&
                !one.certificate_fingerprint &&
                h(
                  'button',
                  { type: 'button', 'data-rotate': one.id, onclick: () => rotate(context, one, revealed) },
                  'Rotate…',
                  hidden(` ${called(one)}`),
                ),
              h(
                'button',
                { type: 'button', class: 'danger', 'data-revoke': one.id, onclick: () => revoke(context, one) },
                'Revoke…',
                hidden(` ${called(one)}`),
              ),
            ],
    },
  ];
}

const called = (one) => one.name ?? one.id;

function rotate(context, one, revealed) {
  confirmed(
    `Give “${called(one)}” another secret?`,
    'The secret that it has stays good for a day, so that nobody who holds it is locked out meanwhile.',
    'Rotate',
    (button, place, close) =>
      attempt(button, place, async () => {
        const key = await context.api.send('POST', `/v1/keys/${one.id}/rotate`, { body: {} });
        close();
        reveal(revealed, `Another secret for “${called(one)}”`, key.key);
      }),
  );
}

function revoke(context, one) {
  confirmed(
    `Revoke “${called(one)}”?`,
    'It is refused from now on, with the portal tokens that were made with it. This cannot be taken back.',
    'Revoke',
    (button, place, close) =>
      attempt(button, place, async () => {
        await context.api.send('DELETE', `/v1/keys/${one.id}`);
        close();
        context.redraw();
      }),
  );
}

function reveal(revealed, title, text) {
  revealed.replaceChildren(
    text
      ? secret(title, text, 'It is shown this once: only a hash of it is stored. Copy it now.')
      : h('p', { class: 'notice good', role: 'status' }, title, '. A certificate stands for its text.'),
  );
  revealed.scrollIntoView({ block: 'nearest' });
}

function form(context, revealed) {
  const place = h('div', { class: 'break' });
  const name = h('input', { type: 'text', maxlength: '256', autocomplete: 'off', required: true });
  const parts = () => [
    ['', 'All of the provider'],
    ['customer', 'A customer'],
    ...(scope.value === 'ingest'
      ? [
          ['group', 'A group'],
          ['device', 'A device'],
        ]
      : []),
  ];
  const scope = select(SCOPES, 'ingest', () => {
    level.replaceChildren(...parts().map(([value, text]) => h('option', { value }, text)));
    levelBox.hidden = scope.value === 'provider';
    turn();
  });
  const level = select(parts(), '', () => turn());
  const levelBox = h('div', {}, field('key-level', 'For', level));
  const part = suggested(
    'key-part',
    '',
    (text) => found(context, level.value, text),
    () => {},
    { required: true },
  );
  const partBox = h('div', {}, field('key-part', 'Its key', part.input), part.list);
  const turn = () => {
    if (scope.value === 'provider') level.value = '';
    partBox.hidden = !level.value;
    part.input.disabled = !level.value;
    part.input.value = '';
    part.list.replaceChildren();
  };
  turn();
  const end = h('input', { type: 'date' });
  const button = h('button', { type: 'submit', class: 'primary submit', id: 'key-create' }, 'Make the key');
  const send = (event) => {
    event.preventDefault();
    attempt(button, place, async () => {
      const body = { scope: scope.value, name: name.value.trim() };
      if (level.value) body[level.value] = part.input.value.trim();
      if (end.value) body.expires_at = `${end.value}T00:00:00Z`;
      const key = await context.api.send('POST', '/v1/keys', { body });
      await context.redraw();
      reveal(document.getElementById('keys-revealed') ?? revealed, `The key “${called(key)}” is made`, key.key);
    });
  };
  return h(
    'form',
    { class: 'card', id: 'key-form', onsubmit: send },
    h('h2', {}, 'Make a key'),
    h(
      'div',
      { class: 'form' },
      field('key-name', 'Name', name),
      field('key-scope', 'Scope', scope),
      levelBox,
      partBox,
      field('key-end', 'Ends on, UTC (never when empty)', end),
      button,
    ),
    place,
  );
}

async function found({ api }, level, text) {
  const path = { customer: '/v1/customers', device: '/v1/devices', group: '/v1/groups' }[level];
  const page = await api.get(path, { q: level === 'group' ? null : text, limit: level === 'group' ? 1000 : 20 });
  return page.items
    .filter((one) => level !== 'group' || `${one.key} ${one.name}`.includes(text))
    .slice(0, 20)
    .map((one) => [one.key, one.name ?? '']);
}
