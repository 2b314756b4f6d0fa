"""Dead letters of topics: sent again, each is applied once, and what was sent is what was there."""
import base64
import json
import re
import shlex
import subprocess

import pytest

import rewind as driver
from rewind import orders, rewind

pytestmark = pytest.mark.xdist_group("kafka")

BASE = 1700000000000


def letters(job, *words):
    return [json.loads(line) for line in rewind("dlq", "list", job.file, "-o", "json", *words, cwd=job.folder).out.splitlines()]


def redrive(job, *words, expect=0):
    done = rewind("dlq", "redrive", job.file, *words, "-o", "json", cwd=job.folder, expect=expect)
    return json.loads(done.out) if done.out.startswith("{") else done


def without_customer(count, bad):
    """Orders, and where they stand; those in `bad` lack their customer."""
    for i, line in enumerate(orders(count)):
        event = json.loads(line)
        yield {"value": json.dumps({k: v for k, v in event.items() if i not in bad or k != "customer"}), "key": f"k{i}", "timestamp": BASE + i,
               "headers": [("trace", b"%d" % i), ("null", None), ("empty", b"")]}


def test_sent_again_with_a_field_set_each_is_applied_once(make_kafka_job, broker):
    job = make_kafka_job()
    bad = {3, 40, 41, 90}
    sent = list(without_customer(100, bad))
    job.produce(sent)
    job.run_to_end()
    assert [d["offset"] for d in letters(job)] == sorted(bad)
    plan = rewind("dlq", "redrive", job.file, "--set", "customer=ann", cwd=job.folder, expect=2)
    assert "redrive 4 dead letters into topic" in plan.out and job.end() == 100   # a plan, and nothing else
    for _ in range(2):   # the first may have been killed: whoever does not know sends them again
        assert redrive(job, "--set", "customer=ann", "--yes") == {"chosen": 4, "sent": 4, "refused": 0, "first_refusal": None}
    again = broker.read(job.source_topic)[100:]
    for message, at in zip(again, sorted(bad) * 2):
        was = sent[at]
        assert json.loads(message.value()) == {**json.loads(was["value"]), "customer": "ann"}
        assert (message.key(), message.timestamp()[1]) == (was["key"].encode(), was["timestamp"])
        assert message.headers() == was["headers"] + [("rewind-origin", job.origin(at).encode()), ("rewind-retries", b"3")]
    job.run_to_end()
    expected = job.check()
    counts = driver.newest(job)["counts"]
    assert (counts["applied"], counts["duplicate"], expected.open_dead) == (100, 4, {}) and letters(job) == []
    assert redrive(job, "--yes").out == ""   # nothing is left to be sent


def test_killed_on_the_way_and_sent_again_each_is_applied_once(make_kafka_job):
    job = make_kafka_job(checkpoints={"every": "10ms"}, delivery={"commit_every": "1ms"})
    bad = set(range(0, 3000, 2))
    job.produce(without_customer(3000, bad))
    job.run_to_end()
    for _ in range(4):
        with job.running() as r:
            begun = r.wait_for(lambda s: s["phase"] == "waiting" or s["position"] > 3000)["position"]
            process = subprocess.Popen([driver.PROGRAM, "dlq", "redrive", job.file, "--set", "customer=ann", "--yes"], cwd=job.folder, env=driver.environment(),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            r.wait_for(lambda s: s["position"] > begun + 100 or process.poll() is not None, "some to be sent")
            process.kill()
            process.wait()
            r.kill()
        if not letters(job):
            break
    redrive(job, "--set", "customer=ann", "--yes")
    job.run_to_end()
    job.check()
    assert driver.newest(job)["counts"]["applied"] == 3000 and letters(job) == []


def test_what_fails_again_is_tried_errors_retries_times(make_kafka_job):
    job = make_kafka_job()
    job.set(errors={**job.given["errors"], "retries": 2})
    job.produce(without_customer(20, {5, 6}))
    job.run_to_end()
    for attempt in (1, 2):
        assert redrive(job, "5", "--yes")["sent"] == 1
        job.run_to_end()
        assert [(d["offset"], d["attempts"], d["state"]) for d in letters(job)] == [(5, attempt, "failed" if attempt == 2 else "open"), (6, 0, "open")]
    assert [d["offset"] for d in letters(job, "--state", "failed")] == [5]
    refused = rewind("dlq", "redrive", job.file, "5", "--set", "customer=ann", "--yes", cwd=job.folder)
    assert "redrive 0 dead letters" in refused.out and "5: tried as often as errors.retries allows" in refused.out
    job.check()
    end = job.end()
    rewind("dlq", "redrive", job.file, "5", "--in-place", "--set", "customer=ann", "-f", "amend.jsonl", cwd=job.folder)   # in place it can still be made good
    assert job.end() == end and json.loads((job.folder / "amend.jsonl").read_text())["replace"] == 5


def test_the_bytes_come_from_journal_topic_or_dead_letters(make_kafka_job, broker):
    job, bare = make_kafka_job(), make_kafka_job(journal="off")
    sent = list(without_customer(50, {10, 30}))
    for j in (job, bare):
        j.produce(sent)
        j.run_to_end()

    def found(j):
        lines = [json.loads(line) for line in rewind("dlq", "export", j.file, cwd=j.folder).out.splitlines()]
        for d in lines:
            assert (base64.b64decode(d["value"]).decode(), base64.b64decode(d["key"]).decode()) == (sent[d["offset"]]["value"], sent[d["offset"]]["key"])
        return [(d["offset"], d["found_in"]) for d in lines]

    assert found(job) == [(10, "journal"), (30, "journal")] and found(bare) == [(10, "source"), (30, "source")]
    for j in (job, bare):
        broker.delete_records(j.source_topic, 0, 20)
    assert found(job) == [(10, "journal"), (30, "journal")] and found(bare) == [(10, "output"), (30, "source")]
    assert redrive(bare, "--set", "customer=ann", "--yes")["sent"] == 2
    again = broker.read(bare.source_topic, offset=50)
    assert [[name for name, _ in m.headers()] for m in again] == [["rewind-origin", "rewind-retries"], ["trace", "null", "empty", "rewind-origin", "rewind-retries"]]
    bare.run_to_end()
    assert letters(bare) == []


def test_a_dead_letter_too_long_for_its_topic_is_cut_and_its_job_goes_on(make_kafka_job, broker):
    job = make_kafka_job(journal="off", topics={"max.message.bytes": 8_000_000})
    bad = [(b"k" * 900_000, b"v" * 900_000), (b"k" * 2_000_000, b"{"), (b"k" * 2_000_000, b"v" * 2_000_000), (b"k", b"v" * 3_000_000)]
    broker.produce(job.source_topic, [{"key": key, "value": value, "headers": [("h", b"h" * 900_000)]} for key, value in bad], message_max_bytes=8_000_000)
    job.produce(orders(10))
    job.run_to_end()
    job.check_state()
    found = broker.read(job.output_topics[-1])
    assert len(found) == len(bad)
    for message, (key, value) in zip(found, bad):
        headers = {name: int(text) for name, text in message.headers() if name in ("rewind-size", "rewind-key-size")}
        assert key.startswith(message.key()) and value.startswith(message.value())
        wanted = {"rewind-size": len(value)} if len(message.value()) < len(value) else {}
        assert headers == {**wanted, **({"rewind-key-size": len(key)} if len(message.key()) < len(key) else {})}
        assert 900_000 < len(message.key()) + len(message.value()) <= 1_000_000
    assert [len(m.key()) for m in found[:1]] == [900_000]   # the value goes first
    broker.delete_records(job.source_topic, 0, len(bad))
    lines = [json.loads(line) for line in rewind("dlq", "export", job.file, cwd=job.folder).out.splitlines()]
    assert [d["found_in"] for d in lines] == ["output", None, None, "output"]   # with a cut key it is another record


def test_a_key_chooses_by_the_record_or_by_the_row(make_kafka_job):
    job = make_kafka_job(event={"fields": {**driver.FIELDS}, "time": {"field": "ts", "ahead": "1h"}})
    lines = [{"value": json.dumps({**json.loads(line), "ts": BASE + (2**40 if i in (4, 7) else 0)}), "key": f"k{i}", "timestamp": BASE} for i, line in enumerate(orders(10))]
    job.produce(lines)
    job.run_to_end()
    assert [(d["offset"], d["reason"]) for d in letters(job)] == [(4, "future"), (7, "future")]
    assert [d["offset"] for d in letters(job, "--key", "k7")] == [7]
    assert [d["offset"] for d in letters(job, "--key", json.loads(lines[4]["value"])["customer"])] == [4]
    assert [d["offset"] for d in letters(job, "--from", "2023-11-14T22:13:20Z", "--to", "2023-11-14T22:13:21Z")] == [4, 7]   # the records' own times
    assert letters(job, "--from", "2023-11-14T22:13:21Z") == []


def test_every_command_of_the_runbook_works_in_its_place(make_kafka_job):
    job = make_kafka_job()
    (job.folder / "orders.yaml").write_text(job.file.read_text())
    page = (driver.ROOT / "deploy" / "runbooks" / "dead-letters.md").read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```\n(.*?)```", page, re.S) for line in block.splitlines()]
    assert len(commands) == 12 and all(line.startswith("rewind ") for line in commands)
    lines = [json.loads(line) for line in orders(100)]
    for at in (36, 50, 70):
        del lines[at]["customer"]
    lines[80]["quantity"] = "x"
    with job.running() as r:
        job.produce(map(json.dumps, lines))
        r.committed(100)
        for line in commands:
            done = rewind(*shlex.split(line)[1:], cwd=job.folder, expect=None)
            assert done.returncode == 0, (line, done.err)
            if "--yes" in line:
                r.committed(job.end())
        assert r.stop() == 0
    job.check()
    assert [d["offset"] for d in letters(job)] == [80]
    assert json.loads((job.folder / "amend.jsonl").read_text())["replace"] == 80
