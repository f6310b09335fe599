// Days, months and instants. Days are texts (2026-11-01) and are counted in UTC, so that no clock change touches them; what day it is
// now is asked of the time zone that bills.

import { h } from './dom.js';

const DAY = 86_400_000;
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

export const isDay = (text) => /^\d{4}-\d{2}-\d{2}$/.test(text ?? '') && !Number.isNaN(Date.parse(text));
export const isMonth = (text) => /^\d{4}-(0[1-9]|1[0-2])$/.test(text ?? '');

const written = (ms) => new Date(ms).toISOString().slice(0, 10);

export const addDays = (day, days) => written(Date.parse(day) + days * DAY);
const daysBetween = (from, to) => Math.round((Date.parse(to) - Date.parse(from)) / DAY);

export function addMonths(day, months) {
  const [year, month, date] = day.split('-').map(Number);
  const last = new Date(Date.UTC(year, month - 1 + months + 1, 0)).getUTCDate();
  return written(Date.UTC(year, month - 1 + months, Math.min(date, last)));
}

export const monthStart = (day) => `${day.slice(0, 7)}-01`;

function monthsBetween(from, to) {
  const [a, b] = [from, to].map((day) => Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7)));
  return b - a;
}

// Today in a time zone.
export function today(zone) {
  const shape = { timeZone: zone || undefined, calendar: 'gregory', year: 'numeric', month: '2-digit', day: '2-digit' };
  const parts = new Intl.DateTimeFormat('en-GB', shape).formatToParts(new Date());
  return ['year', 'month', 'day'].map((type) => parts.find((part) => part.type === type).value).join('-');
}

// The range of the same length before this one: as many months earlier where it is of whole months or shown by month, so that a month
// that is not over is compared with as many days of one; else as many days.
export function before(from, to, bucket) {
  const whole = from.endsWith('-01') && to.endsWith('-01');
  if (whole || bucket === 'month') {
    const begun = to.slice(8) > from.slice(8) ? 1 : 0;
    const months = Math.max(1, monthsBetween(from, to) + begun);
    return { from: addMonths(from, -months), to: addMonths(to, -months) };
  }
  return { from: addDays(from, -daysBetween(from, to)), to: from };
}

// Where in its range a period lies, the same for two ranges that are compared: the day's number, with the local hour.
export function position(period, bucket, from, seen) {
  if (bucket === 'total') return 'total';
  if (bucket === 'month') return `month ${monthsBetween(from, `${period}-01`)}`;
  const day = `day ${daysBetween(from, period.slice(0, 10))}`;
  if (bucket === 'day') return day;
  // The hour that a clock shows twice is the second of its name.
  const hour = `${day} ${period.slice(11, 16)}`;
  const times = (seen.get(hour) ?? 0) + 1;
  seen.set(hour, times);
  return `${hour} ${times}`;
}

const dayName = (day) => `${Number(day.slice(8, 10))} ${MONTHS[Number(day.slice(5, 7)) - 1].slice(0, 3)}`;

export const monthName = (month) => `${MONTHS[Number(month.slice(5, 7)) - 1]} ${month.slice(0, 4)}`;

// A period for people, as short as it stays clear.
export function periodName(period, bucket) {
  if (bucket === 'month') return monthName(period);
  if (bucket === 'day') return `${dayName(period)} ${period.slice(0, 4)}`;
  if (bucket === 'hour') return `${dayName(period)} ${period.slice(0, 4)}, ${period.slice(11, 16)}`;
  return period;
}

// For the axis of a chart.
export function periodTick(period, bucket) {
  if (bucket === 'month') return `${MONTHS[Number(period.slice(5, 7)) - 1].slice(0, 3)} ${period.slice(2, 4)}`;
  if (bucket === 'hour')
    return period.slice(11, 16) === '00:00' ? dayName(period) : `${dayName(period)} ${period.slice(11, 16)}`;
  return dayName(period);
}

// A range of days whose end is not in it, as people say it.
export function rangeName(from, to) {
  const last = addDays(to, -1);
  if (from === last) return periodName(from, 'day');
  if (from.endsWith('-01') && to === addMonths(from, 1)) return monthName(from);
  return `${periodName(from, 'day')} to ${periodName(last, 'day')}`;
}

// An instant in a time zone, UTC where none is known: "22 Nov 2026, 13:04:05". The API's own text is in the title.
export function instant(text, zone) {
  if (!text) return h('span', { class: 'none' }, '–');
  return h('time', { datetime: text, title: text, class: 'instant' }, instantText(text, zone));
}

export function instantText(text, zone) {
  const shape = {
    timeZone: zone || 'UTC',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  };
  return `${new Intl.DateTimeFormat('en-GB', shape).format(new Date(text))}${zone ? '' : ' UTC'}`;
}

// How long ago, roughly: "3 minutes ago".
export function ago(text) {
  const seconds = Math.round((Date.now() - Date.parse(text)) / 1000);
  const steps = [
    [60, 'second', 1],
    [3600, 'minute', 60],
    [86_400, 'hour', 3600],
    [Infinity, 'day', 86_400],
  ];
  const [, unit, size] = steps.find(([limit]) => Math.abs(seconds) < limit);
  const words = new Intl.RelativeTimeFormat('en', { numeric: 'always' });
  return Math.abs(seconds) < 5 ? 'just now' : words.format(-Math.round(seconds / size), unit);
}
