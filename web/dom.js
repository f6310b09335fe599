// Elements from values. Text is always text: nothing here parses HTML.

const SVG = 'http://www.w3.org/2000/svg';

// An element. Attributes that are null, undefined or false are left out; those that begin with "on" are listeners.
export function h(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

// The same in SVG.
export function s(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value' && 'value' in element) element.value = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

// What a screen reader says and an eye does not need.
export const hidden = (text) => h('span', { class: 'hidden' }, text);

let drawn = 0;

// An id that no other element of the page has.
export function freshId(stem) {
  drawn += 1;
  return `${stem}-${drawn}`;
}
