// Who changed what, newest first.

import { h } from '../dom.js';
import { field, suggested } from '../fields.js';
import { empty } from '../states.js';
import { paged } from '../table.js';
import { addDays, instant, isDay } from '../time.js';

// Kinds of change to choose from; the field takes any other that the server knows.
const ACTIONS = [
  'provider.create',
  'provider.update',
  'customer.create',
  'customer.update',
  'customer.time_zone',
  'customer.delete',
  'group.create',
  'group.update',
  'group.delete',
  'device.create',
  'device.update',
  'device.move',
  'device.retire',
  'device.replacement',
  'metric.create',
  'metric.update',
  'profile.create',
  'profile.update',
  'profile.delete',
  'review.accept',
  'review.dismiss',
  'quarantine.replay',
  'quarantine.delete',
  'key.create',
  'key.update',
  'key.rotate',
  'key.revoke',
  'enrollment_token.create',
  'enrollment_token.revoke',
  'enrollment.create',
  'enrollment.update',
  'enrollment.approve',
  'enrollment.refuse',
  'enrollment.delete',
  'portal_token.create',
  'portal_token.revoke',
  'alert.create',
  'alert.update',
  'alert.delete',
  'webhook.create',
  'webhook.update',
  'webhook.rotate',
  'webhook.delete',
  'webhook.test',
  'webhook.resend',
  'sql_role.create',
  'sql_role.drop',
  'session.create',
  'session.end',
];

export async function load(context) {
  const { api, parameters } = context;
  const query = {
    action: parameters.action,
    entity: parameters.entity,
    from: isDay(parameters.from) ? parameters.from : null,
    to: isDay(parameters.to) ? parameters.to : null,
  };
  const columns = [
    { name: 'at', title: 'At', align: 'tight', value: (one) => one.at, cell: (one) => instant(one.at, context.zone) },
    { name: 'action', title: 'What', align: 'tight', value: (one) => one.action, cell: (one) => one.action },
    { name: 'entity', title: 'Of', value: (one) => one.entity, cell: (one) => h('code', {}, one.entity) },
    { name: 'by', title: 'By', value: (one) => one.by.key_name ?? one.by.kind, cell: (one) => by(one.by) },
    { name: 'difference', title: 'Change', cell: (one) => difference(one) },
  ];
  const list = await paged({ name: 'audit', caption: 'Changes', columns, key: (one) => String(one.id) }, (cursor) =>
    api.get('/v1/audit', { ...query, limit: 100, cursor }),
  );
  const filtered = Object.values(query).some(Boolean);
  return [
    h('h1', {}, 'Audit'),
    form(context, query),
    list.rows.length
      ? h('section', { class: 'card', 'aria-label': 'Changes' }, list.element)
      : empty(
          filtered ? 'No change is like that' : 'Nothing was changed yet',
          filtered
            ? 'Take away a filter above.'
            : 'Each change of the registry, of keys and of decisions will be here.',
        ),
  ];
}

function by({ kind, key_name: name, key_id: id, address }) {
  const who = { command_line: 'command line', device: 'device' }[kind] ?? name ?? (id ? id.slice(0, 13) : kind);
  return [who, address && h('span', { class: 'hint' }, ` ${address}`)];
}

// The fields that differ; all of what came or went behind a summary.
function difference({ before, after }) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const text = (value) =>
    value === undefined || value === null ? '–' : typeof value === 'object' ? JSON.stringify(value) : String(value);
  const changed = names.filter((name) => text(before?.[name]) !== text(after?.[name]));
  if (changed.length === 0) return '–';
  const lines = changed.map((name) =>
    h(
      'div',
      {},
      h('span', { class: 'muted' }, `${name} `),
      before && after ? `${text(before[name])} → ${text(after[name])}` : text((after ?? before)[name]),
    ),
  );
  if (before && after && changed.length <= 3) return lines;
  return h(
    'details',
    {},
    h(
      'summary',
      {},
      before && after
        ? `${changed.length} fields`
        : after
          ? `made, ${changed.length} fields`
          : `removed, ${changed.length} fields`,
    ),
    lines,
  );
}

function form(context, query) {
  const action = suggested(
    'audit-action',
    query.action,
    async (text) => ACTIONS.filter((one) => one.includes(text)).map((one) => [one, one]),
    () => {},
    { placeholder: 'any change' },
  );
  const entity = h('input', {
    type: 'text',
    value: query.entity,
    autocomplete: 'off',
    spellcheck: 'false',
    autocapitalize: 'none',
  });
  const first = h('input', { type: 'date', value: query.from });
  const last = h('input', { type: 'date', value: query.to ? addDays(query.to, -1) : null });
  const send = (event) => {
    event.preventDefault();
    context.go({
      action: action.input.value.trim(),
      entity: entity.value.trim(),
      from: first.value,
      to: last.value ? addDays(last.value, 1) : null,
    });
  };
  return h(
    'form',
    { class: 'card form', id: 'audit-form', onsubmit: send },
    h('div', {}, field('audit-action', 'Change', action.input), action.list),
    field('audit-entity', 'Key or id of what was changed', entity),
    h('div', { class: 'half' }, field('audit-from', 'First day', first)),
    h('div', { class: 'half' }, field('audit-last', 'Last day', last)),
    h('button', { type: 'submit', class: 'primary submit' }, 'Show'),
  );
}
