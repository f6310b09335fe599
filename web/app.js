// The dashboard: who is signed in, which page the address names, and drawing it. Pages are modules with `load(context)`, which
// answers with an element once all of its figures are there; `FOLLOWS` of a page says of which news it is drawn again: 'figures', 'alerts'.

import { Api, onSessionEnd } from './api.js';
import { h } from './dom.js';
import { Frame } from './frame.js';
import { Live } from './live.js';
import { address, located, module, pageNamed } from './navigation.js';
import { session } from './session.js';
import { signIn } from './signin.js';
import { problem } from './states.js';

const app = document.getElementById('app');
let who = null;
let frame = null;
let live = null;
let going = new AbortController();
let shown = null;

async function start() {
  try {
    who = await session.current();
  } catch (why) {
    app.replaceChildren(
      h(
        'main',
        { id: 'main', class: 'alone', 'data-page': 'signin', 'data-state': 'error' },
        h('h1', {}, 'Meterbase'),
        problem(why, () => location.reload()),
      ),
    );
    return;
  }
  if (who) enter();
  else ask();
}

function ask(why) {
  going.abort();
  live?.end();
  live = null;
  frame = null;
  shown = null;
  who = null;
  document.title = 'Sign in – Meterbase';
  app.replaceChildren(
    signIn(why, async (key) => {
      who = await session.open(key);
      enter();
    }),
  );
}

function enter() {
  live = new Live(who, draw);
  frame = new Frame(who, leave, live.element);
  app.replaceChildren(...frame.elements);
  show();
}

async function leave() {
  await session.close().catch(() => {});
  location.hash = '';
  ask();
}

// The page that the address names; the first one where it names none, the choice of a provider where that has to come first.
function wanted() {
  const { name, parameters } = located(location.hash);
  const page = pageNamed(name);
  if (who.admin && !parameters.provider && !page?.anywhere) return { page: pageNamed('providers'), parameters };
  if (!page) return { page: pageNamed('overview'), parameters };
  return { page, parameters };
}

const show = () => draw(false);

// Draws the page. Where it follows the news, and it does not work, what is shown stays.
async function draw(isNews) {
  if (!who) return;
  going.abort();
  going = new AbortController();
  const mine = going;
  const { page, parameters } = wanted();
  const isNew = shown !== page.name;
  const provider = who.admin ? (parameters.provider ?? null) : null;
  const zone = await frame.turn(page, provider, { isNew, isNews });
  if (mine.signal.aborted) return;
  const context = contextOf(page, parameters, { provider, zone, signal: mine.signal });
  let content = null;
  let failed = null;
  let follows = [];
  try {
    if (!page.may(who)) throw refused(page);
    const opened = await module(page);
    follows = opened.FOLLOWS ?? [];
    content = await opened.load(context);
  } catch (why) {
    if (mine.signal.aborted) return;
    failed = why;
  }
  if (mine.signal.aborted) return;
  shown = page.name;
  if (!failed || !isNews)
    frame.fill(page, content ?? failure(page, context, failed), failed ? 'error' : 'ready', isNew);
  live.drawn(follows, provider);
}

// In place of a page: what went wrong, and the page without what was asked of it.
function failure(page, context, why) {
  const asked = Object.keys(context.parameters).length > 0;
  return [
    h('h1', {}, page.title),
    problem(why, show),
    asked && h('p', {}, h('a', { href: context.link(page.name), 'data-afresh': true }, 'Start this page afresh')),
  ].filter(Boolean);
}

function contextOf(page, parameters, { provider, zone, signal }) {
  const own = { ...parameters };
  delete own.provider;
  const link = (name, others = {}) => address(name, { ...others, provider });
  return {
    who,
    // A page that is of no provider asks for none.
    api: new Api(page.anywhere ? null : provider, signal),
    provider: provider ?? who.provider,
    zone,
    parameters: own,
    link,
    // Another address of the same page.
    go: (changes) => {
      location.hash = link(page.name, { ...own, ...changes });
    },
    redraw: show,
  };
}

function refused(page) {
  const why = new Error(
    `“${page.title}” is not for the key that you signed in with. Sign in with a key of the provider, or choose another page from the menu.`,
  );
  why.title = 'This page is not for you';
  why.code = 'forbidden';
  return why;
}

onSessionEnd((why) => {
  if (who) ask(why);
});
window.addEventListener('hashchange', show);
document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault();
  document.getElementById('main')?.focus();
});
start();
