// Sub-customers side by side for a month: one column for each metric, totals as the API gives them.

import { figureColumn } from '../columns.js';
import { figure, share } from '../decimal.js';
import { h, hidden } from '../dom.js';
import { choices, field } from '../fields.js';
import { save } from '../files.js';
import { suggestedCustomer } from '../scope.js';
import { attempt, empty, noMetric, problem } from '../states.js';
import { table } from '../table.js';
import { addMonths, instant, isMonth, monthName, monthStart, today } from '../time.js';

const MOST_METRICS = 6;

export async function load(context) {
  const { api, who, zone, parameters } = context;
  const { items: metrics } = await api.all('/v1/metrics');
  if (metrics.length === 0) return [h('h1', {}, 'Side by side'), noMetric()];
  const month = isMonth(parameters.month) ? parameters.month : today(zone).slice(0, 7);
  const scope = parameters.scope || (who.whole ? 'provider' : `customer:${who.customer}`);
  const named = (parameters.metric ?? '').split(',').filter(Boolean);
  const chosen = (named.length ? metrics.filter((one) => named.includes(one.key)) : metrics).slice(0, MOST_METRICS);
  const asked = { month, scope, chosen, from: `${month}-01`, to: addMonths(`${month}-01`, 1) };
  const head = [heading(context, asked), form(context, asked, metrics)];
  try {
    const [columns, customers] = await Promise.all([
      Promise.all(chosen.map((metric) => ask(api, asked, metric))),
      names(api),
    ]);
    return [...head, result(context, asked, columns, customers)];
  } catch (why) {
    if (why.name === 'AbortError') throw why;
    return [...head, problem(why, context.redraw)];
  }
}

const statOf = (metric) => (metric.kind === 'gauge' ? 'avg' : 'sum');

// Of one metric: each sub-customer with its subtree, and the scope as a whole.
async function ask(api, asked, metric) {
  const stat = statOf(metric);
  const query = queryOf(asked, metric);
  const [split, whole] = await Promise.all([api.get('/v1/usage', query), api.get('/v1/usage', { ...query, by: null })]);
  const of = new Map(split.series.map((one) => [one.customer, one.points[0] ?? null]));
  return { metric, stat, of, whole: whole.series[0]?.points[0] ?? null, fresh: split.fresh_through };
}

const queryOf = ({ scope, from, to }, metric) => ({
  metric: metric.key,
  scope,
  by: 'customer',
  bucket: 'total',
  from,
  to,
  stats: `${statOf(metric)},active_devices`,
});

// The customers that are seen: their names, and which have others below them. More than this many are shown by their keys.
async function names(api) {
  const { items } = await api.all('/v1/customers', {}, 5000).catch(() => ({ items: [] }));
  return { of: new Map(items.map((one) => [one.key, one.name])), parents: new Set(items.map((one) => one.parent)) };
}

function heading(context, { scope }) {
  const key = scope.startsWith('customer:') ? scope.slice(9) : null;
  return h(
    'div',
    { class: 'title' },
    h(
      'div',
      {},
      h('h1', {}, 'Sub-customers side by side'),
      h(
        'p',
        { class: 'muted' },
        key ? ['Below ', h('strong', {}, key)] : `Customers at the top of ${context.provider}`,
        ', each with all that is below it',
      ),
    ),
    h(
      'span',
      { class: 'actions' },
      key &&
        context.who.whole &&
        h('a', { href: context.link('compare', { ...context.parameters, scope: null }) }, 'Whole provider'),
      h('a', { href: context.link('usage', { scope, by: 'customer' }) }, 'Usage split by customer'),
    ),
  );
}

function form(context, asked, metrics) {
  const step = (months) => addMonths(`${asked.month}-01`, months).slice(0, 7);
  const month = h('input', { type: 'month', value: asked.month, required: true, pattern: '\\d{4}-\\d{2}' });
  let ticked = asked.chosen.map((one) => one.key);
  const scope = suggestedCustomer(
    context,
    'compare-scope',
    asked.scope.startsWith('customer:') ? asked.scope.slice(9) : '',
    { placeholder: context.who.whole ? 'whole provider' : null, required: !context.who.whole },
  );
  const send = (event) => {
    event.preventDefault();
    const key = scope.input.value.trim();
    context.go({ month: month.value, scope: key ? `customer:${key}` : null, metric: ticked.join(',') });
  };
  return h(
    'form',
    { class: 'card', id: 'compare-form', onsubmit: send },
    h(
      'div',
      { class: 'form' },
      h('div', {}, field('compare-scope', 'Below customer', scope.input), scope.list),
      field('compare-month', 'Month', month),
      h(
        'p',
        { class: 'actions break' },
        h(
          'a',
          { id: 'month-before', href: context.link('compare', { ...context.parameters, month: step(-1) }) },
          `← ${monthName(step(-1))}`,
        ),
        step(1) <= monthStart(today(context.zone)).slice(0, 7) &&
          h(
            'a',
            { id: 'month-after', href: context.link('compare', { ...context.parameters, month: step(1) }) },
            `${monthName(step(1))} →`,
          ),
      ),
      choices(
        'compare-metrics',
        `Metrics, at most ${MOST_METRICS}`,
        metrics.map((one) => [one.key, one.name]),
        ticked,
        (all) => {
          ticked = all;
        },
      ),
    ),
    h('p', {}, h('button', { type: 'submit', class: 'primary', id: 'compare-show' }, 'Show')),
  );
}

function result(context, asked, columns, customers) {
  const own = asked.scope.startsWith('customer:') ? asked.scope.slice(9) : null;
  const keys = [...new Set(columns.flatMap((column) => [...column.of.keys()]))];
  if (keys.filter((key) => key !== own).length === 0) {
    return empty(
      'There are no sub-customers here',
      'Choose a customer that has some, or look at ',
      h('a', { href: context.link('usage', { scope: asked.scope }) }, 'its usage'),
      '.',
    );
  }
  const rows = keys.map((key) => ({
    key,
    name: key === own ? `${key} itself` : (customers.of.get(key) ?? key),
    own: key === own,
    wide: customers.parents.has(key),
  }));
  const described = [
    {
      name: 'customer',
      title: 'Customer',
      sorts: 'text',
      value: (row) => row.name,
      cell: (row) => (row.key === null ? row.name : nameCell(context, asked, row)),
    },
    ...columns.map(metricColumn),
    figureColumn('active_devices', `Devices with ${columns[0].metric.name.toLowerCase()}`, {
      of: (row) => pointOf(columns[0], row)?.active_devices,
      sorts: 'figure',
    }),
  ];
  const sorted = described.some((column) => column.name === context.parameters.sort)
    ? { column: context.parameters.sort, down: context.parameters.down === 'true' }
    : { column: columns[0].metric.key, down: true };
  const remember = (sort, down) =>
    history.replaceState(null, '', context.link('compare', { ...context.parameters, sort, down: String(down) }));
  const place = h('div', {});
  return h(
    'section',
    { class: 'card', 'aria-label': monthName(asked.month) },
    h(
      'header',
      {},
      h('h2', {}, monthName(asked.month)),
      h('span', { class: 'muted' }, `${rows.length} rows`),
      h(
        'span',
        { class: 'actions' },
        columns.map(({ metric }) =>
          h(
            'button',
            {
              type: 'button',
              'data-csv': metric.key,
              onclick: (event) =>
                attempt(event.target, place, async () =>
                  save(
                    `sub-customers-${metric.key}-${asked.month}.csv`,
                    'text/csv',
                    await context.api.text('/v1/usage', queryOf(asked, metric), 'text/csv'),
                  ),
                ),
            },
            `CSV: ${metric.name}`,
          ),
        ),
      ),
    ),
    place,
    table({
      name: 'compare',
      caption: `Sub-customers in ${monthName(asked.month)}`,
      columns: described,
      rows,
      key: (row) => row.key,
      sorted,
      onsort: remember,
      foot: { key: null, name: 'Together' },
    }),
    h(
      'p',
      { class: 'hint' },
      'The last row is the API’s own figure for all of it. Every reading recorded before ',
      instant(columns[0].fresh, context.zone),
      ' is in these figures.',
    ),
  );
}

const pointOf = (column, row) => (row.key === null ? column.whole : column.of.get(row.key));

function metricColumn(column) {
  const { metric, stat, whole } = column;
  const value = (row) => pointOf(column, row)?.[stat];
  return {
    name: metric.key,
    align: 'right',
    sorts: 'figure',
    value,
    title: `${metric.name}${stat === 'avg' ? ', average' : ''}${metric.unit ? `, ${metric.unit}` : ''}`,
    cell: (row) => {
      if (stat !== 'sum' || row.key === null || !value(row)) return figure(value(row));
      const bar = h('span', { class: 'bar', title: `${share(value(row), whole?.sum)} % of all` });
      bar.style.width = `${Math.max(0, Math.min(100, share(value(row), whole?.sum)))}%`;
      return [figure(value(row)), bar];
    },
  };
}

function nameCell(context, asked, row) {
  const usage = h(
    'a',
    {
      href: context.link('usage', {
        scope: `customer:${row.key}`,
        own: row.own ? 'true' : null,
        from: asked.from,
        to: asked.to,
      }),
    },
    row.name,
  );
  return row.own || !row.wide
    ? usage
    : [
        usage,
        ' ',
        h(
          'a',
          { class: 'hint', href: context.link('compare', { ...context.parameters, scope: `customer:${row.key}` }) },
          'what is below',
          hidden(` ${row.name}`),
        ),
      ];
}
