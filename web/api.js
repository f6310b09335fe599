// Calls of the API with the session's cookie. What goes wrong becomes a Problem that says what the server said.

// An answer that is an error. `code` is the last part of the problem's type.
class Problem extends Error {
  constructor(status, body, requestId) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.title = body.title || 'It did not work';
    this.code = (body.type || '').split('/').pop() || `status_${status}`;
    this.page = (body.type || '').startsWith('/problems/') ? body.type : null;
    this.errors = body.errors || [];
    this.requestId = requestId;
  }
}

const unreachable = () =>
  new Problem(
    0,
    {
      title: 'The server cannot be reached',
      detail: 'No answer came. Look whether the network is up and the server is running, then try again.',
      type: 'unreachable',
    },
    null,
  );

// Called when the session is over.
let ended = () => {};
export const onSessionEnd = (call) => {
  ended = call;
};

// One call. `query` values that are null or empty are left out, lists are joined with commas.
export async function call(method, path, { query = {}, body, accept = 'application/json', signal } = {}) {
  const headers = { Accept: `${accept}, application/problem+json`, 'X-Meterbase-Request': '1' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let answer;
  try {
    answer = await fetch(path + search(query), {
      method,
      headers,
      signal,
      credentials: 'same-origin',
      cache: 'no-store',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (why) {
    if (why.name === 'AbortError') throw why;
    throw unreachable();
  }
  if (answer.ok) return accept === 'application/json' ? read(answer) : answer.text();
  const problem = new Problem(
    answer.status,
    (await read(answer).catch(() => ({}))) ?? {},
    answer.headers.get('X-Request-Id'),
  );
  if (answer.status === 401 && path !== '/v1/session') ended(problem);
  throw problem;
}

async function read(answer) {
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

export function search(query) {
  const pairs = Object.entries(query)
    .map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : value])
    .filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = new URLSearchParams(pairs).toString();
  return text ? `?${text}` : '';
}

export const segment = (key) => encodeURIComponent(key);

// Calls for one provider: an admin names it each time, everybody else has one.
export class Api {
  constructor(provider, signal) {
    this.provider = provider;
    this.signal = signal;
  }

  #with(query) {
    return this.provider ? { ...query, provider: this.provider } : query;
  }

  get(path, query = {}) {
    return call('GET', path, { query: this.#with(query), signal: this.signal });
  }

  text(path, query, accept) {
    return call('GET', path, { query: this.#with(query), accept, signal: this.signal });
  }

  send(method, path, { query = {}, body } = {}) {
    return call(method, path, { query: this.#with(query), body });
  }

  // Items of all pages, at most so many; `more` says whether there are others.
  async all(path, query = {}, most = 1000) {
    const items = [];
    let cursor = null;
    do {
      const limit = Math.min(1000, most - items.length);
      const page = await this.get(path, { ...query, limit, cursor });
      items.push(...page.items);
      cursor = page.next;
    } while (cursor && items.length < most);
    return { items, more: Boolean(cursor) };
  }
}
