"""Going back by the time of a record, in a topic with transaction markers, and times that do not rise."""
import confluent_kafka
import pytest

import rewind as driver
from rewind import orders, rewind, rewind_json
from test_restore import rfc3339

pytestmark = pytest.mark.xdist_group("kafka")

BEGIN = 1700000000000


def stamped(lines, first, step=1000, late_every=0):
    """A record a second; every so many is two minutes late."""
    return [{"value": line.encode(), "timestamp": BEGIN + (first + i) * step - (120000 if late_every and i % late_every == late_every - 1 else 0)} for i, line in enumerate(lines)]


@pytest.fixture
def job(make_kafka_job, broker):
    """Three checkpoints, records with times of their own, transaction markers between them."""
    made = make_kafka_job(checkpoints={"every": "1h", "full": {"keep": 0}})
    for part in range(3):
        broker.produce(made.source_topic, stamped(list(orders(200, first=part * 300, bad_every=37)), part * 300, late_every=50))
        broker.produce_transaction(made.source_topic, stamped(list(orders(99, first=part * 300 + 200)), part * 300 + 200))
        broker.produce_transaction(made.source_topic, [{"value": b"{}", "timestamp": BEGIN}], commit=False)
        made.run_to_end()
    return made


def plan_of(job, *words):
    return rewind_json("restore", job.file, *words, "--dry-run", cwd=job.folder)


def test_before_a_time_is_the_first_record_that_is_not_earlier(job, broker):
    """Where the broker says that it begins, or above: transaction markers, which are no records, have the time at which they were written."""
    records = broker.read(job.source_topic)
    made = [c["next_offset"] for c in driver.checkpoints(job)]
    for second in (0, 10, 199, 250, 299, 300, 555, 898):
        wanted = BEGIN + second * 1000
        plan = plan_of(job, "--before", rfc3339(wanted))
        asked = broker.consumer().offsets_for_times([confluent_kafka.TopicPartition(job.source_topic, 0, wanted)], timeout=driver.PATIENCE)[0].offset
        first = next(m for m in records if m.timestamp()[1] >= wanted)
        assert (plan["place"], plan["record"]["offset"], plan["event_times"]) == (first.offset(), first.offset(), False)
        assert asked <= plan["place"]
        assert plan["next_offset"] == max(x for x in made if x <= plan["place"])
        assert plan["earlier_records"] == sum(1 for m in records if m.offset() > first.offset() and m.timestamp()[1] < wanted)
    late = plan_of(job, "--before", rfc3339(BEGIN + 10**9))
    assert late["record"] is None and late["next_offset"] == max(made)


@pytest.mark.parametrize("running", [False, True], ids=["offline", "live"])
def test_the_state_is_rebuilt_and_the_topics_stay(running, job, broker):
    before, c = broker.read(job.output_topics[0]), job.c()
    words = ["restore", job.file, "--before", rfc3339(BEGIN + 400 * 1000), "--yes"]
    digest = driver.newest(job)["digest"]
    if running:
        with job.running() as r:
            r.wait_for(lambda s: s["phase"] == "waiting")
            done = rewind_json(*words, cwd=job.folder)
            assert (done["digest"], done["different_checkpoints"]) == (digest, 0) and done["equal_checkpoints"] >= 1
            job.produce(orders(100, first=900))
            r.committed(job.end())
            assert r.stop() == 0
    else:
        rewind(*words, cwd=job.folder)
        assert (driver.newest(job)["reason"], driver.newest(job)["digest"]) == ("restore", digest)
        assert len(broker.read(job.output_topics[0])) == len(before) and job.c()[0] == c[0]
        job.produce(orders(100, first=900))
        job.run_to_end()
    job.check()


def test_the_state_at_a_time_is_that_of_the_records_before_it(job, broker):
    c = job.c()
    for words, until in [(["--time", rfc3339(BEGIN + 450 * 1000)], None), (["--offset", 200], 200), (["--offset", 300], 300), (["--offset", 303], 303)]:
        if until is None:
            until = next(m.offset() for m in broker.read(job.source_topic) if m.timestamp()[1] >= BEGIN + 450 * 1000)
        found = rewind("state", "at", job.file, *words, "--table", "customers", "--limit", 0, "-o", "json", cwd=job.folder).out.splitlines()
        assert sorted(found) == sorted(job.expected(until).export("customers", "json").decode().splitlines())
    assert job.c() == c
