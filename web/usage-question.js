// What the usage page is asked: the parameters of its address, which are those of the API, with what is usual where one is left out.

import { addDays, before, isDay, monthStart, addMonths, today } from './time.js';

export const BUCKETS = [
  ['hour', 'Hour'],
  ['day', 'Day'],
  ['month', 'Month'],
];
export const SPLITS = [
  ['', 'Not split'],
  ['customer', 'Sub-customer'],
  ['group', 'Group'],
  ['device', 'Device'],
  ['kind', 'Kind of device'],
];
export const STATISTICS = [
  ['sum', 'Sum'],
  ['count', 'Readings'],
  ['avg', 'Average'],
  ['min', 'Minimum'],
  ['max', 'Maximum'],
  ['first', 'First'],
  ['last', 'Last'],
  ['active_devices', 'Active devices'],
  ['registered_devices', 'Registered devices'],
];
export const MOST_METRICS = 6;
const USUAL = { gauge: ['avg', 'min', 'max', 'last'] };
const MEANINGLESS = { gauge: 'sum', register: 'avg' };

export function question(parameters, { who, zone, metrics }) {
  const named = (parameters.metric ?? '').split(',').filter(Boolean);
  const chosen = named.length
    ? named.map((key) => metrics.find((one) => one.key === key) ?? { key, name: key, unit: '', kind: null })
    : metrics.slice(0, 1);
  const now = today(zone);
  const bucket = BUCKETS.some(([one]) => one === parameters.bucket) ? parameters.bucket : 'day';
  const to = isDay(parameters.to) ? parameters.to : addDays(now, 1);
  const from = isDay(parameters.from) ? parameters.from : usualStart(bucket, to);
  return {
    metrics: chosen.slice(0, MOST_METRICS),
    scope: parameters.scope || (who.whole ? 'provider' : `customer:${who.customer}`),
    own: parameters.own === 'true',
    by: SPLITS.some(([one]) => one === parameters.by) ? parameters.by : '',
    bucket,
    from,
    to,
    stats: (parameters.stats ?? '').split(',').filter(Boolean),
    compared: parameters.compare !== 'no',
  };
}

function usualStart(bucket, to) {
  if (bucket === 'hour') return addDays(to, -2);
  if (bucket === 'month') return monthStart(addMonths(addDays(to, -1), -11));
  return addDays(to, -30);
}

// The ranges that are asked for most.
export function presets(zone) {
  const now = today(zone);
  const [tomorrow, month] = [addDays(now, 1), monthStart(now)];
  return [
    ['Today', { from: now, to: tomorrow, bucket: 'hour' }],
    ['Last 7 days', { from: addDays(tomorrow, -7), to: tomorrow, bucket: 'day' }],
    ['Last 30 days', { from: addDays(tomorrow, -30), to: tomorrow, bucket: 'day' }],
    ['This month', { from: month, to: addMonths(month, 1), bucket: 'day' }],
    ['Last month', { from: addMonths(month, -1), to: month, bucket: 'day' }],
    ['Last 12 months', { from: addMonths(month, -11), to: addMonths(month, 1), bucket: 'month' }],
  ];
}

// The statistics of one metric: those that mean something for its kind.
export function statsOf(metric, asked) {
  const meant = asked.filter((stat) => stat !== MEANINGLESS[metric.kind]);
  return meant.length ? meant : (USUAL[metric.kind] ?? ['sum', 'count']);
}

// The statistic that is drawn and compared.
export const leading = (stats) =>
  ['sum', 'avg', 'last', 'max', 'min', 'first', 'count'].find((one) => stats.includes(one)) ?? stats[0];

// What the API is asked for one metric.
export function queryOf(asked, metric, range = asked, bucket = asked.bucket) {
  return {
    metric: metric.key,
    scope: asked.scope,
    own: asked.own ? 'true' : null,
    by: asked.by,
    bucket,
    from: range.from,
    to: range.to,
    stats: statsOf(metric, asked.stats),
  };
}

export const rangeBefore = (asked) => before(asked.from, asked.to, asked.bucket);
