#!/usr/bin/env python3
"""Tries the server with schemathesis and the OpenAPI document that it serves itself.

Starts a server on a database of its own with a small simulated fleet, and has schemathesis call every operation with a
key of each scope, with a portal's token and without any, in all its phases, stateful ones too, and with all its checks.

Exit status: 0 nothing was found; 1 something was.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

# A provider of the simulated fleet; a customer of it is the portal's.
PROVIDER = "borealis-energy"
SCOPES = ["admin", "provider", "read", "ingest", "portal", "none"]

# What is good by the document may still be refused for what a schema does not say. All checks are on; this says which
# refusals count as right answers, where.
CONFIG = """
hooks = "{hooks}"
continue-on-failure = true
{real}
# 422: rules between fields, against the clock, and of values that are texts: what a key is for depends on its scope, a
# token ends in the future, a decimal is written with digits.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 422, 429]

# 413: a body beyond the limit of an operation is not looked at.
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429]

# What is deleted here is revoked or retired, and stays to be seen: keys and tokens with when they ended, devices with
# their figures.
[[operations]]
include-path-regex = "^/v1/(keys|enrollment-tokens|portal-tokens|devices)/"
checks.use_after_free.enabled = false

# 400: a cursor is one of this list, a range ends behind its beginning, times are instants or days; an admin key that
# makes another one must not name a provider. 406: what Accept asks for is made up too.
[[operations]]
include-method = "GET"
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 406, 409, 422, 429]

# 400: who is not a device must name one.
[[operations]]
include-name = "POST /v1/device/config/ack"
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 409, 422, 429]

[[operations]]
include-name = ["DELETE /v1/quarantine", "POST /v1/quarantine/replay", "POST /v1/keys"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 409, 422, 429]

# Who waits for another configuration waits for up to a minute.
[[operations]]
include-name = "GET /v1/device/config"
parameters = {{ wait = "1" }}

# Who listens would listen until the time is up.
[[operations]]
include-name = "GET /v1/events"
parameters = {{ follow = "false" }}

# 415: a sign-in with neither a key in a header nor a body. 201: with a key in the header the body is not looked at.
[[operations]]
include-name = "POST /v1/session"
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 409, 415, 422, 429]
checks.negative_data_rejection.expected-statuses = [201, 400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429]

# 400: CSV, NDJSON and telegrams are texts to a schema. 200: each item has its own verdict, and a bad one fails alone.
[[operations]]
include-name = ["POST /v1/readings", "POST /v1/device/payload", "POST /v1/devices"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 409, 413, 422, 429]
checks.negative_data_rejection.expected-statuses = [200, 400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429]
"""


# Names that are there, for as many requests as not: the rest is made up. A list for each path that begins so.
REAL = """
[dictionaries.{plural}]
values = {values}

[[operations]]
include-path-regex = "^/v1/{plural}/"
parameters = {{ "path.key" = {{ dictionary = "{plural}", probability = 0.5 }} }}
"""


class Server:
    """A server on a temporary data directory."""

    def __init__(self, meterbase, directory, edition):
        self.meterbase, self.data = meterbase, f"{directory}/data"
        edition = ["--edition", edition] if edition else []
        command = [meterbase, "serve", "--listen", "127.0.0.1:0", "--data-dir", self.data, *edition]
        self.log = open(f"{directory}/server.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            sys.exit(f"the server did not start:\n{self.said()}")
        self.edition = re.search(r"\((\w+) edition\)", re.sub(r"\x1b\[[0-9;]*m", "", self.said())).group(1)

    def said(self):
        return Path(self.log.name).read_text(encoding="utf-8")

    def run(self, *arguments):
        done = subprocess.run([self.meterbase, *arguments], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"meterbase {arguments[0]} ended with {done.returncode}")
        return done.stdout.strip()

    def key(self, scope):
        provider = [] if scope == "admin" else ["--provider", PROVIDER]
        return self.run("keys", "create", "--scope", scope, "--data-dir", self.data, *provider)

    def call(self, key, path, body=None):
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers)) as answer:
            return json.load(answer)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self.log.close()


def credentials(server):
    """What is shown for each scope, and the ids of the keys that this takes."""
    shown = {scope: server.key(scope) for scope in ("admin", "provider", "read", "ingest")}
    customer = server.call(shown["admin"], f"/v1/customers?provider={PROVIDER}&limit=1")["items"][0]["key"]
    wanted = {"customer": customer, "expires_in": "1d"}
    shown["portal"] = server.call(shown["admin"], f"/v1/portal-tokens?provider={PROVIDER}", wanted)["token"]
    own = [key["id"] for key in server.call(shown["admin"], "/v1/keys?limit=1000")["items"]]
    return {**shown, "none": None}, own


def names(server, key):
    """Settings that name what is there."""
    real = ""
    for plural in ("customers", "groups", "devices", "metrics"):
        items = server.call(key, f"/v1/{plural}?provider={PROVIDER}&limit=20")["items"]
        real += REAL.format(plural=plural, values=json.dumps([item["key"] for item in items]))
    return real


def attempt(server, directory, scope, shown, own, real, options):
    """One run of schemathesis; gives its report, and whether it found nothing."""
    config, report = Path(directory) / f"{scope}.toml", Path(directory) / f"{scope}.json"
    hooks = Path(__file__).with_name("schemathesis_hooks.py")
    settings = CONFIG.format(hooks=hooks.absolute(), real=real)
    if scope == "admin":
        # Admin keys act in the provider that they name.
        settings = f'parameters = {{ "query.provider" = "{PROVIDER}" }}\n{settings}'
    config.write_text(settings, encoding="utf-8")
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run", f"{server.url}/openapi.json"]
    command += ["--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--no-color"]
    command += ["--max-examples", options.examples, "--max-time", options.seconds, "--request-timeout", "90"]
    command += ["--report", "json", "--report-json-path", report, "--generation-database", "none"]
    command += ["--seed", options.seed] if options.seed else []
    command += ["--header", f"Authorization: Bearer {shown}"] if shown else []
    environment = {**os.environ, "METERBASE_OWN_KEYS": " ".join(own)}
    with open(Path(directory) / f"{scope}.log", "w+", encoding="utf-8") as log:
        done = subprocess.run([str(part) for part in command], cwd=directory, env=environment, stdout=log, stderr=log)
        log.seek(0)
        said = log.read()
    if not report.exists():
        sys.exit(f"schemathesis did not run:\n{said}")
    return json.loads(report.read_text(encoding="utf-8")), done.returncode == 0, said


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--meterbase", default="target/release/meterbase", help="the binary")
    parser.add_argument("--edition", choices=["apache", "community"], help="of TimescaleDB; that of a new database when left out")
    parser.add_argument("--scopes", nargs="+", choices=SCOPES, default=SCOPES)
    parser.add_argument("--examples", default="20", help="most requests that are made up for an operation, in each phase")
    parser.add_argument("--seconds", default="90", help="most seconds for a scope")
    parser.add_argument("--seed", help="of a run before, to have the same requests again")
    options = parser.parse_args()
    found = 0
    with tempfile.TemporaryDirectory(prefix="meterbase-schemathesis-") as directory:
        # The database may run as another user, who must pass through.
        Path(directory).chmod(0o755)
        server = Server(options.meterbase, directory, options.edition)
        try:
            fleet = ["--devices", "30", "--days", "3"]
            admin = server.key("admin")
            server.run("simulate", "--url", server.url, "--key", admin, "--no-check", *fleet)
            shown, own = credentials(server)
            real = names(server, admin)
            print(f"{server.edition} edition, all checks, {options.examples} examples, {options.seconds} seconds for a scope", flush=True)
            for scope in options.scopes:
                report, is_good, said = attempt(server, directory, scope, shown[scope], own, real, options)
                operations, cases = report["operations"], report["test_cases"]
                phases = ", ".join(f"{name} {phase['status']}" for name, phase in report["phases"].items())
                print(f"  {scope:10} {operations['tested']} of {operations['total']} operations, {cases['generated']:,} requests, "
                      f"{cases['unique_failures']} failures, {cases['errored']} errors; {phases}; seed {report['seed']}", flush=True)
                if not is_good:
                    found += 1
                    print(said)
            panics = re.findall(r".*panicked.*", server.said())
        finally:
            server.stop()
    for line in panics:
        print(f"PANIC {line}")
    sys.exit(1 if found or panics else 0)


if __name__ == "__main__":
    main()
