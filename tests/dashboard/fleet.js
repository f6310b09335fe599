// What the pages have to show: a small simulated fleet up to now, and what waits for somebody. Each role gets a key.

import { setTimeout as wait } from 'node:timers/promises';

import { Api } from './api.js';

const DAYS = 40;

export async function fill(server) {
  const size = ['--devices', '48', '--days', String(DAYS), '--no-check'];
  server.run(['simulate', ...size, '--url', server.url, '--key', server.admin]);
  const admin = new Api(server.url, server.admin);
  const [{ key: provider, time_zone: zone }] = (await admin.get('/v1/providers')).items;
  const api = new Api(server.url, server.admin, provider);
  const tree = await api.get('/v1/tree');
  const customer = tree.customers.find((one) => one.customers.length > 0 && devices(one.subtree_devices) > 0) ?? tree.customers[0];
  await troubles(api, customer.key);
  const make = async (body) => (await api.post('/v1/keys', body)).key;
  const keys = {
    admin: server.admin,
    provider: await make({ scope: 'provider', name: 'Operations' }),
    read: await make({ scope: 'read', name: 'Analysts' }),
    customer: await make({ scope: 'read', name: 'Customer', customer: customer.key }),
    portal: (await api.post('/v1/portal-tokens', { customer: customer.key, expires_in: '4h' })).token,
  };
  const [device] = (await api.get('/v1/devices', { customer: customer.key })).items;
  await fresh(api);
  await firing(api);
  return { url: server.url, provider, zone, customer: customer.key, device: device.key, keys };
}

const devices = (numbers) => Object.values(numbers).reduce((sum, count) => sum + count, 0);

// Readings of an unknown device, a register that jumps, and a device that waits for approval.
async function troubles(api, customer) {
  const now = Date.now();
  const at = (hours) => new Date(now - hours * 3_600_000).toISOString();
  await api.put('/v1/metrics/water_register', { name: 'Water meter', unit: 'm3', kind: 'register', scale: 0, max_per_hour: 5 });
  await api.put('/v1/devices/water-1', { customer, name: 'Water, main', kind: 'device' });
  const [metric] = (await api.get('/v1/metrics')).items;
  const reading = (device, name, hours, value) => ({ device, metric: name, at: at(hours), value });
  await api.post('/v1/readings', { readings: [
    reading('water-1', 'water_register', 5, 10), reading('water-1', 'water_register', 4, 12), reading('water-1', 'water_register', 3, 9000),
    reading('nobody-knows-me', metric.key, 2, 1), reading('nobody-knows-me', metric.key, 1, 2),
    reading('water-1', 'water_register', 2, 'x'),
  ] });
  await api.put('/v1/alerts/all-day', { name: 'Much in a day', kind: 'threshold', metric: metric.key, bucket: 'day', stat: 'count', above: 0 });
  await api.put('/v1/alerts/silent', { name: 'Silent devices', kind: 'silence', scope: `customer:${customer}`, after: '7d', share: 50 });
  await api.put('/v1/alerts/reviews', { name: 'Registers to look at', kind: 'review' });
  await api.put('/v1/webhooks/nowhere', { url: 'https://meterbase.invalid/hook', events: ['alert.firing', 'alert.resolved'] });
  const expires = new Date(now + 86_400_000).toISOString();
  const { token } = await api.post('/v1/enrollment-tokens', { customer, name: 'Installers', approval: true, uses: 5, expires_at: expires });
  await new Api(api.url, api.key).post('/v1/enroll', { token, serial: 'waiting-1', model: 'P1', firmware: '1.0' });
}

// Until the rollups have all of it.
async function fresh(api) {
  const sent = Date.now();
  const [metric] = (await api.get('/v1/metrics')).items;
  const query = { metric: metric.key, bucket: 'total', from: '2020-01-01', to: '2020-01-02' };
  for (let tries = 0; tries < 600; tries += 1) {
    const { fresh_through: through } = await api.get('/v1/usage', query);
    if (Date.parse(through) > sent) return;
    await wait(200);
  }
  throw new Error('the rollups did not follow');
}

// Until what is under review is told.
async function firing(api) {
  for (let tries = 0; tries < 600; tries += 1) {
    if ((await api.get('/v1/alerts/reviews')).state === 'firing') return;
    await wait(200);
  }
  throw new Error('no alert fired');
}
