// A picture of every page: light and dark, on a desktop and on a phone. Nothing may be wider than the screen.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { DESKTOP, PHONE, Visit, launch, output, world } from './browser.js';

const PAGES = ['overview', 'usage', 'compare', 'hierarchy', 'device', 'alerts', 'webhooks', 'ingest', 'quarantine', 'reviews', 'keys', 'portal',
  'enrollments', 'enrollment-tokens', 'audit'];
const PARAMETERS = { device: () => ({ device: world.device }) };

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  test(`pages on a ${size}`, async (t) => {
    const visit = await Visit.begin(browser, 'provider', { viewport });
    const place = path.join(output, size);
    mkdirSync(place, { recursive: true });
    for (const name of PAGES) {
      await t.test(name, async () => {
        await visit.open(name, PARAMETERS[name]?.());
        for (const colorScheme of ['light', 'dark']) {
          await visit.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
          await visit.page.screenshot({ path: path.join(place, `${name}-${colorScheme}.png`), fullPage: true });
        }
        const [wide, high] = await visit.page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
        assert(wide <= high, `${wide} pixels of ${high}`);
      });
    }
    await visit.faultless();
    await visit.end();
  });
}
