"""Fields and events: paths into nested JSON, nulls, defaults, and records that hold many events or none: what the oracle says, through kills, too."""
import datetime
import json
import random
import signal

import pytest

import rewind as driver
from rewind import Job, Running, rewind

FIELDS = {
    "customer": {"type": "string", "path": "order.customer.name"},
    "coupon": {"type": "string", "path": "order.coupons[0]", "optional": True},
    "kind": {"type": "string", "path": 'order["kind.of"]', "default": "sale"},
    "ts": {"type": "time", "format": "epoch-ms", "path": "order.ts"},
    "sku": {"type": "string", "path": ".sku"},
    "price": {"type": "decimal(2)", "path": ".price", "optional": True},
    "quantity": {"type": "int", "path": ".quantity", "default": 1},
    "id": {"type": "string", "path": ".id", "optional": True},
}
EVENT = {"time": {"field": "ts"}, "each": "order.lines", "fields": FIELDS}
TABLES = {
    "skus": {"key": "sku", "aggregates": {"n": "count()", "units": "sum(quantity)", "sum": "sum(price)", "least": "min(price)", "mean": "mean(quantity)",
                                          "first": "first(customer)", "last": "last(price)", "coupon": "last(coupon)"}},
    "customers": {"key": ["customer", "coupon"], "aggregates": {"lines": "count()", "units": "sum(quantity)", "last_sku": "last(sku)", "first_sku": "first(sku)"}},
    "minutes": {"key": "kind", "window": {"tumbling": "1m", "grace": "10s", "retain": "10m"}, "aggregates": {"n": "count()", "units": "sum(quantity)"}},
}
SINKS = [
    {"table": "skus", "file": {"path": "out/skus.jsonl"}, "emit": "update"},
    {"table": "customers", "file": {"path": "out/customers.csv"}, "format": "csv"},
    {"table": "minutes", "file": {"path": "out/minutes.jsonl"}, "emit": "close"},
]


def line_of(pick):
    found = {"sku": f"sku-{pick.randrange(40)}"}
    if pick.randrange(3):
        found["price"] = pick.choice([None, 1.25, 7, -3.5])
    if pick.randrange(3):
        found["quantity"] = pick.choice([1, 2, 12, None])
    if pick.randrange(4):
        found["id"] = f"id-{pick.randrange(4000)}"
    if pick.randrange(25) == 0:
        return pick.choice([{**found, "sku": None}, {**found, "quantity": "two"}, {**found, "price": 0.001}, 5, None, [], "x", {**found, "sku": 7}])
    return found


def orders(count, seed=1, most=6):
    pick, now = random.Random(seed), 1700000000000
    for _ in range(count):
        now += pick.randrange(4000)
        order = {"customer": {"name": f"customer-{pick.randrange(9)}", "vip": [True]}, "ts": now - pick.randrange(90000) * (pick.randrange(4) == 0),
                 "lines": [line_of(pick) for _ in range(pick.randrange(most))]}
        if pick.randrange(2):
            order["coupons"] = pick.choice([[], ["ten"], ["five", "x"], None, [None, "x"], "ten"])
        if pick.randrange(3):
            order["kind.of"] = pick.choice(["refund", "gift", None])
        kind = pick.randrange(40)
        if kind == 0:
            order["lines"] = pick.choice([5, {}, "[]", None])
        elif kind == 1:
            del order[pick.choice(["lines", "customer", "ts"])]
        elif kind == 2:
            order["ts"] = "then"
        text = json.dumps({"order": order, "note": [1, {"lines": []}]})
        yield text[:-3] if pick.randrange(60) == 0 else text


def job_of(folder, lines, event=EVENT, **more):
    return Job(folder, lines, event=event, tables=TABLES, sinks=SINKS, **more)


@pytest.mark.parametrize("more", [{}, {"missing": "drop"}, {"late": "drop"}, {"id": "id", "dedup": {"within": "5m", "duplicates": "dead-letter"}}],
                         ids=["plain", "missing-dropped", "late-dropped", "dedup"])
def test_each_element_of_an_array_is_an_event_of_its_own(tmp_path, more):
    job = job_of(tmp_path, orders(4000), {**EVENT, **more}, delivery={"commit_at": {"offset_multiple": 70}}, checkpoints={"every": "10ms"})
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)
    counts = driver.newest(job)["counts"]
    assert (counts["read"], counts["applied"], counts["dropped"], counts["late"], counts["duplicate"]) == (
        expected.read, expected.applied, expected.dropped, expected.late, expected.duplicates)
    assert expected.applied > 1.5 * expected.read > 0 and any(d.ordinal for d in expected.dead)
    assert (expected.dropped > 100) == ("missing" in more) and (expected.duplicates > 100) == ("dedup" in more)
    dead = {(d.code, d.ordinal is None) for d in expected.dead}
    assert {("malformed", True), ("wrong-type", True)} <= dead   # of whole records
    assert ("missing" in more) == (("missing-field", False) not in dead)


def test_events_of_records_survive_kills_anywhere(tmp_path):
    lines = list(orders(9000, seed=2))
    event = {**EVENT, "id": "id", "dedup": {"within": "10m"}}
    job = job_of(tmp_path, [], event, delivery={"commit_every": "1ms"}, checkpoints={"every": "10ms"})
    pick = random.Random(5)
    for part in range(12):
        job.append("".join(line + "\n" for line in lines[part * 750:(part + 1) * 750]))
        point = pick.choice(["windows-closed:3", "commit-begin", "freeze-begun", "commit-known", "checkpoint-synced"])
        job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT=point)
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)


def test_a_record_of_many_events_fits_into_little_memory(tmp_path):
    """Each record touches thousands of keys, among them long ones; tables are larger than the memory for them."""
    def lines():
        for i in range(60):
            count = [4096, 0, 1, 3000, 4097][i % 5]
            rows = [{"k": f"{i * 37 % 11}-{j}", "pad": "x" * (j % 700)} for j in range(count)]
            yield json.dumps({"rows": rows, "outer": "y" * 500})
    event = {"each": "rows", "max_size": "4MiB", "fields": {"k": {"type": "string", "path": ".k"}, "pad": {"type": "string", "path": ".pad"}, "outer": "string"}}
    tables = {"wide": {"key": ["k", "pad", "outer"], "aggregates": {"n": "count()"}}, "keys": {"key": "k", "aggregates": {"n": "count()", "last": "last(pad)"}}}
    job = Job(tmp_path, lines(), event=event, tables=tables, sinks=[{"table": "keys", "file": {"path": "out/keys.jsonl"}}],
              state={"path": "data", "memory": "64MiB"}, checkpoints={"every": "50ms"})
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)
    assert {(d.code, d.ordinal) for d in expected.dead} == {("too-large", None)}


def test_a_job_without_dead_letters_stops_between_records_never_inside_of_one(tmp_path):
    """The events before the faulty one, of its own record, are in nothing that is kept; with a place for dead letters the job goes on from there."""
    good = [json.dumps({"order": {"customer": {"name": f"c{i}"}, "ts": 1700000000000 + i, "lines": [{"sku": "a"}, {"sku": "b"}]}}) for i in range(300)]
    bad = json.dumps({"order": {"customer": {"name": "c"}, "ts": 1700000001000, "lines": [{"sku": "a"}, {"sku": "b"}, {"sku": None}, {"sku": "a"}]}})
    job = job_of(tmp_path, good, errors=None)
    job.run()
    job.append("".join(line + "\n" for line in good + [bad] + good))
    said = job.run(expect=None).err
    assert "offset 600" in said and "field 'sku'" in said and "dead_letter" in said
    kept = driver.newest(job)["next_offset"]
    rows = [json.loads(row) for row in rewind("state", "scan", "--table", "skus", "-o", "json", "--data", job.data).out.splitlines()]
    assert 300 <= kept <= 600 and {row["sku"]: row["n"] for row in rows} == {"a": kept, "b": kept}
    job.set(errors={"dead_letter": {"file": {"path": "out/dead.jsonl"}}})
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)
    assert [(d.offset, d.ordinal) for d in expected.dead] == [(600, 2)]


def test_what_is_absent_is_null_or_its_default_in_every_text_format(make_job):
    fields = {"k": {"type": "string", "default": "none"}, "amount": {"type": "decimal(2)", "default": "1.5"}, "n": {"type": "int", "optional": True},
              "at": {"type": "time", "format": "%d.%m.%Y %H:%M", "zone": "-03:30", "default": "31.12.2025 23:59"}, "f": {"type": "float", "optional": True},
              "b": {"type": "bytes", "optional": True}}
    tables = {"t": {"key": ["k", "n"], "aggregates": {"c": "count()", "sum": "sum(amount)", "mean": "mean(n)", "last": "last(at)", "f": "max(f)", "b": "first(b)"}}}
    sinks = [{"table": "t", "file": {"path": "out/t.csv"}, "format": "csv", "emit": "update"}]
    pick, values = random.Random(3), {"k": ["a", "b"], "amount": [2.25, -1], "n": [1, 2], "at": ["01.02.2024 05:06"], "f": [0.5, -2], "b": ["AP8=", ""]}
    rows = [{name: pick.choice(given) for name, given in values.items() if pick.randrange(2)} for _ in range(800)]
    as_csv = [",".join(values)] + [",".join('""' if row.get(name) == "" else str(row.get(name, "")) for name in values) for row in rows]
    for lines, format in ([json.dumps(row) for row in rows], "json"), (as_csv, "csv"):
        job = make_job(lines, source={"file": {"path": "orders.jsonl"}, "format": format}, event={"fields": fields}, tables=tables, sinks=sinks)
        expected = job.expected()
        job.run()
        driver.check_against(expected, job)
        assert not expected.dead and any(key[1] is None for key in expected.tables["t"]) and any(key[0] == "none" for key in expected.tables["t"])


def test_a_default_and_a_policy_are_logic(make_job):
    """Another default is another job: it does not go on with what the first one left."""
    job = make_job([json.dumps({"k": "a"})], event={"fields": {"k": "string", "q": {"type": "int", "default": 1}}},
                   tables={"t": {"key": "k", "aggregates": {"q": "sum(q)"}}}, sinks=[])
    job.run()
    job.set(event={"fields": {"k": "string", "q": {"type": "decimal(0)", "default": 1}}})
    assert "logic" in job.run(expect=7).err
    job.set(event={"fields": {"k": "string", "q": {"type": "int", "default": 2}}})
    assert "logic" in job.run(expect=7).err
    job.set(event={"missing": "drop", "fields": {"k": "string", "q": {"type": "int", "default": 1}}})
    assert "logic" in job.run(expect=7).err
    job.set(event={"fields": {"k": "string", "q": {"type": "int", "default": "+1e0"}}})
    job.run()


def test_status_counts_what_was_dropped(make_job):
    job = make_job([json.dumps({"k": "a"}), "{}", json.dumps({"k": 5})], source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"},
                   event={"missing": "drop", "fields": {"k": "string"}}, tables={"t": {"key": "k", "aggregates": {"n": "count()"}}}, sinks=[])
    with Running(job) as r:
        counts = r.wait_for(lambda s: s["counts"]["read"] == 3)["counts"]
        assert (counts["applied"], counts["dropped"], counts["dead_letters"]) == (1, 2, 0)
        assert r.stop() == 0


def test_times_of_a_place_follow_its_clocks(tmp_path):
    """Hours that are skipped and hours that come twice among them, every quarter of an hour of three years; the event's time has a zone, too."""
    start = datetime.datetime(2023, 1, 1)
    lines = []
    for i in range(0, 3 * 365 * 96, 7):
        local = start + datetime.timedelta(minutes=15 * i)
        lines.append(json.dumps({"key": f"k{i % 5}", "at": local.strftime("%d.%m.%Y %H:%M"), "there": local.strftime("%Y-%m-%d %H:%M:%S")}))
    fields = {"key": "string", "at": {"type": "time", "format": "%d.%m.%Y %H:%M", "zone": "America/New_York"}}
    tables = {"keys": {"key": "key", "aggregates": {"n": "count()", "first": "min(at)", "last": "max(at)", "newest": "last(at)"}},
              "hours": {"key": "key", "window": {"tumbling": "1h", "retain": "1d", "grace": "1d"}, "aggregates": {"n": "count()"}}}
    job = Job(tmp_path, lines, tables=tables, sinks=[{"table": "hours", "file": {"path": "out/hours.jsonl"}, "emit": "close"}],
              event={"time": {"field": "there", "format": "%Y-%m-%d %H:%M:%S", "zone": "Europe/Berlin"}, "fields": fields})
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)
    assert len(expected.closed["hours"]) > 14000


def test_a_zone_that_is_none_is_named(tmp_path):
    job = Job(tmp_path, [], event={"fields": {"key": "string", "at": {"type": "time", "format": "%F %T", "zone": "Europe/Berln"}}}, tables={"t": {"key": "key", "aggregates": {"n": "count()"}}}, sinks=[])
    assert "no time zone 'Europe/Berln'" in rewind("config", "check", job.file, expect=2, cwd=job.folder).err
    job.set(event={"fields": {"key": "string", "at": {"type": "time", "format": "%F %T %z", "zone": "Europe/Berlin"}}})
    assert "zone" in rewind("config", "check", job.file, expect=2, cwd=job.folder).err
