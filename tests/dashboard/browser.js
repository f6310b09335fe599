// Chromium, and pages that are watched: what they log, ask of other hosts, or do against their policy fails the test.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

export const world = JSON.parse(process.env.DASHBOARD_WORLD);
export const output = process.env.DASHBOARD_OUTPUT;

const installed = createRequire(path.join(process.env.DASHBOARD_MODULES, 'package.json'));
const { chromium } = installed('playwright-core');
const axe = readFileSync(installed.resolve('axe-core/axe.min.js'), 'utf8');

const PATIENCE = 60_000;
const BROWSERS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

export async function launch() {
  const executablePath = BROWSERS.find((one) => one && existsSync(one));
  assert(executablePath, 'there is no Chromium; scripts/install-browser.sh installs it');
  // As root, as in containers, Chromium has no sandbox of its own.
  const args = ['--disable-dev-shm-usage', ...(process.getuid() === 0 ? ['--no-sandbox'] : [])];
  return chromium.launch({ executablePath, args });
}

// A browser of its own for a role, signed in as people do it: by the form.
export class Visit {
  static async begin(browser, role, options = {}) {
    const context = await browser.newContext({ viewport: DESKTOP, locale: 'en-GB', timezoneId: 'UTC', ...options });
    await context.addInitScript(() => {
      window.broken = [];
      document.addEventListener('securitypolicyviolation', (event) => window.broken.push(`${event.violatedDirective} ${event.blockedURI}`));
    });
    const visit = new Visit(context, await context.newPage(), role);
    if (role) await visit.#signIn(world.keys[role]);
    return visit;
  }

  constructor(context, page, role) {
    Object.assign(this, { context, page, role, faults: [] });
    page.setDefaultTimeout(PATIENCE);
    page.on('console', (line) => { if (['error', 'warning'].includes(line.type())) this.faults.push(`console: ${line.text()}`); });
    page.on('pageerror', (error) => this.faults.push(`error: ${error.message}`));
    page.on('request', (request) => {
      const address = new URL(request.url());
      if (['http:', 'https:', 'ws:', 'wss:'].includes(address.protocol) && address.origin !== world.url) this.faults.push(`request: ${request.url()}`);
    });
  }

  async #signIn(key) {
    await this.page.goto(world.url);
    await this.page.locator('main[data-page="signin"] input').first().fill(key);
    await this.page.locator('main[data-page="signin"] button[type="submit"]').click();
    await this.page.locator('main:not([data-page="signin"])').waitFor();
  }

  // Opens a page of the dashboard, and waits until all of its figures are there.
  async open(name, parameters = {}) {
    const given = { ...(this.role === 'admin' ? { provider: world.provider } : {}), ...parameters };
    const query = new URLSearchParams(given).toString();
    await this.page.goto('about:blank');
    await this.page.goto(`${world.url}/#/${name}${query ? `?${query}` : ''}`);
    await this.settled(name);
  }

  async settled(name) {
    await this.page.locator(`main[data-page="${name}"]:is([data-state="ready"], [data-state="error"])`).waitFor();
  }

  state() {
    return this.page.locator('main').getAttribute('data-state');
  }

  // Fails with all that the pages did wrong since the visit began.
  async faultless() {
    const broken = await this.page.evaluate(() => window.broken);
    assert.deepEqual([...this.faults, ...broken], []);
  }

  async accessible(scheme) {
    await this.page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await this.page.evaluate(axe);
    const { violations } = await this.page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    const grave = violations.filter((one) => ['serious', 'critical'].includes(one.impact));
    const told = grave.map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`);
    assert.deepEqual(told, [], `${scheme}`);
  }

  // The plain values of figures by their names, with what is read in their place.
  async figures(selector = '[data-figure]') {
    const all = await this.page.locator(selector).evaluateAll((found) => found.map((one) =>
      [one.dataset.figure, one.dataset.value ?? null]));
    return Object.fromEntries(all);
  }

  // A table as rows of plain values by column, and whether the texts of its cells are those values where they are figures.
  async table(selector) {
    const rows = await this.page.locator(`${selector} tbody tr`).evaluateAll((found) => found.map((row) => ({
      key: row.dataset.key ?? null,
      cells: [...row.children].map((cell) => [cell.dataset.column, cell.dataset.value ?? null,
        cell.querySelector('.figure')?.textContent ?? null]),
    })));
    for (const { cells } of rows) {
      for (const [column, value, text] of cells) {
        if (text !== null && value !== null && /^-?\d+(\.\d+)?$/.test(value)) assert.equal(text, value, column);
      }
    }
    return rows.map(({ key, cells }) => ({ key, ...Object.fromEntries(cells.map(([column, value]) => [column, value])) }));
  }

  end() {
    return this.context.close();
  }
}
