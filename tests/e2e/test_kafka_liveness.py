"""A broker that does not answer: the job says so and since when, can be stopped, and goes on exactly once."""
import datetime
import json
import re
import signal
import time

import pytest

import rewind as driver
from rewind import PATIENCE, get, orders, rewind

pytestmark = pytest.mark.xdist_group("kafka")


def wait(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def pages(r):
    """Where the job's HTTP pages are."""
    wait(lambda: "listening on" in r.stderr, "the job to listen")
    return "http://" + re.search(r"listening on (\S+)", r.stderr)[1]


def metric(base, name):
    found = re.search(rf"^rewind_{re.escape(name)} (\S+)$", get(base + "/metrics")[1], re.M)
    return float(found[1])


LISTEN = {"listen": "127.0.0.1:0"}


@pytest.fixture
def frozen(broker):
    """Leaves no broker frozen behind."""
    yield broker
    broker.thaw()


def finish(job):
    job.run_to_end()
    return job.check()


def test_a_job_ends_when_told_to_while_the_broker_does_not_answer(make_kafka_job, frozen):
    job = make_kafka_job(stop_timeout="1s")
    job.produce(orders(3000))
    with job.running() as r:
        r.committed(2000)
        frozen.freeze()
        assert r.stop() == 0, r.stderr   # in time: the test's patience is longer than any of librdkafka's time-outs together
        frozen.thaw()
    job.produce(orders(1000, first=3000))
    finish(job)


def test_a_job_that_waits_for_its_broker_ends_when_told_to(make_kafka_job, broker):
    job = make_kafka_job()
    job.produce(orders(100))
    broker.kill()
    with job.running() as r:
        r.wait_for(lambda s: s["phase"] == "starting")   # its doors are open before its broker is there
        assert r.stop() == 0, r.stderr
    broker.start()
    finish(job)


def test_a_second_interrupt_ends_a_job_at_once(make_kafka_job, frozen):
    job = make_kafka_job(stop_timeout="1h", delivery={"commit_every": "4s"})
    job.produce(orders(3000))
    with job.running() as r:
        r.committed(1000)
        job.produce(orders(500, first=3000))
        r.wait_for(lambda status: status["position"] >= 3500, "the records to be read")   # and not committed yet
        frozen.freeze()
        r.signal(signal.SIGINT)
        wait(lambda: "SIGINT" in r.stderr, "the first interrupt to be seen")
        r.signal(signal.SIGINT)
        assert r.wait() == 130, r.stderr
        frozen.thaw()
    finish(job)


def test_a_broker_that_does_not_answer_is_named_with_the_stage_and_since_when(make_kafka_job, frozen):
    job = make_kafka_job(http=LISTEN)
    job.produce(orders(2000))
    with job.running() as r:
        base = pages(r)
        r.committed(2000)
        wait(lambda: get(base + "/readyz")[0] == 200, "the job to be ready")
        before = datetime.datetime.now(datetime.timezone.utc)
        frozen.freeze()
        wait(lambda: get(base + "/readyz")[0] == 503, "the job to notice")
        text = get(base + "/readyz")[1]
        assert "stuck: fetch since " in text and "no broker answers the source since " in text, text
        since = datetime.datetime.fromisoformat(re.search(r"fetch since (\S+?)Z?\n", text)[1] + "+00:00")
        assert before - datetime.timedelta(seconds=10) < since < before + datetime.timedelta(seconds=60), (before, text)
        status = json.loads(get(base + "/status")[1])
        assert not status["ready"] and "fetch" in status["stuck"] and status["source"]["away_since"]
        assert metric(base, 'stuck_seconds{stage="fetch"}') >= 10 and metric(base, "source_away_seconds") > 0
        shown = rewind("status", "--data", job.data).out
        assert "no broker answers since " in shown and re.search("stuck +fetch since ", shown), shown
        assert get(base + "/livez")[0] == 200 and get(base + "/startupz")[0] == 200
        wait(lambda: "watchdog: fetch is stuck since" in r.stderr and "kafka: no broker answers since" in r.stderr, "the log to say so")
        frozen.thaw()
        job.produce(orders(500, first=2000))
        r.committed(2500)
        wait(lambda: get(base + "/readyz")[0] == 200, "the job to be ready again")
        wait(lambda: metric(base, "source_away_seconds") == 0, "the broker to be found again")
        assert metric(base, 'stuck_seconds{stage="fetch"}') == 0
        assert r.stop() == 0, r.stderr
    job.check()


def test_a_commit_that_does_not_come_to_its_end_is_named(make_kafka_job, frozen):
    job = make_kafka_job(http=LISTEN, delivery={"commit_every": "3s"})
    job.produce(orders(1000))
    with job.running() as r:
        base = pages(r)
        r.committed(1000)
        job.produce(orders(500, first=1000))
        r.wait_for(lambda s: s["position"] == 1500)   # read, and not committed for a while
        frozen.freeze()
        wait(lambda: re.search("stuck: (sink|commit) since", get(base + "/readyz")[1]), "the watchdog to name the commit")
        assert json.loads(get(base + "/status")[1])["commits"]["away_since"]
        assert metric(base, "sink_away_seconds") > 0
        wait(lambda: "no broker takes the output since" in r.stderr, "the log to say so")
        frozen.thaw()
        r.committed(1500)
        wait(lambda: get(base + "/readyz")[0] == 200, "the job to be ready again")
        assert r.stop() == 0, r.stderr
    job.check()


def test_lag_is_what_is_left_to_read(make_kafka_job):
    job = make_kafka_job(http=LISTEN)
    job.produce(orders(3000))
    with job.running() as r:
        base = pages(r)
        assert r.committed(3000)["lag"]["seconds"] in (0, None)
        caught_up = r.wait_for(lambda s: s["lag"]["records"] == 0)
        assert caught_up["lag"]["seconds"] == 0
        # A transaction ends in a marker, which is no record: there is nothing left to read behind it.
        job.broker.produce_transaction(job.source_topic, orders(10, first=3000))
        r.committed(3010)
        r.wait_for(lambda s: s["lag"] == {"records": 0, "seconds": 0})
        assert metric(base, "lag_records") == 0
        assert r.stop() == 0, r.stderr
    job.check()


def test_a_job_without_outputs_shows_its_lag_and_never_trusts_it(make_kafka_job, broker):
    job = make_kafka_job(sinks=[], errors=None)
    broker.topics([f"{job.name}-dead"])
    job.produce(orders(1000))

    def shows(offset):
        return lambda: job.c() == (offset, "rewind: shows lag only")

    with job.running() as r:
        wait(shows(1000), "the group to show 1000")
        r.kill()
    broker.commit(job.group, job.source_topic, 10, metadata="rewind: shows lag only")   # no truth: X is
    job.produce(orders(500, first=1000))
    with job.running() as r:
        wait(shows(1500), "the group to show 1500")
        assert r.stop() == 0, r.stderr
    assert driver.newest(job)["counts"]["read"] == 1500
    assert driver.digest(job) == job.expected().digest()
    # A place for dead letters makes the group's offset C: what stood there is no foreign commit.
    job.set(errors={"dead_letter": {"kafka": {"topic": f"{job.name}-dead"}}})
    job.produce(["nonsense"])
    job.run_to_end()
    assert job.c()[0] == 1501 and "shows lag" not in job.c()[1]
    assert len(broker.read(f"{job.name}-dead")) == 1


# ------------------------------------------------------------------------------------------------ pause
def pause(job, *words):
    return driver.rewind_json("pause", job.file, *words, cwd=job.folder)


def resume(job):
    return driver.rewind_json("resume", job.file, cwd=job.folder)


def test_a_paused_job_reads_and_publishes_nothing_until_it_is_resumed(make_kafka_job):
    job = make_kafka_job(http=LISTEN, delivery={"commit_every": "20ms", "idle_every": "200ms"})
    job.produce(orders(2000))
    with job.running() as r:
        base = pages(r)
        r.committed(1)
        done = pause(job, "--reason", "a migration")
        assert done["in_effect"] and done["position"] == done["committed"] == job.c()[0]
        job.produce(orders(2000, first=2000))
        code, text = get(base + "/readyz")
        assert code == 503 and text.startswith("paused\n") and "a migration" in text and "next: rewind resume" in text, text
        assert get(base + "/livez")[0] == 200 and get(base + "/startupz")[0] == 200
        assert metric(base, 'phase{rewind_phase="paused"}') == 1
        commits = r.status()["commits"]["count"]
        r.wait_for(lambda s: s["commits"]["count"] >= commits + 3, "idle commits while paused")
        made = driver.rewind_json("checkpoint", "create", job.file, cwd=job.folder)
        assert made["next_offset"] == done["position"]
        rewind("state", "get", job.file, "--table", "customers", "customer-1", cwd=job.folder)
        status = r.status()
        assert status["position"] == done["position"] and status["phase"] == "paused" and not status["ready"]
        assert job.c()[0] == done["position"]
        assert resume(job)["in_effect"]
        r.committed(4000)
        assert r.stop() == 0, r.stderr
    job.check()


def test_a_pause_outlives_kills_and_brokers(make_kafka_job, broker):
    job = make_kafka_job()
    job.produce(orders(1000))
    with job.running() as r:
        r.committed(1000)
        pause(job, "--reason", "first")
        assert pause(job, "--reason", "second")["in_effect"]
        assert "first" in r.status()["reason"]   # who paused it stays known
        r.kill()
    job.produce(orders(1000, first=1000))
    with job.running() as r:
        assert r.wait_for(lambda s: s["phase"] == "paused")["position"] == 1000
        broker.kill()
        r.wait_for(lambda s: s["source"]["away_since"])
        broker.start()
        r.wait_for(lambda s: s["phase"] == "paused" and not s["source"]["away_since"])
        assert r.status()["position"] == 1000
        assert r.stop() == 0, r.stderr
    with job.running() as r:
        r.wait_for(lambda s: s["phase"] == "paused")
        resume(job)
        r.committed(2000)
        assert r.stop() == 0, r.stderr
    with job.running() as r:
        r.wait_for(lambda s: s["phase"] == "waiting")   # a resume is remembered, too
        assert r.stop() == 0, r.stderr
    job.check()
