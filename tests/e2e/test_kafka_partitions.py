"""Topics of several partitions: a table holds whole keys, or shares that are meant; deletions by records without a value."""
import json
import random
import zlib

import pytest

import rewind as driver
from rewind import orders, rewind

pytestmark = pytest.mark.xdist_group("kafka")

CUSTOMERS = {"customers": {"key": "customer", "aggregates": {"orders": "count()", "revenue": "sum(amount)"}}}
CODES = {"codes": {"key": "quantity", "aggregates": {"orders": "count()"}}}


def keyed(count, field="customer", **more):
    """Orders whose record key is the text of one of their fields."""
    return [{"value": line, "key": str(json.loads(line)[field])} for line in orders(count, **more)]


@pytest.fixture
def make_partitioned(make_kafka_job):
    def make(partitions=3, partition=1, tables=CUSTOMERS, **sections):
        job = make_kafka_job(partitions=partitions, tables=tables, topics=False, **sections)
        table = next(iter(tables))
        job.given["source"]["kafka"]["partition"] = partition
        job.given["sinks"] = [{"table": table, "kafka": {"topic": f"{job.name}-out"}}]
        job.set()
        job.broker.topics([job.source_topic], partitions, retention_ms=-1)
        job.broker.topics(job.output_topics, retention_ms=-1)
        return job

    return make


@pytest.mark.parametrize("partitioner", ["murmur2_random", "consistent_random"])
def test_a_table_keyed_as_its_topic_holds_whole_keys(partitioner, make_partitioned):
    job = make_partitioned()
    job.produce(keyed(600), partition=None, partitioner=partitioner)
    assert 0 < job.end() < 600
    job.run_to_end()
    job.check()


@pytest.mark.parametrize("partitioner", ["murmur2_random", "consistent_random"])
def test_a_record_without_a_key_may_stand_right(partitioner, make_partitioned):
    job = make_partitioned()
    where = {"murmur2_random": java_partition, "consistent_random": lambda key, n: zlib.crc32(key) % n}[partitioner]
    lines = [line for line in orders(900) if where(json.loads(line)["customer"].encode(), 3) == 1]
    job.produce([{"value": line} for line in lines], partition=1)   # without keys: either rule may hold
    job.run_to_end()
    job.check()


def java_partition(key, count):
    """org.apache.kafka.common.utils.Utils.murmur2, in Python's integers."""
    mask, m = 2**32 - 1, 0x5BD1E995
    h = (0x9747B28C ^ len(key)) & mask
    whole = len(key) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(key[i:i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if key[whole:]:
        h = (h ^ int.from_bytes(key[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return ((h ^ h >> 15) & 0x7FFFFFFF) % count


@pytest.mark.parametrize("partitioner", ["murmur2_random", "consistent_random"])
def test_a_table_keyed_otherwise_stops_unless_shares_are_meant(partitioner, make_partitioned):
    job = make_partitioned(tables=CODES)
    job.produce(keyed(600), partition=None, partitioner=partitioner)
    done = rewind("run", job.file, expect=8, cwd=job.folder)
    assert "belongs to another partition" in done.err and "partial: true" in done.err and "3 partitions" in done.err
    stopped, _ = job.c()
    stray = job.broker.read(job.source_topic, 1)
    assert any(m.offset() == stopped for m in stray)   # the event that shows it is the next one, and none of it is published
    assert all(offset < stopped for _, _, offset, _ in job.rows(job.output_topics[0]))
    assert f"offset {stopped}" in done.err
    rewind("run", job.file, expect=8, cwd=job.folder)   # and again
    job.given["tables"]["codes"]["partial"] = True
    job.set()
    job.run_to_end()
    job.check()


def test_a_number_may_be_the_records_key_in_binary(make_partitioned):
    job = make_partitioned(tables=CODES)
    lines = [line for line in orders(200) if json.loads(line)["quantity"] != 3]
    job.produce([{"value": line, "key": json.loads(line)["quantity"].to_bytes(4 + 4 * (i % 2), "big", signed=True)} for i, line in enumerate(lines)], partition=1)
    job.run_to_end()
    job.check()


def test_records_without_keys_hold_shares(make_partitioned):
    job = make_partitioned()
    job.produce(orders(300), partition=1)
    assert "belongs to another partition" in rewind("run", job.file, expect=8, cwd=job.folder).err


def test_a_topic_by_no_known_rule_is_said_to_be_so(make_partitioned):
    job = make_partitioned(tables=CODES)
    key = next(f"key-{i}" for i in range(100) if java_partition(f"key-{i}".encode(), 3) != 1 and zlib.crc32(f"key-{i}".encode()) % 3 != 1)
    job.produce([{"value": line, "key": key} for line in orders(5)], partition=1)
    assert "neither murmur2 nor crc32" in rewind("run", job.file, expect=8, cwd=job.folder).err


def test_a_changed_count_of_partitions_stops_a_start(make_partitioned, broker):
    job = make_partitioned()
    job.produce(keyed(300), partition=None, partitioner="murmur2_random")
    job.run_to_end()
    c = job.c()
    broker.raise_partitions(job.source_topic, 4)
    for _ in range(2):
        said = rewind("run", job.file, expect=8, cwd=job.folder).err
        assert "has 4 partitions and had 3" in said and "new topic" in said
    assert job.c() == c
    job.given["tables"]["customers"]["partial"] = True
    job.set()
    job.produce(keyed(300, seed=2), partition=None, partitioner="murmur2_random")
    job.run_to_end()
    job.check()
    del job.given["tables"]["customers"]["partial"]
    job.set()
    assert "had 3" in rewind("run", job.file, expect=8, cwd=job.folder).err   # the count that the job began with


def test_a_changed_count_of_partitions_stops_a_running_job(make_partitioned, broker):
    job = make_partitioned()
    job.produce(keyed(300), partition=None, partitioner="murmur2_random")
    with job.running() as r:
        r.committed(job.end())
        broker.raise_partitions(job.source_topic, 4)
        pick = 0
        while r.process.poll() is None and pick < 600:
            pick += 1
            job.produce(keyed(5, seed=pick), partition=None, partitioner="murmur2_random")
            driver.time.sleep(0.1)
        assert r.wait() == 8, r.stderr
        assert "has 4 partitions and had 3" in r.stderr


def test_partial_has_a_meaning_only_with_topics(make_job):
    job = make_job([])
    job.given["tables"]["customers"]["partial"] = True
    job.set()
    assert "where the source is Kafka" in rewind("config", "check", job.file, expect=2).err


# ------------------------------------------------------------------------------------------------ output
def test_rows_go_where_javas_partitioner_puts_them_or_where_the_input_is(make_partitioned, broker):
    job = make_partitioned()
    topics = {"murmur2": f"{job.name}-by-key", "same": f"{job.name}-same"}
    job.given["sinks"] = [{"table": "customers", "kafka": {"topic": topic, "partition": how}, "emit": "update"} for how, topic in topics.items()]
    job.set()
    broker.topic(topics["murmur2"], 4, retention_ms=-1)
    broker.topic(topics["same"], 1, retention_ms=-1)
    job.produce(keyed(300), partition=None, partitioner="murmur2_random")
    said = rewind("run", job.file, expect=8, cwd=job.folder).err
    assert "has 1 partitions" in said and "partition: same" in said and "--partitions 2" in said
    broker.raise_partitions(topics["same"], 3)
    job.run_to_end()
    job_rows = {how: [m for m in broker.read_all(topic)] for how, topic in topics.items()}
    expected = job.expected().events["customers"]
    assert [m.partition() for m in job_rows["same"]] == [1] * len(expected)
    assert [m.key().decode() for m in job_rows["same"]] == [key[0] for _, key, _ in expected]
    assert len(job_rows["murmur2"]) == len(expected)
    assert all(m.partition() == java_partition(m.key(), 4) for m in job_rows["murmur2"])


def test_sinks_have_their_own_table_fields_format_and_emit_in_one_transaction(make_kafka_job, broker):
    job = make_kafka_job(topics=False)
    names = [f"{job.name}-{i}" for i in range(4)]
    job.given["sinks"] = [
        {"table": "customers", "kafka": {"topic": names[0]}, "fields": ["most", "orders"], "emit": "update"},
        {"table": "customers", "kafka": {"topic": names[1]}, "format": "csv", "fields": ["last_seen"]},
        {"table": "countries", "kafka": {"topic": names[2]}, "format": "csv", "emit": "update"},
        {"table": "countries", "kafka": {"topic": names[3]}, "fields": ["units"]},
    ]
    job.set()
    broker.topics([job.source_topic, *job.output_topics], retention_ms=-1)
    job.produce(orders(700, bad_every=29))
    # Killed when all is written and nothing is committed: rows and dead letters are there for nobody.
    rewind("run", job.file, expect=-9, cwd=job.folder, REWIND_CRASH_POINT="kafka-position-sent:2")
    written = [broker.read(topic, isolation="read_uncommitted") for topic in job.output_topics]
    job.run_to_end()
    expected = job.check()
    assert len(expected.dead) == 24
    assert all(written)
    again = [broker.read(topic, isolation="read_uncommitted") for topic in job.output_topics]
    assert [len(a) > len(broker.read(topic)) for a, topic in zip(again, job.output_topics)] == [True] * 5


# ------------------------------------------------------------------------------------------------ deletion
def deletions(count, seed):
    """Orders and, among them, records without a value: keys of both tables, of none, and none at all."""
    pick = random.Random(seed)
    some = ["customer-1", "nobody", "", '["Norway",3]', '["Türkiye", 0 ]', '["", -1]', '["Norway","3"]', '["Norway"]', "[", b"\xff\xfe", None]
    for line in orders(count, keys=8, seed=seed, bad_every=29):
        yield {"value": line, "key": "k"}
        if pick.random() < 0.3:
            yield {"value": None, "key": pick.choice(some + [f"customer-{pick.randrange(8)}"] * 6)}


@pytest.fixture
def make_deleting(make_kafka_job):
    def make(**sections):
        job = make_kafka_job(**sections)
        job.given["source"]["tombstone"] = "delete"
        job.set()
        return job

    return make


def test_a_record_without_a_value_deletes_its_key_in_every_table(make_deleting):
    job = make_deleting()
    job.produce(deletions(800, 1))
    job.produce(orders(20, keys=8, first=800))
    job.run_to_end()
    job.produce([{"value": None, "key": f"customer-{i}"} for i in range(8)])   # some of them were published
    job.run_to_end()
    expected = job.check()
    assert any(row is None for _, _, row in expected.events["customers"]) and any(row is None for _, _, row in expected.events["countries"])
    assert {d.value for d in expected.dead} >= {None}
    assert None in [value for _, value, *_ in job.rows(job.output_topics[0])]


def test_deletions_survive_kills_and_replays(make_deleting):
    job = make_deleting(checkpoints={"every": "30ms", "keep": {"last": 2}})
    for round in range(12):
        with job.running() as r:
            job.produce(deletions(60, 100 + round))
            driver.time.sleep(random.Random(round).uniform(0.05, 0.6))
            r.kill()
    job.run_to_end()
    job.check()


def test_a_table_whose_keys_have_another_form_keeps_its_rows(make_deleting):
    job = make_deleting(tables={**CODES, **CUSTOMERS}, sinks=[{"table": "codes", "kafka": {"topic": "codes-out"}, "emit": "update"}], errors={})
    job.given["sinks"][0]["kafka"]["topic"] = f"{job.name}-codes"
    job.set()
    job.broker.topics(job.output_topics)
    job.produce([*keyed(50), {"value": None, "key": "customer-1"}, {"value": None, "key": "3"}, {"value": None, "key": "3"}])
    job.run_to_end()
    expected = job.expected()
    assert driver.digest(job) == expected.digest()
    job.check_outputs(expected)
    gone = [row[:3] for row in job.rows(job.output_topics[0]) if row[1] is None]
    assert gone == [(b"3", None, 51)]   # once: the second one finds nothing


def test_deleting_is_logic(make_deleting):
    job = make_deleting()
    job.produce(deletions(50, 3))
    job.run_to_end()
    job.given["source"]["tombstone"] = "ignore"
    job.set()
    assert "logic has fingerprint" in rewind("run", job.file, expect=7, cwd=job.folder).err


def test_deleted_rows_are_lines_of_a_file(make_deleting):
    job = make_deleting(sinks=[{"table": "customers", "file": {"path": "out/customers.jsonl"}, "emit": "update"}],
                        errors={"dead_letter": {"file": {"path": "out/dead.jsonl"}}})
    job.produce(deletions(300, 4))
    job.run_to_end()
    expected = job.expected()
    lines = [json.loads(line) for line in (job.folder / "out/customers.jsonl").read_text().splitlines()]
    assert [(line["customer"], line["_offset"]) for line in lines if line.get("deleted")] == \
        [(key[0], offset) for offset, key, row in expected.events["customers"] if row is None]
    assert driver.digest(job) == expected.digest()
