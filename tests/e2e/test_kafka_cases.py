"""The cases of PROTOCOL.md that concern Kafka: what a group, a topic or a broker can do to a job, and that it goes on exactly once or stops and says why."""
import signal
import time

import confluent_kafka
import pytest

import broker as support
import proxy as wire
import rewind as driver
from kafka_job import KafkaJob
from rewind import PATIENCE, orders, rewind

pytestmark = pytest.mark.xdist_group("kafka-cases")
RARELY = {"every": "1h"}   # no checkpoint but the first and the last


def refused(job, code, *words):
    """The job stops with this exit code, says these words, and names what resolves it."""
    said = rewind("run", job.file, expect=code, cwd=job.folder).err
    for word in words:
        assert word in said, said
    return said


def killed_at(job, offset):
    """C is this offset; the newest checkpoint is the first one."""
    with job.running() as r:
        r.committed(offset)
        r.kill()
    assert job.c()[0] == offset and [c["next_offset"] for c in driver.checkpoints(job)] == [0]


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited in vain: {what}")


# ------------------------------------------------------------------------------------------------ a broker that forgets soon
@pytest.fixture(scope="module")
def forgetful(tmp_path_factory):
    made = support.Broker(tmp_path_factory.mktemp("forgetful"), offsets_retention_minutes=1, offsets_retention_check_interval_ms=500,
                          transactional_id_expiration_ms=1500, transaction_remove_expired_transaction_cleanup_interval_ms=200)
    yield made
    made.close()


@pytest.fixture(scope="module", autouse=True)
def idle(forgetful, tmp_path_factory):
    """Jobs that are idle while the other tests run: one commits its position again and again, one is down."""
    folder = tmp_path_factory.mktemp("idle")
    awake = KafkaJob(folder / "awake", forgetful, "awake", delivery={"commit_every": "20ms", "idle_every": "1s"})
    down = KafkaJob(folder / "down", forgetful, "down")
    down.produce(orders(100))
    down.run_to_end()
    awake.produce(orders(100))
    with awake.running() as r:
        r.committed(100)
        yield awake, down, r


# ------------------------------------------------------------------------------------------------ C3: whose the group's offset is
def test_a_position_moved_by_a_person_stops_the_job(make_kafka_job, broker):
    job = make_kafka_job()
    job.produce(orders(300))
    job.run_to_end()
    job.produce(orders(100, first=300))
    for offset in (350, 400, 100, 0):   # as kafka-consumer-groups --reset-offsets does: without metadata
        broker.commit(job.group, job.source_topic, offset)
        refused(job, 6, f"offset {offset} was committed by another program", "rewind run")
    assert job.c() == (0, "")   # nothing was put in its place


def test_a_group_in_an_unfinished_transaction_is_not_taken_for_a_new_one(make_kafka_job, broker):
    job = make_kafka_job()
    job.produce(orders(100))
    stranger = broker.transaction(client_id=job.group)
    consumer = confluent_kafka.Consumer(broker.client(group_id=job.group))
    stranger.send_offsets_to_transaction([confluent_kafka.TopicPartition(job.source_topic, 0, 7)], consumer.consumer_group_metadata(), PATIENCE)
    with job.running() as r:
        until(lambda: "cannot read what group" in r.stderr or r.process.poll() is not None, "the job says that it cannot read its position")
        assert r.process.poll() is None, r.stderr
        assert not driver.checkpoints(job)   # absence was not concluded
        stranger.commit_transaction(PATIENCE)
        assert r.wait() == 6 and "another program" in r.stderr
    assert job.c()[0] == 7


def test_another_cluster_stops_the_job(make_kafka_job, broker, forgetful):
    job = make_kafka_job(name="moved")
    job.produce(orders(100))
    job.run_to_end()
    forgetful.topics([job.source_topic, *job.output_topics])
    job.given["source"]["kafka"]["brokers"] = forgetful.address
    job.set()
    refused(job, 8, "kafka cluster=")
    offset, metadata = job.c()
    forgetful.commit(job.group, job.source_topic, offset, metadata=metadata)   # as a tool that mirrors clusters would
    refused(job, 8, "kafka cluster=")


def test_a_position_copied_to_another_cluster_is_foreign(make_kafka_job, broker, forgetful):
    job = make_kafka_job(name="copied", source={"file": {"path": "orders.jsonl"}, "format": "json"}, kafka={"brokers": broker.address})
    job.write(orders(100))
    job.run()
    offset, metadata = broker.committed(job.group, job.output_topics[0])
    forgetful.topics(job.output_topics)
    forgetful.commit(job.group, job.output_topics[0], offset, metadata=metadata)
    job.given["kafka"]["brokers"] = forgetful.address
    job.set()
    refused(job, 6, "committed in another cluster")
    assert all(forgetful.bounds(topic) == (0, 0) for topic in job.output_topics)   # no transaction was begun there


def test_all_topics_are_of_one_cluster(make_kafka_job):
    job = make_kafka_job(topics=False)
    job.given["sinks"][0]["kafka"]["brokers"] = "elsewhere:9092"
    job.set()
    assert "brokers" in rewind("config", "check", job.file, expect=2).err
    del job.given["sinks"][0]["kafka"]["brokers"]
    job.given["kafka"] = {"brokers": "elsewhere:9092"}
    job.set()
    assert "its brokers serve the outputs" in rewind("config", "check", job.file, expect=2).err


# ------------------------------------------------------------------------------------------------ C5, E4: what the topic still holds
def made_anew(job, lines, *, position):
    """The topic is deleted and made again with these records; the group's offset, which goes with the topic, is put back."""
    if job.source_topic in job.broker.admin().list_topics(timeout=PATIENCE).topics:
        job.broker.delete_topic(job.source_topic)
    job.broker.topic(job.source_topic, retention_ms=-1)
    job.produce(lines)
    job.broker.commit(job.group, job.source_topic, position[0], metadata=position[1])


def test_a_topic_made_anew_stops_the_job(make_kafka_job, broker):
    job = make_kafka_job(name="anew")
    job.produce(orders(300))
    job.run_to_end()
    c = job.c()
    broker.delete_topic(job.source_topic)
    until(lambda: job.c() is None, "the broker to forget the position in a topic that is gone")
    refused(job, 8, "there is no such topic")
    made_anew(job, orders(300, seed=2), position=c)
    refused(job, 8, "the record at offset 299", "is not the one that was read", "rewind run")       # as long as it was
    made_anew(job, orders(900, seed=2), position=c)
    refused(job, 8, "the record at offset 299", "is not the one that was read", "rewind run")       # longer
    made_anew(job, orders(200, seed=2), position=c)
    refused(job, 8, "holds [0, 200)", "taken away from its end", "rewind run")                        # shorter
    assert job.c() == c


def test_a_topic_made_anew_is_found_by_time_alone(make_kafka_job):
    job = make_kafka_job(name="times")
    lines = [{"value": line, "timestamp": 1700000000000 + i} for i, line in enumerate(orders(50))]
    job.produce(lines)
    job.run_to_end()
    c = job.c()
    made_anew(job, [{**line, "timestamp": line["timestamp"] + 1} for line in lines], position=c)
    refused(job, 8, "(2023-11-14T22:13:20.050Z)", "(2023-11-14T22:13:20.049Z)")
    made_anew(job, lines, position=c)   # what was read is there again
    job.run_to_end()
    job.check()


def test_offsets_that_have_other_records_now_stop_the_job(make_kafka_job):
    job = make_kafka_job(name="reused", checkpoints=RARELY, journal="off")
    job.produce(orders(300))
    killed_at(job, 300)
    made_anew(job, orders(400, seed=2), position=job.c())
    refused(job, 8, "the records of [0, 300) are not those that were committed", "with other bytes", "rewind run")


def test_records_compacted_below_the_position_stop_the_job(make_kafka_job, broker):
    job = make_kafka_job(name="compacted", checkpoints=RARELY, journal="off", topics={"cleanup_policy": "compact", "segment_ms": 50, "min_cleanable_dirty_ratio": 0.01})
    lines = [{"value": line, "key": f"k{i % 7}"} for i, line in enumerate(orders(300))]
    job.produce(lines[:200])
    time.sleep(0.1)          # a segment ends
    job.produce(lines[200:])
    killed_at(job, 300)
    time.sleep(0.1)
    job.produce([{"value": line, "key": "other"} for line in orders(1, first=300)])
    until(lambda: len(broker.read(job.source_topic)) < 200, "the broker to compact the topic")
    assert broker.bounds(job.source_topic) == (0, 301)   # they are gone from the middle
    refused(job, 8, "[0, 300)", "compaction", "rewind run")

    # Whoever begins now reads what is left, gaps and all, and goes on at a gap.
    other = make_kafka_job(name="compacted-later", topics=False)
    broker.topics(other.output_topics)
    other.source_topic = other.given["source"]["kafka"]["topic"] = job.source_topic
    other.set()
    other.run_to_end()
    other.check()
    other.produce([{"value": line, "key": "last"} for line in orders(50, first=301)])
    other.run_to_end()
    other.check()


def test_records_removed_above_the_position_stop_the_job(make_kafka_job, broker):
    job = make_kafka_job(name="retained")
    job.produce(orders(300))
    job.run_to_end()
    broker.delete_records(job.source_topic, 0, 300)
    job.run_to_end()   # nothing that is needed was lost: not even the last record, which cannot be compared any more
    job.produce(orders(100, first=300))
    broker.delete_records(job.source_topic, 0, 350)
    refused(job, 8, "offset 300 is not in the partition", "holds [350, 400)", "removed before they were read", "rewind run")


# ------------------------------------------------------------------------------------------------ C6: commits of which the answer is lost
def through(broker, make_kafka_job, timeout=None, **sections):
    job = make_kafka_job(**sections)
    job.given["source"]["kafka"]["brokers"] = broker.proxied
    if timeout:
        job.given["source"]["kafka"]["properties"] = {"transaction.timeout.ms": timeout}
    return job.set()


STEPS = ["ADD_PARTITIONS", "PRODUCE", "ADD_OFFSETS", "TXN_OFFSET_COMMIT", "END_TXN"]


def test_a_connection_lost_at_any_request_of_a_commit(make_kafka_job, broker):
    job = through(broker, make_kafka_job)
    count = 0
    with broker.proxy() as proxy, job.running() as r:
        for step in STEPS:
            for side in ("request", "response"):
                job.produce(orders(50, first=count, seed=count, bad_every=29))
                count += 50
                r.committed(count)
                proxy.lose(side, getattr(wire, step))
                job.produce(orders(50, first=count, seed=count, bad_every=29))
                count += 50
                assert proxy.lost.wait(PATIENCE), f"{step} did not come"
                proxy.restore()
                r.committed(count)
        assert r.stop() == 0, r.stderr
        job.check()


@pytest.mark.parametrize("side", ["request", "response"])
def test_a_commit_of_unknown_outcome_whose_transaction_times_out(side, make_kafka_job, broker):
    job = through(broker, make_kafka_job, timeout=2000, checkpoints=RARELY)
    job.produce(orders(100))
    with broker.proxy() as proxy, job.running() as r:
        r.committed(100)
        proxy.lose(side, wire.END_TXN)
        job.produce(orders(100, first=100))
        assert proxy.lost.wait(PATIENCE)
        if side == "request":   # it did not happen: the broker gives the transaction up, which ends the producer
            broker.produce_transaction(job.output_topics[0], [])
            until(lambda: broker.bounds(job.output_topics[0])[1] > len(broker.read(job.output_topics[0])) + 2, "the broker to abort the transaction")
            assert job.c()[0] == 100
            time.sleep(3)
        else:                   # it happened
            until(lambda: job.c()[0] > 100, "the transaction to be committed")
        proxy.restore()
        job.produce(orders(100, first=200))
        r.committed(300)
        assert r.stop() == 0, r.stderr
        if side == "request":
            assert "going back to the last good checkpoint" in r.stderr or "PRODUCER" in r.stderr or "EPOCH" in r.stderr, r.stderr
        job.check()


@pytest.mark.parametrize("side", ["request", "response"])
def test_a_process_killed_before_it_learned_the_outcome_of_a_commit(side, make_kafka_job, broker):
    job = through(broker, make_kafka_job, checkpoints=RARELY)
    job.produce(orders(100))
    with broker.proxy() as proxy:
        with job.running() as r:
            r.committed(100)
            proxy.lose(side, wire.END_TXN)
            job.produce(orders(100, first=100))
            assert proxy.lost.wait(PATIENCE)
            if side == "response":
                until(lambda: job.c()[0] > 100, "the transaction to be committed")
            r.kill()
            assert side == "response" or job.c()[0] == 100
        proxy.restore()
        job.run_to_end()
        job.check()


def test_another_owner_that_went_on_past_a_commit_of_unknown_outcome(make_kafka_job, broker, tmp_path):
    job = through(broker, make_kafka_job, checkpoints=RARELY)
    job.produce(orders(100))
    with broker.proxy() as proxy, job.running() as first:
        first.committed(100)
        proxy.lose("request", wire.END_TXN)
        job.produce(orders(100, first=100))
        assert proxy.lost.wait(PATIENCE)
        first.signal(signal.SIGSTOP)
        other = job.copy(tmp_path / "other")
        first.signal(signal.SIGCONT)
        other.given["source"]["kafka"]["brokers"] = broker.address
        other.set()
        with other.running() as second:
            job.produce(orders(100, first=200))
            second.committed(300)
            c = job.c()
            proxy.restore()
            assert first.wait() == 9, first.stderr
            assert "another process" in first.stderr
            assert job.c() == c
            assert second.stop() == 0 and " error " not in second.stderr, second.stderr
        other.check()


def test_a_broker_whose_port_refuses(make_kafka_job, broker, long):
    job = through(broker, make_kafka_job)
    job.produce(orders(500))
    with broker.proxy() as proxy, job.running() as r:
        r.committed(500)
        for count in range(1, 3):
            job.produce(orders(1000, first=count * 1000 - 500))
            proxy.refuse()   # in the middle of it
            time.sleep(20 if long else 4)
            assert r.process.poll() is None, r.stderr
            proxy.restore()
            r.committed(count * 1000 + 500)
        assert r.stop() == 0, r.stderr
        job.check()


# ------------------------------------------------------------------------------------------------ C6: who owns the partition
def test_one_that_slept_is_fenced_by_another_that_had_nothing_to_commit(make_kafka_job, tmp_path):
    job = make_kafka_job(delivery={"commit_every": "20ms", "idle_every": "300ms"})
    job.produce(orders(300))
    with job.running() as first:
        first.committed(300)
        first.signal(signal.SIGSTOP)
        other = job.copy(tmp_path / "other")
        other.set(delivery={"commit_every": "20ms", "idle_every": "1h"})
        before = job.c()
        with other.running() as second:
            second.wait_for(lambda s: s["phase"] == "waiting")
            c = job.c()
            assert c[0] == before[0] and c[1] != before[1]   # it says whose the position is now
            first.signal(signal.SIGCONT)                     # and wakes with a commit to make
            assert first.wait() == 9, first.stderr
            assert "another process" in first.stderr
            assert job.c() == c
            job.produce(orders(100, first=300))
            second.committed(400)
            assert second.stop() == 0 and " warn " not in second.stderr, second.stderr
    other.check()


# ------------------------------------------------------------------------------------------------ E1, E2, S2
def test_fixed_commits_make_equal_topics_whatever_was_killed(make_kafka_job, broker):
    fixed = {"commit_at": {"offset_multiple": 50}}
    lines = list(orders(1000, bad_every=97))
    one, two = make_kafka_job(delivery=fixed), make_kafka_job(delivery=fixed, checkpoints={"every": "30ms"})
    two.source_topic = two.given["source"]["kafka"]["topic"] = one.source_topic
    two.set()
    one.produce(lines)
    one.run_to_end()
    for point in ("kafka-position-sent:3", "kafka-committed:2", "checkpoint-synced:2", "kafka-output-sent:5", "commit-known:4", "recovery-done:1", "kafka-claim:1"):
        rewind("run", two.file, expect=-signal.SIGKILL, cwd=two.folder, REWIND_CRASH_POINT=point)
    two.run_to_end()
    one.check(), two.check()

    def content(topic):
        return [(m.key(), m.value(), m.timestamp(), [h for h in m.headers() if h[0] != "rewind-lineage"]) for m in broker.read(topic)]

    for ours, theirs in zip(one.output_topics, two.output_topics):
        assert content(ours) == content(theirs)
    ends = {row[2] + 1 for row in one.rows(one.output_topics[0])}
    assert ends == set(range(50, 1001, 50))


def test_an_event_far_ahead_of_its_record_is_a_dead_letter(make_kafka_job, broker):
    job = make_kafka_job(event={"fields": driver.FIELDS, "time": {"field": "ts"}})
    base = 1700000000000
    lines = [{"value": line, "timestamp": base + i * 1000} for i, line in enumerate(orders(6))]
    ahead = [0, 3600_000, 3600_001, -86400_000, 2**41, 5]   # of the record's time; an hour is allowed
    for line, by in zip(lines, ahead):
        event = driver.json.loads(line["value"])
        line["value"] = driver.json.dumps({**event, "ts": line["timestamp"] + by})
    job.produce(lines)
    job.run_to_end()
    dead = [(int(dict(m.headers())["__streams.errors.offset"]), dict(m.headers())["__streams.errors.exception"]) for m in broker.read(job.output_topics[-1])]
    assert dead == [(2, b"future"), (4, b"future")]
    assert driver.newest(job)["counts"]["applied"] == 4


# ------------------------------------------------------------------------------------------------ what a broker forgets
def test_a_producer_that_the_broker_forgot_is_made_again(forgetful, tmp_path):
    job = KafkaJob(tmp_path / "quiet", forgetful, "quiet", delivery={"commit_every": "20ms", "idle_every": "1h"})
    job.produce(orders(100))
    with job.running() as r:
        r.committed(100)
        time.sleep(4)      # longer than transactional.id.expiration.ms
        job.produce(orders(100, first=100))
        r.committed(200)
        assert r.stop() == 0, r.stderr
        assert "has forgotten this transactional id" in r.stderr, r.stderr
    job.check()


def test_a_position_committed_again_outlives_the_brokers_memory(idle):
    awake, down, r = idle
    until(lambda: down.c() is None, "the broker to forget the position of a job that is down")
    refused(down, 8, "nothing says what was committed", "offsets.retention.minutes", "rewind run", "--fresh")
    assert awake.c()[0] == 100
    awake.produce(orders(100, first=100))
    r.committed(200)
    assert r.stop() == 0, r.stderr
    awake.check()
