// How everything is: devices, what they used lately, what came in and what became of it, and what waits for somebody.

import { chart } from '../chart.js';
import { dayColumn, figureColumn } from '../columns.js';
import { figure, grouped } from '../decimal.js';
import { h } from '../dom.js';
import { counted, noMetric, problem } from '../states.js';
import { lastWhole, minutes, minutesCard } from '../minutes.js';
import { table } from '../table.js';
import { VERDICTS, accounted, byDay, inQuarantine, lastDays } from '../accounts.js';
import { addDays, ago, instant, monthName, periodName, periodTick, today } from '../time.js';

export const FOLLOWS = ['figures', 'alerts'];

const DAYS = 14;
const MOST_METRICS = 12;

export async function load(context) {
  const { api, who, zone } = context;
  const now = today(zone);
  const settled = (promise) =>
    promise.catch((why) => {
      if (why.name === 'AbortError') throw why;
      return why;
    });
  const whole = (call) => (who.whole ? settled(call()) : null);
  // All at once: the tree of a large fleet takes as long as its figures.
  const listed = api.all('/v1/metrics');
  const used = (range) => settled(listed.then(({ items }) => usage(api, items, range)));
  const [tree, { items: metrics }, month, day, alerts, accounts, reviews, lately] = await Promise.all([
    api.get('/v1/tree'),
    listed,
    used({ from: `${now.slice(0, 7)}-01`, to: addDays(now, 1) }),
    used({ from: now, to: addDays(now, 1) }),
    settled(api.get('/v1/alerts', { state: 'firing', limit: 1000 })),
    whole(() => accounted(api, 'day')),
    whole(() => api.get('/v1/reviews', { limit: 1000 })),
    whole(() => minutes(api)),
  ]);
  return [
    h(
      'div',
      { class: 'title' },
      h('div', {}, h('h1', {}, 'Overview'), h('p', { class: 'muted' }, who.customer ?? tree.name)),
      h('button', { type: 'button', id: 'refresh', onclick: context.redraw }, 'Refresh'),
    ),
    tiles(context, { tree, month, day, alerts, accounts, reviews, lately }),
    usedCard(context, metrics, month, day, now),
    lately && !(lately instanceof Error) && minutesCard(lately, zone),
    accounts && received(context, accounts),
  ].filter(Boolean);
}

// Totals of all metrics at once, with how many devices were active.
async function usage(api, metrics, range) {
  const answers = await Promise.all(
    metrics.slice(0, MOST_METRICS).map((metric) =>
      api.get('/v1/usage', {
        metric: metric.key,
        bucket: 'total',
        ...range,
        stats: `${metric.kind === 'gauge' ? 'avg' : 'sum'},count,active_devices`,
      }),
    ),
  );
  return answers.map((answer, index) => ({
    metric: metrics[index],
    fresh: answer.fresh_through,
    point: answer.series[0]?.points[0] ?? null,
  }));
}

function tiles(context, { tree, month, day, alerts, accounts, reviews, lately }) {
  const devices = tree.subtree_devices ?? tree.customers.reduce((sum, one) => merged(sum, one.subtree_devices), {});
  const all = Object.values(devices).reduce((sum, count) => sum + count, 0);
  const most =
    day instanceof Error || day.length === 0
      ? null
      : day.reduce((high, one) => ((one.point?.active_devices ?? 0) > (high.point?.active_devices ?? 0) ? one : high));
  const active = most?.point?.active_devices ?? 0;
  const fresh = month instanceof Error ? null : month[0]?.fresh;
  const waiting = (answer) => (answer.next ? `${grouped(answer.items.length)} or more` : grouped(answer.items.length));
  const counts = accounts && !(accounts instanceof Error);
  const came = counts ? byDay(accounts, lastDays(1))[0].received : null;
  const minute = lately && !(lately instanceof Error) ? String(lastWhole(lately).received) : null;
  const quarantine = counts ? inQuarantine(accounts) : null;
  return h(
    'div',
    { class: 'tiles' },
    tile(
      'devices',
      'Devices in service',
      figure(all),
      counted(devices) || 'none is registered yet',
      context.link('hierarchy'),
      all,
    ),
    most &&
      tile(
        'active',
        'Active today',
        figure(active),
        `devices with readings of ${most.metric.name}`,
        context.link('usage', { metric: most.metric.key, stats: 'active_devices,count' }),
        active,
      ),
    came !== null &&
      tile('received', 'Received today', figure(came), 'readings, by UTC day', context.link('ingest'), came),
    minute !== null &&
      tile('minute', 'Readings per minute', figure(minute), 'in the last whole minute', context.link('ingest'), minute),
    !(alerts instanceof Error) &&
      tile(
        'alerts',
        'Alerts firing',
        waiting(alerts),
        alerts.items.length ? 'figures beyond what was set' : 'none fires',
        context.link('alerts', { state: 'firing' }),
        alerts.items.length,
      ),
    fresh && tile('fresh', 'Figures are fresh', ago(fresh), ['as of ', instant(fresh, context.zone)], null, fresh),
    quarantine !== null &&
      tile(
        'quarantine',
        'In quarantine',
        figure(quarantine),
        quarantine === '0' ? 'nothing waits' : 'readings wait for what they lack',
        context.link('quarantine'),
        quarantine,
      ),
    reviews &&
      !(reviews instanceof Error) &&
      tile(
        'reviews',
        'Reviews open',
        waiting(reviews),
        reviews.items.length ? 'readings of registers wait for a decision' : 'nothing to decide',
        context.link('reviews'),
        reviews.items.length,
      ),
  );
}

function merged(a, b) {
  const all = { ...a };
  Object.entries(b).forEach(([kind, count]) => {
    all[kind] = (all[kind] ?? 0) + count;
  });
  return all;
}

function tile(name, title, value, note, href, plain) {
  return h(
    'section',
    { class: 'card', 'aria-label': title },
    h(
      'div',
      { class: 'total' },
      h('span', { class: 'name' }, href ? h('a', { href }, title) : title),
      h('span', { class: 'big', 'data-figure': name, 'data-value': plain }, value),
      h('span', { class: 'then' }, note),
    ),
  );
}

function usedCard(context, metrics, month, day, now) {
  if (metrics.length === 0) return noMetric();
  if (month instanceof Error) return problem(month, context.redraw);
  const stat = (one) => (one.metric.kind === 'gauge' ? 'avg' : 'sum');
  const today = new Map((day instanceof Error ? [] : day).map((one) => [one.metric.key, one.point]));
  const range = { from: `${now.slice(0, 7)}-01`, to: addDays(now, 1) };
  const columns = [
    {
      name: 'metric',
      title: 'Metric',
      sorts: 'text',
      value: (one) => one.metric.key,
      cell: (one) => h('a', { href: context.link('usage', { metric: one.metric.key, ...range }) }, one.metric.name),
    },
    figureColumn('month', `${monthName(now.slice(0, 7))} so far`, { of: (one) => one.point?.[stat(one)] }),
    figureColumn('today', 'Today', { of: (one) => today.get(one.metric.key)?.[stat(one)] }),
    {
      name: 'unit',
      title: 'Unit',
      cell: (one) => [one.metric.unit, one.metric.kind === 'gauge' && h('span', { class: 'muted' }, ' average')],
    },
    figureColumn('active_devices', 'Active devices this month', {
      of: (one) => one.point?.active_devices,
      sorts: 'figure',
    }),
    figureColumn('active_today', 'Today', { of: (one) => today.get(one.metric.key)?.active_devices }),
    figureColumn('count', 'Readings', { of: (one) => one.point?.count, sorts: 'figure' }),
  ];
  return h(
    'section',
    { class: 'card', 'aria-labelledby': 'used' },
    h('h2', { id: 'used' }, 'Used'),
    table({ name: 'used', caption: 'Used this month and today', columns, rows: month, key: (one) => one.metric.key }),
    metrics.length > MOST_METRICS &&
      h('p', { class: 'hint' }, `The first ${MOST_METRICS} of ${metrics.length} metrics; the others are under Usage.`),
  );
}

function received(context, accounts) {
  const title = h('h2', { id: 'received' }, `Received in ${DAYS} days`);
  if (accounts instanceof Error)
    return h('section', { class: 'card', 'aria-labelledby': 'received' }, title, problem(accounts, context.redraw));
  const days = byDay(accounts, lastDays(DAYS));
  if (days.every((one) => one.received === '0')) {
    return h(
      'section',
      { class: 'card', 'aria-labelledby': 'received' },
      title,
      h(
        'p',
        { class: 'muted' },
        'Nothing was received in these days. Look whether devices have good keys and reach the server.',
      ),
    );
  }
  return h(
    'section',
    { class: 'card', 'aria-labelledby': 'received' },
    h('header', {}, title, h('span', { class: 'actions' }, h('a', { href: context.link('ingest') }, 'By key'))),
    chart({
      title: 'Readings received by UTC day',
      description: `${DAYS} days.`,
      unit: 'readings',
      kind: 'bar',
      series: [{ name: 'Received', values: days.map((one) => one.received) }],
      names: days.map((one) => periodName(one.day, 'day')),
      ticks: days.map((one) => periodTick(one.day, 'day')),
    }),
    table({
      name: 'received',
      caption: 'Readings received by UTC day and verdict',
      rows: days.filter((one) => one.received !== '0').reverse(),
      key: (one) => one.day,
      columns: [
        dayColumn(),
        ...VERDICTS.map(([name, text]) => ({
          name,
          title: text,
          align: 'right',
          cell: (one) => figure(one[name]),
          value: (one) => one[name],
        })),
      ],
    }),
  );
}
