// Every page as every role sees it: it opens, breaks no rule, and can be read without a mouse or good eyes, light and dark.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Visit, launch, world } from './browser.js';

const ALL = ['admin', 'provider', 'read', 'customer', 'portal'];
const WHOLE = ['admin', 'provider', 'read'];
const STEWARDS = ['admin', 'provider'];

// Who may open which page, and with which parameters there is most to see on it.
const PAGES = [
  { name: 'overview', roles: ALL },
  { name: 'usage', roles: ALL },
  { name: 'compare', roles: ALL },
  { name: 'hierarchy', roles: ALL },
  { name: 'device', roles: ALL, parameters: () => ({ device: world.device }) },
  { name: 'alerts', roles: ALL },
  { name: 'webhooks', roles: STEWARDS },
  { name: 'ingest', roles: WHOLE },
  { name: 'quarantine', roles: WHOLE },
  { name: 'reviews', roles: WHOLE },
  { name: 'keys', roles: STEWARDS },
  { name: 'portal', roles: STEWARDS },
  { name: 'enrollments', roles: STEWARDS },
  { name: 'enrollment-tokens', roles: STEWARDS },
  { name: 'audit', roles: STEWARDS },
  { name: 'providers', roles: ['admin'] },
];

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

describe('every page, as every role', () => {
  for (const role of ALL) {
    test(`as ${role}`, async (t) => {
      const visit = await Visit.begin(browser, role);
      for (const { name, roles, parameters = () => ({}) } of PAGES.filter((page) => page.roles.includes(role))) {
        await t.test(name, async () => {
          await visit.open(name, parameters());
          assert.equal(await visit.state(), 'ready');
          assert.equal(await visit.page.locator('h1').count(), 1);
          assert.equal(await visit.page.locator('.problem, [role="alert"]').count(), 0);
          await visit.accessible('light');
          // Pages look the same to all roles.
          if (role === roles[0]) await visit.accessible('dark');
          await visit.faultless();
        });
      }
      await t.test('what is not for the role is not in the menu, and says so where it is opened', async () => {
        await visit.open('overview');
        const menu = await visit.page.locator('nav [data-nav]').evaluateAll((all) => all.map((one) => one.dataset.nav));
        for (const { name, roles } of PAGES) if (menu.includes(name)) assert(roles.includes(role), name);
        const refused = PAGES.find((page) => !page.roles.includes(role) && page.name !== 'providers');
        if (refused) {
          await visit.open(refused.name);
          assert.equal(await visit.state(), 'error');
          await visit.faultless();
        }
      });
      await visit.end();
    });
  }
});

test('the page to sign in', async () => {
  const visit = await Visit.begin(browser, null);
  await visit.page.goto(world.url);
  await visit.settled('signin');
  for (const scheme of ['light', 'dark']) await visit.accessible(scheme);
  await visit.faultless();
  await visit.end();
});

test('pages of the API and of problems keep to their policies', async () => {
  const visit = await Visit.begin(browser, null);
  await visit.page.goto(`${world.url}/docs/`);
  await visit.page.getByText('/v1/usage').first().waitFor();
  await visit.page.goto(`${world.url}/problems/`);
  await visit.page.getByRole('link', { name: 'not_found' }).click();
  await visit.page.getByRole('heading', { name: 'There is no such thing' }).waitFor();
  for (const scheme of ['light', 'dark']) await visit.accessible(scheme);
  await visit.faultless();
  await visit.end();
});
