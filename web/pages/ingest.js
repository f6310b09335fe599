// What was received and what became of it: by UTC day, and by the key that sent it.

import { VERDICTS, accounted, byDay, byKey } from '../accounts.js';
import { chart } from '../chart.js';
import { dayColumn, figureColumn } from '../columns.js';
import { h } from '../dom.js';
import { field } from '../fields.js';
import { empty } from '../states.js';
import { minutes, minutesCard } from '../minutes.js';
import { table } from '../table.js';
import { addDays, isDay, periodName, periodTick, rangeName, today } from '../time.js';

export const FOLLOWS = ['figures'];

const DAYS = 30;
const MOVEMENTS = [
  ['kept', 'Came in'],
  ['stored', 'Stored'],
  ['duplicates', 'Duplicates'],
  ['expired', 'Expired'],
  ['deleted', 'Deleted'],
];

export async function load(context) {
  const { parameters } = context;
  const now = today('UTC');
  const to = isDay(parameters.to) ? parameters.to : addDays(now, 1);
  const from = isDay(parameters.from) ? parameters.from : addDays(to, -DAYS);
  const range = { from, to };
  const [accounts, together, lately] = await Promise.all([
    accounted(context.api, 'key', range),
    accounted(context.api, 'day', range),
    minutes(context.api),
  ]);
  const head = [h('h1', {}, 'Ingest'), form(context, from, to)];
  if (accounts.items.length === 0) {
    return [
      ...head,
      empty(
        `Nothing was received from ${rangeName(from, to)}`,
        'Take an earlier range. If devices should be sending, see under Access whether their keys are good, and when they were last used.',
      ),
    ];
  }
  return [...head, minutesCard(lately, context.zone), days(together, range), keys(accounts), entries(accounts)];
}

function form(context, from, to) {
  const first = h('input', { type: 'date', value: from, required: true });
  const last = h('input', { type: 'date', value: addDays(to, -1), required: true });
  const send = (event) => {
    event.preventDefault();
    context.go({ from: first.value, to: addDays(last.value < first.value ? first.value : last.value, 1) });
  };
  return h(
    'form',
    { class: 'card form', id: 'ingest-form', onsubmit: send },
    h('div', { class: 'half' }, field('ingest-from', 'First day, UTC', first)),
    h('div', { class: 'half' }, field('ingest-last', 'Last day, UTC', last)),
    h('button', { type: 'submit', class: 'primary submit' }, 'Show'),
  );
}

const verdicts = VERDICTS.map(([name, title]) => figureColumn(name, title, { sorts: 'figure' }));

function days(accounts, range) {
  const rows = byDay(accounts, range);
  return h(
    'section',
    { class: 'card', 'aria-labelledby': 'by-day' },
    h('h2', { id: 'by-day' }, 'By day'),
    chart({
      title: 'Readings received by UTC day',
      description: rangeName(range.from, range.to),
      unit: 'readings',
      kind: 'bar',
      series: [{ name: 'Received', values: rows.map((one) => one.received) }],
      names: rows.map((one) => periodName(one.day, 'day')),
      ticks: rows.map((one) => periodTick(one.day, 'day')),
    }),
    table({
      name: 'accounting-days',
      caption: 'Readings by UTC day and verdict',
      rows: rows.filter((one) => one.received !== '0').reverse(),
      key: (one) => one.day,
      columns: [dayColumn({ sorts: 'text' }), ...verdicts],
    }),
  );
}

function keys(accounts) {
  return h(
    'section',
    { class: 'card', 'aria-labelledby': 'by-key' },
    h('h2', { id: 'by-key' }, 'By key'),
    table({
      name: 'accounting-keys',
      caption: 'Readings by key and verdict',
      rows: byKey(accounts),
      key: (one) => one.key_id ?? '',
      sorted: { column: 'received', down: true },
      columns: [
        { name: 'key', title: 'Key', sorts: 'text', value: (one) => one.name ?? one.key_id, cell: keyName },
        figureColumn('requests', 'Requests', { sorts: 'figure' }),
        ...verdicts,
      ],
    }),
    accounts.more && h('p', { class: 'hint' }, 'There are more entries than are added up here: take fewer days.'),
  );
}

const keyName = (one) => one.name ?? (one.key_id ? h('code', {}, one.key_id) : 'not known');

// The API's own entries, with what became of readings in quarantine.
function entries(accounts) {
  const columns = [
    dayColumn({ sorts: 'text' }),
    {
      name: 'key',
      title: 'Key',
      sorts: 'text',
      value: (one) => one.key_name ?? one.key_id,
      cell: (one) => keyName({ name: one.key_name, key_id: one.key_id }),
    },
    figureColumn('received', 'Received', { sorts: 'figure' }),
    figureColumn('quarantined', 'Quarantined', { sorts: 'figure' }),
    ...MOVEMENTS.map(([name, title]) =>
      figureColumn(`quarantine-${name}`, title, { of: (one) => one.quarantine[name], sorts: 'figure' }),
    ),
  ];
  return h(
    'details',
    { class: 'card' },
    h('summary', {}, 'Day by day and key by key, with what moved in quarantine'),
    table({
      name: 'accounting',
      caption: 'Accounts by day and key',
      columns,
      rows: accounts.items,
      key: (one) => `${one.day}|${one.key_id ?? ''}`,
    }),
  );
}
