// Readings that wait for what they lack: why, trying them again, deleting them.

import { figureColumn, momentColumn } from '../columns.js';
import { grouped } from '../decimal.js';
import { h } from '../dom.js';
import { confirmed, field, select } from '../fields.js';
import { attempt, done, empty } from '../states.js';
import { paged } from '../table.js';

// Reasons, and what cures each.
const REASONS = {
  unknown_device: ['Unknown device', 'They are stored by themselves when the device is registered.'],
  unknown_metric: ['Unknown metric', 'They are stored by themselves when the metric is made.'],
  device_unassigned: [
    'Device without owner then',
    'They are stored when somebody owned the device at their time: move it from that time on.',
  ],
  device_unapproved: ['Device waits for approval', 'They are stored when its enrollment is approved.'],
  invalid_value: ['Value is no decimal', 'Delete them, and mend what sends them.'],
  out_of_range: ['Value is out of range', 'Delete them, and mend what sends them.'],
  too_many_decimals: ['Too many decimals', 'Make the metric less strict and try them again, or delete them.'],
  beyond_retention: ['Older than what is kept', 'Delete them.'],
  value_differs: ['Stored with another value', 'The value that was stored first stands. Delete these.'],
  id_differs: ['Stored with another event id', 'The reading that was stored first stands. Delete these.'],
};

export async function load(context) {
  const { api, parameters, who } = context;
  const query = { code: parameters.code, device: parameters.device, metric: parameters.metric };
  const columns = [
    {
      name: 'device',
      title: 'Device',
      cell: (one) => h('code', {}, one.reading.device),
      value: (one) => one.reading.device,
    },
    {
      name: 'metric',
      title: 'Metric',
      cell: (one) => h('code', {}, one.reading.metric),
      value: (one) => one.reading.metric,
    },
    momentColumn('at', 'At', context.zone, { of: (one) => one.reading.at }),
    figureColumn('value', 'Value', { of: (one) => one.reading.value }),
    {
      name: 'code',
      title: 'Why',
      cell: (one) => h('span', { title: one.detail }, REASONS[one.code]?.[0] ?? one.code),
      value: (one) => one.code,
    },
    momentColumn('received_at', 'Received', context.zone),
    {
      name: 'key',
      title: 'Key',
      cell: (one) => one.key_name ?? (one.key_id ? h('code', {}, one.key_id.slice(0, 8)) : '–'),
      value: (one) => one.key_id,
    },
  ];
  const list = await paged(
    {
      name: 'quarantine',
      caption: 'Readings in quarantine',
      columns,
      key: (one) => `${one.reading.device}|${one.reading.metric}|${one.reading.at}`,
    },
    (cursor) => api.get('/v1/quarantine', { ...query, limit: 200, cursor }),
  );
  const place = h('div', { 'aria-live': 'polite', id: 'quarantine-done' });
  const filtered = Object.values(query).some(Boolean);
  return [
    h('h1', {}, 'Quarantine'),
    form(context, query),
    place,
    list.rows.length === 0
      ? empty(
          filtered ? 'Nothing in quarantine is like that' : 'Nothing is in quarantine',
          filtered ? 'Take away a filter above.' : 'Every reading that came could be stored, or was answered at once.',
        )
      : h(
          'section',
          { class: 'card', 'aria-label': 'Readings' },
          cures(list.rows),
          who.writes && actions(context, query, filtered, place),
          list.element,
        ),
  ];
}

function form(context, query) {
  const code = select(
    [['', 'Any reason'], ...Object.entries(REASONS).map(([name, [title]]) => [name, title])],
    query.code ?? '',
  );
  const text = (value) =>
    h('input', { type: 'text', value, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none' });
  const [device, metric] = [text(query.device), text(query.metric)];
  const send = (event) => {
    event.preventDefault();
    context.go({ code: code.value, device: device.value.trim(), metric: metric.value.trim() });
  };
  return h(
    'form',
    { class: 'card form', id: 'quarantine-form', onsubmit: send },
    field('quarantine-code', 'Reason', code),
    field('quarantine-device', 'Device, as it was sent', device),
    field('quarantine-metric', 'Metric, as it was sent', metric),
    h('button', { type: 'submit', class: 'primary submit' }, 'Show'),
  );
}

// What would cure the reasons that are on the page.
function cures(rows) {
  const codes = [...new Set(rows.map((one) => one.code))];
  return h(
    'ul',
    { class: 'stack' },
    codes.map((code) => h('li', {}, h('strong', {}, REASONS[code]?.[0] ?? code), ' – ', REASONS[code]?.[1] ?? '')),
  );
}

function actions(context, query, filtered, place) {
  const which = filtered ? 'those that are shown by the filter' : 'all';
  const replay = (event) =>
    attempt(event.target, place, async () => {
      const sums = { tried: 0, stored: 0, duplicates: 0, conflicts: 0, quarantined: 0, rejected: 0 };
      let cursor = null;
      do {
        const answer = await context.api.send('POST', '/v1/quarantine/replay', { query: { ...query, cursor } });
        for (const name of Object.keys(sums)) sums[name] += answer[name];
        cursor = answer.next;
      } while (cursor);
      place.replaceChildren(
        done(
          `${grouped(sums.tried)} were tried: ${grouped(sums.stored)} stored, ${grouped(sums.duplicates)} duplicates, ${grouped(
            sums.conflicts + sums.quarantined + sums.rejected,
          )} stay. `,
          h('button', { type: 'button', onclick: context.redraw }, 'Show what is left'),
        ),
      );
    });
  const remove = () =>
    confirmed(
      'Delete readings in quarantine?',
      `This deletes ${which} of the readings in quarantine, for good. The audit keeps how many there were.`,
      'Delete',
      (button, dialogPlace, close) =>
        attempt(button, dialogPlace, async () => {
          const answer = await context.api.send('DELETE', '/v1/quarantine', { query });
          close();
          place.replaceChildren(
            done(
              `${grouped(answer.deleted)} readings were deleted. `,
              h('button', { type: 'button', onclick: context.redraw }, 'Show what is left'),
            ),
          );
        }),
    );
  return h(
    'p',
    { class: 'actions' },
    h(
      'button',
      { type: 'button', id: 'quarantine-replay', onclick: replay },
      filtered ? 'Try these again' : 'Try all again',
    ),
    h(
      'button',
      { type: 'button', id: 'quarantine-delete', class: 'danger', onclick: remove },
      filtered ? 'Delete these…' : 'Delete all…',
    ),
  );
}
