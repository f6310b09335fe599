// How long the dashboard's pages take in a real browser, on a server that runs: the key is in METERBASE_KEY,
// `node tests/dashboard/times.js URL [PROVIDER]`. Each page is opened from another one; what is told is the time until all of
// its figures are drawn. `node tests/dashboard/run.js` has installed what it needs.

import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROUNDS = 11;
const [url, provider] = process.argv.slice(2);
const key = process.env.METERBASE_KEY;
if (!url || !key) {
  console.error('usage: METERBASE_KEY=mb_... node tests/dashboard/times.js URL [PROVIDER]; a provider is named with an admin key');
  process.exit(2);
}
const modules = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../target/dashboard/modules');
Object.assign(process.env, { DASHBOARD_MODULES: modules, DASHBOARD_OUTPUT: modules });
process.env.DASHBOARD_WORLD = JSON.stringify({ url: new URL(url).origin, provider, keys: { [provider ? 'admin' : 'caller']: key } });
const { Visit, launch } = await import('./browser.js');

const PAGES = [
  ['overview', {}],
  ['hierarchy', {}],
  ['usage', {}],
  ['usage', { bucket: 'month', by: 'customer' }],
  ['compare', {}],
  ['alerts', {}],
];

// Milliseconds until the page that an address names has all of its figures.
const opened = (visit, name, parameters) => {
  const query = new URLSearchParams({ ...(provider ? { provider } : {}), ...parameters }).toString();
  return visit.page.evaluate(
    async ([hash, wanted]) => {
      const begun = performance.now();
      location.hash = hash;
      const drawn = () => {
        const { page, state } = document.querySelector('main').dataset;
        return page === wanted && ['ready', 'error'].includes(state);
      };
      while (!drawn()) await new Promise((resolve) => requestAnimationFrame(resolve));
      if (document.querySelector('main').dataset.state === 'error') throw new Error(document.querySelector('main').innerText);
      return performance.now() - begun;
    },
    [`#/${name}${query ? `?${query}` : ''}`, name],
  );
};

const browser = await launch();
const visit = await Visit.begin(browser, provider ? 'admin' : 'caller');
console.log(`${'page'.padEnd(40)} ${'median'.padStart(8)} ${'longest'.padStart(8)}  of ${ROUNDS}, in ms`);
for (const [name, parameters] of PAGES) {
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await opened(visit, 'device', {});
    times.push(await opened(visit, name, parameters));
  }
  times.sort((a, b) => a - b);
  const label = `${name} ${new URLSearchParams(parameters)}`.trim();
  console.log(`${label.padEnd(40)} ${times[(ROUNDS - 1) / 2].toFixed(0).padStart(8)} ${times.at(-1).toFixed(0).padStart(8)}`);
}
await browser.close();
