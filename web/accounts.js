// What was received and what became of it, by UTC day and key, as GET /v1/accounting has it. Sums over keys are exact.

import { minus, plus } from './decimal.js';
import { addDays, today } from './time.js';

export const VERDICTS = [
  ['received', 'Received'],
  ['stored', 'Stored'],
  ['duplicates', 'Duplicates'],
  ['conflicts', 'Conflicts'],
  ['quarantined', 'Quarantined'],
  ['rejected', 'Rejected'],
];

// So many entries are added up at most.
const MOST_ENTRIES = 10_000;

// Accounts of a range of days, of all keys together or `by` key; `more` where there are others than were asked for. Without a
// range, of all days.
export async function accounted(api, by, { from, to } = {}) {
  const { items, more } = await api.all('/v1/accounting', { by, from, to }, MOST_ENTRIES);
  return { items, more };
}

export function lastDays(days) {
  const now = today('UTC');
  return { from: addDays(now, 1 - days), to: addDays(now, 1) };
}

// How many readings are in quarantine, by the accounts of all days: what came in less what left.
export function inQuarantine({ items }) {
  const left = ['stored', 'duplicates', 'expired', 'deleted'];
  return items.reduce(
    (sum, { quarantine }) => left.reduce((rest, name) => minus(rest, quarantine[name]), plus(sum, quarantine.kept)),
    '0',
  );
}

// One row for each day of a range.
export function byDay({ items }, { from, to }) {
  const days = new Map();
  for (let day = from; day < to && days.size < 400; day = addDays(day, 1)) days.set(day, none({ day }));
  for (const one of items) {
    const row = days.get(one.day);
    if (row) for (const [name] of VERDICTS) row[name] = plus(row[name], one[name]);
  }
  return [...days.values()];
}

// One row for each key.
export function byKey({ items }) {
  const keys = new Map();
  for (const one of items) {
    const id = one.key_id ?? '';
    if (!keys.has(id)) keys.set(id, { ...none({ key_id: one.key_id, name: one.key_name }), requests: '0' });
    const row = keys.get(id);
    row.requests = plus(row.requests, one.requests);
    for (const [name] of VERDICTS) row[name] = plus(row[name], one[name]);
  }
  return [...keys.values()];
}

const none = (row) => Object.assign(row, Object.fromEntries(VERDICTS.map(([name]) => [name, '0'])));
