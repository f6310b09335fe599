// Whose figures: a level and a key, as `customer:acme`, in fields that find the key.

import { h } from './dom.js';
import { field, select, suggested } from './fields.js';

const LEVELS = [
  ['customer', 'Customer'],
  ['group', 'Group'],
  ['device', 'Device'],
];

// Level and key of a scope. The first colon ends the level: keys may have colons of their own.
export function split(scope) {
  const at = scope.indexOf(':');
  return at < 0 ? [scope, ''] : [scope.slice(0, at), scope.slice(at + 1)];
}

// Fields `<id>-level` and `<id>-key`; `value()` is the scope that they say. `onlevel` is called with another level.
export function scopeField(context, id, scope, onlevel = () => {}) {
  const [level, key] = split(scope);
  const levels = context.who.whole ? [['provider', 'Whole provider'], ...LEVELS] : LEVELS;
  const box = suggested(
    `${id}-key`,
    key,
    (text) => find(context, levelBox.value, text),
    () => {},
    { required: true },
  );
  const keyField = h('div', {}, field(`${id}-key`, 'Key', box.input), box.list);
  const turn = (chosen) => {
    keyField.hidden = chosen === 'provider';
    box.input.disabled = chosen === 'provider';
  };
  const levelBox = select(levels, level, (chosen) => {
    turn(chosen);
    box.input.value = '';
    box.list.replaceChildren();
    onlevel(chosen);
  });
  turn(level);
  return {
    fields: [field(`${id}-level`, 'Of', levelBox), keyField],
    value: () => (levelBox.value === 'provider' ? 'provider' : `${levelBox.value}:${box.input.value.trim()}`),
  };
}

// A field that finds a customer's key.
export const suggestedCustomer = (context, id, key, attributes) =>
  suggested(
    id,
    key,
    (text) => find(context, 'customer', text),
    () => {},
    attributes,
  );

// What is there under a part of its key or name.
async function find({ api }, level, text) {
  const named = (one) => [one.key, one.name ?? one.kind ?? ''];
  if (level === 'group') {
    const { items } = await api.all('/v1/groups');
    const part = text.toLowerCase();
    return items
      .filter((one) => `${one.key} ${one.name}`.toLowerCase().includes(part))
      .slice(0, 20)
      .map(named);
  }
  const page = await api.get(level === 'device' ? '/v1/devices' : '/v1/customers', { q: text, limit: 20 });
  return page.items.map(named);
}
