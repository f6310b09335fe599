// Signing in and out, and what other sites cannot do.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { Api } from './api.js';
import { Visit, launch, world } from './browser.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

const expected = (status) => (fault) => !fault.includes(`the server responded with a status of ${status}`);

test('a wrong key is refused, with a way out, and a good one then taken', async () => {
  const visit = await Visit.begin(browser, null);
  await visit.page.goto(`${world.url}/#/usage`);
  await visit.settled('signin');
  const key = visit.page.locator('#signin-key');
  await key.fill('mb_1_2');
  await key.press('Enter');
  await visit.page.locator('main [aria-live] *').first().waitFor();
  await visit.accessible('light');
  await key.fill(world.keys.read);
  await key.press('Enter');
  await visit.settled('usage');
  assert.equal(await visit.state(), 'ready');
  // Chromium itself logs answers that refuse something.
  visit.faults = visit.faults.filter(expected(401));
  await visit.faultless();
  await visit.end();
});

test('the session is in a cookie that scripts do not see, and ends with signing out', async () => {
  const visit = await Visit.begin(browser, 'provider');
  const [cookie] = await visit.context.cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, 'Strict', '/']);
  assert.equal(await visit.page.evaluate(() => document.cookie), '');
  const stored = await visit.page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  assert(!stored.includes('mb_') && !visit.page.url().includes('mb_'));
  await visit.page.locator('#signout').click();
  await visit.settled('signin');
  assert.deepEqual(await visit.context.cookies(), []);
  const answer = await fetch(`${world.url}/v1/tree`, { headers: { cookie: `${cookie.name}=${cookie.value}` } });
  assert.equal(answer.status, 401);
  await visit.faultless();
  await visit.end();
});

test('a key that is revoked ends what is signed in with it', async () => {
  const api = new Api(world.url, world.keys.provider);
  const made = await api.post('/v1/keys', { scope: 'read', name: 'Short' });
  const visit = await Visit.begin(browser, null);
  await visit.page.goto(world.url);
  await visit.page.locator('#signin-key').fill(made.key);
  await visit.page.locator('#signin-key').press('Enter');
  await visit.settled('overview');
  await api.call('DELETE', `/v1/keys/${made.id}`);
  await visit.page.locator('[data-nav="hierarchy"]').click();
  await visit.settled('signin');
  visit.faults = visit.faults.filter(expected(401));
  await visit.faultless();
  await visit.end();
});

test('a page of another site changes nothing, and cannot show the dashboard in a frame', async () => {
  const target = JSON.stringify(`${world.url}/v1/customers/from-elsewhere`);
  const html = `<!doctype html><title>Elsewhere</title><iframe src="${world.url}/"></iframe><script>
    const send = (options) => fetch(${target}, { credentials: 'include', method: 'PUT', body: '{"name":"E"}', ...options }).then(() => 'sent', () => 'refused');
    window.tried = Promise.all([send({}), send({ headers: { 'content-type': 'application/json', 'x-meterbase-request': '1' } }),
      send({ mode: 'no-cors', method: 'POST', headers: { 'content-type': 'text/plain' } })]);
  </script>`;
  const elsewhere = http.createServer((_, answer) => answer.setHeader('content-type', 'text/html').end(html));
  await new Promise((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  const visit = await Visit.begin(browser, 'provider');
  await visit.page.goto(`http://localhost:${elsewhere.address().port}/`);
  assert.deepEqual((await visit.page.evaluate(() => window.tried)).slice(0, 2), ['refused', 'refused']);
  const frame = visit.page.frames().find((one) => one.parentFrame());
  assert.equal(await frame.locator('#app').count(), 0);
  const api = new Api(world.url, world.keys.provider);
  await assert.rejects(api.get('/v1/customers/from-elsewhere'), /404/);
  elsewhere.close();
  await visit.end();
});
