// Figures on pages are those of the API, asked beside the browser.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Api } from './api.js';
import { Visit, launch, world } from './browser.js';

const ROLES = ['admin', 'provider', 'read', 'customer', 'portal'];

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

const apiOf = (role) => new Api(world.url, world.keys[role], role === 'admin' ? world.provider : null);
const scopeOf = (role) => (role === 'customer' || role === 'portal' ? `customer:${world.customer}` : 'provider');
const addDays = (day, count) => new Date(Date.parse(day) + count * 86_400_000).toISOString().slice(0, 10);
const today = () => new Intl.DateTimeFormat('en-CA', { timeZone: world.zone }).format(new Date());
const sum = (numbers) => Object.values(numbers).reduce((all, one) => all + one, 0);

// What a cell says of a value of the API.
const told = (value) => (value === null || value === undefined ? null : String(value));

describe('figures are those of the API', () => {
  for (const role of ROLES) {
    test(`as ${role}`, async (t) => {
      const visit = await Visit.begin(browser, role);
      const api = apiOf(role);
      await t.test('overview', () => overview(visit, api, role));
      await t.test('usage by day, with the period before', () => usageByDay(visit, api, role));
      await t.test('usage by month, split by sub-customer', () => usageSplit(visit, api, role));
      await t.test('sub-customers side by side', () => compare(visit, api, role));
      await t.test('hierarchy', () => hierarchy(visit, api));
      await t.test('device', () => device(visit, api));
      if (scopeOf(role) === 'provider') await t.test('ingest, quarantine, reviews', () => ingest(visit, api));
      await t.test('alerts', () => alerts(visit, api, role));
      if (['admin', 'provider'].includes(role)) await t.test('keys, enrollments, audit', () => lists(visit, api));
      await visit.faultless();
      await visit.end();
    });
  }
});

async function overview(visit, api) {
  await visit.open('overview');
  const figures = await visit.figures();
  const tree = await api.get('/v1/tree');
  const devices = tree.subtree_devices ? sum(tree.subtree_devices) : tree.customers.reduce((all, one) => all + sum(one.subtree_devices), 0);
  assert.equal(figures.devices, String(devices));
  assert(devices > 0);
  const rows = await visit.table('[data-table="used"]');
  const metrics = await api.all('/v1/metrics');
  assert.deepEqual(rows.map((row) => row.metric).sort(), metrics.map((one) => one.key).sort());
  const now = today();
  for (const metric of metrics) {
    const stat = metric.kind === 'gauge' ? 'avg' : 'sum';
    const query = { metric: metric.key, bucket: 'total', from: `${now.slice(0, 7)}-01`, to: addDays(now, 1), stats: `${stat},count,active_devices` };
    const point = (await api.get('/v1/usage', query)).series[0]?.points[0];
    const row = rows.find((one) => one.metric === metric.key);
    assert.deepEqual([row.month, row.count, row.active_devices], [stat, 'count', 'active_devices'].map((name) => told(point?.[name])), metric.key);
  }
}

async function usageByDay(visit, api, role) {
  const [metric] = await api.all('/v1/metrics');
  const to = addDays(today(), 1);
  const range = { from: addDays(to, -10), to };
  await visit.open('usage', { metric: metric.key, bucket: 'day', ...range, stats: 'count,sum' });
  const card = `[data-metric="${metric.key}"]`;
  const ask = (bucket, days) => api.get('/v1/usage', { metric: metric.key, scope: scopeOf(role), bucket, ...days, stats: 'count,sum' });
  const [days, whole, before] = await Promise.all([ask('day', range), ask('total', range), ask('day', { from: addDays(to, -20), to: range.from })]);
  const total = whole.series[0].points[0];
  const figures = await visit.figures(`${card} [data-figure]`);
  assert.deepEqual([figures['total-count'], figures['total-sum']], [told(total.count), told(total.sum)]);
  assert(total.count > 0);
  const rows = new Map((await visit.table(`${card} [data-table="usage"]`)).map((row) => [row.period, row]));
  for (const point of days.series[0].points) {
    const row = rows.get(point.period);
    assert.deepEqual([row.count, row.sum], [told(point.count), told(point.sum)], point.period);
    const earlier = before.series[0]?.points.find((one) => one.period === addDays(point.period, -10));
    assert.equal(row.before, told(earlier?.sum), point.period);
  }
}

async function usageSplit(visit, api, role) {
  const [metric] = await api.all('/v1/metrics');
  const to = addDays(today(), 1);
  const range = { from: `${addDays(to, -40).slice(0, 7)}-01`, to };
  await visit.open('usage', { metric: metric.key, bucket: 'month', by: 'customer', ...range });
  const ask = (bucket) => api.get('/v1/usage', { metric: metric.key, scope: scopeOf(role), by: 'customer', bucket, ...range });
  const whole = await ask('total');
  const rows = new Map((await visit.table(`[data-metric="${metric.key}"] [data-table="usage-totals"]`)).map((row) => [row.by, row]));
  for (const series of whole.series.filter((one) => one.points.length && one.customer)) {
    assert.equal(rows.get(series.customer)?.sum, told(series.points[0].sum), series.customer);
  }
  assert(rows.size > 0);
}

async function compare(visit, api, role) {
  const month = today().slice(0, 7);
  const next = addDays(`${month}-28`, 4).slice(0, 7);
  await visit.open('compare', { month });
  const rows = new Map((await visit.table('main [data-table]')).map((row) => [row.key, row]));
  const metrics = (await api.all('/v1/metrics')).slice(0, 6);
  for (const metric of metrics) {
    const stat = metric.kind === 'gauge' ? 'avg' : 'sum';
    const answer = await api.get('/v1/usage', { metric: metric.key, scope: scopeOf(role), by: 'customer', bucket: 'total', from: `${month}-01`, to: `${next}-01`, stats: stat });
    for (const series of answer.series.filter((one) => one.customer && one.points.length)) {
      const row = rows.get(series.customer);
      assert(row, series.customer);
      assert(Object.values(row).includes(told(series.points[0][stat])), `${series.customer} ${metric.key}: ${JSON.stringify(row)}`);
    }
  }
}

async function hierarchy(visit, api) {
  await visit.open('hierarchy');
  const tree = await api.get('/v1/tree');
  const shown = visit.page.locator('#tree > li');
  assert.deepEqual(await shown.evaluateAll((all) => all.map((one) => one.dataset.key)), tree.customers.map((one) => one.key));
  // By the keyboard alone: the first branch opens, and shows what is below it.
  const first = tree.customers.find((one) => one.customers.length + one.groups.length > 0);
  const branch = visit.page.locator(`#tree > li[data-key="${first.key}"]`);
  await branch.locator('.twist').first().focus();
  await visit.page.keyboard.press('ArrowRight');
  const below = [...first.customers, ...first.groups].map((one) => one.key);
  await branch.locator(`:scope > ul > li[data-key="${below[0]}"]`).waitFor();
  const found = await branch.locator(':scope > ul > li').evaluateAll((all) => all.map((one) => one.dataset.key));
  assert.deepEqual(found.slice(0, below.length), below);
  await visit.page.locator('#hierarchy-search').fill(world.device);
  await visit.page.locator(`[data-results="${world.device}"]`).waitFor();
  const { items } = await api.get('/v1/devices', { q: world.device, limit: 20 });
  assert(items.length > 0);
  assert.equal(await visit.page.locator('[data-results] a[href*="#/device"]').count(), items.length);
}

async function device(visit, api) {
  await visit.open('device', { device: world.device });
  const readings = await api.get(`/v1/devices/${world.device}`);
  const text = await visit.page.locator('main').innerText();
  assert(text.includes(readings.key) && text.includes(readings.customer), text);
  const rows = await visit.table('[data-table="latest"]');
  assert(rows.length > 0);
  for (const metric of new Set(rows.map((row) => row.metric))) {
    const all = await api.all(`/v1/devices/${world.device}/readings`, { metric, from: addDays(today(), -62) });
    const latest = new Map(all.map((one) => [JSON.stringify(one.dimensions ?? {}), one.value]));
    assert.deepEqual(rows.filter((row) => row.metric === metric).map((row) => row.value).sort(), [...latest.values()].sort(), metric);
  }
}

async function ingest(visit, api) {
  await visit.open('ingest');
  const from = addDays(new Date().toISOString().slice(0, 10), -13);
  const to = addDays(new Date().toISOString().slice(0, 10), 1);
  const accounts = await api.all('/v1/accounting', { from, to });
  const tables = await visit.page.locator('main [data-table]').evaluateAll((all) => all.map((one) => one.dataset.table));
  const days = await visit.table(`[data-table="${tables.find((one) => one.includes('day')) ?? tables[0]}"]`);
  for (const name of ['received', 'stored', 'duplicates', 'conflicts', 'quarantined', 'rejected']) {
    const shown = days.reduce((all, row) => all + BigInt(row[name] ?? 0), 0n);
    const counted = accounts.reduce((all, one) => all + BigInt(one[name]), 0n);
    assert.equal(shown, counted, name);
  }
  await visit.open('quarantine');
  const waiting = await api.all('/v1/quarantine');
  assert(waiting.length >= 2);
  const text = await visit.page.locator('main').innerText();
  assert(text.includes('nobody-knows-me'), text);
  await visit.open('reviews');
  const reviews = await api.all('/v1/reviews');
  assert(reviews.length > 0);
  assert.equal((await visit.table('main [data-table]')).length, reviews.length);
}

async function alerts(visit, api, role) {
  await visit.open('alerts');
  const all = await api.all('/v1/alerts');
  const rows = await visit.table('[data-table="alerts"]');
  assert.deepEqual(rows.map((row) => [row.key, row.state]), all.map((one) => [one.key, one.state]));
  assert(rows.length > 0);
  const text = await visit.page.locator('main').innerText();
  assert(!/undefined|null|NaN/.test(text), text);
  await visit.open('overview');
  const firing = await api.all('/v1/alerts', { state: 'firing' });
  assert.equal((await visit.figures()).alerts, String(firing.length));
  if (!['admin', 'provider'].includes(role)) return;
  const fired = firing.find((one) => one.kind === 'review');
  await visit.open('alerts', { alert: fired.key });
  const history = await api.all(`/v1/alerts/${fired.key}/history`);
  assert.deepEqual((await visit.table('[data-table="alert-history"]')).map((row) => row.state), history.map((one) => one.state));
  await visit.faultless();
}

async function lists(visit, api) {
  await visit.open('keys');
  const keys = await api.all('/v1/keys');
  assert.deepEqual((await visit.table('main [data-table]')).map((row) => row.key).sort(), keys.filter((one) => !one.revoked_at).map((one) => one.id).sort());
  await visit.open('enrollments');
  assert((await visit.page.locator('main').innerText()).includes('waiting-1'));
  await visit.open('audit');
  const changes = await api.get('/v1/audit', { limit: 100 });
  assert.deepEqual((await visit.table('main [data-table]')).map((row) => row.key), changes.items.map((one) => String(one.id)));
}
