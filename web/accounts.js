// What was received and what became of it, by UTC day and key, as GET /v1/accounting has it. Sums over keys are exact.

import { plus } from './decimal.js';
import { addDays, today } from './time.js';

export const VERDICTS = [['received', 'Received'], ['stored', 'Stored'], ['duplicates', 'Duplicates'], ['conflicts', 'Conflicts'],
  ['quarantined', 'Quarantined'], ['rejected', 'Rejected']];

// Accounts of so many days up to today, or of a range.
export async function accounted(api, days, range = null) {
  const now = today('UTC');
  const { from, to } = range ?? { from: addDays(now, 1 - days), to: addDays(now, 1) };
  const { items, more } = await api.all('/v1/accounting', { from, to }, 10_000);
  return { items, more, from, to, today: now };
}

// One row for each day of the range.
export function byDay({ items, from, to }) {
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
