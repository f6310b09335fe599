// Pages that follow what happens: the server says when there is something new, and a page that nobody is working on draws itself
// again. Of one that somebody is working on it is said that there is news.

import { h } from './dom.js';

// Milliseconds between two drawings of figures.
const EVERY = 10_000;

// Milliseconds after which figures of a part are drawn again although no readings came: who keeps the registry, and moves devices
// to it or registers what readings waited for, is somebody else, and nobody tells this page.
const UNTOLD = 30_000;

// Milliseconds until the server is asked again after it refused.
const COMES_BACK = 30_000;

const ALERTS = ['alert.firing', 'alert.resolved'];

export class Live {
  #who;
  #redraw;
  #source = null;
  #wanted = null;
  #kinds = [];
  #news = new Set();
  #drawn = 0;
  #isTouched = false;
  #timer = null;

  // `redraw(isNews)` draws the page again.
  constructor(who, redraw) {
    this.#who = who;
    this.#redraw = redraw;
    this.element = h('span', { id: 'live' });
    document.addEventListener('visibilitychange', this.#seen);
    // What is typed, sorted, opened or loaded would be lost.
    for (const type of ['input', 'click']) document.addEventListener(type, this.#touched, true);
  }

  // A page was drawn that shows `kinds` of what happens: 'figures', 'alerts'. `provider` is the one that an admin chose.
  drawn(kinds, provider) {
    this.#kinds = kinds;
    this.#drawn = Date.now();
    this.#isTouched = false;
    this.#news.clear();
    clearTimeout(this.#timer);
    this.#timer = null;
    const ready = !this.#who.admin || provider;
    this.#listen(kinds.length && ready ? `/v1/events${provider ? `?${new URLSearchParams({ provider })}` : ''}` : null);
    this.#tell();
  }

  end() {
    this.drawn([], null);
    document.removeEventListener('visibilitychange', this.#seen);
    for (const type of ['input', 'click']) document.removeEventListener(type, this.#touched, true);
  }

  #listen(address) {
    if (address === this.#wanted && this.#source) return;
    this.#source?.close();
    this.#source = null;
    this.#wanted = address;
    // A page in the background listens to nothing: browsers have few connections to a server.
    if (!address || document.hidden) return;
    const source = new EventSource(address);
    this.#source = source;
    let hasReadings = false;
    // What happened between drawing the page and listening is not told.
    let missed = false;
    source.addEventListener('open', () => {
      missed = true;
    });
    source.addEventListener('readings', () => {
      hasReadings = true;
    });
    source.addEventListener('freshness', () => {
      const isOld = !this.#who.whole && Date.now() - this.#drawn >= UNTOLD;
      if (hasReadings || missed || isOld) this.#happened('figures', false);
      if (missed) this.#happened('alerts', false);
      hasReadings = false;
      missed = false;
    });
    for (const type of ALERTS) source.addEventListener(type, () => this.#happened('alerts', true));
    for (const type of ['open', 'error']) source.addEventListener(type, () => this.#tell());
    source.addEventListener('error', () => {
      // It comes back by itself, unless the server refused.
      if (source.readyState !== EventSource.CLOSED || this.#source !== source) return;
      this.#source = null;
      setTimeout(() => {
        if (!this.#source) this.#listen(this.#wanted);
      }, COMES_BACK);
    });
  }

  // What happened while the page was in the background is not known.
  #seen = () => {
    if (document.hidden) {
      this.#source?.close();
      this.#source = null;
    } else if (this.#wanted) {
      this.#listen(this.#wanted);
      for (const kind of this.#kinds) this.#happened(kind, true);
    }
  };

  #touched = (event) => {
    const main = document.getElementById('main');
    if (!main?.contains(event.target) && !event.target.closest?.('dialog')) return;
    if (event.type === 'click' && !event.target.closest('button, summary, [role="treeitem"]')) return;
    this.#isTouched = true;
  };

  #happened(kind, isUrgent) {
    if (!this.#kinds.includes(kind)) return;
    this.#news.add(kind);
    this.#soon(isUrgent);
  }

  #soon(isUrgent) {
    if (this.#timer && !isUrgent) return;
    clearTimeout(this.#timer);
    const due = isUrgent ? 500 : Math.max(500, this.#drawn + EVERY - Date.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#isQuiet()) this.#redraw(true);
      else {
        this.#tell();
        if (!this.#isTouched) this.#soon(false);
      }
    }, due);
  }

  #isQuiet() {
    return (
      !this.#isTouched &&
      !document.hidden &&
      !document.querySelector('dialog[open], main .says:not([hidden])') &&
      getSelection().isCollapsed
    );
  }

  #tell() {
    const follows = this.#source?.readyState === EventSource.OPEN;
    const news = this.#isTouched && this.#news.size > 0;
    this.element.className = follows ? 'live on' : 'live';
    this.element.title = follows ? 'This page follows what comes in.' : '';
    const show = () =>
      h('button', { type: 'button', id: 'live-news', onclick: () => this.#redraw(false) }, 'There is news: show it');
    this.element.replaceChildren(...(news ? [show()] : follows ? ['Live'] : []));
  }
}
