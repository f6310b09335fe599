// The choice of a provider, for who may act in all of them.

import { h } from '../dom.js';
import { empty } from '../states.js';
import { table } from '../table.js';

export async function load(context) {
  const { items, more } = await context.api.all('/v1/providers', {}, 5000);
  if (items.length === 0) {
    return [
      h('h1', {}, 'Providers'),
      empty(
        'There is no provider yet',
        'Make one with ',
        h('code', {}, 'PUT /v1/providers/{key}'),
        '; ',
        h('a', { href: '/docs' }, 'the API’s pages'),
        ' show how.',
      ),
    ];
  }
  const place = h('div', {});
  const columns = [
    {
      name: 'name',
      title: 'Name',
      sorts: 'text',
      value: (one) => one.name,
      cell: (one) => h('a', { href: `#/overview?provider=${encodeURIComponent(one.key)}` }, one.name),
    },
    { name: 'key', title: 'Key', sorts: 'text', value: (one) => one.key, cell: (one) => h('code', {}, one.key) },
    {
      name: 'time_zone',
      title: 'Time zone',
      sorts: 'text',
      value: (one) => one.time_zone,
      cell: (one) => one.time_zone,
    },
  ];
  const draw = (text) => {
    const part = text.trim().toLowerCase();
    const found = items.filter((one) => `${one.key} ${one.name}`.toLowerCase().includes(part));
    place.replaceChildren(
      found.length
        ? table({ name: 'providers', caption: 'All providers', columns, rows: found, key: (one) => one.key })
        : empty(`No provider has “${text}” in its key or name`, 'Try a shorter text.'),
    );
  };
  draw('');
  return [
    h('h1', {}, 'Choose a provider'),
    h(
      'div',
      { class: 'card' },
      h(
        'div',
        { class: 'field' },
        h('label', { for: 'provider-search' }, 'Search'),
        h('input', {
          type: 'search',
          id: 'provider-search',
          oninput: (event) => draw(event.target.value),
          autocomplete: 'off',
        }),
      ),
      place,
      more && h('p', { class: 'hint' }, 'Only the first 5,000 are listed.'),
    ),
  ];
}
