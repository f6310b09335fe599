// Columns that look alike in whichever table they stand. Each shows the field of its name, or what `of` finds in the row, and
// is sorted where `sorts` says how.

import { figure } from './decimal.js';
import { h } from './dom.js';
import { instant, periodName } from './time.js';

export const figureColumn = (name, title, { of = (one) => one[name], sorts } = {}) => ({
  name,
  title,
  align: 'right',
  sorts,
  value: of,
  cell: (one) => figure(of(one)),
});

// An instant in a time zone; `absent` stands where there is none.
export const momentColumn = (name, title, zone, { of = (one) => one[name], sorts, absent } = {}) => ({
  name,
  title,
  align: 'tight',
  sorts,
  value: of,
  cell: (one) => (absent && !of(one) ? absent : instant(of(one), zone)),
});

export const dayColumn = ({ sorts } = {}) => ({
  name: 'day',
  title: 'Day, UTC',
  align: 'tight',
  sorts,
  value: (one) => one.day,
  cell: (one) => periodName(one.day, 'day'),
});

// How it stands with a key or token, in a word: `good`, or why not.
export const standingColumn = (standing) => ({
  name: 'standing',
  title: 'Standing',
  align: 'tight',
  value: standing,
  cell: (one) => h('span', { class: standing(one) === 'good' ? 'state on' : 'state warn' }, standing(one)),
});
