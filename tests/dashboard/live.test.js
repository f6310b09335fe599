// Pages that follow what happens, without anybody asking for it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Api } from './api.js';
import { Visit, launch, world } from './browser.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

const api = new Api(world.url, world.keys.provider);
let sent = 0;

// Milliseconds in which an alert fires that is looked at every half minute.
const LONGEST = 90_000;

// One reading more, of a device that is there.
async function send() {
  sent += 1;
  const { items: [metric] } = await api.get('/v1/metrics', { limit: 1 });
  const at = new Date(Date.now() - sent * 1000).toISOString();
  await api.post('/v1/readings', { readings: [{ device: world.device, metric: metric.key, at, value: 1, dimensions: { sent: `live-${sent}` } }] });
}

const received = async () => {
  const day = new Date().toISOString().slice(0, 10);
  const { items } = await api.get('/v1/accounting', { by: 'day', from: day });
  return String(items[0]?.received ?? 0);
};

test('the overview shows what comes in, and the alerts that fire', async () => {
  const visit = await Visit.begin(browser, 'provider');
  await visit.open('overview');
  await visit.page.evaluate(() => { window.same = true; });
  await visit.page.locator('#live.on').waitFor();
  await send();
  const now = await received();
  await visit.page.locator(`[data-figure="received"][data-value="${now}"]`).waitFor();
  await api.put('/v1/alerts/live', { name: 'Live', kind: 'threshold', metric: (await api.all('/v1/metrics'))[0].key, bucket: 'month', stat: 'count', above: 0 });
  const firing = async () => (await api.all('/v1/alerts', { state: 'firing' })).length;
  const until = Date.now() + LONGEST;
  while (!(await api.all('/v1/alerts', { state: 'firing' })).some((one) => one.key === 'live')) {
    assert(Date.now() < until, 'the alert did not fire');
    await visit.page.waitForTimeout(100);
  }
  await visit.page.locator(`[data-figure="alerts"][data-value="${await firing()}"]`).waitFor();
  await api.call('DELETE', '/v1/alerts/live');
  await visit.page.locator(`[data-figure="alerts"][data-value="${await firing()}"]`).waitFor();
  assert(await visit.page.evaluate(() => window.same));
  await visit.faultless();
  await visit.end();
});

test('a page of a portal shows what comes in there', async () => {
  const visit = await Visit.begin(browser, 'portal');
  await visit.open('overview');
  await visit.page.locator('#live.on').waitFor();
  // Once it listens it draws itself again; from then on where it is told of readings, and only else after half a minute.
  await visit.page.evaluate(() => { document.querySelector('[data-table="used"]').id = 'before'; });
  await visit.page.locator('#before').waitFor({ state: 'detached' });
  await visit.settled('overview');
  const { items: [metric] } = await api.get('/v1/metrics', { limit: 1 });
  const readings = `[data-table="used"] tr[data-key="${metric.key}"] [data-column="count"]`;
  const before = Number(await visit.page.locator(readings).getAttribute('data-value'));
  await send();
  await visit.page.locator(`${readings}[data-value="${before + 1}"]`).waitFor({ timeout: 25_000 });
  await visit.faultless();
  await visit.end();
});

test('readings per minute are those of the accounts', async () => {
  const visit = await Visit.begin(browser, 'provider');
  await send();
  await visit.open('ingest');
  await visit.page.locator('summary', { hasText: 'As a table' }).click();
  const rows = await visit.table('[data-table="minutes"]');
  const { items } = await api.get('/v1/accounting/minutes', { minutes: 360 });
  assert(rows.length === 61 && rows.some((row) => row.received !== '0'));
  for (const row of rows) {
    const minute = items.find((one) => one.minute === row.minute);
    for (const name of ['received', 'stored', 'duplicates', 'conflicts', 'quarantined', 'rejected']) {
      assert.equal(row[name], String(minute[name]), `${row.minute} ${name}`);
    }
  }
  await visit.faultless();
  await visit.end();
});

test('a page that somebody works on waits, and says that there is news', async () => {
  const visit = await Visit.begin(browser, 'provider');
  await visit.open('ingest');
  await visit.page.locator('#ingest-from').fill('2026-01-01');
  await send();
  const news = visit.page.locator('#live-news');
  await news.waitFor();
  assert.equal(await visit.page.locator('#ingest-from').inputValue(), '2026-01-01');
  await news.click();
  await news.waitFor({ state: 'detached' });
  assert.notEqual(await visit.page.locator('#ingest-from').inputValue(), '2026-01-01');
  await visit.faultless();
  await visit.end();
});
