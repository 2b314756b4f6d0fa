"""`delivery.mode: at-least-once`: no transactions, the position behind acknowledged outputs. State is that of an uninterrupted run whatever is killed; outputs are,
too, but runs of them may stand there again."""
import random
import signal
import time

import confluent_kafka
import pytest

import proxy as wire
import rewind as driver
from rewind import PATIENCE, orders, rewind
from test_kafka_crash import ALWAYS, AT_START, GENESIS, RESTLESS, Feed, killed

pytestmark = pytest.mark.xdist_group("kafka")

ONCE, LEAST = {"mode": "exactly-once", "commit_every": "20ms"}, {"mode": "at-least-once", "commit_every": "20ms"}
FIXED = {"mode": "at-least-once", "commit_at": {"offset_multiple": 25}}   # the rows of `emit: commit` are the same in every run
RARELY = {"every": "1h"}
TRANSACTIONAL = {"kafka-position-sent"}   # steps that only a transaction has
REQUESTS = {wire.ADD_PARTITIONS, wire.ADD_OFFSETS, wire.END_TXN, wire.TXN_OFFSET_COMMIT}   # likewise


@pytest.fixture
def make_job(make_kafka_job, broker):
    """Jobs that deliver at least once; `proxied` ones come to the broker through the proxy."""
    def make(proxied=False, delivery=LEAST, **sections):
        job = make_kafka_job(delivery=delivery, **sections)
        if proxied:
            job.given["source"]["kafka"]["brokers"] = broker.proxied
        return job.set()

    return make


def finish(job, feed):
    """Up to a multiple of what commits are fixed to."""
    feed.more(-feed.count % 25)
    with job.running() as r:
        r.committed(feed.count)
        assert r.stop() == 0, r.stderr
    return job.check_at_least_once()


def set_mode(job, delivery):
    job.given["delivery"] = delivery
    job.set()


# ------------------------------------------------------------------------------------------------ undisturbed
def test_undisturbed_it_is_what_the_oracle_says_once(make_job):
    for delivery in (LEAST, FIXED):
        job = make_job(delivery=delivery)
        job.produce(orders(3000, bad_every=97))
        job.run_to_end()
        assert len(job.check().dead) == 30   # every row once
        job.check_at_least_once()
        job.produce(orders(500, first=3000, bad_every=97))
        job.run_to_end()
        job.check()


def test_nothing_asks_for_transactions_and_modes_may_change(tmp_path):
    """On a broker of its own, which makes the log of transactions when the first producer asks for one."""
    import broker as support
    import kafka_job

    fresh = support.Broker(tmp_path / "broker")
    try:
        job = kafka_job.KafkaJob(tmp_path / "job", fresh, "fresh", delivery=LEAST)
        job.given["source"]["kafka"]["brokers"] = fresh.proxied
        job.set()
        count = 0
        with fresh.proxy() as proxy:
            for mode, transactional in ((LEAST, False), (LEAST, False), (ONCE, True), (LEAST, True), (ONCE, True)):
                set_mode(job, mode)
                proxy.seen.clear()
                job.produce(orders(300, first=count, bad_every=29))
                count += 300
                job.run_to_end()
                assert bool(proxy.seen & REQUESTS) == (mode is ONCE), proxy.seen
                assert ("__transaction_state" in fresh.admin().list_topics(timeout=PATIENCE).topics) == transactional
                assert "__consumer_offsets" in fresh.admin().list_topics(timeout=PATIENCE).topics
                assert driver.newest(job)["lineage"]
                job.check()
    finally:
        fresh.close()


def test_a_file_as_source(make_kafka_job, broker):
    job = make_kafka_job(source={"file": {"path": "orders.jsonl"}, "format": "json"}, delivery=LEAST)
    job.given["kafka"] = {"brokers": broker.address}
    job.set()
    job.write(orders(1000, bad_every=97))
    job.run()
    expected = driver.Job.expected(job)
    job.check_outputs(expected)
    assert driver.digest(job) == expected.digest()
    assert broker.committed(job.group, job.output_topics[0])[0] == 1000


def test_an_idle_job_commits_its_position_again(make_job):
    job = make_job(delivery={**LEAST, "idle_every": "100ms"})
    Feed(job).more(100)
    with job.running() as r:
        first = r.committed(100)["commits"]["count"]
        before = job.c()
        r.wait_for(lambda s: s["commits"]["count"] >= first + 5)
        assert job.c() == before
        assert r.stop() == 0
    job.check()


def test_where_outputs_are_files_the_key_is_refused(tmp_path):
    job = driver.Job(tmp_path / "job", orders(10), delivery={"mode": "at-least-once"})
    said = rewind("config", "check", job.file, expect=2).err
    assert "delivery.mode has a meaning only where outputs are topics" in said
    job.given["delivery"] = {}
    job.set()
    assert "only where outputs are topics" in rewind("config", "check", job.file, expect=2, REWIND_DELIVERY_MODE="at-least-once").err


# ------------------------------------------------------------------------------------------------ kills
def test_a_kill_at_every_step_loses_nothing(make_job, long):
    job = make_job(delivery=FIXED, checkpoints=RESTLESS)
    feed = Feed(job)
    feed.more(100)
    job.run_to_end()
    here = [p for p in ALWAYS if p not in TRANSACTIONAL and (long or p.split("-")[0] in ("kafka", "commit", "freeze", "checkpoint"))]
    specs = [f"{point}:1" for point in AT_START if long or point.startswith(("kafka-", "recovery-"))] + [f"{point}:{n}" for point in here for n in (1, 2, 5)]
    random.Random(7).shuffle(specs)
    assert len(specs) >= 20
    with feed.arriving():
        for spec in specs:
            killed(job, spec)
    finish(job, feed)


def test_a_kill_in_genesis_loses_nothing(make_job):
    for point in GENESIS:
        if point in TRANSACTIONAL:
            continue
        job = make_job(delivery=FIXED, name=f"least-{point}")
        feed = Feed(job)
        feed.more(50)
        rewind("run", job.file, expect=-signal.SIGKILL, cwd=job.folder, REWIND_CRASH_POINT=f"{point}:1")
        finish(job, feed)


def test_random_kills_lose_nothing(make_job, long):
    pick = random.Random(11)
    job = make_job(checkpoints=RESTLESS)
    feed = Feed(job)
    with feed.arriving():
        for i in range(500 if long else 24):
            with job.running() as r:
                if i % 2:
                    before = (job.c() or (0, ""))[0]
                    r.wait_for(lambda s: s["committed"] > before)
                time.sleep(pick.uniform(0.01, 0.1 if i % 2 else 0.3))
                assert r.process.poll() is None, r.stderr
                r.kill()
    finish(job, feed)


def test_a_process_killed_with_its_outputs_out_sends_them_again(make_job):
    job = make_job(checkpoints=RARELY, delivery=FIXED)
    feed = Feed(job)
    feed.more(100)
    job.run_to_end()
    feed.more(100)
    for _ in range(2):
        killed(job, "kafka-outputs-acknowledged:2")   # the first commit is the claim
    assert job.c()[0] == 100
    finish(job, feed)
    rows = [row[2] for row in job.rows(job.output_topics[1])]
    assert any(rows.count(offset) == 3 for offset in rows)   # repeated, each time


# ------------------------------------------------------------------------------------------------ brokers that go away
def test_a_broker_that_is_killed_under_load(make_job, broker):
    job = make_job()
    feed = Feed(job)
    with job.running() as r:
        feed.more(2000)
        r.committed(feed.count - 1990)   # in the middle of it
        broker.kill()
        broker.start()
        feed.more(200)
        r.committed(feed.count)
        assert r.stop() == 0, r.stderr
    job.check_at_least_once()


@pytest.mark.parametrize("step", ["OFFSET_FETCH", "PRODUCE", "OFFSET_COMMIT"])
def test_a_connection_lost_at_any_request_of_a_commit(step, make_job, broker):
    job = make_job(proxied=True, checkpoints=RARELY)
    feed = Feed(job)
    with broker.proxy() as proxy, job.running() as r:
        for side in ("request", "response"):
            feed.more(50)
            r.committed(feed.count)
            proxy.lose(side, getattr(wire, step))
            feed.more(50)
            assert proxy.lost.wait(PATIENCE), f"{step} did not come"
            if step == "OFFSET_COMMIT" and side == "response":
                assert job.c()[0] > feed.count - 50   # it happened
            proxy.restore()
            r.committed(feed.count)
        assert r.stop() == 0, r.stderr
        assert "going back" not in r.stderr, r.stderr   # the process went on by itself
        job.check()   # the producer is idempotent, and the position alone is committed again


def test_told_to_stop_without_a_broker_it_ends_in_time(make_job, broker):
    job = make_job(proxied=True, stop_timeout="500ms", checkpoints=RARELY)
    feed = Feed(job)
    with broker.proxy() as proxy:
        for step in ("PRODUCE", "OFFSET_FETCH", "OFFSET_COMMIT"):
            with job.running() as r:
                feed.more(50)
                r.committed(feed.count)
                proxy.lose("request", getattr(wire, step))
                feed.more(50)
                assert proxy.lost.wait(PATIENCE)
                r.stop()
            proxy.restore()
        feed.more(50)
        finish(job, feed)


def test_a_record_that_the_broker_refuses_stops_the_job_below_it(make_job, broker):
    job = make_job()
    feed = Feed(job)
    feed.more(100)
    job.run_to_end()
    c = job.c()
    broker.set_topic(job.output_topics[0], max_message_bytes=100)   # no row fits any more
    feed.more(100)
    said = rewind("run", job.file, expect=3, cwd=job.folder).err
    assert job.output_topics[0] in said and "a record is larger than the topic" in said
    assert job.c()[0] == c[0]
    broker.set_topic(job.output_topics[0], max_message_bytes=1000000)
    finish(job, feed)


# ------------------------------------------------------------------------------------------------ two owners
def test_a_process_that_slept_while_another_took_over_is_silent(make_job, tmp_path):
    job = make_job(delivery={**LEAST, "idle_every": "1h"})
    feed = Feed(job)
    feed.more(500)
    with job.running() as first:
        first.committed(feed.count)
        first.signal(signal.SIGSTOP)
        other = job.copy(tmp_path / "other")
        feed.more(500)
        with other.running() as second:
            second.committed(feed.count)
            c = job.c()
            first.signal(signal.SIGCONT)   # it has 500 records to publish, and looks at C before
            assert first.wait() == 9, first.stderr
            assert "another process" in first.stderr
            assert job.c() == c
            assert second.process.poll() is None, second.stderr
            feed.more(500)
            second.committed(feed.count)
            assert second.stop() == 0, second.stderr
    other.check()   # not one row of the first's


def test_a_second_process_ends_the_first(make_job, tmp_path):
    job = make_job(delivery={**LEAST, "idle_every": "200ms"})
    feed = Feed(job)
    feed.more(500)
    with job.running() as first:
        first.committed(feed.count)
        first.signal(signal.SIGSTOP)
        other = job.copy(tmp_path / "other")
        first.signal(signal.SIGCONT)
        with other.running() as second:
            second.committed(feed.count)
            assert first.wait() == 9 and "another process" in first.stderr, first.stderr
            feed.more(500)
            second.committed(feed.count)
            assert second.stop() == 0, second.stderr
    other.check()


def test_a_program_that_joins_the_group_stops_the_job(make_job, broker):
    job = make_job()
    feed = Feed(job)
    feed.more(100)
    consumer = confluent_kafka.Consumer(broker.client(group_id=job.group))
    with job.running() as r:
        r.committed(100)
        consumer.subscribe([job.source_topic])
        deadline = time.monotonic() + PATIENCE
        while not consumer.assignment() and time.monotonic() < deadline:
            consumer.poll(0.1)
        feed.more(100)
        assert r.wait() == 6, r.stderr
        assert "subscribes with its name" in r.stderr
    consumer.close()
    assert job.c()[0] == 100
    finish(job, feed)


def test_a_position_that_somebody_else_commits_stops_the_job(make_job, broker):
    job = make_job(delivery={**LEAST, "idle_every": "100ms"})
    feed = Feed(job)
    feed.more(100)
    with job.running() as r:
        r.committed(100)
        broker.commit(job.group, job.source_topic, 70)
        assert r.wait() == 6, r.stderr
        assert "another program" in r.stderr
    assert job.c() == (70, "")   # nothing was put in its place
