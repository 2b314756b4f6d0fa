"""A broker that does not answer: the job says so and since when, can be stopped, and goes on exactly once."""
import signal
import time

import pytest

import rewind as driver
from rewind import PATIENCE, orders

pytestmark = pytest.mark.xdist_group("kafka")


def wait(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


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
    job = make_kafka_job(stop_timeout="1h")
    job.produce(orders(3000))
    with job.running() as r:
        r.committed(1000)
        job.produce(orders(500, first=3000))
        frozen.freeze()
        r.signal(signal.SIGINT)
        wait(lambda: "SIGINT" in r.stderr, "the first interrupt to be seen")
        r.signal(signal.SIGINT)
        assert r.wait() == 130, r.stderr
        frozen.thaw()
    finish(job)
