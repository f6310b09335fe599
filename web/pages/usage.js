// Usage of a provider, customer, group or device. The address of the page has all that is asked, so that it can be passed on.

import { h } from '../dom.js';
import { choices, field, select } from '../fields.js';
import { scopeField, split } from '../scope.js';
import { noMetric, problem } from '../states.js';
import { addDays } from '../time.js';
import { ask, section } from '../usage-figures.js';
import { BUCKETS, MOST_METRICS, SPLITS, STATISTICS, presets, question } from '../usage-question.js';

export const FOLLOWS = ['figures'];

export async function load(context) {
  const { items: metrics } = await context.api.all('/v1/metrics');
  if (metrics.length === 0) {
    return [h('h1', {}, 'Usage'), noMetric()];
  }
  const asked = question(context.parameters, { ...context, metrics });
  const sections = await Promise.all(
    asked.metrics.map((metric) =>
      ask(context.api, asked, metric).then(
        (found) => section(context, asked, metric, found),
        (why) => {
          if (why.name === 'AbortError') throw why;
          return h(
            'section',
            { class: 'card', 'data-metric': metric.key },
            h('h2', {}, metric.name),
            problem(why, context.redraw),
          );
        },
      ),
    ),
  );
  return [heading(context, asked), form(context, asked, metrics), ...sections];
}

function heading(context, asked) {
  const [level, key] = split(asked.scope);
  const copy = h('button', { type: 'button', id: 'copy-link', onclick: copyLink }, 'Copy link');
  async function copyLink() {
    // Browsers copy over TLS and on this machine only.
    const copied = await navigator.clipboard?.writeText(location.href).then(
      () => true,
      () => false,
    );
    copy.textContent = copied ? 'Link copied' : 'Copy it from the address bar';
  }
  return h(
    'div',
    { class: 'title' },
    h(
      'div',
      {},
      h('h1', {}, 'Usage'),
      h(
        'p',
        { class: 'muted' },
        level === 'provider' ? `All of ${context.provider}` : `${level} `,
        level !== 'provider' && h('strong', {}, key),
        asked.own ? ' itself, without its sub-customers' : '',
      ),
    ),
    h(
      'span',
      { class: 'actions' },
      level === 'device' && h('a', { href: context.link('device', { device: key }) }, 'Device page'),
      level === 'customer' &&
        h('a', { href: context.link('compare', { scope: asked.scope }) }, 'Sub-customers side by side'),
      copy,
    ),
  );
}

function form(context, asked, metrics) {
  const [level] = split(asked.scope);
  const state = { metrics: asked.metrics.map((one) => one.key), stats: asked.stats };
  const scope = scopeField(context, 'usage', asked.scope, (chosen) => {
    ownBox.hidden = chosen !== 'customer';
  });
  const own = h('input', { type: 'checkbox', id: 'usage-own', checked: asked.own });
  const [bucket, by] = [select(BUCKETS, asked.bucket), select(SPLITS, asked.by)];
  const from = h('input', { type: 'date', value: asked.from, required: true });
  const last = h('input', { type: 'date', value: addDays(asked.to, -1), required: true });
  const compared = h('input', { type: 'checkbox', id: 'usage-compare', checked: asked.compared });
  const place = h('div', { class: 'break', 'aria-live': 'polite' });
  const ownBox = h('label', { class: 'check' }, own, 'Without its sub-customers');
  ownBox.hidden = level !== 'customer';
  const send = (event) => {
    event.preventDefault();
    place.replaceChildren();
    const wrong =
      state.metrics.length === 0
        ? 'Tick one metric at least.'
        : state.metrics.length > MOST_METRICS
          ? `Tick at most ${MOST_METRICS} metrics.`
          : from.value > last.value
            ? 'The last day is before the first one.'
            : null;
    if (wrong) {
      place.replaceChildren(h('p', { class: 'notice bad', role: 'alert' }, wrong));
      return;
    }
    context.go({
      scope: scope.value(),
      own: scope.value().startsWith('customer:') && own.checked ? 'true' : null,
      metric: state.metrics.join(','),
      bucket: bucket.value,
      by: by.value,
      from: from.value,
      to: addDays(last.value, 1),
      stats: state.stats.join(','),
      compare: compared.checked ? null : 'no',
    });
  };
  return h(
    'form',
    { class: 'card', id: 'usage-form', onsubmit: send },
    h(
      'div',
      { class: 'form' },
      scope.fields,
      field('usage-by', 'Split by', by),
      field('usage-bucket', 'By', bucket),
      h(
        'div',
        { class: 'form' },
        h('div', { class: 'half' }, field('usage-from', 'First day', from)),
        h('div', { class: 'half' }, field('usage-last', 'Last day', last)),
      ),
      h(
        'p',
        { class: 'actions break' },
        h('span', { class: 'hint' }, 'Range'),
        presets(context.zone).map(([name, range]) =>
          h(
            'a',
            {
              href: context.link('usage', { ...context.parameters, ...range }),
              id: `preset-${name.replaceAll(' ', '-').toLowerCase()}`,
            },
            name,
          ),
        ),
      ),
      choices(
        'usage-metrics',
        'Metrics',
        metrics.map((one) => [one.key, one.name]),
        state.metrics,
        (all) => {
          state.metrics = all;
        },
      ),
    ),
    h(
      'details',
      { open: asked.stats.length > 0 },
      h('summary', {}, 'Statistics'),
      choices(
        'usage-stats',
        'None ticked: the usual ones of each metric. One that means nothing for a metric is left out there.',
        STATISTICS,
        state.stats,
        (all) => {
          state.stats = all;
        },
      ),
    ),
    h(
      'p',
      { class: 'actions' },
      h('button', { type: 'submit', class: 'primary', id: 'usage-show' }, 'Show'),
      h('label', { class: 'check' }, compared, 'Compare with the period before'),
      ownBox,
    ),
    place,
  );
}
