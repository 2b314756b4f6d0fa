"""Replays of a topic on a real broker, beside the running operator: amendments at transaction markers, records that only the journal still has."""
import json
import subprocess
import time

import pytest

import oracle
import rewind as driver
from rewind import environment, orders, rewind_json
from test_kafka_journal import remembering
from test_replay import other_logic, write_amendments

pytestmark = pytest.mark.xdist_group("kafka-journal")


def amended(job, given, until=None):
    return oracle.run_amended_messages(job.file, given, job.broker.read(job.source_topic, job.partition), until)


def replay(job, *words):
    return rewind_json("replay", job.file, *words, cwd=job.folder)


def test_an_insert_at_a_transaction_marker_acts_before_the_next_record(make_kafka_job, broker):
    job = make_kafka_job(name="markers")
    lines = list(orders(60, bad_every=19))
    broker.produce_transaction(job.source_topic, lines[:2])                   # 0, 1, and the marker at 2
    broker.produce_transaction(job.source_topic, lines[2:5], commit=False)    # 3, 4, 5 and their marker: nobody reads them
    broker.produce_transaction(job.source_topic, lines[5:40])
    broker.produce_transaction(job.source_topic, lines[40:60])
    job.run_to_end()
    job.check()
    last = [m.offset() for m in broker.read(job.source_topic)][36]            # before the marker of the third transaction
    event = json.loads(lines[0])
    for given, until in [
        ([{"insert": 2, "value": event}, {"insert": 2, "value": "no event"}, {"insert": 4, "value": event}], None),
        ([{"insert": 2, "value": event}], 3),             # no record at 2: it waits for the one behind the transaction that was given up
        ([{"skip": last}], last + 1),                     # the last record below the place: X moves by it all the same
        ([{"skip": last}, {"insert": last + 1, "value": event}], None),
        ([{"insert": 1000, "value": event}], None),
    ]:
        expected = amended(job, given, until)
        found = replay(job, "--amend", write_amendments(job, given), "--from", 0, *(["--to", until] if until else []))
        assert found["digest"] == expected.digest(), given
        assert found["next_offset"] == max(m.offset() for m in broker.read(job.source_topic) if until is None or m.offset() < until) + 1
        assert found["amendments"]["missed"] == 0


def test_a_replay_beside_a_running_operator_reads_the_journal_and_disturbs_nothing(make_kafka_job, broker):
    job = remembering(make_kafka_job(name="beside"))
    lines = list(orders(12000, bad_every=37))
    job.produce(lines[:6000])
    other = other_logic(job, revenue="sum(amount * 2)")
    given = [{"skip": 77, "reason": "a test"}, {"insert": 5000, "value": json.loads(lines[0])}, {"replace": 4000, "value": lines[1]}]
    name = write_amendments(job, given)
    before = job.broker.read(job.source_topic)
    with job.running() as running:
        running.committed(6000)
        broker.delete_records(job.source_topic, 0, 3000)      # from now on only the journal has them
        words = [driver.PROGRAM, "replay", str(job.file), "--amend", name, "--to", "6000", "-o", "json"]
        process = subprocess.Popen(words, cwd=job.folder, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        at = 6000
        while process.poll() is None:
            job.produce(lines[at:at + 100])
            at = min(at + 100, 12000)
            time.sleep(0.02)
        out, err = process.communicate()
        assert process.returncode == 0, err.decode()
        assert json.loads(out)["digest"] == oracle.run_amended_messages(job.file, given, before, 6000).digest()
        sampled = replay(job, "--from", 2000, "--to", 6000, "--logic", other, "--sample", "25%")
        assert {t["table"]: t["changed"] > 0 for t in sampled["tables"]} == {"customers": True, "countries": False}
        job.produce(lines[at:])
        running.committed(12000)
        assert running.stop() == 0
    expected = job.expected()
    assert driver.digest(job) == expected.digest() and driver.newest(job)["input_digest"] == expected.input_hash
