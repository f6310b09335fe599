// What is around every page: menu, provider, theme, signing out, tabs, and the place for the page itself.

import { Api, segment } from './api.js';
import { h } from './dom.js';
import { address, menu, tabs } from './navigation.js';

const THEMES = [
  ['', 'System'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

export class Frame {
  #who;
  #provider = null;
  #names = new Map();
  #menu = h('ul', {});
  #where = h('div', { class: 'where' });
  #tabs = h('nav', { class: 'tabs', 'aria-label': 'Section' });
  #body = h('div', { class: 'page' });
  #main = h('main', { id: 'main', tabindex: '-1', 'data-state': 'loading' }, this.#tabs, this.#body);

  constructor(who, leave, live) {
    this.#who = who;
    const side = h('nav', { 'aria-label': 'Pages', class: 'menu', id: 'menu' }, this.#menu);
    const opener = h(
      'button',
      {
        type: 'button',
        class: 'opener',
        'aria-expanded': 'false',
        'aria-controls': 'menu',
        onclick: () => opener.setAttribute('aria-expanded', String(side.classList.toggle('open'))),
      },
      'Menu',
    );
    side.addEventListener('click', (event) => {
      if (!event.target.closest('a')) return;
      side.classList.remove('open');
      opener.setAttribute('aria-expanded', 'false');
    });
    const head = h(
      'header',
      { class: 'head' },
      opener,
      h(
        'span',
        { class: 'brand' },
        h('img', { src: '/dashboard/icon.svg', alt: '', width: '22', height: '22' }),
        'Meterbase',
      ),
      this.#where,
      live,
      themeSwitch(),
      h('span', { class: 'who muted' }, whoText(who)),
      h('button', { type: 'button', id: 'signout', onclick: leave }, 'Sign out'),
    );
    this.elements = [head, h('div', { class: 'columns' }, side, this.#main)];
  }

  // Announces the page that comes: menu and tabs say where it is, what was there stays until it is filled. Answers with the
  // provider's time zone.
  async turn(page, provider, { isNew, isNews }) {
    if (!isNews) {
      this.#main.dataset.state = 'loading';
      this.#main.dataset.page = page.name;
      this.#main.setAttribute('aria-busy', 'true');
    }
    this.#provider = provider;
    this.#drawMenu(page);
    if (isNew) this.#body.replaceChildren(h('p', { class: 'muted waiting' }, 'Loading…'));
    const { name, zone } = await this.#about();
    this.#where.replaceChildren(
      this.#who.admin
        ? h(
            'a',
            { id: 'provider-chooser', href: address('providers', { provider }), title: 'Choose another provider' },
            h('span', { class: 'muted' }, 'Provider '),
            name,
          )
        : h('span', { id: 'provider-name' }, name),
    );
    document.title = `${page.title} – ${name ? `${name} – ` : ''}Meterbase`;
    return zone;
  }

  // The page itself. Focus goes to its heading where the page is another one, and back to where it was where it is the same.
  fill(page, content, state, isNew) {
    const focused = document.activeElement?.id;
    this.#body.replaceChildren(...[content].flat());
    this.#main.dataset.state = state;
    this.#main.removeAttribute('aria-busy');
    if (isNew) {
      const heading = this.#body.querySelector('h1');
      heading?.setAttribute('tabindex', '-1');
      heading?.focus({ preventScroll: true });
      window.scrollTo(0, 0);
    } else if (focused && document.activeElement?.id !== focused) {
      document.getElementById(focused)?.focus({ preventScroll: true });
    }
  }

  #drawMenu(page) {
    const link = (one, text, current) =>
      h(
        'a',
        {
          href: address(one.name, { provider: this.#provider }),
          'data-nav': one.name,
          'aria-current': current ? 'page' : null,
        },
        text,
      );
    const ready = !this.#who.admin || this.#provider;
    const top = page.section ?? page.name;
    const entries = ready ? menu(this.#who) : [];
    this.#menu.replaceChildren(...entries.map((one) => h('li', {}, link(one, one.title, one.name === top))));
    const all = tabs(page, this.#who);
    this.#tabs.hidden = all.length === 0;
    this.#tabs.replaceChildren(...all.map((one) => link(one, one.tab, one.name === page.name)));
  }

  // Name and time zone of the provider; of one that the caller sees a part of, its key and what the session says.
  async #about() {
    const key = this.#provider ?? this.#who.provider;
    if (!key) return { name: 'Choose one', zone: null };
    if (!this.#who.whole) return { name: key, zone: this.#who.time_zone };
    if (!this.#names.has(key)) {
      const path = `/v1/providers/${segment(key)}`;
      const found = await new Api(null).get(path).then(
        (one) => ({ name: one.name, zone: one.time_zone }),
        () => null,
      );
      if (!found) return { name: key, zone: null };
      this.#names.set(key, found);
    }
    return this.#names.get(key);
  }
}

function whoText(who) {
  if (who.portal) return `Portal of ${who.customer}`;
  const part = who.customer ? ` of ${who.customer}` : '';
  return `${who.name ? `${who.name} · ` : ''}${who.scope} key${part}`;
}

// Light, dark, or what the system says; remembered on this device.
function themeSwitch() {
  const root = document.documentElement;
  const choose = (event) => {
    const theme = event.target.value;
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    try {
      localStorage.setItem('meterbase-theme', theme);
    } catch {
      // Then it lasts as long as the page.
    }
  };
  const select = h(
    'select',
    { id: 'theme', 'aria-label': 'Theme', onchange: choose },
    THEMES.map(([value, text]) => h('option', { value }, text)),
  );
  select.value = root.dataset.theme ?? '';
  return select;
}
