// What makes an alert, or changes one: the fields of its kind, and no others.

import { segment } from './api.js';
import { h } from './dom.js';
import { field, select } from './fields.js';
import { scopeField } from './scope.js';
import { attempt } from './states.js';
import { STATISTICS } from './usage-question.js';

const KINDS = [
  ['threshold', 'A threshold is passed'],
  ['quota', 'A quota is used up'],
  ['silence', 'Devices are silent'],
  ['review', 'Readings of registers are under review'],
  ['completeness', 'Readings of a day are missing'],
];

// The fields of each kind, in the order of the form.
const FIELDS = {
  threshold: ['metric', 'stat', 'bucket', 'side', 'number', 'resolve', 'for'],
  quota: ['metric', 'stat', 'bucket', 'number', 'steps'],
  silence: ['after', 'share', 'resolve'],
  review: ['metric'],
  completeness: ['metric', 'number', 'resolve'],
};

const NUMBER = { threshold: 'Number', quota: 'Limit', completeness: 'Below, in percent' };

export function form(context, metrics, alert) {
  const text = (value, more = {}) => h('input', { type: 'text', value: value ?? '', autocomplete: 'off', ...more });
  const name = text(alert?.name, { required: true, maxlength: '256' });
  const key = text(alert?.key, { required: true, pattern: '[A-Za-z0-9._:~\\-]{1,128}', disabled: Boolean(alert) });
  const scope = scopeField(
    context,
    'alert',
    alert?.scope ?? (context.who.whole ? 'provider' : `customer:${context.who.customer}`),
    () => turn(),
  );
  const kind = select(KINDS, alert?.kind ?? 'threshold', () => turn());
  const inputs = inputsOf(metrics, alert, text);
  const fields = Object.fromEntries(
    Object.entries(inputs).map(([one, [label, input]]) => [one, field(`alert-${one}`, label, input)]),
  );
  const value = (one) => inputs[one][1].value.trim();
  const shown = () =>
    FIELDS[kind.value].filter(
      // One device is silent or not.
      (one) => kind.value !== 'silence' || one === 'after' || !scope.value().startsWith('device:'),
    );
  const turn = () => {
    const own = shown();
    Object.entries(fields).forEach(([one, element]) => {
      element.hidden = !own.includes(one);
      inputs[one][1].disabled = element.hidden;
    });
    fields.number.querySelector('label').textContent = NUMBER[kind.value] ?? 'Number';
  };
  turn();
  const place = h('div', { class: 'break' });
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
      ...said(kind.value, shown(), value),
    };
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
      field('alert-kind', 'Fires when', kind),
      h('div', { class: 'break' }),
      Object.values(fields),
      button,
    ),
    place,
    alert && h('p', { class: 'hint' }, 'With another scope or rule it begins anew.'),
  );
}

// Label and input of each field, with what the alert has.
function inputsOf(metrics, alert, text) {
  const decimal = { inputmode: 'decimal' };
  return {
    metric: [
      'Metric',
      select(
        metrics.map((one) => [one.key, one.name]),
        alert?.metric ?? metrics[0].key,
      ),
    ],
    stat: ['Statistic', select(STATISTICS, alert?.stat ?? 'sum')],
    bucket: [
      'In',
      select(
        [
          ['hour', 'An hour'],
          ['day', 'A day'],
          ['month', 'A month'],
        ],
        alert?.bucket ?? 'day',
      ),
    ],
    side: [
      'Is',
      select(
        [
          ['above', 'Above'],
          ['below', 'Below'],
        ],
        alert?.below === undefined ? 'above' : 'below',
      ),
    ],
    number: ['Number', text(alert?.above ?? alert?.below ?? alert?.limit, { required: true, ...decimal })],
    after: ['No reading for', text(alert?.after ?? '1h', { required: true })],
    share: ['Above this share of devices, in percent', text(alert?.share ?? '0', { required: true, ...decimal })],
    resolve: ['Back at (empty: the same)', text(alert?.resolve, decimal)],
    for: ['For at least (empty: at once)', text(alert?.for, { placeholder: '15m' })],
    steps: ['Steps, in percent', text((alert?.steps ?? [80, 100]).join(', '), { required: true })],
  };
}

// The rule as the API takes it; what is empty is left out.
function said(kind, own, value) {
  const rule = {};
  for (const one of own.filter((name) => value(name) && name !== 'side')) {
    if (one === 'steps')
      rule.steps = value(one)
        .split(',')
        .map((step) => Number(step.trim()));
    else if (one === 'number') rule[{ quota: 'limit', completeness: 'below' }[kind] ?? value('side')] = value(one);
    else rule[one] = value(one);
  }
  return rule;
}
