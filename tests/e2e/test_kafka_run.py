"""Kafka in, Kafka out: what stands in the output topics, in the state and in the group is what an independent calculation says."""
import time

import pytest

import rewind as driver
from rewind import orders, rewind

pytestmark = pytest.mark.xdist_group("kafka")


def test_everything_is_what_the_oracle_says(make_kafka_job):
    job = make_kafka_job()
    job.produce(orders(3000, bad_every=97))
    job.run_to_end()
    expected = job.check()
    assert len(expected.dead) == 30


def test_a_restart_goes_on_where_it_was(make_kafka_job):
    job = make_kafka_job()
    for part in range(3):
        job.produce(orders(500, first=part * 500, seed=part, bad_every=97))
        job.run_to_end()
        job.check()


def test_gaps_headers_keys_codecs_and_tombstones(make_kafka_job, broker):
    job = make_kafka_job()
    lines = [line.encode() for line in orders(600)]
    for i, codec in enumerate(["none", "gzip", "snappy", "lz4", "zstd"]):
        some = [{"value": line, "key": f"k{n}".encode() if n % 3 else None, "headers": [("h", b"x" * n), ("empty", b""), ("null", None)] if n % 2 else None}
                for n, line in enumerate(lines[i * 100:i * 100 + 90])]
        broker.produce(job.source_topic, some, compression_type=codec)
        broker.produce_transaction(job.source_topic, lines[i * 100 + 90:i * 100 + 95], commit=False)
        broker.produce_transaction(job.source_topic, lines[i * 100 + 95:i * 100 + 100])
        broker.produce(job.source_topic, [{"value": None, "key": b"gone"}])
    broker.produce_transaction(job.source_topic, [])
    broker.produce_transaction(job.source_topic, lines[500:510], commit=False)
    deadline = time.monotonic() + driver.PATIENCE
    while broker.bounds(job.source_topic)[1] <= job.end():   # nothing readable at the end, once the broker has written the marker of the abort that it has answered
        assert time.monotonic() < deadline
        time.sleep(0.01)
    job.run_to_end()
    job.check()


def test_records_of_several_events_are_taken_whole(make_kafka_job):
    fields = {name: {**(given if isinstance(given, dict) else {"type": given}), "path": f".{name}"} for name, given in driver.FIELDS.items()}
    job = make_kafka_job(event={"each": "rows", "fields": fields})
    rows = list(orders(1200))
    job.produce('{"rows":[' + ",".join(["{}"] * (i % 7 == 0) + rows[i:i + i % 4]) + "]}" for i in range(400))
    job.run_to_end()
    expected = job.check()
    assert {d.ordinal for d in expected.dead} == {0} and expected.applied > 500


def test_a_tombstone_can_be_a_dead_letter(make_kafka_job, broker):
    job = make_kafka_job()
    job.given["source"]["tombstone"] = "dead-letter"
    job.set()
    broker.produce(job.source_topic, [{"value": line.encode()} for line in orders(10)] + [{"value": None, "key": b"gone"}, {"value": b""}])
    job.run_to_end()
    expected = job.expected()
    assert [d.offset for d in expected.dead] == [10, 11]
    dead = broker.read(job.output_topics[-1])
    assert [(m.key(), m.value()) for m in dead][0][0] == b"gone"


@pytest.mark.parametrize("start, first", [("earliest", 0), ("latest", 20), ({"offset": 7}, 7), ({"time": "2023-11-14T22:13:25.0005Z"}, 6),
                                          ({"time": "2023-11-14T22:13:25Z"}, 5), ({"time": "2033-11-14T22:13:25Z"}, 20)])
def test_a_new_job_begins_where_start_says(start, first, make_kafka_job, broker):
    job = make_kafka_job()
    job.given["source"]["kafka"]["start"] = start
    job.set()
    lines = list(orders(30))
    broker.produce(job.source_topic, [{"value": line, "timestamp": 1700000000000 + i * 1000} for i, line in enumerate(lines[:20])])
    with job.running() as r:
        assert r.committed(first)["committed"] >= first
        broker.produce(job.source_topic, [{"value": line, "timestamp": 1700000100000} for line in lines[20:]])
        r.committed(30)
        assert r.stop() == 0
    assert driver.newest(job)["counts"]["read"] == 30 - first


def test_file_to_kafka_and_kafka_to_file(make_kafka_job, broker, tmp_path):
    lines = list(orders(1000, bad_every=97))
    to_kafka = make_kafka_job(source={"file": {"path": "orders.jsonl"}, "format": "json"})
    to_kafka.given["kafka"] = {"brokers": broker.address}
    to_kafka.set()
    to_kafka.write(lines)
    to_kafka.run()
    expected = driver.Job.expected(to_kafka)
    to_kafka.check_outputs(expected)
    assert driver.digest(to_kafka) == expected.digest()
    assert broker.committed(to_kafka.group, to_kafka.output_topics[0])[0] == 1000

    to_file = make_kafka_job(
        sinks=[{"table": "customers", "file": {"path": "out/customers.jsonl"}},
               {"table": "countries", "file": {"path": "out/countries.csv"}, "format": "csv", "emit": "update"}],
        errors={"dead_letter": {"file": {"path": "out/dead.jsonl"}}})
    to_file.produce(lines)
    to_file.run_to_end()
    expected = to_file.expected()
    assert driver.digest(to_file) == expected.digest()
    for sink in expected.job.sinks:
        assert driver.view(to_file, sink) == expected.view(sink)
    assert driver.dead_letters(to_file.dead) == driver.expected_dead(expected)


def test_topics_that_do_not_exist_are_named(make_kafka_job, broker, tmp_path):
    job = make_kafka_job(topics=False)
    assert job.source_topic in rewind("run", job.file, expect=8, cwd=job.folder).err
    broker.topic(job.source_topic)
    assert job.output_topics[0] in rewind("run", job.file, expect=8, cwd=job.folder).err
    job.given["source"]["kafka"]["partition"] = 3
    job.set()
    assert "partition" in rewind("run", job.file, expect=8, cwd=job.folder).err


def test_config_shows_no_secret_and_refuses_owned_properties(make_kafka_job, tmp_path):
    job = make_kafka_job(topics=False, name="properties")

    def said(properties, **env):
        job.given["source"]["kafka"]["properties"] = properties
        job.set()
        return rewind("config", "check", job.file, expect=2, **env).err

    word = tmp_path / "word"
    word.write_text("open sesame\n")
    job.given["source"]["kafka"]["properties"] = {"sasl.username": "me", "sasl.password": "${WORD}", "socket.keepalive.enable": "true"}
    job.set()
    printed = rewind("config", "print", job.file, WORD_FILE=word)
    assert "open sesame" not in printed.out and "${WORD}" in printed.out
    assert "WORD is not set" in rewind("config", "check", job.file, expect=2).err
    assert "WORD_FILE" in rewind("config", "check", job.file, expect=2, WORD_FILE=tmp_path / "nowhere").err
    literal = said({"sasl.password": "open sesame"})
    assert "sasl.password is a secret" in literal and "open sesame" not in literal
    assert "aborted transactions" in said({"isolation.level": "read_uncommitted"})
    assert "knows no property" in said({"sasl.pasword": "x"})
    job.given["errors"] = {"dead_letter": {"file": {"path": "dead.jsonl"}}}
    assert "all of them must be topics" in said({})
