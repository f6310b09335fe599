// Exact decimals as texts, as the API sends them: compared, subtracted and grouped without ever becoming floating point.

import { h } from './dom.js';

const SHAPE = /^(-?)(\d+)(?:\.(\d+))?$/;

// Digits as a whole number and how many of them are decimals.
function parsed(text) {
  const found = SHAPE.exec(String(text));
  if (!found) return null;
  const [, sign, whole, part = ''] = found;
  return { units: BigInt(sign + whole + part), scale: part.length };
}

function aligned(a, b) {
  const scale = Math.max(a.scale, b.scale);
  const to = (one) => one.units * 10n ** BigInt(scale - one.scale);
  return [to(a), to(b), scale];
}

function written(units, scale) {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const sign = units < 0n ? '-' : '';
  return scale ? `${sign}${whole}.${digits.slice(-scale)}` : `${sign}${whole}`;
}

// Order of two figures; what is missing comes first.
export function compare(a, b) {
  const [x, y] = [parsed(a), parsed(b)];
  if (!x || !y) return (x ? 1 : 0) - (y ? 1 : 0);
  const [left, right] = aligned(x, y);
  return left < right ? -1 : left > right ? 1 : 0;
}

// a - b; null where one of them is missing.
export function minus(a, b) {
  const [x, y] = [parsed(a), parsed(b)];
  if (!x || !y) return null;
  const [left, right, scale] = aligned(x, y);
  return written(left - right, scale);
}

// a + b, where a sum over pages or keys is wanted.
export function plus(a, b) {
  const [left, right, scale] = aligned(parsed(a), parsed(b));
  return written(left + right, scale);
}

// How many percent a is above b, to one decimal, half away from zero: "+3.2 %"; null where that means nothing.
export function change(a, b) {
  const [x, y] = [parsed(a), parsed(b)];
  if (!x || !y || y.units <= 0n) return null;
  const [left, right] = aligned(x, y);
  const doubled = ((left - right) * 2000n) / right;
  const tenths = (doubled + (doubled < 0n ? -1n : 1n)) / 2n;
  return `${tenths > 0n ? '+' : ''}${grouped(written(tenths, 1))} %`;
}

// Share of a in b as a number from 0 to 100, for what is drawn.
export function share(a, b) {
  const [x, y] = [parsed(a), parsed(b)];
  if (!x || !y || y.units === 0n) return 0;
  const [left, right] = aligned(x, y);
  return Number((left * 1000n) / right) / 10;
}

// With its groups of three digits set apart, for texts that are only seen.
export function grouped(value) {
  const found = SHAPE.exec(String(value));
  if (!found) return String(value);
  const [, sign, whole, part] = found;
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return `${sign ? '−' : ''}${apart}${part === undefined ? '' : `.${part}`}`;
}

// The same as an element whose text is the figure to the letter, as it should be when it is copied: the gaps are drawn.
export function figure(value) {
  if (value === null || value === undefined) return h('span', { class: 'none' }, '–');
  const found = SHAPE.exec(String(value));
  if (!found) return h('span', { class: 'figure' }, String(value));
  const [, sign, whole, part] = found;
  const groups = whole.split(/(?=(?:\d{3})+$)/);
  const rest = groups.slice(1).map((group) => h('span', { class: 'group' }, group));
  return h('span', { class: 'figure' }, sign + groups[0], rest, part === undefined ? '' : `.${part}`);
}
