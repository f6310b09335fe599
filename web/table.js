// Tables: columns that say how they look and sort, a part of the rows at first, the rest on demand.

import { compare } from './decimal.js';
import { h } from './dom.js';

const PART = 200;

// A column is `{name, title, cell(row), align?, value?(row), sorts?}`: `value` is the plain value of the cell, by which it is sorted
// where `sorts` says how: 'text' or 'figure'. Options: `name` (for tests and styles), `caption`, `rows`, `key(row)`, `sorted`
// `{column, down}`, `onsort(column, down)`, `foot` (a row that stands below), `stacks` (on a phone the cells of a row stand below each
// other, so that what can be done with it is seen).
export function table({
  name,
  caption,
  columns,
  rows,
  key,
  sorted = null,
  onsort = () => {},
  foot = null,
  stacks = false,
}) {
  let order = sorted;
  let visible = PART;
  const body = h('tbody');
  const heads = columns.map((column) => head(column));
  const more = h('button', {
    type: 'button',
    onclick: () => {
      visible += 1000;
      fill();
    },
  });
  const rest = h('p', { class: 'actions' }, more);
  const scroll = h(
    'div',
    { class: 'scroll', role: 'group', 'aria-label': caption },
    h(
      'table',
      { 'data-table': name, class: stacks ? 'stacks' : null },
      h('caption', { class: 'hidden' }, caption),
      h('thead', {}, h('tr', {}, heads)),
      body,
      foot && h('tfoot', {}, drawn(foot, columns, null)),
    ),
  );
  const whole = h('div', {}, scroll, rest);
  // Where it is wider than its place, the keyboard can scroll it.
  new ResizeObserver(() => {
    if (scroll.scrollWidth > scroll.clientWidth) scroll.tabIndex = 0;
    else scroll.removeAttribute('tabindex');
  }).observe(scroll);

  function head(column) {
    const attributes = { scope: 'col', class: column.align ?? null, 'data-column': column.name };
    if (!column.sorts) return h('th', attributes, column.title);
    return h(
      'th',
      attributes,
      h('button', { type: 'button', class: 'sort', onclick: () => turn(column) }, column.title),
    );
  }

  function turn(column) {
    const down = order?.column === column.name ? !order.down : column.sorts === 'figure';
    order = { column: column.name, down };
    onsort(column.name, down);
    fill();
  }

  function fill() {
    const by = columns.find((column) => column.name === order?.column);
    const all = by ? inOrder(rows, by, order.down) : rows;
    body.replaceChildren(...all.slice(0, visible).map((row) => drawn(row, columns, key)));
    heads.forEach((cell, index) => {
      const mine = columns[index].name === order?.column;
      if (mine) cell.setAttribute('aria-sort', order.down ? 'descending' : 'ascending');
      else cell.removeAttribute('aria-sort');
    });
    rest.hidden = all.length <= visible;
    more.textContent = `Show more (${Math.min(visible, all.length)} of ${all.length} rows are shown)`;
  }

  fill();
  return whole;
}

function drawn(row, columns, key) {
  return h(
    'tr',
    { 'data-key': key ? key(row) : null },
    columns.map((column, index) => {
      const value = column.value?.(row);
      const attributes = {
        class: column.align ?? null,
        'data-column': column.name,
        'data-label': column.title,
        'data-value': value ?? null,
      };
      return index === 0
        ? h('th', { scope: 'row', ...attributes }, column.cell(row))
        : h('td', attributes, column.cell(row));
    }),
  );
}

function inOrder(rows, column, down) {
  const value = column.value ?? (() => '');
  const two =
    column.sorts === 'figure'
      ? (a, b) => compare(value(a), value(b))
      : (a, b) => String(value(a) ?? '').localeCompare(String(value(b) ?? ''), 'en', { numeric: true });
  const all = [...rows].sort(two);
  return down ? all.reverse() : all;
}

// Rows of a list that comes in pages: `fetch(cursor)` answers with a page, a button gets the next one.
export async function paged(options, fetch) {
  const first = await fetch(null);
  const rows = [...first.items];
  let next = first.next;
  const place = h('div', {});
  const draw = () => {
    const parts = [table({ ...options, rows, stacks: true })];
    if (next)
      parts.push(
        h(
          'p',
          { class: 'actions' },
          h('button', { type: 'button', onclick: more }, 'Load more'),
          h('span', { class: 'muted' }, `${rows.length} are loaded`),
        ),
      );
    place.replaceChildren(...parts);
  };
  async function more(event) {
    event.target.disabled = true;
    const page = await fetch(next).catch(() => null);
    event.target.disabled = false;
    if (!page) return;
    rows.push(...page.items);
    next = page.next;
    draw();
  }
  draw();
  return { element: place, rows };
}

// Names and what stands for them.
export const facts = (pairs) =>
  h(
    'dl',
    { class: 'facts' },
    pairs
      .filter(Boolean)
      .map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value ?? h('span', { class: 'none' }, '–')))),
  );
