// Readings received in each of the last minutes, by verdict, as GET /v1/accounting/minutes has it.

import { VERDICTS } from './accounts.js';
import { chart } from './chart.js';
import { figureColumn, momentColumn } from './columns.js';
import { h } from './dom.js';
import { table } from './table.js';
import { instantText } from './time.js';

// Of the last hour; the last one is not over.
export const minutes = async (api) => (await api.get('/v1/accounting/minutes', { minutes: 61 })).items;

// What came in the last whole minute.
export const lastWhole = (items) => items.at(-2);

export function minutesCard(items, zone) {
  const whole = items.slice(0, -1);
  return h(
    'section',
    { class: 'card', 'aria-labelledby': 'minutes' },
    h('h2', { id: 'minutes' }, 'Readings per minute'),
    whole.every((one) => one.received === 0)
      ? h('p', { class: 'muted' }, 'Nothing was received in the last hour.')
      : drawing(whole, zone),
    h(
      'details',
      {},
      h('summary', {}, 'As a table'),
      table({
        name: 'minutes',
        caption: 'Readings received per minute, by verdict',
        rows: [...items].reverse(),
        key: (one) => one.minute,
        columns: [momentColumn('minute', 'Minute', zone), ...VERDICTS.map(([name, text]) => figureColumn(name, text))],
      }),
    ),
  );
}

function drawing(whole, zone) {
  const clock = (one) => instantText(one.minute, zone).slice(-8, -3);
  // Stored is as good as received where nothing else happens, and a line of zeros says nothing.
  const lines = VERDICTS.filter(([name]) => name === 'received' || whole.some((one) => one[name] > 0));
  const shown = lines.length === 2 ? lines.slice(0, 1) : lines;
  return chart({
    title: 'Readings received per minute',
    description: 'The last hour.',
    unit: 'readings',
    kind: 'line',
    series: shown.map(([name, text]) => ({ name: text, values: whole.map((one) => one[name]) })),
    names: whole.map((one) => instantText(one.minute, zone)),
    ticks: whole.map(clock),
  });
}
