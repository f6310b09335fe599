// Who is signed in, and what that lets them see. The server decides; what is here spares people links that would be refused.

import { call } from './api.js';

export const session = {
  open: (key) => call('POST', '/v1/session', { body: { key } }).then(as),
  current: () => call('GET', '/v1/session').then(as),
  close: () => call('DELETE', '/v1/session'),
};

// `whole`: sees the provider as a whole, not a customer's part of it. `writes`: may change things. Null for nobody.
function as(body) {
  if (!body) return null;
  const writes = body.scope === 'admin' || body.scope === 'provider';
  return { ...body, admin: body.scope === 'admin', whole: !body.customer, writes };
}
