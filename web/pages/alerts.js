// Alerts: what the provider wants to be told of its figures, how each stands, and when it fired.

import { segment } from '../api.js';
import { figure } from '../decimal.js';
import { h, hidden } from '../dom.js';
import { confirmed, field, select } from '../fields.js';
import { scopeField } from '../scope.js';
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
    {
      name: 'since',
      title: 'Since',
      align: 'tight',
      sorts: 'text',
      value: (alert) => alert.since,
      cell: (alert) => instant(alert.since, context.zone),
    },
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
  const metrics = who.writes ? (await api.all('/v1/metrics')).items : [];
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
  const stat = STATISTICS.find(([name]) => name === alert.stat)?.[1].toLowerCase() ?? alert.stat;
  const what = `${stat} of ${alert.metric} in ${alert.bucket === 'hour' ? 'an' : 'a'} ${alert.bucket}`;
  if (alert.kind === 'quota') return [what, ' reaches ', (alert.steps ?? []).join(', '), ' % of ', figure(alert.limit)];
  return [
    what,
    alert.above === undefined ? ' is below ' : ' is above ',
    figure(alert.above ?? alert.below),
    alert.for && ` for ${alert.for}`,
    alert.resolve && [', until it is ', figure(alert.resolve)],
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
    {
      name: 'at',
      title: 'Judged',
      align: 'tight',
      value: (row) => row.at,
      cell: (row) => instant(row.at, context.zone),
    },
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
  const metrics = who.writes ? (await api.all('/v1/metrics')).items : [];
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

// Makes an alert, or changes the one that is given.
function form(context, metrics, alert) {
  const text = (value, more = {}) => h('input', { type: 'text', value: value ?? '', autocomplete: 'off', ...more });
  const name = text(alert?.name, { required: true, maxlength: '256' });
  const key = text(alert?.key, { required: true, pattern: '[A-Za-z0-9._:~\\-]{1,128}', disabled: Boolean(alert) });
  const scope = scopeField(
    context,
    'alert',
    alert?.scope ?? (context.who.whole ? 'provider' : `customer:${context.who.customer}`),
  );
  const metric = select(
    metrics.map((one) => [one.key, one.name]),
    alert?.metric ?? metrics[0].key,
  );
  const kind = select(
    [
      ['threshold', 'A threshold is passed'],
      ['quota', 'A quota is used up'],
    ],
    alert?.kind ?? 'threshold',
    () => turn(),
  );
  const bucket = select(
    [
      ['hour', 'An hour'],
      ['day', 'A day'],
      ['month', 'A month'],
    ],
    alert?.bucket ?? 'day',
  );
  const stat = select(STATISTICS, alert?.stat ?? 'sum');
  const side = select(
    [
      ['above', 'Above'],
      ['below', 'Below'],
    ],
    alert?.below === undefined ? 'above' : 'below',
  );
  const number = text(alert?.above ?? alert?.below ?? alert?.limit, { required: true, inputmode: 'decimal' });
  const resolve = text(alert?.resolve, { inputmode: 'decimal' });
  const hold = text(alert?.for, { placeholder: '15m' });
  const steps = text((alert?.steps ?? [80, 100]).join(', '));
  const threshold = [
    field('alert-side', 'Is', side),
    field('alert-resolve', 'Back at (empty: the same)', resolve),
    field('alert-for', 'For at least (empty: at once)', hold),
  ];
  const quota = [field('alert-steps', 'Steps, in percent', steps)];
  const place = h('div', { class: 'break' });
  const turn = () => {
    threshold.forEach((one) => {
      one.hidden = kind.value !== 'threshold';
    });
    quota.forEach((one) => {
      one.hidden = kind.value !== 'quota';
    });
  };
  turn();
  const button = h(
    'button',
    { type: 'submit', class: 'primary submit', id: 'alert-save' },
    alert ? 'Change it' : 'Make the alert',
  );
  const send = (event) => {
    event.preventDefault();
    const body = {
      name: name.value.trim(),
      kind: kind.value,
      scope: scope.value(),
      metric: metric.value,
      bucket: bucket.value,
      stat: stat.value,
    };
    if (kind.value === 'quota')
      Object.assign(body, {
        limit: number.value.trim(),
        steps: steps.value.split(',').map((one) => Number(one.trim())),
      });
    else {
      body[side.value] = number.value.trim();
      if (resolve.value.trim()) body.resolve = resolve.value.trim();
      if (hold.value.trim()) body.for = hold.value.trim();
    }
    attempt(button, place, async () => {
      const saved = await context.api.send('PUT', `/v1/alerts/${segment(key.value.trim())}`, { body });
      if (alert) context.redraw();
      else location.hash = context.link('alerts', { alert: saved.key });
    });
  };
  return h(
    'form',
    { class: 'card', id: 'alert-form', onsubmit: send },
    h('h2', {}, alert ? 'Change' : 'Make an alert'),
    h(
      'div',
      { class: 'form' },
      field('alert-name', 'Name', name),
      field('alert-handle', 'Key of the alert', key),
      h('div', { class: 'break' }),
      scope.fields,
      field('alert-metric', 'Metric', metric),
      field('alert-stat', 'Statistic', stat),
      field('alert-bucket', 'In', bucket),
      h('div', { class: 'break' }),
      field('alert-kind', 'Fires when', kind),
      threshold[0],
      field('alert-number', 'Number or limit', number),
      threshold.slice(1),
      quota,
      button,
    ),
    place,
    alert && h('p', { class: 'hint' }, 'With another scope or rule it begins anew.'),
  );
}
