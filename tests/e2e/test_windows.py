"""Tables with windows: which windows events fall into, when they close and leave, and that a crash in the midst of a million closings loses no place."""
import json
import random
import signal

import pytest

import repairs
import rewind as driver
from rewind import Job, Running, rewind

FIELDS = {"key": "string", "amount": "decimal(2)", "ts": {"type": "time", "format": "epoch-ms"}}
AGGREGATES = {"n": "count()", "sum": "sum(amount)", "last": "max(ts)"}
HOUR = 3600 * 1000


def events(count, seed=1, keys=20, step=2000, late=60000, jump=0):
    """Lines whose times rise by about `step` ms each and lag by up to `late`; with `jump`, one in so many leaps by hours."""
    pick, now = random.Random(seed), 1700000000000
    for _ in range(count):
        now += pick.randrange(2 * step)
        if jump and pick.randrange(jump) == 0:
            now += pick.randrange(1, 90) * HOUR
        ts = now - pick.randrange(late) * (pick.randrange(3) == 0)
        yield json.dumps({"key": f"k{pick.randrange(keys)}", "amount": 0, "ts": ts}).replace('"amount": 0', f'"amount": {pick.randrange(99999) / 100:.2f}')


def job_of(folder, lines, tables, sinks, **more):
    event = {"time": {"field": "ts"}, "fields": FIELDS, **more.pop("event", {})}
    return Job(folder, lines, event=event, tables=tables, sinks=sinks, **more)


TUMBLING = {"key": "key", "window": {"tumbling": "1m", "grace": "10s", "retain": "1h"}, "aggregates": AGGREGATES}
HOPPING = {"key": ["key"], "window": {"hopping": "5m", "advance": "40s", "offset": "7s", "retain": "10m"}, "aggregates": AGGREGATES}
PLAIN = {"key": "key", "aggregates": AGGREGATES}
TABLES = {"minutes": TUMBLING, "sliding": HOPPING, "keys": PLAIN}
SINKS = [
    {"table": "minutes", "file": {"path": "out/minutes.jsonl"}, "emit": "close"},
    {"table": "sliding", "file": {"path": "out/sliding.csv"}, "format": "csv", "emit": "close", "fields": ["sum", "n"]},
    {"table": "minutes", "file": {"path": "out/changes.jsonl"}},
    {"table": "sliding", "file": {"path": "out/updates.jsonl"}, "emit": "update"},
    {"table": "keys", "file": {"path": "out/keys.jsonl"}},
]
FIXED = {"commit_at": {"offset_multiple": 70}}
OFTEN = {"every": "10ms"}


@pytest.mark.parametrize("late, tables, jump", [("dead-letter", 3, 0), ("dead-letter", 3, 200), ("drop", 3, 200), ("drop", 2, 0)])
def test_windows_hold_close_and_leave_as_calculated(tmp_path, late, tables, jump):
    """With a table that takes every event, none is dropped whole."""
    job = job_of(tmp_path, events(6000, jump=jump, late=900000), dict(list(TABLES.items())[:tables]), SINKS[:2 + tables], delivery=FIXED, checkpoints=OFTEN, event={"late": late})
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)
    assert (expected.late > 100) == (late == "dead-letter" or tables == 2) and len(expected.closed["minutes"]) > 1000
    assert bool(expected.dead) == (late == "dead-letter")
    assert len(expected.tables["minutes"]) < len(expected.last["minutes"])   # some have left


def test_windows_survive_kills_anywhere(tmp_path):
    lines = list(events(30000, jump=300, late=900000))
    job = job_of(tmp_path, [], TABLES, SINKS, delivery={"commit_every": "1ms"}, checkpoints=OFTEN)
    pick = random.Random(5)
    for part in range(12):
        job.append("".join(line + "\n" for line in lines[part * 2500:(part + 1) * 2500]))
        point = pick.choice(["windows-closed:3", "windows-closed:20", "commit-begin", "freeze-begun", "commit-known", "checkpoint-synced"])
        job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT=point)
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)


def million(count, hot):
    """`count` windows, and one event that closes all of them."""
    for i in range(count):
        yield f'{{"key":"key-{i * 7919 % count:07d}","amount":{i % 100}.50,"ts":{1700000000000 + i % 30000}}}'
    yield f'{{"key":"hot","amount":1.00,"ts":{1700000000000 + hot}}}'
    yield f'{{"key":"hot","amount":2.00,"ts":{1700000000000 + hot + 1}}}'


@pytest.mark.parametrize("retain", ["1h", "30d"])
def test_many_windows_that_close_at_one_record_keep_their_place_in_a_crash(tmp_path, request, retain):
    count = 1000000 if request.config.getoption("--long") else 100000
    tables = {"minutes": {"key": "key", "window": {"tumbling": "1m", "retain": retain}, "aggregates": {"n": "count()", "sum": "sum(amount)"}}}
    sinks = [{"table": "minutes", "file": {"path": "out/minutes.jsonl"}, "emit": "close"}]
    job = job_of(tmp_path, million(count, 2 * HOUR), tables, sinks, delivery={"commit_every": "2ms"}, checkpoints=OFTEN)
    expected = job.expected()
    seen = set()
    for hit in (3, 40, 100):
        job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT=f"windows-closed:{hit}")
        seen.add(sum(1 for _ in open(job.folder / "out" / "minutes.jsonl", "rb")))
    assert len(seen) > 1 and max(seen) < count   # closings were committed, and not all of them
    job.run()
    driver.check_against(expected, job)


def scan(job):
    return [json.loads(line) for line in rewind("state", "scan", "--table", "minutes", "-o", "json", "--limit", 0, "--data", job.data).out.splitlines()]


def test_state_of_closed_windows_is_there_until_retain(tmp_path):
    tables = {"minutes": {"key": "key", "window": {"tumbling": "1m", "grace": "5s", "retain": "2h"}, "aggregates": AGGREGATES}}
    sinks = [{"table": "minutes", "file": {"path": "out/minutes.jsonl"}, "emit": "close"}]
    start = 1699999980000   # of a minute

    def line(key, at):
        return f'{{"key":"{key}","amount":1.00,"ts":{start + at}}}\n'

    job = job_of(tmp_path, [], tables, sinks)
    job.input.write_text(line("a", 1000) + line("b", 120 * 60000 + 59999))   # two hours behind the window's end, less a millisecond
    job.run()
    rows = scan(job)
    assert sorted((r["key"], r["window_start"], r["window_end"]) for r in rows)[0] == ("a", "2023-11-14T22:13:00Z", "2023-11-14T22:14:00Z")
    assert "a" in rewind("export", "--table", "minutes", "--format", "csv", "--data", job.data).out
    driver.check_against(job.expected(), job)
    job.append(line("b", 121 * 60000))
    job.run()
    assert [r["key"] for r in scan(job)] == ["b", "b"]
    driver.check_against(job.expected(), job)


def test_closings_happen_without_another_record(tmp_path):
    job = job_of(tmp_path, million(3000, HOUR), {"minutes": TUMBLING}, SINKS[:1], source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"})
    out = job.folder / "out" / "minutes.jsonl"
    with Running(job) as running:
        running.wait_for(lambda status: out.exists() and out.read_bytes().count(b"\n") == 3000)


@pytest.mark.parametrize("change, message", [
    ({"window": {"tumbling": "1h", "hopping": "2h"}}, "hopping"),
    ({"window": {"hopping": "1h"}}, "advance is missing"),
    ({"window": {"hopping": "1h", "advance": "2h"}}, "longer than the windows"),
    ({"window": {"hopping": "1h", "advance": "1s"}}, "3600 windows"),
    ({"window": {"tumbling": "1h", "advance": "1h"}}, "only for windows that hop"),
    ({"window": {"tumbling": "1h", "grace": "8d"}}, "shorter than grace"),
    ({"key": "window_start"}, "window_start"),
])
def test_windows_that_make_no_sense_are_refused(tmp_path, change, message):
    job = job_of(tmp_path, [], {"minutes": {**TUMBLING, **change}}, [])
    done = rewind("config", "check", job.file, expect=2, cwd=job.folder)
    assert message in done.err and "orders.yaml:" in done.err


def test_close_needs_windows_and_windows_need_a_time(tmp_path):
    job = job_of(tmp_path, [], {"keys": PLAIN}, [{"table": "keys", "file": {"path": "out/k.jsonl"}, "emit": "close"}])
    assert "no windows" in rewind("config", "check", job.file, expect=2, cwd=job.folder).err
    job.set(event={"fields": FIELDS}, tables={"minutes": TUMBLING}, sinks=SINKS[:1])
    assert "event.time" in rewind("config", "check", job.file, expect=2, cwd=job.folder).err


# ------------------------------------------------------------------------------------------------ sessions
MANY = {**AGGREGATES, "least": "min(amount)", "mean": "mean(amount)", "first": "first(amount)", "final": "last(amount)", "spread": "variance(amount)",
        "kinds": "distinct(amount)", "half": "quantile(amount, 0.5)"}
SESSIONS = {"key": "key", "window": {"session": "20s", "grace": "30s", "retain": "20m"}, "aggregates": MANY}
SHORT = {"key": "key", "window": {"session": "3s", "retain": "0s"}, "aggregates": AGGREGATES, "derived": {"lasts": "n * 2"}}
SESSION_TABLES = {"visits": SESSIONS, "keys": PLAIN, "short": SHORT, "minutes": TUMBLING}
SESSION_SINKS = [
    {"table": "visits", "file": {"path": "out/visits.jsonl"}, "emit": "close"},
    {"table": "visits", "file": {"path": "out/updates.jsonl"}, "emit": "update"},
    {"table": "visits", "file": {"path": "out/changes.csv"}, "format": "csv", "where": "n > 2"},
    {"table": "short", "file": {"path": "out/short.csv"}, "format": "csv", "emit": "close"},
    {"table": "short", "file": {"path": "out/short.jsonl"}},
    {"table": "minutes", "file": {"path": "out/minutes.jsonl"}, "emit": "close"},
]


@pytest.mark.parametrize("late, jump, sinks", [("dead-letter", 0, 3), ("drop", 100, 6)])
def test_sessions_join_close_and_leave_as_calculated(tmp_path, late, jump, sinks):
    tables = {n: t for n, t in SESSION_TABLES.items() if n in ("visits", "keys") or sinks > 3}
    job = job_of(tmp_path, events(5000, keys=40, step=900, late=60000, jump=jump), tables, SESSION_SINKS[:sinks], delivery=FIXED, checkpoints=OFTEN, event={"late": late})
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)
    bridged = sum(1 for _, _, row in expected.events["visits"] if row is None)
    assert bridged > 100 and (expected.late > 20 or late == "drop") and len(expected.closed["visits"]) > 300 and expected.sessions["visits"]
    assert len(expected.tables["visits"]) < len(expected.last["visits"])   # some have left


def test_sessions_survive_kills_anywhere(tmp_path):
    lines = list(events(15000, keys=200, step=300, jump=300, late=60000))
    job = job_of(tmp_path, [], SESSION_TABLES, SESSION_SINKS, delivery={"commit_every": "1ms"}, checkpoints=OFTEN, event={"late": "drop"})
    pick = random.Random(6)
    for part in range(10):
        job.append("".join(line + "\n" for line in lines[part * 1500:(part + 1) * 1500]))
        point = pick.choice(["windows-closed:3", "windows-closed:20", "commit-begin", "freeze-begun", "commit-known", "checkpoint-synced"])
        job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT=point)
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)


def test_sessions_of_one_record_end_while_it_is_taken(tmp_path):
    """The events of a record move the stream time, but windows close behind it."""
    pick = random.Random(8)
    now, lines = 1700000000000, []
    for _ in range(400):
        items = []
        for _ in range(pick.randrange(5)):
            now += pick.randrange(9000)
            items.append({"amount": 1, "ts": now - pick.randrange(20000)})
        lines.append(json.dumps({"key": f"k{pick.randrange(3)}", "items": items}))
    fields = {"key": "string", "amount": {"type": "decimal(2)", "path": ".amount"}, "ts": {"type": "time", "format": "epoch-ms", "path": ".ts"}}
    visits = {"key": "key", "window": {"session": "7s", "grace": "2s", "retain": "10s"}, "aggregates": AGGREGATES}
    sinks = [{"table": "visits", "file": {"path": "out/visits.jsonl"}, "emit": "close"}, {"table": "visits", "file": {"path": "out/updates.jsonl"}, "emit": "update"}]
    job = job_of(tmp_path, lines, {"visits": visits}, sinks, event={"each": "items", "fields": fields})
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)
    assert expected.late > 20 and len(expected.closed["visits"]) > 100


@pytest.mark.parametrize("change, message", [
    ({"session": "1h", "tumbling": "1h"}, "exclude each other"),
    ({"session": "1h", "hopping": "1h", "advance": "1h"}, "exclude each other"),
    ({"session": "1h", "advance": "1h"}, "only for windows that hop"),
    ({"session": "1h", "offset": "1h"}, "only for windows that tumble or hop"),
    ({"session": "1s", "grace": "1h"}, "3600 times the gap"),
    ({"grace": "1h"}, "session"),
])
def test_sessions_that_make_no_sense_are_refused(tmp_path, change, message):
    job = job_of(tmp_path, [], {"visits": {**SESSIONS, "window": change}}, [])
    done = rewind("config", "check", job.file, expect=2, cwd=job.folder)
    assert message in done.err and "orders.yaml:" in done.err


def test_sessions_are_repaired(make_job):
    """Events with wrong times made other sessions: the corrections take away what never was, and publish what was; and take it back again."""
    pick = random.Random(11)
    true = [json.dumps({"customer": f"c{pick.randrange(12)}", "country": "x", "amount": pick.randrange(100), "quantity": 1, "ts": 1700000000000 + i * 1000 - pick.randrange(9000)})
            for i in range(1500)]
    wrong = list(true)
    for i in range(300, 700, 4):
        event = json.loads(true[i])
        wrong[i] = json.dumps({**event, "ts": event["ts"] - pick.randrange(20000), "customer": f"c{pick.randrange(14)}"})
    window = {"session": "12s", "grace": "40s", "retain": "30d"}
    tables = {"visits": {"key": "customer", "window": window, "aggregates": {"n": "count()", "sum": "sum(amount)", "first": "first(amount)"}}}
    sinks = [{"table": "visits", "file": {"path": "out/closed.jsonl"}, "emit": "close"}, {"table": "visits", "file": {"path": "out/open.jsonl"}}]
    job = make_job(wrong, event={"time": {"field": "ts"}, "fields": driver.FIELDS}, tables=tables, sinks=sinks, checkpoints={"every": "20ms"})
    job.run()
    faults = repairs.Faults(0)
    faults.true, faults.wrong = true, wrong
    (job.folder / "amend.jsonl").write_text("".join(json.dumps({"replace": i, "value": true[i]}) + "\n" for i in range(300, 700, 4)))
    repairs.plan(job, "--amend", "amend.jsonl")
    for act, repaired in ((repairs.apply, True), (repairs.undo, False)):
        act(job)
        expected = faults.expected(job, repaired)
        assert driver.digest(job) == expected.digest()
        for sink in expected.job.sinks:
            assert driver.view(job, sink) == expected.view(sink), sink.path
    assert any(row.get("deleted") for row in repairs.corrections(job, "closed.jsonl"))


# ------------------------------------------------------------------------------------------------ days of a place
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Pacific/Apia"])
def test_days_begin_at_midnight_there(tmp_path, zone):
    """Clocks that skip midnight or show it twice, a day that never was, and days that begin at six."""
    pick, now, lines = random.Random(3), 1293000000000, []   # from December 2010
    for _ in range(2500):
        now += pick.randrange(2 * 3600 * 1000 * 12)
        lines.append(json.dumps({"key": f"k{pick.randrange(3)}", "amount": 1, "ts": now - pick.randrange(3600 * 1000)}))
    tables = {"days": {"key": "key", "window": {"tumbling": "1d", "zone": zone, "grace": "1h", "retain": "10d"}, "aggregates": AGGREGATES},
              "weeks": {"key": "key", "window": {"tumbling": "7d", "zone": zone, "offset": "4d6h", "grace": "1h", "retain": "20d"}, "aggregates": AGGREGATES}}
    sinks = [{"table": n, "file": {"path": f"out/{n}.jsonl"}, "emit": e} for n, e in (("days", "close"), ("weeks", "update"))]
    job = job_of(tmp_path, lines, tables, sinks)
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)
    lengths = {row.end - key[-1] for _, key, row in expected.closed["days"]}
    assert len(lengths) > 1 and len(expected.closed["days"]) > 1000


@pytest.mark.parametrize("window, message", [
    ({"tumbling": "6h", "zone": "Europe/Berlin"}, "windows of whole days"),
    ({"hopping": "2d", "advance": "1d", "zone": "Europe/Berlin"}, "only for tumbling windows of whole days"),
    ({"tumbling": "1d", "zone": "Europe/Berln"}, "no time zone"),
])
def test_zones_of_windows_that_make_no_sense_are_refused(tmp_path, window, message):
    job = job_of(tmp_path, [], {"days": {"key": "key", "window": window, "aggregates": AGGREGATES}}, [])
    assert message in rewind("config", "check", job.file, expect=2, cwd=job.folder).err
