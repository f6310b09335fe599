// What is shown instead of figures: an error with the way out, nothing yet, work going on.

import { grouped } from './decimal.js';
import { h } from './dom.js';

// An error: what the server said, field by field, and what to do. `again` is called by the button.
export function problem(why, again) {
  const known = why.title !== undefined;
  if (!known) console.error(why);
  return h(
    'div',
    { class: 'notice bad', role: 'alert', 'data-problem': why.code ?? 'unknown' },
    h('p', { class: 'notice-title' }, known ? why.title : 'The page could not be drawn'),
    h('p', {}, why.message),
    (why.errors ?? []).length > 1 &&
      h(
        'ul',
        {},
        why.errors.map((one) => h('li', {}, h('code', {}, one.pointer), ` ${one.detail}`)),
      ),
    h(
      'p',
      { class: 'actions' },
      again && h('button', { type: 'button', onclick: again }, 'Try again'),
      why.page && h('a', { href: why.page, target: '_blank', rel: 'noopener' }, 'What this means'),
      why.requestId && h('span', { class: 'muted' }, 'Request ', h('code', {}, why.requestId)),
    ),
  );
}

// Nothing to show: why, and what would change that.
export const empty = (title, ...next) =>
  h('div', { class: 'notice empty' }, h('p', { class: 'notice-title' }, title), next.length > 0 && h('p', {}, ...next));

export const noMetric = () =>
  empty(
    'There is no metric yet',
    'Make one with ',
    h('code', {}, 'PUT /v1/metrics/{key}'),
    ' and post readings of it; ',
    h('a', { href: '/docs' }, 'the API’s pages'),
    ' show how.',
  );

// What was done, said to everybody.
export const done = (...text) => h('p', { class: 'notice good', role: 'status' }, ...text);

// Does something that may fail, with its button out of use meanwhile; what goes wrong is shown in `place`.
export async function attempt(button, place, work) {
  button.disabled = true;
  place.replaceChildren();
  try {
    return await work();
  } catch (why) {
    if (why.name !== 'AbortError') place.replaceChildren(problem(why));
    return undefined;
  } finally {
    button.disabled = false;
  }
}

// Numbers of devices by kind: "40 devices, 2 gateways".
export function counted(numbers) {
  const many = (kind, count) =>
    ['device', 'gateway', 'integration'].includes(kind) && count !== 1 ? `${kind}s` : kind;
  return Object.entries(numbers)
    .sort()
    .map(([kind, count]) => `${grouped(count)} ${many(kind, count)}`)
    .join(', ');
}
