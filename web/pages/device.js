// A device: what it is, what it read last, a chart of its readings, who owned it, whether its readings are complete, and how it is
// configured.

import { segment } from '../api.js';
import { figureColumn, momentColumn } from '../columns.js';
import { figure } from '../decimal.js';
import { dimensionsOf, rawCard, rawOf } from '../device-readings.js';
import { h } from '../dom.js';
import { field, suggested } from '../fields.js';
import { empty, problem } from '../states.js';
import { facts, table } from '../table.js';
import { addDays, instant, periodName, today } from '../time.js';

// How many days back the latest readings are looked for.
const LOOKED_BACK = 62;

export const FOLLOWS = ['figures'];

export async function load(context) {
  const { api, parameters, zone } = context;
  if (!parameters.device) return [h('h1', {}, 'Device'), chooser(context)];
  const path = `/v1/devices/${segment(parameters.device)}`;
  const [device, { items: metrics }, assignments, config] = await Promise.all([
    api.get(path),
    api.all('/v1/metrics'),
    api.get(`${path}/assignments`),
    api.get(`${path}/config`).catch((why) => why),
  ]);
  const now = today(zone);
  const recent = { from: addDays(now, -LOOKED_BACK), to: addDays(now, 1) };
  const figures = metrics.length ? await daily(api, device, metrics, recent) : [];
  const read = figures.filter((one) => one.points.some((point) => point.count > 0));
  const latest = await Promise.all(read.map((one) => last(api, path, one)));
  const raw = read.length ? await rawOf(context, path, read) : null;
  return [
    heading(context, device),
    h('section', { class: 'card', 'aria-label': 'About' }, about(context, device)),
    latestCard(context, latest.flat()),
    raw && rawCard(context, path, read, raw),
    completeness(figures),
    history(context, assignments.items),
    configuration(context, config),
  ].filter(Boolean);
}

function chooser(context) {
  const go = (key) => {
    if (key) context.go({ device: key });
  };
  const box = suggested(
    'device-key',
    '',
    async (text) => {
      const page = await context.api.get('/v1/devices', { q: text, limit: 20 });
      return page.items.map((one) => [one.key, one.name ?? one.kind]);
    },
    () => {},
    { required: true },
  );
  return h(
    'form',
    {
      class: 'card',
      onsubmit: (event) => {
        event.preventDefault();
        go(box.input.value.trim());
      },
    },
    field('device-key', 'Key or id of the device', box.input),
    box.list,
    h(
      'p',
      { class: 'actions' },
      h('button', { type: 'submit', class: 'primary' }, 'Show'),
      h('a', { href: context.link('hierarchy') }, 'Search in the hierarchy'),
    ),
  );
}

// Counts and last values by day, of all metrics: where there is anything, and since when not.
async function daily(api, device, metrics, { from, to }) {
  const answer = await api
    .get('/v1/usage', {
      metric: metrics.slice(0, 50).map((one) => one.key),
      scope: `device:${device.key}`,
      bucket: 'day',
      from,
      to,
      stats: 'count,last',
    })
    .catch(() => ({ series: [] }));
  return answer.series.map((series) => ({ ...series, about: metrics.find((one) => one.key === series.metric) }));
}

// The latest reading of each channel of a metric, on the last day that has any.
async function last(api, path, series) {
  const day = series.points.filter((point) => point.count > 0).at(-1);
  const from = day.start ?? day.period;
  const { items } = await api
    .all(`${path}/readings`, { metric: series.metric, from: from.slice(0, 10), to: addDays(day.period, 1) }, 3000)
    .catch(() => ({ items: [] }));
  const channels = new Map();
  items.forEach((item) => channels.set(JSON.stringify(item.dimensions ?? {}), item));
  return [...channels.values()].map((item) => ({ ...item, about: series.about, unit: series.unit }));
}

function heading(context, device) {
  return h(
    'div',
    { class: 'title' },
    h(
      'div',
      {},
      h('h1', {}, device.name ?? device.key),
      h(
        'p',
        { class: 'muted' },
        h('code', {}, device.key),
        device.retired_at && [' ', h('span', { class: 'state warn' }, 'retired')],
      ),
    ),
    h(
      'span',
      { class: 'actions' },
      h('a', { href: context.link('usage', { scope: `device:${device.key}` }) }, 'Usage'),
      h('a', { href: context.link('device') }, 'Another device'),
    ),
  );
}

function about(context, device) {
  return facts([
    ['Kind', device.kind],
    ['Customer', h('a', { href: context.link('usage', { scope: `customer:${device.customer}` }) }, device.customer)],
    [
      'Group',
      device.group && h('a', { href: context.link('usage', { scope: `group:${device.group}` }) }, device.group),
    ],
    ['Model', device.model],
    ['Firmware', device.firmware],
    ['Serial number', device.serial],
    device.retired_at && ['Retired', instant(device.retired_at, context.zone)],
    ['Registered', instant(device.created_at, context.zone)],
  ]);
}

function latestCard(context, latest) {
  if (latest.length === 0) {
    return empty(
      `No reading in the last ${LOOKED_BACK} days`,
      'Look whether what the device sends waits in quarantine, and whether its key is good.',
    );
  }
  const columns = [
    {
      name: 'metric',
      title: 'Metric',
      cell: (one) => [
        one.about?.name ?? one.metric,
        dimensionsOf(one) && h('span', { class: 'muted' }, ` ${dimensionsOf(one)}`),
      ],
      value: (one) => one.metric,
      sorts: 'text',
    },
    { name: 'value', title: 'Value', align: 'right', cell: (one) => figure(one.value), value: (one) => one.value },
    { name: 'unit', title: 'Unit', cell: (one) => one.unit },
    { name: 'at', title: 'At', align: 'tight', cell: (one) => instant(one.at, context.zone), value: (one) => one.at },
    momentColumn('recorded_at', 'Recorded', context.zone),
  ];
  return h(
    'section',
    { class: 'card', 'aria-labelledby': 'latest' },
    h('h2', { id: 'latest' }, 'Latest readings'),
    table({
      name: 'latest',
      caption: 'Latest reading of each channel',
      columns,
      rows: latest,
      key: (one) => `${one.metric}|${dimensionsOf(one)}`,
    }),
  );
}

function completeness(figures) {
  const rows = figures.filter((one) =>
    one.points.some((point) => point.expected !== null && point.expected !== undefined),
  );
  if (rows.length === 0) {
    return h(
      'section',
      { class: 'card', 'aria-labelledby': 'complete' },
      h('h2', { id: 'complete' }, 'Completeness'),
      h(
        'p',
        { class: 'muted' },
        'No metric of this device says how often readings are expected. Give one an ',
        h('code', {}, 'expected_interval'),
        ', and what is missing is seen here.',
      ),
    );
  }
  const days = rows
    .flatMap((one) =>
      one.points
        .filter((point) => point.expected !== null && point.expected !== undefined)
        .map((point) => ({
          ...point,
          metric: one.metric,
          name: one.about?.name ?? one.metric,
          missing: Math.max(0, point.expected - (point.received ?? 0)),
        })),
    )
    .sort((a, b) => (a.period < b.period ? 1 : -1));
  const columns = [
    {
      name: 'period',
      title: 'Day',
      align: 'tight',
      sorts: 'text',
      cell: (one) => periodName(one.period, 'day'),
      value: (one) => one.period,
    },
    { name: 'metric', title: 'Metric', sorts: 'text', cell: (one) => one.name, value: (one) => one.metric },
    figureColumn('expected', 'Expected'),
    figureColumn('received', 'Received'),
    {
      name: 'missing',
      title: 'Missing',
      align: 'right',
      sorts: 'figure',
      value: (one) => one.missing,
      cell: (one) => (one.missing ? h('span', { class: 'state warn' }, one.missing) : '0'),
    },
  ];
  const short = days.filter((one) => one.missing).length;
  return h(
    'section',
    { class: 'card', 'aria-labelledby': 'complete' },
    h('h2', { id: 'complete' }, 'Completeness'),
    h(
      'p',
      {},
      short ? `Readings are missing on ${short} of ${days.length} days.` : `Nothing is missing on ${days.length} days.`,
    ),
    h(
      'details',
      {},
      h('summary', {}, 'Day by day'),
      table({
        name: 'completeness',
        caption: 'Expected and received by day',
        columns,
        rows: days,
        key: (one) => `${one.metric}|${one.period}`,
      }),
    ),
  );
}

function history(context, items) {
  const columns = [
    {
      name: 'customer',
      title: 'Customer',
      cell: (one) => h('a', { href: context.link('usage', { scope: `customer:${one.customer}` }) }, one.customer),
      value: (one) => one.customer,
    },
    { name: 'group', title: 'Group', cell: (one) => one.group ?? '–', value: (one) => one.group },
    momentColumn('from', 'From', context.zone, { absent: 'the beginning' }),
    momentColumn('to', 'To', context.zone, { absent: 'now' }),
  ];
  return h(
    'section',
    { class: 'card', 'aria-labelledby': 'owners' },
    h('h2', { id: 'owners' }, 'Owners'),
    table({
      name: 'assignments',
      caption: 'Who owned it when',
      columns,
      rows: items,
      key: (one) => one.from ?? 'beginning',
    }),
  );
}

function configuration(context, config) {
  const title = h('h2', { id: 'config' }, 'Configuration');
  if (config instanceof Error)
    return h('section', { class: 'card', 'aria-labelledby': 'config' }, title, problem(config, context.redraw));
  const { desired, acknowledged, reported, in_sync: inSync } = config;
  const settings = (value) => h('pre', { tabindex: '0' }, JSON.stringify(value, null, 2));
  if (!desired.profile) {
    return h(
      'section',
      { class: 'card', 'aria-labelledby': 'config' },
      title,
      h(
        'p',
        { class: 'muted' },
        'No profile recognises the model and firmware of this device, and none was given to it: there is nothing it is told to do.',
      ),
    );
  }
  return h(
    'section',
    { class: 'card', 'aria-labelledby': 'config' },
    h(
      'header',
      {},
      title,
      h('span', { class: inSync ? 'state on' : 'state warn' }, inSync ? 'in sync' : 'not in sync'),
    ),
    facts([
      ['Profile', `${desired.profile}, version ${desired.version}`],
      ['To report every', desired.interval],
      [
        'Acknowledged',
        acknowledged
          ? [`${acknowledged.profile}, version ${acknowledged.version}, `, instant(acknowledged.at, context.zone)]
          : 'nothing yet',
      ],
      ['Reported', reported ? instant(reported.at, context.zone) : 'nothing yet'],
    ]),
    h(
      'div',
      { class: 'pair' },
      h('div', {}, h('h3', {}, 'Desired'), settings(desired.settings)),
      reported && h('div', {}, h('h3', {}, 'Reported'), settings(reported.settings)),
    ),
  );
}
