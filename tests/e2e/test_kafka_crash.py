"""Kills, fencing and brokers that go away: outputs and state are those of an uninterrupted run, and nothing is published twice."""
import contextlib
import random
import signal
import threading
import time

import confluent_kafka
import pytest

import rewind as driver
from rewind import PATIENCE, crash_points, orders, rewind

pytestmark = pytest.mark.xdist_group("kafka")

# Of the named places those that a job from topics to topics comes by: at each start, and again and again while it runs.
AT_START = [p for p in crash_points() if p.split("-")[0] in ("lock", "live", "recovery") or p in ("kafka-taken-over", "kafka-claim")]
ALWAYS = [p for p in crash_points() if p not in AT_START and
          p.split("-")[0] in ("kafka", "commit", "freeze", "stage", "participant", "publish", "manifest", "checkpoint", "history", "prune", "journal")]
GENESIS = [p for p in crash_points() if p.startswith("genesis-")] + ["kafka-committed", "kafka-position-sent"]
RESTLESS = {"every": "30ms", "keep": {"last": 2}}


class Feed:
    """Input that keeps arriving: each call adds some orders, now and then a bad one."""

    def __init__(self, job):
        self.job, self.count = job, 0

    def more(self, count=60):
        self.job.produce(orders(count, first=self.count, seed=self.count, bad_every=29))
        self.count += count

    @contextlib.contextmanager
    def arriving(self):
        """Some orders all the time."""
        enough = threading.Event()

        def run():
            while not enough.wait(0.04):
                self.more(10)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join()


def finish(job):
    job.run_to_end()
    return job.check()


def killed(job, spec):
    with job.running(REWIND_CRASH_POINT=spec) as r:
        assert r.wait() == -signal.SIGKILL, f"{spec}: the job ended by itself\n{r.stderr}"


def test_a_kill_at_every_step_of_the_protocol_changes_nothing(make_kafka_job, long):
    job = make_kafka_job(checkpoints=RESTLESS, journal={"keep": "100ms"})
    feed = Feed(job)
    feed.more(100)
    job.run_to_end()   # genesis is another test's
    specs = [f"{point}:1" for point in AT_START] + [f"{point}:{n}" for point in ALWAYS for n in ((1, 2, 3, 5, 8) if long else (1, 3))]
    random.Random(7).shuffle(specs)
    assert len(specs) >= 60
    with feed.arriving():
        for spec in specs:
            killed(job, spec)
    finish(job)


def test_a_kill_in_genesis_changes_nothing(make_kafka_job):
    for point in GENESIS:
        job = make_kafka_job(name=f"genesis-{point}")
        job.given["source"]["kafka"]["start"] = "latest"
        job.set()
        job.produce(orders(10))
        feed = Feed(job)
        feed.count = 10
        rewind("run", job.file, expect=-signal.SIGKILL, cwd=job.folder, REWIND_CRASH_POINT=f"{point}:1")
        feed.more(100)   # `latest` is elsewhere now
        job.run_to_end()
        assert driver.newest(job)["counts"]["read"] in (100, 0), point
        began = driver.newest(job)["next_offset"] - driver.newest(job)["counts"]["read"]
        durable = point not in ("genesis-checkpoint",) and driver.checkpoints(job, pruned=True)
        assert began in (10, 110) and (not durable or began == 10), point


def test_random_kills_change_nothing(make_kafka_job, long):
    pick = random.Random(7)
    job = make_kafka_job(checkpoints=RESTLESS)
    feed = Feed(job)
    with feed.arriving():
        for i in range(1000 if long else 50):
            with job.running() as r:
                if i % 2:   # some time after it got on
                    before = (job.c() or (0, ""))[0]
                    r.wait_for(lambda s: s["committed"] > before)
                time.sleep(pick.uniform(0.01, 0.1 if i % 2 else 0.4))
                assert r.process.poll() is None, r.stderr
                r.kill()
    finish(job)


# ------------------------------------------------------------------------------------------------ two owners
def test_a_process_that_slept_while_another_took_over_is_silent(make_kafka_job, tmp_path):
    job = make_kafka_job(delivery={"commit_every": "20ms", "idle_every": "200ms"})
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
            first.signal(signal.SIGCONT)
            assert first.wait() == 9, first.stderr
            assert "another process" in first.stderr
            assert second.process.poll() is None, second.stderr
            feed.more(500)
            second.committed(feed.count)
            assert job.c()[0] >= c[0]
            assert second.stop() == 0, second.stderr
    other.check()


def test_another_data_directory_stops_before_it_fences(make_kafka_job, tmp_path):
    job = make_kafka_job()
    feed = Feed(job)
    feed.more(500)
    with job.running() as r:
        r.committed(feed.count)
        r.signal(signal.SIGSTOP)   # while files come and go they cannot be copied
        stranger = job.copy(tmp_path / "stranger")
        r.signal(signal.SIGCONT)
        driver.shutil.rmtree(stranger.folder / "data")
        said = rewind("run", stranger.file, expect=6, cwd=stranger.folder).err
        assert "this data directory is new" in said
        feed.more(500)
        r.committed(feed.count)
        assert r.stop() == 0
        assert " warn " not in r.stderr and " error " not in r.stderr, r.stderr
    job.check()


def test_a_foreign_commit_stops_the_job(make_kafka_job, broker):
    job = make_kafka_job()
    Feed(job).more(300)
    job.run_to_end()
    offset, metadata = job.c()
    broker.commit(job.group, job.source_topic, 299)
    assert "another program" in rewind("run", job.file, expect=6, cwd=job.folder).err
    broker.commit(job.group, job.source_topic, 300, metadata=metadata[:-8])
    assert "another program" in rewind("run", job.file, expect=6, cwd=job.folder).err
    broker.commit(job.group, job.source_topic, 100, metadata=metadata)
    assert "moved back" in rewind("run", job.file, expect=6, cwd=job.folder).err
    broker.commit(job.group, job.source_topic, 5000, metadata=metadata)   # above the partition's end
    said = rewind("run", job.file, expect=8, cwd=job.folder).err
    assert "below the committed offset 5000" in said and "--fresh" in said
    broker.commit(job.group, job.source_topic, offset, metadata=metadata)   # put back
    job.run_to_end()
    job.check()


def test_a_forgotten_position_stops_the_job(make_kafka_job, broker):
    job = make_kafka_job()
    Feed(job).more(300)
    job.run_to_end()
    admin = broker.admin()
    admin.delete_consumer_groups([job.group])[job.group].result(PATIENCE)
    assert job.c() is None
    assert "nothing says what was committed" in rewind("run", job.file, expect=8, cwd=job.folder).err


def test_a_group_with_members_stops_the_job(make_kafka_job, broker):
    job = make_kafka_job()
    consumer = confluent_kafka.Consumer(broker.client(group_id=job.group))
    consumer.subscribe([job.source_topic])
    deadline = time.monotonic() + PATIENCE
    while not consumer.assignment() and time.monotonic() < deadline:
        consumer.poll(0.1)
    try:
        assert "subscribes with its name" in rewind("run", job.file, expect=6, cwd=job.folder).err
    finally:
        consumer.close()


def test_records_that_are_gone_stop_the_job(make_kafka_job, broker):
    """Where no journal bridges them."""
    job = make_kafka_job(checkpoints={"every": "1h"}, journal="off")
    feed = Feed(job)
    feed.more(300)
    with job.running() as r:
        r.committed(feed.count)
        r.kill()    # C is 300, the newest checkpoint is genesis
    broker.delete_records(job.source_topic, 0, 200)
    said = rewind("run", job.file, expect=8, cwd=job.folder).err
    assert "holds [200, 300)" in said and "removed before they were read" in said


# ------------------------------------------------------------------------------------------------ the position while a transaction is open
def test_the_position_is_not_read_while_a_transaction_may_change_it(make_kafka_job, broker):
    job = make_kafka_job()
    feed = Feed(job)
    feed.more(300)
    job.run_to_end()
    consumer = confluent_kafka.Consumer(broker.client(group_id=job.group))
    stranger = confluent_kafka.Producer(broker.client(transactional_id=f"stranger-{job.group}"))
    stranger.init_transactions(PATIENCE)
    stranger.begin_transaction()
    stranger.produce(job.output_topics[0], key=b"never", value=b"seen")
    stranger.send_offsets_to_transaction([confluent_kafka.TopicPartition(job.source_topic, 0, 7)], consumer.consumer_group_metadata(), PATIENCE)
    feed.more(100)
    with job.running() as r:
        deadline = time.monotonic() + PATIENCE
        while "cannot read what group" not in r.stderr and time.monotonic() < deadline:
            assert r.process.poll() is None, r.stderr
            time.sleep(0.1)
        assert "cannot read what group" in r.stderr
        stranger.abort_transaction(PATIENCE)
        r.committed(feed.count)
        assert r.stop() == 0
    consumer.close()
    job.check()


def test_an_idle_job_commits_its_position_again(make_kafka_job):
    job = make_kafka_job(delivery={"commit_every": "20ms", "idle_every": "100ms"})
    Feed(job).more(100)
    with job.running() as r:
        first = r.committed(100)["commits"]["count"]
        before = job.c()
        r.wait_for(lambda s: s["commits"]["count"] >= first + 5)
        assert job.c() == before
        assert r.stop() == 0
    job.check()


# ------------------------------------------------------------------------------------------------ the broker
def under_load(job, disturb, rounds):
    feed = Feed(job)
    with job.running() as r:
        for _ in range(rounds):
            feed.more(2000)
            r.committed(feed.count - 1990)   # in the middle of it
            disturb()
            feed.more(200)
            r.committed(feed.count)
        assert r.stop() == 0, r.stderr
    return job.check()


def test_a_broker_that_is_killed_under_load(make_kafka_job, broker, long):
    def disturb():
        broker.kill()
        broker.start()

    under_load(make_kafka_job(), disturb, 10 if long else 1)


def test_a_broker_that_is_stopped_for_a_while(make_kafka_job, broker, long):
    def disturb():
        broker.freeze()
        time.sleep(20 if long else 5)
        broker.thaw()

    under_load(make_kafka_job(), disturb, 1)


def test_a_job_started_without_a_broker_waits_for_it(make_kafka_job, broker):
    job = make_kafka_job()
    feed = Feed(job)
    feed.more(100)
    broker.kill()
    with job.running() as r:
        time.sleep(3)
        assert r.process.poll() is None, r.stderr
        broker.start()
        r.committed(feed.count)
        assert r.stop() == 0
    job.check()
