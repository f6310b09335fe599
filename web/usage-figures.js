// The figures of one metric on the usage page: totals of the range, chart, table, CSV. All of them are the API's own; none is added up
// here. What is compared with is the period before, place by place: first day with first day.

import { MOST_SERIES, chart } from './chart.js';
import { figureColumn } from './columns.js';
import { change, compare, figure, grouped, minus } from './decimal.js';
import { h } from './dom.js';
import { save } from './files.js';
import { attempt, empty } from './states.js';
import { table } from './table.js';
import { addDays, addMonths, instant, periodName, periodTick, position, rangeName } from './time.js';
import { STATISTICS, leading, queryOf, rangeBefore, statsOf } from './usage-question.js';

const titleOf = (stat) => STATISTICS.find(([name]) => name === stat)?.[1] ?? stat;

// Asks for everything that the section of a metric shows, at once.
export async function ask(api, asked, metric) {
  const earlier = asked.compared ? rangeBefore(asked) : null;
  const get = (range, bucket) => (range ? api.get('/v1/usage', queryOf(asked, metric, range, bucket)) : null);
  const [now, total, then, totalThen] = await Promise.all([
    get(asked, asked.bucket),
    get(asked, 'total'),
    get(earlier, asked.bucket),
    get(earlier, 'total'),
  ]);
  return { now, total, then, totalThen, earlier };
}

export function section(context, asked, metric, found) {
  const stats = statsOf(metric, asked.stats);
  const view = {
    context,
    asked,
    metric,
    found,
    stats,
    lead: leading(stats),
    unit: found.now.series[0]?.unit ?? metric.unit,
  };
  const { rows, places } = laidOut(view);
  const place = h('div', {});
  const csv = h(
    'button',
    {
      type: 'button',
      id: `csv-${metric.key}`,
      'data-csv': metric.key,
      onclick: (event) =>
        attempt(event.target, place, async () => {
          const text = await context.api.text('/v1/usage', queryOf(asked, metric), 'text/csv');
          save(`usage-${metric.key}-${asked.bucket}-${asked.from}-${asked.to}.csv`, 'text/csv', text);
        }),
    },
    'Download CSV',
  );
  const some = rows.some((row) => row.point);
  return h(
    'section',
    { class: 'card', 'data-metric': metric.key, 'aria-label': metric.name },
    h(
      'header',
      {},
      h('h2', {}, metric.name),
      h(
        'span',
        { class: 'muted' },
        [view.unit, metric.kind, rangeName(asked.from, asked.to)].filter(Boolean).join(' · '),
      ),
      h('span', { class: 'actions' }, csv),
    ),
    place,
    asked.by ? null : totals(view),
    some
      ? drawing(view, places)
      : empty(
          'No readings in this range',
          'Choose another range or scope above. Where readings are expected, look under Ingest whether they arrive, and in quarantine.',
        ),
    asked.by && some ? splitTotals(view) : null,
    rows.length > 0 ? listing(view, rows) : null,
    freshness(view),
  );
}

// The name of a series, which is what the scope is split by.
function nameOf(series, by) {
  if (!by) return '';
  return series[by] ?? (by === 'group' ? 'in no group' : 'not split');
}

// Rows of the table and places of the chart. A row is of one series and place; `point` or `earlier` may be missing.
function laidOut({ asked, found }) {
  const names = new Map();
  const rows = new Map();
  const take = (answer, range, role) =>
    (answer?.series ?? []).forEach((series) => {
      const seen = new Map();
      const by = nameOf(series, asked.by);
      series.points.forEach((point) => {
        const at = position(local(answer, point), asked.bucket, range.from, seen);
        const key = `${by}\n${at}`;
        if (role === 'point') names.set(at, local(answer, point));
        if (!rows.has(key)) rows.set(key, { by, at, point: null, earlier: null });
        rows.get(key)[role] = point;
      });
    });
  for (const period of expectedPeriods(asked)) names.set(position(period, asked.bucket, asked.from, new Map()), period);
  take(found.now, asked, 'point');
  take(found.then, found.earlier, 'earlier');
  const places = [...names]
    .map(([at, period]) => ({ at, period, name: placeName(period, asked.bucket) }))
    .sort((a, b) => inTime(a.period) - inTime(b.period));
  // The hour that a clock shows twice.
  places.forEach((one, index) => {
    if (one.name === places[index + 1]?.name)
      [one, places[index + 1]].forEach((twin) => {
        twin.name += ` (UTC${twin.period.slice(19)})`;
      });
  });
  const order = new Map(places.map((one, index) => [one.at, { ...one, index }]));
  const kept = [...rows.values()]
    .filter((row) => order.has(row.at))
    .map((row) => ({ ...row, ...order.get(row.at) }))
    .sort((a, b) => a.index - b.index || a.by.localeCompare(b.by, 'en', { numeric: true }));
  return { rows: kept, places };
}

// An hour is named by its start where the scope has one time zone; else by its period, which is in UTC.
const local = (answer, point) =>
  answer.bucket === 'hour' && answer.time_zone && point.start ? point.start : point.period;

const placeName = (period, bucket) =>
  `${periodName(period, bucket)}${bucket === 'hour' && period.endsWith('Z') ? ' UTC' : ''}`;

const inTime = (period) => Date.parse(period.length === 7 ? `${period}-01` : period);

// Every day or month of the range, so that a gap is seen as one. Hours are those that have figures.
function expectedPeriods({ bucket, from, to }) {
  const all = [];
  if (bucket === 'day') for (let day = from; day < to && all.length < 800; day = addDays(day, 1)) all.push(day);
  if (bucket === 'month')
    for (let day = `${from.slice(0, 7)}-01`; day < to && all.length < 600; day = addMonths(day, 1))
      all.push(day.slice(0, 7));
  return all;
}

const pointOf = (answer) => answer?.series[0]?.points[0] ?? null;

function totals({ found, stats, lead, unit }) {
  const [now, then] = [pointOf(found.total), pointOf(found.totalThen)];
  const one = (stat) =>
    h(
      'div',
      { class: 'total', 'data-total': stat },
      h('span', { class: 'name' }, titleOf(stat)),
      h(
        'span',
        { class: 'big', 'data-figure': `total-${stat}`, 'data-value': now?.[stat] ?? null },
        figure(now?.[stat]),
        unitOf(stat, unit) && now?.[stat] && h('span', { class: 'unit' }, unitOf(stat, unit)),
      ),
      then &&
        then[stat] !== null &&
        h(
          'span',
          { class: 'then' },
          figure(then?.[stat]),
          ' before',
          stat === lead && change(now?.[stat], then?.[stat]) ? ` (${change(now?.[stat], then?.[stat])})` : '',
        ),
    );
  return h('div', { class: 'totals' }, stats.map(one));
}

const unitOf = (stat, unit) => (['count', 'active_devices', 'registered_devices'].includes(stat) ? '' : unit);

// At most as many series as can be told apart: those with the largest totals.
function drawing(view, places) {
  const { asked, found, lead, metric, unit } = view;
  const sizes = new Map((found.total?.series ?? []).map((one) => [nameOf(one, asked.by), one.points[0]?.[lead]]));
  const all = [...found.now.series]
    .filter((one) => one.points.length)
    .sort((a, b) => compare(sizes.get(nameOf(b, asked.by)), sizes.get(nameOf(a, asked.by))));
  const drawn = all.slice(0, MOST_SERIES);
  const along = (answer, series, from) => {
    const seen = new Map();
    const values = new Map(
      series.points.map((point) => [position(local(answer, point), asked.bucket, from, seen), point[lead]]),
    );
    return places.map(({ at }) => values.get(at) ?? null);
  };
  const series = drawn.map((one) => ({
    name: nameOf(one, asked.by) || 'This range',
    values: along(found.now, one, asked.from),
  }));
  if (!asked.by && found.then?.series[0]?.points.some((point) => point[lead] !== null)) {
    series.push({
      name: rangeName(found.earlier.from, found.earlier.to),
      values: along(found.then, found.then.series[0], found.earlier.from),
      before: true,
    });
    series[0].name = rangeName(asked.from, asked.to);
  }
  const amounts = lead === 'sum' || lead === 'count';
  return h(
    'div',
    {},
    chart({
      title: `${metric.name}: ${titleOf(lead).toLowerCase()} by ${asked.bucket}, ${rangeName(asked.from, asked.to)}`,
      description: `${series.length} series over ${places.length} places${unit ? `, in ${unit}` : ''}.`,
      unit: unitOf(lead, unit),
      kind: amounts && !asked.by && places.length <= 120 ? 'bar' : 'line',
      series,
      names: places.map(({ name }) => name),
      ticks: places.map(({ period }) => periodTick(period, asked.bucket)),
    }),
    all.length > drawn.length &&
      h('p', { class: 'hint' }, `The ${drawn.length} largest of ${all.length} are drawn; the tables have all.`),
  );
}

function listing(view, rows) {
  const { asked, metric, found } = view;
  const columns = [
    {
      name: 'period',
      title: asked.bucket === 'month' ? 'Month' : asked.bucket === 'day' ? 'Day' : 'Hour',
      align: 'tight',
      sorts: 'text',
      cell: (row) => row.name,
      value: (row) => row.point?.period ?? row.period,
    },
    asked.by && { name: 'by', title: 'Of', sorts: 'text', cell: (row) => row.by, value: (row) => row.by },
    ...figureColumns(
      view,
      (row) => row.point,
      (row) => row.earlier,
    ),
    found.now.series.some((one) =>
      one.points.some((point) => point.expected !== undefined && point.expected !== null),
    ) && {
      name: 'received',
      title: 'Received of expected',
      align: 'right',
      cell: (row) => received(row.point),
      value: (row) => row.point?.received,
    },
    {
      name: 'final',
      title: 'Standing',
      align: 'tight',
      value: (row) => (row.point ? String(row.point.final) : null),
      cell: (row) =>
        row.point
          ? h('span', { class: row.point.final ? 'state on' : 'state' }, row.point.final ? 'final' : 'provisional')
          : '–',
    },
  ].filter(Boolean);
  return h(
    'div',
    {},
    table({
      name: 'usage',
      caption: `${metric.name} by ${asked.bucket}`,
      columns,
      rows,
      key: (row) => [asked.by && row.by, row.point?.period ?? row.period].filter(Boolean).join('|'),
    }),
  );
}

function received(point) {
  if (!point || point.expected === null || point.expected === undefined) return '–';
  return h('span', {}, figure(point.received ?? 0), ' of ', figure(point.expected));
}

// A column for each statistic, and beside the leading one what it was before.
function figureColumns({ stats, lead, unit, found }, now, then) {
  return stats.flatMap((stat) => {
    const title = `${titleOf(stat)}${unitOf(stat, unit) ? `, ${unitOf(stat, unit)}` : ''}`;
    const columns = [
      {
        name: stat,
        title,
        align: 'right',
        sorts: 'figure',
        cell: (row) => figure(now(row)?.[stat]),
        value: (row) => now(row)?.[stat],
      },
    ];
    if (stat === lead && found.then) {
      const difference = (row) => minus(now(row)?.[stat], then(row)?.[stat]);
      columns.push(figureColumn('before', 'Before', { of: (row) => then(row)?.[stat] }), {
        name: 'change',
        title: 'Change',
        align: 'right',
        sorts: 'figure',
        value: difference,
        cell: (row) =>
          h(
            'span',
            { title: difference(row) === null ? null : grouped(difference(row)) },
            change(now(row)?.[stat], then(row)?.[stat]) ?? '–',
          ),
      });
    }
    return columns;
  });
}

// What each series comes to in the whole range, each leading to its own page.
function splitTotals(view) {
  const { asked, context, found, metric } = view;
  const then = new Map((found.totalThen?.series ?? []).map((one) => [nameOf(one, asked.by), one.points[0]]));
  const rows = found.total.series
    .filter((one) => one.points.length)
    .map((one) => ({
      by: nameOf(one, asked.by),
      point: one.points[0],
      earlier: then.get(nameOf(one, asked.by)) ?? null,
      named: one[asked.by],
    }));
  const leads = (row) => {
    if (asked.by === 'kind' || !row.named) return row.by;
    const scope = `${asked.by}:${row.named}`;
    const own = asked.scope === scope ? 'true' : null;
    return h(
      'a',
      { href: context.link('usage', { ...context.parameters, scope, own, by: null }) },
      own ? `${row.by} itself` : row.by,
    );
  };
  const columns = [
    { name: 'by', title: rangeName(asked.from, asked.to), sorts: 'text', cell: leads, value: (row) => row.by },
    ...figureColumns(
      view,
      (row) => row.point,
      (row) => row.earlier,
    ),
  ];
  return h(
    'div',
    {},
    h('h3', {}, 'In the whole range'),
    table({
      name: 'usage-totals',
      caption: `${metric.name} in the whole range`,
      columns,
      rows,
      key: (row) => row.by,
      sorted: { column: view.lead, down: true },
    }),
  );
}

function freshness({ found, context }) {
  const zone = found.now.time_zone;
  return h(
    'p',
    { class: 'hint' },
    'Every reading recorded before ',
    h(
      'span',
      { 'data-figure': 'fresh_through', 'data-value': found.now.fresh_through },
      instant(found.now.fresh_through, zone ?? context.zone),
    ),
    ' is in these figures. ',
    zone
      ? `Days and hours are those of ${zone}.`
      : 'Each owner’s own local days are meant: the scope has several time zones.',
  );
}
