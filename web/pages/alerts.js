// Alerts: what the provider wants to be told of its figures, how each stands, and when it fired.

import { form } from '../alert-form.js';
import { segment } from '../api.js';
import { momentColumn } from '../columns.js';
import { figure } from '../decimal.js';
import { h, hidden } from '../dom.js';
import { confirmed, field, select } from '../fields.js';
import { attempt, empty } from '../states.js';
import { facts, paged } from '../table.js';
import { instant } from '../time.js';
import { STATISTICS } from '../usage-question.js';

const STATES = [
  ['', 'All'],
  ['firing', 'Firing'],
  ['resolved', 'Resolved'],
  ['ok', 'Never fired'],
];
const SHOWN = { ok: ['ok', 'state'], firing: ['firing', 'state warn'], resolved: ['resolved', 'state on'] };
const REASONS = {
  back: 'the figure came back',
  over: 'a later period is not beyond',
  changed: 'the alert was changed',
  deleted: 'the alert was deleted',
};

export const FOLLOWS = ['alerts'];

export async function load(context) {
  return context.parameters.alert ? one(context, context.parameters.alert) : all(context);
}

async function all(context) {
  const { api, parameters, who } = context;
  const columns = [
    {
      name: 'name',
      title: 'Alert',
      sorts: 'text',
      value: (alert) => alert.key,
      cell: (alert) => h('a', { href: context.link('alerts', { alert: alert.key }) }, alert.name),
    },
    {
      name: 'state',
      title: 'State',
      align: 'tight',
      sorts: 'text',
      value: (alert) => alert.state,
      cell: (alert) => shown(alert.state),
    },
    momentColumn('since', 'Since', context.zone, { sorts: 'text' }),
    { name: 'rule', title: 'Fires when', value: (alert) => alert.kind, cell: (alert) => ruleText(alert) },
    {
      name: 'scope',
      title: 'Of',
      sorts: 'text',
      value: (alert) => alert.scope,
      cell: (alert) => usageLink(context, alert, alert.scope),
    },
    {
      name: 'value',
      title: 'Last told',
      align: 'right',
      value: (alert) => alert.last?.value,
      cell: (alert) => lastText(alert.last),
    },
  ];
  const list = await paged({ name: 'alerts', caption: 'Alerts', columns, key: (alert) => alert.key }, (cursor) =>
    api.get('/v1/alerts', { state: parameters.state, limit: 200, cursor }),
  );
  const { items: metrics } = who.writes ? await api.all('/v1/metrics') : { items: [] };
  return [
    h('h1', {}, 'Alerts'),
    h(
      'div',
      { class: 'card form' },
      field(
        'alerts-state',
        'State',
        select(STATES, parameters.state ?? '', (state) => context.go({ state })),
      ),
    ),
    list.rows.length
      ? h('section', { class: 'card', 'aria-label': 'List' }, list.element)
      : empty(
          parameters.state ? 'No alert is in this state' : 'There is no alert yet',
          who.writes && !parameters.state
            ? 'Make one below. It is judged within seconds of readings that concern it.'
            : '',
        ),
    who.writes && metrics.length > 0 && form(context, metrics, null),
  ].filter(Boolean);
}

const shown = (state) => h('span', { class: SHOWN[state]?.[1] ?? 'state' }, SHOWN[state]?.[0] ?? state);

const usageLink = (context, alert, text) =>
  h(
    'a',
    {
      href: context.link('usage', {
        scope: alert.scope,
        metric: alert.metric,
        bucket: alert.bucket,
        stats: alert.stat,
      }),
    },
    text,
  );

// "sum of energy in a day is above 100, until it is 90"
function ruleText(alert) {
  const until = alert.resolve && [', until it is ', figure(alert.resolve)];
  if (alert.kind === 'review') return `a reading of ${alert.metric ?? 'a register'} is under review`;
  if (alert.kind === 'silence') {
    const time = `in ${alert.after}`;
    if (alert.share === undefined) return `it sent nothing ${time}`;
    return ['more than ', figure(alert.share), ` % of the devices sent nothing ${time}`, until];
  }
  if (alert.kind === 'completeness') {
    return ['fewer than ', figure(alert.below), ` % of a day’s expected readings of ${alert.metric} are there`, until];
  }
  const stat = STATISTICS.find(([name]) => name === alert.stat)?.[1].toLowerCase() ?? alert.stat;
  const what = `${stat} of ${alert.metric} in ${alert.bucket === 'hour' ? 'an' : 'a'} ${alert.bucket}`;
  if (alert.kind === 'quota') return [what, ' reaches ', (alert.steps ?? []).join(', '), ' % of ', figure(alert.limit)];
  return [
    what,
    alert.above === undefined ? ' is below ' : ' is above ',
    figure(alert.above ?? alert.below),
    alert.for && ` for ${alert.for}`,
    until,
  ];
}

function lastText(last) {
  if (!last?.value) return '–';
  return [
    figure(last.value),
    last.step && ` (${last.step} %)`,
    last.period && h('span', { class: 'hint' }, ` in ${last.period}`),
  ];
}

async function one(context, key) {
  const path = `/v1/alerts/${segment(key)}`;
  const { api, who } = context;
  const alert = await api.get(path);
  const columns = [
    momentColumn('at', 'Judged', context.zone),
    { name: 'state', title: 'State', align: 'tight', value: (row) => row.state, cell: (row) => shown(row.state) },
    { name: 'period', title: 'Period', align: 'tight', value: (row) => row.period, cell: (row) => row.period ?? '–' },
    { name: 'value', title: 'Figure', align: 'right', value: (row) => row.value, cell: (row) => figure(row.value) },
    {
      name: 'why',
      title: 'Why',
      cell: (row) => [
        row.step && `${row.step} % were reached `,
        row.reason && `${REASONS[row.reason] ?? row.reason} `,
        row.late && h('span', { class: 'state' }, 'late'),
      ],
    },
  ];
  const list = await paged(
    { name: 'alert-history', caption: 'When it fired and resolved', columns, key: (row) => `${row.at}|${row.period}` },
    (cursor) => api.get(`${path}/history`, { limit: 100, cursor }),
  );
  const { items: metrics } = who.writes ? await api.all('/v1/metrics') : { items: [] };
  return [
    h(
      'div',
      { class: 'title' },
      h('div', {}, h('h1', {}, alert.name), h('p', { class: 'muted' }, h('code', {}, alert.key))),
      h(
        'span',
        { class: 'actions' },
        h('a', { href: context.link('alerts') }, 'All alerts'),
        usageLink(context, alert, 'Its figures'),
        who.writes &&
          h(
            'button',
            { type: 'button', class: 'danger', id: 'alert-delete', onclick: () => remove(context, alert, path) },
            'Delete…',
            hidden(` ${alert.name}`),
          ),
      ),
    ),
    h(
      'section',
      { class: 'card', 'aria-label': 'How it stands' },
      facts([
        ['State', [shown(alert.state), alert.since && [' since ', instant(alert.since, context.zone)]]],
        ['Of', alert.scope],
        ['Fires when', h('span', {}, ruleText(alert))],
        ['Last told', h('span', {}, lastText(alert.last))],
        ['Changed', instant(alert.updated_at, context.zone)],
      ]),
    ),
    h(
      'section',
      { class: 'card', 'aria-labelledby': 'history' },
      h('h2', { id: 'history' }, 'History'),
      list.rows.length ? list.element : h('p', { class: 'muted' }, 'It never fired, as it is now.'),
    ),
    who.writes && form(context, metrics, alert),
  ].filter(Boolean);
}

function remove(context, alert, path) {
  confirmed(
    `Delete “${alert.name}”?`,
    'Its history goes with it. One that fires is told to be resolved.',
    'Delete',
    (button, place, close) =>
      attempt(button, place, async () => {
        await context.api.send('DELETE', path);
        close();
        location.hash = context.link('alerts');
      }),
  );
}
