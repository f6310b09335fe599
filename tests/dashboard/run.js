// Runs the dashboard's tests in a real browser: `node tests/dashboard/run.js BINARY [FILTER]`.
//
// It starts a server on a throwaway database, fills it with a small simulated fleet, makes a key of each role, and runs the
// tests beside this file. Screenshots are left in target/dashboard.

import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Server } from './server.js';
import { fill } from './fleet.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const output = path.join(here, '../../target/dashboard');
const modules = path.join(output, 'modules');

function fail(why) {
  console.error(`dashboard tests: ${why}`);
  process.exit(2);
}

// The packages that the lock file names, beside what else is built.
function install() {
  const lock = readFileSync(path.join(here, 'package-lock.json'), 'utf8');
  const mark = path.join(modules, 'installed');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === lock) return;
  rmSync(modules, { recursive: true, force: true });
  mkdirSync(modules, { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) cpSync(path.join(here, name), path.join(modules, name));
  const done = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: modules, stdio: ['ignore', 2, 2] });
  if (done.status !== 0) fail('npm ci failed; the packages of tests/dashboard/package-lock.json are needed');
  writeFileSync(mark, lock);
}

// One test file after the other; what they print is for people, the counts are taken from the second report.
async function test(world, filter) {
  const files = readdirSync(here).filter((name) => name.endsWith('.test.js') && name.includes(filter)).sort();
  const report = path.join(output, 'report.tap');
  const options = ['--test', '--test-reporter=spec', '--test-reporter-destination=stdout',
    '--test-reporter=tap', `--test-reporter-destination=${report}`];
  const child = spawn(process.execPath, [...options, ...files.map((name) => path.join(here, name))], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, DASHBOARD_WORLD: JSON.stringify(world), DASHBOARD_OUTPUT: output, DASHBOARD_MODULES: modules },
  });
  await new Promise((resolve) => child.once('exit', resolve));
  const count = (what) => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(readFileSync(report, 'utf8'))?.[1] ?? NaN);
  return { passed: count('pass'), failed: count('fail') + count('cancelled') };
}

const [binary, filter = ''] = process.argv.slice(2);
if (!binary || !existsSync(binary)) fail('usage: node tests/dashboard/run.js BINARY [FILTER]');
mkdirSync(output, { recursive: true });
install();
const server = await Server.start(path.resolve(binary), output);
let counts = { passed: 0, failed: 1 };
try {
  counts = await test(await fill(server), filter);
} catch (error) {
  console.error(error);
} finally {
  await server.stop();
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
