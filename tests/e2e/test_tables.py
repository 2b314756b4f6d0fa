"""Expressions as keys, conditions, arguments, derived columns and conditions of sinks: all against a second calculation."""
import json
import random
import signal

import pytest

import rewind as driver
from rewind import Job, orders, rewind, rewind_json

FIELDS = {"merchant": "string", "currency": "string", "kind": "string", "amount": "decimal(2)", "quantity": "int", "ts": {"type": "time", "format": "epoch-ms"}}
PAYMENTS = {
    "key": {"merchant": "merchant", "currency": "upper(currency)", "large": "amount * quantity >= 500"},
    "where": 'kind != "test" and quantity != 0',
    "aggregates": {
        "payments": 'count() where kind == "payment"',
        "turnover": 'sum(amount * quantity) where kind in ("payment", "correction")',
        "refunds": 'sum(amount * quantity) where kind == "refund"',
        "price": "max(round(amount / quantity, 3))",
        "kinds": "topk(kind + \"/\" + lower(currency), 3) where amount > 100",
        "last": "last(if(amount > 500, kind, merchant))",
        "odd": "sum(round(amount * 1000 / (quantity - 7), 1)) where kind == \"odd\"",
    },
    "derived": {"net": "turnover - refunds", "share": "round(refunds / turnover, 4)", "label": 'merchant + ":" + currency', "steep": "share > 0.5 and net is not null"},
}
HOURLY = {
    "key": "kind",
    "window": {"tumbling": "10m", "grace": "1m", "retain": "1h"},
    "aggregates": {"n": "count()", "least": "min(amount)", "slow": "max(event_time - ts + quantity)"},
    "derived": {"per_minute": "round(n / ((window_end - window_start) / 1m), 2)", "twice": "per_minute * 2"},
}
OFFSETS = {"key": {"bucket": "record.offset / 1000 >= 2", "none": "record.key"}, "aggregates": {"n": "count()", "m": "mean(-amount)"}}
SINKS = [
    {"table": "payments", "file": {"path": "out/payments.jsonl"}},
    {"table": "payments", "file": {"path": "out/losses.jsonl"}, "where": "refunds > turnover", "fields": ["net", "share", "label"]},
    {"table": "payments", "file": {"path": "out/losses.csv"}, "format": "csv", "where": "refunds > turnover and currency in (\"EUR\", \"USD\")"},
    {"table": "payments", "file": {"path": "out/updates.jsonl"}, "emit": "update", "where": "net < 0", "fields": ["payments", "net", "steep"]},
    {"table": "hourly", "file": {"path": "out/hourly.jsonl"}, "emit": "close", "where": "n >= 3 and least < 500"},
    {"table": "hourly", "file": {"path": "out/changes.csv"}, "format": "csv", "where": "twice > 1"},
    {"table": "offsets", "file": {"path": "out/offsets.jsonl"}},
]
FIXED = {"commit_at": {"offset_multiple": 37}}


def events(count, seed=1, merchants=12):
    pick, now = random.Random(seed), 1700000000000
    for _ in range(count):
        now += pick.randrange(20000)
        kind = pick.choice(["payment"] * 6 + ["refund"] * 5 + ["correction", "test", "odd"])
        amount = f"{pick.randrange(100000) / 100:.2f}"
        yield json.dumps({"merchant": f"m{pick.randrange(merchants)}", "currency": pick.choice(["eur", "Usd", "CHF"]), "kind": kind, "amount": 0,
                          "quantity": pick.randrange(-2, 9), "ts": now}).replace('"amount": 0', f'"amount": {amount}')


def job_of(folder, lines, **more):
    event = {"time": {"field": "ts"}, "fields": FIELDS}
    return Job(folder, lines, event=event, tables={"payments": PAYMENTS, "hourly": HOURLY, "offsets": OFFSETS}, sinks=SINKS, delivery=FIXED,
               checkpoints={"every": "10ms"}, **more)


def test_every_expression_of_a_job_is_as_calculated(tmp_path):
    job = job_of(tmp_path, events(4000))
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)
    assert {d.code for d in expected.dead} == {"division-by-zero"} and len(expected.dead) > 10
    assert b'"deleted":true' in (job.out / "losses.jsonl").read_bytes() and b'"deleted":true' in (job.out / "updates.jsonl").read_bytes()
    assert 0 < len(expected.view(expected.job.sinks[1])) < len(expected.tables["payments"])
    assert b'"share":null' in (job.out / "payments.jsonl").read_bytes(), "some share divides by zero"


def test_it_is_the_same_after_kills_anywhere(tmp_path):
    """Conditions of sinks compare with what stood at the last commit, whatever was lost behind it."""
    job = job_of(tmp_path, events(6000, seed=2))
    expected = job.expected()
    # The last two are come to at the end of the input, too; the others early, however fast the machine is.
    for point in ("windows-closed:1", "commit-begin:2", "commit-known:2", "sink-output-appended:5", "windows-closed:2", "commit-begin:3", "freeze-begun", "checkpoint-synced"):
        job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT=point)
    job.run()
    driver.check_against(expected, job)


def test_derived_columns_are_shown_and_exported(tmp_path):
    job = job_of(tmp_path, events(300, seed=4))
    expected = job.expected()
    job.run()
    for table in ("payments", "hourly"):
        for form in ("csv", "json"):
            done = rewind("export", "--data", job.data, "--table", table, "--format", form)
            assert done.stdout == expected.export(table, form)
    (merchant, currency, large), row = expected.sorted_rows("payments")[0]
    shown = rewind_json("state", "get", "--data", job.data, "--table", "payments", merchant, currency, str(large).lower())["row"]
    assert shown["label"] == f"{merchant}:{currency}" == row[9]
    assert f"{merchant}:{currency}" in rewind("state", "scan", "--data", job.data, "--table", "payments").out


def test_a_printed_job_is_the_same_job(tmp_path):
    job = job_of(tmp_path, events(500, seed=5))
    expected = job.expected()
    printed = rewind("config", "print", job.file, cwd=job.folder).out
    job.run()
    before = driver.outputs(job), driver.digest(job)
    job.restart()
    job.file.write_text(printed)
    job.run()
    assert (driver.outputs(job), driver.digest(job)) == before
    assert driver.digest(job) == expected.digest()


def test_a_fault_names_table_column_expression_and_character(tmp_path):
    line = json.dumps({"merchant": "m", "currency": "eur", "kind": "odd", "amount": 1, "quantity": 7, "ts": 1700000000000})
    job = job_of(tmp_path, [line])
    job.run()
    letter = json.loads(job.dead.read_text())
    assert letter["reason"] == "division-by-zero" and letter["field"] is None
    assert "tables.payments.aggregates.odd: an expression divides by zero: round(amount * 1000 / (quantity - 7), 1), at character 21" in job.dead.read_text()


@pytest.mark.xdist_group("kafka")
def test_metadata_of_records_and_rows_that_stop_passing_in_topics(make_kafka_job, broker):
    """Against a hand-made calculation: who the header names, or else the key; its sum is published while it is above 10."""
    job = make_kafka_job()
    job.given["tables"] = {"customers": {
        "key": {"who": 'coalesce(record.header("who"), upper(record.key))'}, "where": 'record.offset >= 2 and record.timestamp > "2020-01-01T00:00:00Z"',
        "aggregates": {"sum": "sum(quantity)"}, "derived": {"twice": "sum * 2"}}}
    job.given["sinks"] = [{"table": "customers", "kafka": {"topic": job.output_topics[0]}, "emit": "update", "where": "twice > 20", "fields": ["twice"]}]
    job.set()
    line = json.loads(next(iter(orders(1))))
    pick, totals, wanted, passed = random.Random(8), {}, [], set()
    records = []
    for offset in range(300):
        headers = pick.choice([None, [("who", b"h1")], [("who", b"h0"), ("x", b""), ("who", b"h2")], [("who", b"h1"), ("who", None)], [("other", b"h3")]])
        key, quantity = pick.choice(["a", "b", "c"]), pick.randrange(-12, 14)
        records.append({"key": key, "value": json.dumps({**line, "quantity": quantity}), "headers": headers})
        if offset < 2:
            continue
        last = [v for n, v in headers or [] if n == "who"][-1:]
        who = last[0].decode() if last and last[0] is not None else key.upper()
        totals[who] = totals.get(who, 0) + quantity
        if totals[who] > 10:
            wanted.append((who.encode(), {"who": who, "twice": totals[who] * 2}))
            passed.add(who)
        elif who in passed:
            wanted.append((who.encode(), None))
            passed.discard(who)
    broker.produce(job.source_topic, records)
    job.run_to_end()
    found = [(key, None if value is None else json.loads(value)) for key, value, *_ in job.rows(job.output_topics[0])]
    assert found == wanted and any(value is None for _, value in wanted)
