// The API as any program calls it, beside the browser: what it says is what the pages must show.

export class Api {
  constructor(url, key, provider = null) {
    Object.assign(this, { url, key, provider });
  }

  async call(method, path, body) {
    const address = new URL(path, this.url);
    if (this.provider && !address.searchParams.has('provider')) address.searchParams.set('provider', this.provider);
    const headers = { authorization: `Bearer ${this.key}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const answer = await fetch(address, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
    return this.call('GET', given.length ? `${path}?${new URLSearchParams(given)}` : path);
  }

  put(path, body) {
    return this.call('PUT', path, body);
  }

  post(path, body) {
    return this.call('POST', path, body);
  }

  // All items of a list.
  async all(path, query = {}) {
    const items = [];
    let cursor = null;
    do {
      const page = await this.get(path, { ...query, limit: 1000, cursor });
      items.push(...page.items);
      cursor = page.next;
    } while (cursor);
    return items;
  }
}
