// Charts in SVG: bars for one series of amounts, lines for all else. Beside every chart stands a table with the exact figures; floating
// point is for geometry alone. Arrow keys go from point to point.

import { grouped } from './decimal.js';
import { freshId, h, s } from './dom.js';

const HEIGHT = 260;
const MARGIN = { top: 12, right: 12, bottom: 26, left: 58 };
// More series than this are not told apart by eye.
export const MOST_SERIES = 8;

// Options: `title`, `description`, `unit`, `names` (of the places on the axis, for people), `ticks` (the same, short), `kind`
// ('bar' or 'line'), `series`: `{name, values}` with a text or null for each place, the period before with `before: true`.
// Where `times` are given (milliseconds, one for each place) places lie as far apart as these do.
export function chart(options) {
  const figure = h('figure', { class: 'chart' });
  let width = 0;
  const draw = () => {
    const now = Math.floor(figure.clientWidth);
    if (!now || now === width) return;
    width = now;
    figure.replaceChildren(legend(options.series), plot(options, width));
  };
  new ResizeObserver(draw).observe(figure);
  return figure;
}

function legend(series) {
  if (series.length < 2) return h('figcaption', { class: 'legend' });
  return h(
    'figcaption',
    { class: 'legend' },
    series.map((one, index) => h('span', { class: `key ${tint(one, index)}` }, one.name)),
  );
}

const tint = (one, index) => (one.before ? 'before' : `s${index % MOST_SERIES}`);

function plot(options, width) {
  const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const scale = scaleOf(options.series, options.kind === 'bar');
  const y = (value) => MARGIN.top + inner.height * (1 - (value - scale.low) / (scale.high - scale.low));
  const x = placing(options, inner.width);
  const [title, description] = [freshId('chart-title'), freshId('chart-description')];
  const drawing = s(
    'svg',
    {
      viewBox: `0 0 ${width} ${HEIGHT}`,
      width,
      height: HEIGHT,
      role: 'img',
      'aria-labelledby': `${title} ${description}`,
    },
    s('title', { id: title }, options.title),
    s('desc', { id: description }, `${options.description} The table beside it has the same figures.`),
    scale.marks.map((mark) =>
      s(
        'g',
        { class: 'rule' },
        s('line', { x1: MARGIN.left, x2: width - MARGIN.right, y1: y(mark.at), y2: y(mark.at) }),
        s('text', { x: MARGIN.left - 8, y: y(mark.at) + 4, 'text-anchor': 'end' }, mark.text),
      ),
    ),
    axis(options, x, inner.width),
  );
  options.series.forEach((one, index) => {
    const draw = options.kind === 'bar' && !one.before ? bars : line;
    drawing.append(
      draw(one, tint(one, index), {
        x,
        y,
        count: options.names.length,
        width: inner.width,
        zero: y(Math.max(0, scale.low)),
      }),
    );
  });
  const marker = s('line', { class: 'marker', y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, visibility: 'hidden' });
  drawing.append(marker);
  return h('div', { class: 'plot' }, drawing, cursor(options, x, marker, width));
}

// Where a place lies: in the middle of its share, or as its time says.
function placing({ names, times }, width) {
  if (!times || times.length < 2) return (index) => MARGIN.left + (width * (index + 0.5)) / Math.max(1, names.length);
  const [first, last] = [times[0], times.at(-1)];
  return (index) => MARGIN.left + (width * (times[index] - first)) / Math.max(1, last - first);
}

// From a round number below to one above, with three to six between.
function scaleOf(series, fromZero) {
  const values = series.flatMap((one) =>
    one.values.filter((value) => value !== null && value !== undefined).map(Number),
  );
  let low = values.reduce((least, value) => Math.min(least, value), values.length ? Infinity : 0);
  let high = values.reduce((most, value) => Math.max(most, value), values.length ? -Infinity : 1);
  if (fromZero || (low > 0 && low < high / 2)) low = Math.min(0, low);
  if (fromZero) high = Math.max(0, high);
  if (low === high) high = low + (Math.abs(low) || 1);
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((times) => times * power >= rough * 0.999) * power;
  const [from, to] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (step / power === 2.5 ? 1 : 0));
  const marks = [];
  for (let at = from; at <= to; at += 1) marks.push({ at: at * step, text: markText(at * step, decimals) });
  return { low: from * step, high: to * step, marks };
}

function markText(value, decimals) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${grouped(Number((value / 1e6).toFixed(2)))} M`;
  return grouped(value.toFixed(Math.min(decimals, 6)));
}

function axis({ ticks }, x, width) {
  const longest = Math.max(1, ...ticks.map((tick) => tick.length));
  const room = Math.max(1, Math.floor(width / (longest * 6.6 + 18)));
  const every = Math.max(1, Math.ceil(ticks.length / room));
  const marks = [];
  let taken = -Infinity;
  ticks.forEach((tick, index) => {
    if (index % every !== 0 || x(index) - taken < longest * 6.6 + 8) return;
    taken = x(index);
    const half = tick.length * 3.3;
    const at = Math.max(half, Math.min(MARGIN.left + width + MARGIN.right - half, x(index)));
    marks.push(s('text', { x: at, y: HEIGHT - 8, 'text-anchor': 'middle' }, tick));
  });
  return s('g', { class: 'axis' }, marks);
}

function bars(one, tinted, { x, y, count, width, zero }) {
  const thick = Math.max(1, Math.min(36, (width / count) * 0.68));
  return s(
    'g',
    { class: `bars ${tinted}` },
    one.values.map((value, index) => {
      if (value === null || value === undefined) return null;
      const top = y(Number(value));
      const [from, to] = [Math.min(top, zero), Math.max(top, zero)];
      return s('rect', {
        x: (x(index) - thick / 2).toFixed(1),
        y: from.toFixed(1),
        width: thick.toFixed(1),
        height: Math.max(Number(value) === 0 ? 0 : 0.5, to - from).toFixed(1),
      });
    }),
  );
}

// A line that is broken where there is no figure; a figure alone between two gaps is a dot.
function line(one, tinted, { x, y }) {
  const present = (index) => one.values[index] !== null && one.values[index] !== undefined;
  let path = '';
  const dots = [];
  one.values.forEach((value, index) => {
    if (!present(index)) return;
    const [left, top] = [x(index).toFixed(1), y(Number(value)).toFixed(1)];
    path += `${present(index - 1) ? 'L' : 'M'}${left} ${top}`;
    if (!present(index - 1) && !present(index + 1)) dots.push(s('circle', { cx: left, cy: top, r: 2.5 }));
  });
  return s(
    'g',
    { class: `line ${tinted}` },
    one.before && s('path', { d: path, class: 'halo' }),
    s('path', { d: path }),
    dots,
  );
}

// What goes from point to point, by pointer or arrow keys, and says what is there.
function cursor({ title, names, series, unit }, x, marker, width) {
  const says = h('div', { class: 'says', hidden: true });
  let at = names.length - 1;
  const words = (index) =>
    series.map((one) => {
      const value = one.values[index];
      const figure = value === null || value === undefined ? 'no figure' : `${grouped(value)} ${unit}`.trim();
      return series.length > 1 ? `${one.name}: ${figure}` : figure;
    });
  const slider = h('div', {
    class: 'cursor',
    role: 'slider',
    tabindex: '0',
    'aria-label': `${title}: point`,
    'aria-orientation': 'horizontal',
    'aria-valuemin': '0',
    'aria-valuemax': String(Math.max(0, names.length - 1)),
  });
  const aim = (index) => {
    at = Math.max(0, Math.min(names.length - 1, index));
    slider.setAttribute('aria-valuenow', String(at));
    slider.setAttribute('aria-valuetext', [names[at], ...words(at)].join(', '));
  };
  const show = () => {
    says.hidden = false;
    says.replaceChildren(h('strong', {}, names[at]), ...words(at).map((text) => h('span', {}, text)));
    marker.setAttribute('x1', x(at));
    marker.setAttribute('x2', x(at));
    marker.setAttribute('visibility', 'visible');
    const right = x(at) > width / 2;
    says.style.left = right ? 'auto' : `${x(at) + 10}px`;
    says.style.right = right ? `${width - x(at) + 10}px` : 'auto';
  };
  const hide = () => {
    says.hidden = true;
    marker.setAttribute('visibility', 'hidden');
  };
  const steps = {
    ArrowRight: 1,
    ArrowUp: 1,
    ArrowLeft: -1,
    ArrowDown: -1,
    PageUp: 10,
    PageDown: -10,
    Home: -Infinity,
    End: Infinity,
  };
  slider.addEventListener('keydown', (event) => {
    if (!(event.key in steps)) return;
    event.preventDefault();
    aim(at + steps[event.key]);
    show();
  });
  slider.addEventListener('pointermove', (event) => {
    aim(nearest(event.clientX - slider.getBoundingClientRect().left, x, names.length));
    show();
  });
  slider.addEventListener('focus', show);
  slider.addEventListener('blur', hide);
  slider.addEventListener('pointerleave', hide);
  if (names.length > 0) aim(at);
  return [slider, says];
}

function nearest(left, x, count) {
  let [low, high] = [0, count - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((x(middle) + x(middle + 1)) / 2 < left) low = middle + 1;
    else high = middle;
  }
  return low;
}
