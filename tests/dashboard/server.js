// The server under test, on a database of its own that is gone afterwards.

import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const PATIENCE = 120_000;

export class Server {
  static async start(binary, output) {
    const place = mkdtempSync(path.join(os.tmpdir(), 'meterbase-dashboard-'));
    chmodSync(place, 0o755);
    const environment = Object.fromEntries(Object.entries(process.env)
      .filter(([name]) => !name.startsWith('METERBASE_') && name !== 'DATABASE_URL' && name !== 'RUST_LOG'));
    const server = new Server(binary, place, environment);
    const log = createWriteStream(path.join(output, 'server.log'));
    server.child = spawn(binary, ['serve', '--listen', '127.0.0.1:0', '--data-dir', server.data], { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
    process.once('exit', () => server.child.kill('SIGTERM'));
    process.once('SIGINT', () => process.exit(130));
    server.url = await server.#reachable(log);
    server.admin = server.run(['keys', 'create', '--scope', 'admin', '--data-dir', server.data]).trim();
    return server;
  }

  constructor(binary, place, environment) {
    Object.assign(this, { binary, place, environment, data: path.join(place, 'data') });
  }

  // Its log says where it listens.
  #reachable(log) {
    return new Promise((resolve, reject) => {
      const end = setTimeout(() => reject(new Error('the server did not start; see target/dashboard/server.log')), PATIENCE);
      let said = '';
      this.child.stderr.on('data', (data) => {
        log.write(data);
        said += data;
        const found = /(https?:\/\/127\.0\.0\.1:\d+)/.exec(said);
        if (found) {
          clearTimeout(end);
          said = '';
          resolve(found[1]);
        }
      });
      this.child.once('exit', (status) => reject(new Error(`the server ended with ${status}: ${said}`)));
    });
  }

  // Runs a command of the binary, and gives what it prints.
  run(command) {
    const done = spawnSync(this.binary, command, { env: this.environment, encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`meterbase ${command.join(' ')}: ${done.stderr}`);
    return done.stdout;
  }

  async stop() {
    this.child.removeAllListeners('exit');
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
    rmSync(this.place, { recursive: true, force: true });
  }
}
