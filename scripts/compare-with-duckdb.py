#!/usr/bin/env python3
"""Compares the figures of a simulated month with those of another engine.

Starts a server on a database of its own, posts a simulated fleet to it, and recomputes with DuckDB, from the readings
and the registry alone: what each reading adds, whose it is and of which billing day, every row of every rollup, and
every statistic of GET /v1/usage by day and by month for providers, customers, groups, devices and kinds of devices.
Time zones are DuckDB's own (ICU), not those of PostgreSQL or of the server.

Exit status: 0 all is the same; 1 something differs.
"""

import argparse
import csv
import decimal
import io
import json
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import duckdb

# Tables that figures are recomputed from, and what of them.
REGISTRY = {
    "provider": "SELECT provider_id, key, time_zone FROM provider",
    "customer": "SELECT customer_id, provider_id, parent_id, key, time_zone FROM customer",
    "device_group": "SELECT group_id, provider_id, customer_id, key FROM device_group",
    "device": "SELECT device_id, provider_id, key, kind FROM device",
    "metric": "SELECT metric_id, provider_id, key, kind, scale, rollover_at FROM metric",
    "channel": "SELECT channel_id, provider_id, device_id, metric_id FROM channel",
    "assignment": "SELECT device_id, customer_id, group_id, lower(during) AS since, upper(during) AS until FROM assignment",
    "reading": "SELECT ts, value, increment, event_key, channel_id, customer_id, group_id, billing_day FROM reading",
}

# What a reading should be stamped with, from values, assignments and time zones.
STAMPED = """
CREATE TABLE stamped AS
WITH RECURSIVE zone (customer_id, time_zone) AS (
    SELECT customer_id, coalesce(c.time_zone, p.time_zone)
    FROM customer c JOIN provider p USING (provider_id) WHERE c.parent_id IS NULL
    UNION ALL
    SELECT c.customer_id, coalesce(c.time_zone, z.time_zone) FROM customer c JOIN zone z ON c.parent_id = z.customer_id),
followed AS (
    SELECT r.ts, r.value, r.event_key, r.channel_id, c.provider_id, c.device_id, c.metric_id, m.kind, m.rollover_at,
           r.value - lag(r.value) OVER (PARTITION BY r.channel_id ORDER BY r.ts, r.event_key) AS difference
    FROM reading r JOIN channel c USING (channel_id) JOIN metric m USING (metric_id))
SELECT f.ts, f.value, f.event_key, f.channel_id, f.provider_id, f.device_id, f.metric_id,
       CASE WHEN f.kind = 'delta' THEN f.value
            WHEN f.kind = 'gauge' OR f.difference IS NULL THEN 0
            WHEN f.difference < 0 THEN f.difference + f.rollover_at
            ELSE f.difference END AS increment,
       a.customer_id, coalesce(a.group_id, 0) AS group_id, timezone(z.time_zone, f.ts)::DATE AS billing_day
FROM followed f
JOIN assignment a ON a.device_id = f.device_id AND (a.since IS NULL OR a.since <= f.ts) AND (a.until IS NULL OR f.ts < a.until)
JOIN zone z ON z.customer_id = a.customer_id
"""

SUBJECTS = {
    "channel": "channel_id, customer_id, group_id",
    "customer": "customer_id, metric_id",
    "group": "group_id, metric_id",
    "provider": "provider_id, metric_id",
}
PERIODS = {"hourly": ("hour", "billing_day"), "daily": ("day", "billing_day"), "monthly": ("month", "billing_month")}

FIGURES = """count(*) AS count, sum(increment)::HUGEINT AS increment_sum, sum(value)::HUGEINT AS value_sum,
    min(value) AS value_min, max(value) AS value_max,
    min(ts) AS first_ts, min({'ts': ts, 'value': value}).value AS first_value,
    max(ts) AS last_ts, max({'ts': ts, 'value': value}).value AS last_value"""
FIGURE_NAMES = "count, increment_sum, value_sum, value_min, value_max, first_ts, first_value, last_ts, last_value"

# For each question: the parameters, the field that tells the series, and what gives a reading's key in it.
QUESTIONS = {
    "provider": "SELECT s.*, NULL AS key FROM stamped s",
    "customer": "SELECT s.*, c.key FROM stamped s JOIN above a USING (customer_id) JOIN customer c ON c.customer_id = a.ancestor_id",
    "own": "SELECT s.*, c.key FROM stamped s JOIN customer c USING (customer_id)",
    "group": "SELECT s.*, g.key FROM stamped s LEFT JOIN device_group g USING (group_id)",
    "device": "SELECT s.*, d.key FROM stamped s JOIN device d USING (device_id)",
    "kind": "SELECT s.*, d.kind AS key FROM stamped s JOIN device d USING (device_id)",
}
ABOVE = """
CREATE TABLE above AS
WITH RECURSIVE above (customer_id, ancestor_id) AS (
    SELECT customer_id, customer_id FROM customer
    UNION ALL
    SELECT a.customer_id, c.parent_id FROM above a JOIN customer c ON c.customer_id = a.ancestor_id
    WHERE c.parent_id IS NOT NULL)
SELECT * FROM above
"""
STATS = {
    "delta": "count,sum,min,max,avg,first,last,active_devices",
    "register": "count,sum,min,max,first,last,active_devices",
    "gauge": "count,min,max,avg,first,last,active_devices",
}


class Compared:
    """How much was compared, and what differs."""

    def __init__(self):
        self.figures, self.differences = {}, []

    def note(self, what, figures, differences):
        self.figures[what] = self.figures.get(what, 0) + figures
        self.differences += [f"{what}: {difference}" for difference in differences]


class Server:
    """A server on a temporary data directory, and psql on its database."""

    def __init__(self, meterbase, directory, edition):
        self.meterbase, self.directory = meterbase, directory
        edition = ["--edition", edition] if edition else []
        command = [meterbase, "serve", "--listen", "127.0.0.1:0", "--data-dir", directory, *edition]
        self.log = open(Path(directory).with_name("server.log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            self.log.seek(0)
            sys.exit(f"the server did not start:\n{self.log.read()}")
        said = Path(self.log.name).read_text(encoding="utf-8")
        # Colours are for terminals.
        said = re.sub(r"\x1b\[[0-9;]*m", "", said)
        self.psql = shlex.split(re.search(r"SQL: (psql .*)", said).group(1))
        self.edition = re.search(r"\((\w+) edition\)", said).group(1)
        self.key = self.run("keys", "create", "--scope", "admin", "--data-dir", directory).strip()

    def run(self, *arguments):
        done = subprocess.run([self.meterbase, *arguments], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"meterbase {arguments[0]} ended with {done.returncode}")
        return done.stdout

    def query(self, sql):
        command = [*self.psql, "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--quiet", "--command"]
        sql = f"SET TimeZone = 'UTC'; COPY ({sql}) TO STDOUT (FORMAT csv, HEADER)"
        return subprocess.run([*command, sql], stdout=subprocess.PIPE, check=True).stdout

    def usage(self, **parameters):
        url = f"{self.url}/v1/usage?{urllib.parse.urlencode(parameters)}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def wait_until_fresh(self):
        limit = time.monotonic() + 600
        pending = "SELECT (SELECT count(*) FROM reading_change)"
        while int(self.query(pending).split()[1]) > 0:
            if time.monotonic() > limit:
                sys.exit("the rollups did not follow within ten minutes")
            time.sleep(0.2)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self.log.close()


def load(db, server, directory):
    """The registry, the readings and the rollups, as tables of DuckDB; those of rollups are called kept_..."""
    rollups = {
        f"{subject}_{period}": f"SELECT bucket, {billing}, {keys}, {FIGURE_NAMES} FROM {subject}_{period}"
        for subject, keys in SUBJECTS.items()
        for period, (_, billing) in PERIODS.items()
    }
    tables = REGISTRY | {f"kept_{name}": sql for name, sql in rollups.items()}
    for name, sql in tables.items():
        file = Path(directory) / f"{name}.csv"
        file.write_bytes(server.query(sql))
        head = next(csv.reader(io.StringIO(file.read_text(encoding="utf-8"))))
        types = {column: kind for column, kind in map(typed, head)}
        db.execute(f"CREATE TABLE {name} AS SELECT * FROM read_csv($1, header = true, columns = $2)", [str(file), types])


def typed(column):
    """A column and its type in DuckDB."""
    if column in ("ts", "bucket", "first_ts", "last_ts", "since", "until"):
        return column, "TIMESTAMPTZ"
    if column in ("billing_day", "billing_month"):
        return column, "DATE"
    if column in ("increment_sum", "value_sum"):
        return column, "HUGEINT"
    return column, "VARCHAR" if column in ("key", "kind", "time_zone") else "BIGINT"


def compare_stamps(db, compared):
    columns = "ts, event_key, channel_id, increment, customer_id, group_id, billing_day"
    compare_tables(db, compared, "readings", "reading", "stamped", columns, 4)


def compare_rollups(db, compared):
    for subject, keys in SUBJECTS.items():
        where = "WHERE group_id <> 0" if subject == "group" else ""
        for period, (unit, billing) in PERIODS.items():
            day = "billing_day" if billing == "billing_day" else "date_trunc('month', billing_day)::DATE"
            name = f"{subject}_{period}"
            db.execute(f"""CREATE TABLE naive_{name} AS
                SELECT date_trunc('{unit}', ts) AS bucket, {day} AS {billing}, {keys}, {FIGURES}
                FROM stamped {where} GROUP BY ALL""")
            columns = f"bucket, {billing}, {keys}, {FIGURE_NAMES}"
            compare_tables(db, compared, name, f"kept_{name}", f"naive_{name}", columns, 9)


def compare_tables(db, compared, what, kept, naive, columns, figures):
    rows = db.execute(f"SELECT count(*) FROM {naive}").fetchone()[0]
    only = "(SELECT '{0}' AS what, * FROM (SELECT {1} FROM {2} EXCEPT ALL SELECT {1} FROM {3}))"
    sql = only.format("should not be", columns, kept, naive) + " UNION ALL " + only.format("is missing", columns, naive, kept)
    compared.note(what, rows * figures, [row for (row,) in db.execute(f"SELECT d::VARCHAR FROM ({sql}) d").fetchall()])


def compare_usage(db, server, compared, question, bucket, days):
    """One question for each provider, metric and bucket; of customers one for each of them."""
    day = "billing_day" if bucket == "day" else "date_trunc('month', billing_day)::DATE"
    rows = db.execute(f"""SELECT * EXCLUDE (first_ts, last_ts) FROM (
        SELECT p.key AS provider, m.key AS metric, m.kind, m.scale, q.key, {day} AS period, {FIGURES},
               count(DISTINCT device_id) AS active_devices
        FROM ({QUESTIONS[question]}) q JOIN metric m USING (metric_id) JOIN provider p ON p.provider_id = q.provider_id
        GROUP BY ALL)""").fetchall()
    expected = {}
    for provider, metric, kind, scale, key, period, *figures in rows:
        period = period.isoformat() if bucket == "day" else period.isoformat()[:7]
        expected[provider, metric, key, period] = statistics(kind, scale, figures)
    told = {}
    metrics = db.execute("SELECT p.key, m.key, m.kind FROM metric m JOIN provider p USING (provider_id)").fetchall()
    for provider, metric, kind in metrics:
        ask = {"provider": provider, "metric": metric, "bucket": bucket, "stats": STATS[kind], **days}
        for key, extra in asked(db, question, provider):
            for series in server.usage(**ask, **extra)["series"]:
                label = series.get(question) if key is None else key
                for point in series["points"]:
                    told[provider, metric, label, point["period"]] = {stat: point[stat] for stat in STATS[kind].split(",")}
    differences = [
        f"{place} is {told.get(place)}, should be {expected.get(place)}"
        for place in sorted(expected.keys() | told.keys(), key=str)
        if told.get(place) != expected.get(place)
    ]
    compared.note(f"usage of {question} by {bucket}", sum(map(len, expected.values())), differences)


def asked(db, question, provider):
    """What to ask a provider: the key that all series of the answer are of, if they are, and parameters."""
    if question in ("customer", "own"):
        own = {"own": "true"} if question == "own" else {}
        sql = "SELECT c.key FROM customer c JOIN provider p USING (provider_id) WHERE p.key = $1"
        for (key,) in db.execute(sql, [provider]).fetchall():
            yield key, {"scope": f"customer:{key}", **own}
    else:
        yield None, {} if question == "provider" else {"by": question}


def statistics(kind, scale, figures):
    count, increment_sum, value_sum, low, high, first, last, devices = figures
    unit = decimal.Decimal(1).scaleb(-scale)
    shown = lambda value: f"{decimal.Decimal(value).scaleb(-scale).quantize(unit):f}"
    mean = (decimal.Decimal(value_sum) / count).quantize(decimal.Decimal(1), decimal.ROUND_HALF_EVEN)
    every = {"count": count, "sum": shown(increment_sum), "min": shown(low), "max": shown(high), "avg": shown(mean),
             "first": shown(first), "last": shown(last), "active_devices": devices}
    return {stat: every[stat] for stat in STATS[kind].split(",")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--meterbase", default="target/release/meterbase", help="the binary")
    parser.add_argument("--edition", choices=["apache", "community"], help="of TimescaleDB; that of a new database when left out")
    parser.add_argument("--devices", default="120")
    parser.add_argument("--days", default="35")
    parser.add_argument("--until", default="2025-11-05", help="the default month has two changes of clocks")
    options = parser.parse_args()
    decimal.getcontext().prec = 60
    compared = Compared()
    with tempfile.TemporaryDirectory(prefix="meterbase-duckdb-") as directory:
        # The database may run as another user, who must pass through.
        Path(directory).chmod(0o755)
        server = Server(options.meterbase, f"{directory}/data", options.edition)
        try:
            fleet = ["--devices", options.devices, "--days", options.days, "--until", options.until]
            server.run("simulate", "--url", server.url, "--key", server.key, "--no-check", *fleet)
            server.wait_until_fresh()
            db = duckdb.connect()
            db.execute("SET TimeZone = 'UTC'")
            load(db, server, directory)
            db.execute(STAMPED)
            db.execute(ABOVE)
            compare_stamps(db, compared)
            compare_rollups(db, compared)
            first, last = db.execute("SELECT min(billing_day), max(billing_day) + 1 FROM stamped").fetchone()
            for question in QUESTIONS:
                for bucket in ("day", "month"):
                    compare_usage(db, server, compared, question, bucket, {"from": first, "to": last})
        finally:
            server.stop()
    print(f"{server.edition} edition, DuckDB {duckdb.__version__}; figures compared:")
    for what, figures in compared.figures.items():
        print(f"  {what:28} {figures:>10,}")
    print(f"  {'together':28} {sum(compared.figures.values()):>10,}")
    for difference in compared.differences[:50]:
        print(f"DIFFERENT {difference}")
    print(f"{len(compared.differences):,} differences")
    sys.exit(1 if compared.differences else 0)


if __name__ == "__main__":
    main()
