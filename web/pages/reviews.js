// Readings of registers that do not follow from those before them, and what is decided about each.

import { figure } from '../decimal.js';
import { h, hidden } from '../dom.js';
import { field, select } from '../fields.js';
import { attempt, empty } from '../states.js';
import { paged } from '../table.js';
import { instant } from '../time.js';

const STATES = [
  ['open', 'Open'],
  ['accepted', 'Accepted'],
  ['dismissed', 'Dismissed'],
  ['explained', 'Explained'],
  ['repeated', 'Repeated'],
  ['withdrawn', 'Withdrawn'],
  ['all', 'All'],
];
const KINDS = { jump: 'runs too fast', decrease: 'is lower than before', reset: 'starts again' };

export async function load(context) {
  const { api, parameters, who } = context;
  const query = { state: parameters.state ?? 'open', device: parameters.device, metric: parameters.metric };
  const columns = [
    {
      name: 'device',
      title: 'Device',
      cell: (one) => h('a', { href: context.link('device', { device: one.device }) }, one.device),
      value: (one) => one.device,
    },
    {
      name: 'metric',
      title: 'Metric',
      cell: (one) => [
        one.metric,
        Object.entries(one.dimensions)
          .map(([name, value]) => ` ${name} ${value}`)
          .join(),
      ],
      value: (one) => one.metric,
    },
    { name: 'kind', title: 'What is wrong', cell: (one) => KINDS[one.kind] ?? one.kind, value: (one) => one.kind },
    {
      name: 'trusted',
      title: 'Before',
      align: 'right',
      cell: (one) => [
        figure(one.trusted.value),
        h('br'),
        h('span', { class: 'hint' }, instant(one.trusted.at, context.zone)),
      ],
      value: (one) => one.trusted.value,
    },
    {
      name: 'value',
      title: 'Reading',
      align: 'right',
      cell: (one) => [figure(one.value), h('br'), h('span', { class: 'hint' }, instant(one.at, context.zone))],
      value: (one) => one.value,
    },
    {
      name: 'increment',
      title: 'Would add',
      align: 'right',
      cell: (one) => [figure(one.accepted_increment ?? one.increment), ` ${one.unit}`],
      value: (one) => one.accepted_increment ?? one.increment,
    },
    {
      name: 'state',
      title: 'State',
      cell: (one) => [
        h('span', { class: one.state === 'open' ? 'state warn' : 'state' }, one.state),
        one.note && h('span', { class: 'hint' }, ` ${one.note}`),
      ],
      value: (one) => one.state,
    },
    who.writes && {
      name: 'actions',
      title: 'Decision',
      align: 'actions-cell',
      cell: (one) =>
        h(
          'button',
          { type: 'button', onclick: () => decide(context, one) },
          one.state === 'open' ? 'Decide…' : 'Change…',
          hidden(` ${one.device}`),
        ),
    },
  ].filter(Boolean);
  const list = await paged(
    { name: 'reviews', caption: 'Readings under review', columns, key: (one) => one.id },
    (cursor) => api.get('/v1/reviews', { ...query, limit: 200, cursor }),
  );
  return [
    h('h1', {}, 'Register reviews'),
    h(
      'p',
      { class: 'muted' },
      'A register’s reading that does not follow from those before is stored and adds nothing until somebody decides.',
    ),
    form(context, query),
    list.rows.length
      ? h('section', { class: 'card', 'aria-label': 'Reviews' }, list.element)
      : empty(
          query.state === 'open' ? 'No review is open' : 'There is no such review',
          query.state === 'open'
            ? 'Every register goes on as it should. Earlier decisions are under “All”.'
            : 'Choose another state above.',
        ),
  ];
}

function form(context, query) {
  const state = select(STATES, query.state);
  const text = (value) =>
    h('input', { type: 'text', value, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none' });
  const [device, metric] = [text(query.device), text(query.metric)];
  const send = (event) => {
    event.preventDefault();
    context.go({ state: state.value, device: device.value.trim(), metric: metric.value.trim() });
  };
  return h(
    'form',
    { class: 'card form', id: 'reviews-form', onsubmit: send },
    field('reviews-state', 'State', state),
    field('reviews-device', 'Device', device),
    field('reviews-metric', 'Metric', metric),
    h('button', { type: 'submit', class: 'primary submit' }, 'Show'),
  );
}

// The decision: accepted with what it adds, or dismissed; a note for people.
function decide(context, review) {
  const increment = h('input', {
    type: 'text',
    inputmode: 'decimal',
    value: review.accepted_increment ?? review.increment,
  });
  const note = h('input', { type: 'text', maxlength: '1024', value: review.note ?? '' });
  const place = h('div', {});
  const send = (verb, body) => (event) =>
    attempt(event.target, place, async () => {
      await context.api.send('POST', `/v1/reviews/${review.id}/${verb}`, {
        body: note.value.trim() ? { ...body(), note: note.value.trim() } : body(),
      });
      dialog.close();
      context.redraw();
    });
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'decide-title', onclose: () => dialog.remove() },
    h('h2', { id: 'decide-title' }, `${review.device}, ${review.metric}`),
    h(
      'p',
      {},
      'After ',
      figure(review.trusted.value),
      ' it read ',
      figure(review.value),
      ` ${review.unit}: it ${KINDS[review.kind] ?? review.kind}.`,
    ),
    field('decide-increment', `It adds, ${review.unit}`, increment, 'As much as is right; may be negative.'),
    field('decide-note', 'Note', note),
    place,
    h(
      'form',
      { method: 'dialog', class: 'actions' },
      h(
        'button',
        {
          type: 'button',
          class: 'primary',
          'data-decide': 'accept',
          onclick: send('accept', () => ({ increment: increment.value.trim() })),
        },
        'Accept',
      ),
      h(
        'button',
        { type: 'button', 'data-decide': 'dismiss', onclick: send('dismiss', () => ({})) },
        'Dismiss: adds nothing',
      ),
      h('button', { type: 'submit' }, 'Cancel'),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}
