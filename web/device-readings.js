// The readings of a device as they are stored: a chart and a table of one metric in a range of days.

import { chart } from './chart.js';
import { figureColumn, momentColumn } from './columns.js';
import { figure } from './decimal.js';
import { h } from './dom.js';
import { field, select } from './fields.js';
import { save } from './files.js';
import { attempt, empty, problem } from './states.js';
import { table } from './table.js';
import { addDays, instantText, isDay, rangeName } from './time.js';

// How many readings a chart has at most.
const MOST_READINGS = 5000;

export const dimensionsOf = (item) =>
  Object.entries(item.dimensions ?? {})
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

// Readings of one metric in a range: the last two days that have some, unless the address says otherwise.
export async function rawOf(context, path, read) {
  const { parameters } = context;
  const series = read.find((one) => one.metric === parameters.metric) ?? read[0];
  const lastDay = series.points.filter((point) => point.count > 0).at(-1).period;
  const to = isDay(parameters.to) ? parameters.to : addDays(lastDay, 1);
  const from = isDay(parameters.from) ? parameters.from : addDays(to, -2);
  const found = await context.api
    .all(`${path}/readings`, { metric: series.metric, from, to }, MOST_READINGS)
    .catch((why) => ({ why, items: [] }));
  return { series, from, to, ...found };
}

export function rawCard(context, path, read, { series, from, to, items, more, why }) {
  const metric = select(
    read.map((one) => [one.metric, one.about?.name ?? one.metric]),
    series.metric,
  );
  const first = h('input', { type: 'date', value: from, required: true });
  const final = h('input', { type: 'date', value: addDays(to, -1), required: true });
  const place = h('div', {});
  const send = (event) => {
    event.preventDefault();
    context.go({
      metric: metric.value,
      from: first.value,
      to: addDays(final.value < first.value ? first.value : final.value, 1),
    });
  };
  const csv = h(
    'button',
    {
      type: 'button',
      onclick: (event) =>
        attempt(event.target, place, async () =>
          save(
            `readings-${context.parameters.device}-${series.metric}-${from}-${to}.csv`,
            'text/csv',
            await context.api.text(`${path}/readings`, { metric: series.metric, from, to }, 'text/csv'),
          ),
        ),
    },
    'Download CSV',
  );
  return h(
    'section',
    { class: 'card', 'aria-labelledby': 'raw' },
    h(
      'header',
      {},
      h('h2', { id: 'raw' }, 'Readings'),
      h('span', { class: 'muted' }, rangeName(from, to)),
      h('span', { class: 'actions' }, csv),
    ),
    h(
      'form',
      { class: 'form', id: 'raw-form', onsubmit: send },
      field('raw-metric', 'Metric', metric),
      h('div', { class: 'half' }, field('raw-from', 'First day', first)),
      h('div', { class: 'half' }, field('raw-last', 'Last day', final)),
      h('button', { type: 'submit', class: 'submit' }, 'Show'),
    ),
    place,
    why ? problem(why, context.redraw) : rawFigures(context, series, items, more),
  );
}

function rawFigures(context, series, items, more) {
  if (items.length === 0) return empty('No readings in this range', 'Choose other days.');
  const channels = [...new Set(items.map(dimensionsOf))];
  const line = (channel) => ({
    name: channel || series.about?.name || series.metric,
    values: items.map((item) => (dimensionsOf(item) === channel ? item.value : null)),
  });
  const drawn = channels.length === 1 ? [line(channels[0])] : channels.slice(0, 8).map(line).map(connected);
  const columns = [
    momentColumn('at', 'At', context.zone, { sorts: 'text' }),
    channels.some(Boolean) && {
      name: 'dimensions',
      title: 'Dimensions',
      sorts: 'text',
      cell: dimensionsOf,
      value: dimensionsOf,
    },
    figureColumn('value', `Value${series.unit ? `, ${series.unit}` : ''}`, { sorts: 'figure' }),
    series.about?.kind !== 'gauge' && figureColumn('increment', 'Adds', { sorts: 'figure' }),
    momentColumn('recorded_at', 'Recorded', context.zone),
    items.some((one) => one.id) && { name: 'id', title: 'Event', cell: (one) => one.id ?? '–' },
  ].filter(Boolean);
  return h(
    'div',
    { class: 'stack' },
    chart({
      title: `${series.about?.name ?? series.metric}: readings`,
      description: `${items.length} readings.`,
      unit: series.unit,
      kind: 'line',
      series: drawn,
      names: items.map((item) => instantText(item.at, context.zone)),
      ticks: items.map((item) =>
        instantText(item.at, context.zone)
          .slice(0, -3)
          .replace(/ \d{4},/, ''),
      ),
      times: items.map((item) => Date.parse(item.at)),
    }),
    more && h('p', { class: 'hint' }, `These are the first ${MOST_READINGS}; take fewer days, or download all as CSV.`),
    h(
      'details',
      {},
      h('summary', {}, `The ${items.length} readings as a table`),
      table({
        name: 'readings',
        caption: 'Readings',
        columns,
        rows: items,
        key: (one) => `${one.at}|${dimensionsOf(one)}|${one.id ?? ''}`,
      }),
    ),
  );
}

// Of several channels in one list, each line goes on over what belongs to the others.
function connected(one) {
  let held = null;
  return {
    ...one,
    values: one.values.map((value) => {
      held = value ?? held;
      return held;
    }),
  };
}
