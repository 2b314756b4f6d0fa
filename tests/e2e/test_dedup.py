"""Events that come twice: applied once within the span, across checkpoints, kills and memory that runs out; counted, or kept as dead letters."""
import json
import random
import signal

import pytest

import rewind as driver
from rewind import Job, rewind, rewind_json

FIELDS = {"id": "string", "key": "string", "n": "int", "ts": {"type": "time", "format": "epoch-ms"}}
TABLES = {"keys": {"key": "key", "aggregates": {"n": "count()", "sum": "sum(n)"}},
          "minutes": {"key": "key", "window": {"tumbling": "1m", "grace": "10m"}, "aggregates": {"n": "count()"}}}
SINKS = [{"table": "keys", "file": {"path": "out/keys.jsonl"}}]
HOUR = 3600 * 1000


def events(count, seed=1, again=4, step=20, far=400):
    """One in `again` comes a second time, mostly soon, some far later; some of the firsts are bad, so that only the second counts."""
    pick, now, past = random.Random(seed), 1700000000000, []
    for i in range(count):
        now += pick.randrange(2 * step)
        if past and pick.randrange(again) == 0:
            number = past[-1 - min(len(past) - 1, pick.randrange(far if pick.randrange(5) else far * 20))]
        else:
            number = i
            past.append(i)
        n = '"bad"' if pick.randrange(30) == 0 else str(pick.randrange(1000))
        yield f'{{"id":"event-{number}","key":"k{number % 37}","n":{n},"ts":{now - pick.randrange(5000)}}}'


def job_of(folder, lines, within="30s", **more):
    dedup = {"within": within, **more.pop("dedup", {})}
    return Job(folder, lines, event={"id": "id", "time": {"field": "ts"}, "dedup": dedup, "fields": FIELDS, "late": "drop"}, tables=TABLES, sinks=SINKS, **more)


@pytest.mark.parametrize("duplicates", ["drop", "dead-letter"])
@pytest.mark.parametrize("within", ["1ms", "700ms", "30s", "24h"])
def test_an_id_is_applied_once_within_its_span(tmp_path, within, duplicates):
    job = job_of(tmp_path, events(12000), within, dedup={"duplicates": duplicates}, checkpoints={"every": "10ms"}, delivery={"commit_at": {"offset_multiple": 333}})
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)
    assert rewind_json("checkpoint", "show", "latest", "--data", job.data)["counts"]["duplicate"] == expected.duplicates
    assert expected.duplicates > 300 or within == "1ms"


def test_ids_are_remembered_across_kills(tmp_path):
    lines = list(events(30000, far=3000))
    job = job_of(tmp_path, [], "60s", delivery={"commit_every": "1ms"}, checkpoints={"every": "10ms"})
    pick = random.Random(3)
    for part in range(10):
        job.append("".join(line + "\n" for line in lines[part * 3000:(part + 1) * 3000]))
        job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT=pick.choice(["commit-begin", "freeze-begun", "commit-known", "checkpoint-synced"]))
    expected = job.expected()
    job.run()
    driver.check_against(expected, job)


def test_ids_beyond_the_memory_are_asked_of_the_store(tmp_path, request):
    count = 3000000 if request.config.getoption("--long") else 1000000
    lines = [f'{{"id":"an id of some length {i * 7919 % count}","key":"k{i % 1000}","n":1,"ts":{1700000000000 + i}}}' for i in range(count)]
    lines += lines[:count:97]
    job = job_of(tmp_path, lines, "24h", state={"path": "data", "memory": "64MiB"}, checkpoints={"every": "500ms"})
    job.run()
    counts = rewind_json("checkpoint", "show", "latest", "--data", job.data)["counts"]
    assert counts["applied"] == count and counts["duplicate"] == len(lines) - count
    job.append("".join(line + "\n" for line in lines[:count:89]))
    job.run()   # a new process remembers, too
    assert rewind_json("checkpoint", "show", "latest", "--data", job.data)["counts"]["applied"] == count


def test_an_id_of_a_bad_or_late_event_is_not_remembered(tmp_path):
    line = '{{"id":"a","key":"k","n":{},"ts":{}}}'.format
    job = job_of(tmp_path, [line('"x"', 1700000000000), line(5, 1700000000001), line(6, 1700000000002)], "1h")
    job.run()
    rows = [json.loads(text) for text in rewind("state", "scan", "--table", "keys", "-o", "json", "--limit", 0, "--data", job.data).out.splitlines()]
    assert [(r["n"], r["sum"]) for r in rows] == [(1, 5)]


@pytest.mark.parametrize("event, message", [
    ({"dedup": {"within": "1h"}}, "event.id"),
    ({"id": "idd", "dedup": {"within": "1h"}}, "did you mean"),
    ({"id": "id", "dedup": {"within": "1h"}, "time": None}, "event.time"),
    ({"id": "id", "dedup": {"within": "4000d"}}, "within"),
])
def test_a_dedup_that_makes_no_sense_is_refused(tmp_path, event, message):
    event = {k: v for k, v in {"time": {"field": "ts"}, "fields": FIELDS, **event}.items() if v}
    job = Job(tmp_path, [], event=event, tables={"keys": TABLES["keys"]}, sinks=[])
    done = rewind("config", "check", job.file, expect=2, cwd=job.folder)
    assert message in done.err and "orders.yaml:" in done.err
