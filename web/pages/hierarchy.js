// The hierarchy as a tree. Customers and groups come in one answer with the numbers of their devices; branches are drawn when they are
// opened, and devices asked for by pages, so that neither a thousand customers nor half a million devices make it slow.

import { grouped } from '../decimal.js';
import { h } from '../dom.js';
import { counted, empty, problem } from '../states.js';

const PART = 100;

export async function load(context) {
  const tree = await context.api.get('/v1/tree');
  const results = h('div', { 'aria-live': 'polite' });
  const list = h('ul', { class: 'tree', id: 'tree', 'aria-label': 'Customers' });
  list.append(...branches(context, tree.customers));
  list.addEventListener('keydown', byKeys);
  let timer = null;
  const search = h('input', {
    type: 'search',
    id: 'hierarchy-search',
    autocomplete: 'off',
    spellcheck: 'false',
    value: context.parameters.q,
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(() => look(context, tree, search.value.trim(), results), 200);
    },
  });
  if (context.parameters.q) await look(context, tree, context.parameters.q, results);
  return [
    h(
      'div',
      { class: 'title' },
      h(
        'div',
        {},
        h('h1', {}, 'Hierarchy'),
        h('p', { class: 'muted' }, `${tree.name}: ${counted(tree.subtree_devices) || 'no devices'}`),
      ),
      h('a', { href: context.link('usage', {}) }, context.who.whole ? 'Usage of all' : 'Usage'),
    ),
    h(
      'div',
      { class: 'card' },
      h(
        'div',
        { class: 'field' },
        h('label', { for: 'hierarchy-search' }, 'Search customers, groups and devices by key or name'),
        search,
      ),
      results,
    ),
    tree.customers.length
      ? h('section', { class: 'card', 'aria-label': 'Tree' }, list)
      : empty(
          'There are no customers yet',
          'Make one with ',
          h('code', {}, 'PUT /v1/customers/{key}'),
          '; ',
          h('a', { href: '/docs' }, 'the API’s pages'),
          ' show how.',
        ),
  ];
}

const total = (numbers) => Object.values(numbers).reduce((sum, count) => sum + count, 0);

// Nodes for customers, a part at a time.
function branches(context, customers) {
  return parts(customers, (one) => branch(context, one));
}

function parts(all, draw) {
  const nodes = all.slice(0, PART).map(draw);
  if (all.length <= PART) return nodes;
  const more = h(
    'li',
    {},
    h(
      'button',
      { type: 'button', onclick: () => more.replaceWith(...parts(all.slice(PART), draw)) },
      `Show more (${grouped(all.length - PART)} are left)`,
    ),
  );
  return [...nodes, more];
}

function branch(context, customer) {
  const own = total(customer.devices);
  const some = customer.customers.length + customer.groups.length + own > 0;
  const scope = `customer:${customer.key}`;
  return node({
    key: customer.key,
    level: 'customer',
    some,
    title: [
      h('a', { href: context.link('usage', { scope }) }, customer.name),
      ' ',
      h('code', { class: 'muted' }, customer.key),
      customer.customers.length > 0 && [
        ' ',
        h(
          'a',
          {
            class: 'hint',
            href: context.link('compare', { scope }),
            title: `Sub-customers of ${customer.name} side by side`,
          },
          'side by side',
        ),
      ],
    ],
    numbers: counted(customer.subtree_devices) || 'no devices',
    below: () => [
      ...branches(context, customer.customers),
      ...parts(customer.groups, (group) => groupNode(context, group)),
      ...(own > 0 ? [ownDevices(context, customer, own)] : []),
    ],
  });
}

function groupNode(context, group) {
  return node({
    key: group.key,
    level: 'group',
    some: total(group.devices) > 0,
    title: [
      h('a', { href: context.link('usage', { scope: `group:${group.key}` }) }, group.name),
      ' ',
      h('code', { class: 'muted' }, group.key),
      ' ',
      h('span', { class: 'state' }, group.kind),
    ],
    numbers: counted(group.devices) || 'no devices',
    below: () => devices(context, { group: group.key }),
  });
}

const ownDevices = (context, customer, own) =>
  node({
    key: `${customer.key}/devices`,
    level: 'devices',
    some: true,
    title: ['All devices of ', customer.name, ' itself'],
    numbers: grouped(own),
    below: () => devices(context, { customer: customer.key }),
  });

// A line with what opens it. What is below is made when it is opened first.
function node({ key, level, some, title, numbers, below }) {
  const item = h('li', { 'data-key': key, 'data-level': level });
  const inner = h('ul', { hidden: true });
  const twist = h('button', {
    type: 'button',
    class: 'twist',
    'aria-expanded': 'false',
    'aria-label': `What is below ${key}`,
    onclick: turn,
  });
  async function turn() {
    const open = twist.getAttribute('aria-expanded') !== 'true';
    twist.setAttribute('aria-expanded', String(open));
    inner.hidden = !open;
    if (open && !inner.firstChild) inner.append(...(await below()));
  }
  item.append(
    h(
      'div',
      { class: 'node' },
      some ? twist : h('span', { class: 'leaf' }),
      h('span', {}, title),
      h('span', { class: 'numbers' }, numbers),
    ),
    inner,
  );
  return item;
}

// A page of devices, and what gets the next one.
async function devices(context, query, cursor = null) {
  let page;
  try {
    page = await context.api.get('/v1/devices', { ...query, limit: PART, cursor });
  } catch (why) {
    const item = h(
      'li',
      {},
      problem(why, async () => item.replaceWith(...(await devices(context, query, cursor)))),
    );
    return [item];
  }
  const nodes = page.items.map((device) =>
    h(
      'li',
      { 'data-key': device.key, 'data-level': 'device' },
      h('div', { class: 'node' }, h('span', { class: 'leaf' }), deviceLink(context, device)),
    ),
  );
  if (page.next) {
    const more = h(
      'li',
      {},
      h(
        'button',
        {
          type: 'button',
          onclick: async (event) => {
            event.target.disabled = true;
            more.replaceWith(...(await devices(context, query, page.next)));
          },
        },
        'More devices',
      ),
    );
    nodes.push(more);
  }
  return nodes;
}

const deviceLink = (context, device) =>
  h(
    'span',
    {},
    h('a', { href: context.link('device', { device: device.key }) }, device.name ?? device.key),
    ' ',
    device.name && h('code', { class: 'muted' }, device.key),
    ' ',
    h('span', { class: 'muted' }, device.kind),
  );

// Arrow keys as in any tree: right opens, left closes or goes up, up and down go through what is seen.
function byKeys(event) {
  const twist = event.target.closest('.twist');
  if (!twist) return;
  const all = [...event.currentTarget.querySelectorAll('.twist')].filter((one) => one.checkVisibility());
  const at = all.indexOf(twist);
  const open = twist.getAttribute('aria-expanded') === 'true';
  const up = twist.closest('ul').closest('li')?.querySelector('.twist');
  const moves = {
    ArrowDown: () => all[at + 1]?.focus(),
    ArrowUp: () => all[at - 1]?.focus(),
    ArrowRight: () => (open ? all[at + 1]?.focus() : twist.click()),
    ArrowLeft: () => (open ? twist.click() : up?.focus()),
  };
  if (!(event.key in moves)) return;
  event.preventDefault();
  moves[event.key]();
}

let looked = 0;

// Customers and devices by the server's search, groups by the tree that is here.
async function look(context, tree, text, place) {
  looked += 1;
  const mine = looked;
  history.replaceState(null, '', context.link('hierarchy', { q: text }));
  if (!text) {
    place.replaceChildren();
    return;
  }
  try {
    const [customers, found] = await Promise.all([
      context.api.get('/v1/customers', { q: text, limit: 20 }),
      context.api.get('/v1/devices', { q: text, limit: 20 }),
    ]);
    if (mine !== looked) return;
    const groups = groupsWith(tree.customers, text.toLowerCase());
    const list = (title, items, more) =>
      h(
        'div',
        {},
        h('h2', {}, title),
        items.length
          ? h(
              'ul',
              {},
              items.map((item) => h('li', {}, item)),
            )
          : h('p', { class: 'muted' }, 'None found'),
        more && h('p', { class: 'hint' }, 'There are more: go on typing.'),
      );
    place.replaceChildren(
      h(
        'div',
        { class: 'results', 'data-results': text },
        list(
          'Customers',
          customers.items.map((one) => [
            h('a', { href: context.link('usage', { scope: `customer:${one.key}` }) }, one.name),
            ' ',
            h('code', { class: 'muted' }, one.key),
          ]),
          customers.next,
        ),
        list(
          'Groups',
          groups
            .slice(0, 20)
            .map((one) => [
              h('a', { href: context.link('usage', { scope: `group:${one.key}` }) }, one.name),
              ' ',
              h('code', { class: 'muted' }, one.key),
            ]),
          groups.length > 20,
        ),
        list(
          'Devices',
          found.items.map((one) => deviceLink(context, one)),
          found.next,
        ),
      ),
    );
  } catch (why) {
    if (mine === looked && why.name !== 'AbortError') place.replaceChildren(problem(why));
  }
}

function groupsWith(customers, part) {
  return customers.flatMap((one) => [
    ...one.groups.filter((group) => `${group.key} ${group.name}`.toLowerCase().includes(part)),
    ...groupsWith(one.customers, part),
  ]);
}
