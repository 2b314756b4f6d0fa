"""A job file that changes, on a real broker: C moves to the new lineage in one transaction, and what C names is live."""
import shutil

import pytest

import oracle
import rewind as driver
from rewind import orders
from test_change import SECOND

pytestmark = pytest.mark.xdist_group("kafka")


@pytest.fixture
def job(make_kafka_job, broker):
    """Checkpoints below the change and at it; behind it stand a transaction marker and records that nobody committed; then the new logic, not run yet."""
    made = make_kafka_job(checkpoints={"every": "1h", "full": {"keep": 0}}, event={"time": {"field": "ts"}, "fields": driver.FIELDS})
    fields = [["orders", "revenue", "least", "most", "last_seen"], ["orders", "units"]]
    made.set(sinks=[{**sink, "fields": names} for sink, names in zip(made.given["sinks"], fields)])
    made.produce(orders(200, bad_every=41))
    made.run_to_end()
    broker.produce_transaction(made.source_topic, [{"value": line.encode()} for line in orders(150, first=200, seed=2)])
    broker.produce_transaction(made.source_topic, [{"value": b"{}"}], commit=False)
    made.run_to_end()
    first = made.folder / "first.yaml"
    shutil.copy(made.file, first)
    made.segments = [(0, first), (made.c()[0], made.file)]
    made.expected = lambda until=None: oracle.run_message_segments(made.segments, broker.read(made.source_topic))
    made.set(tables=SECOND, on_change="from-now")
    made.produce(orders(150, first=350, seed=3, bad_every=41))
    return made


def lineages(job):
    """Of each row of the first output, in order and without repeats."""
    found = [dict(m.headers())["rewind-lineage"] for m in job.broker.read_all(job.output_topics[0])]
    return [one for i, one in enumerate(found) if i == 0 or found[i - 1] != one]


@pytest.mark.parametrize("point", ["change-lineage-kept", "change-checkpoint", "change-committing", "change-committed"])
def test_a_kill_in_the_midst_of_a_change_leaves_what_c_names(point, job):
    with job.running(REWIND_CRASH_POINT=point) as r:
        assert r.wait() == -9
    job.run_to_end()
    job.check()
    assert len(lineages(job)) == 2


def test_a_recovery_from_below_the_change_replays_each_record_with_its_own_logic(job):
    job.run_to_end()
    job.check()
    for c in driver.checkpoints(job):
        if c["next_offset"] >= job.segments[1][0]:
            (job.checkpoints / c["id"] / "tables" / "CURRENT").unlink()
    job.produce(orders(50, first=500, seed=4))
    job.run_to_end()
    job.check()


def test_yesterdays_job_file_runs_on_with_the_lineage_in_force(job):
    job.run_to_end()
    shutil.copy(job.file, job.folder / "second.yaml")
    job.segments[1] = (job.segments[1][0], job.folder / "second.yaml")
    shutil.copy(job.segments[0][1], job.file)
    job.produce(orders(50, first=500, seed=4))
    with job.running() as r:
        r.committed(job.end())
        assert r.stop() == 0
        assert "is an earlier job file of this data directory" in r.stderr
    job.check()
    assert len(lineages(job)) == 2
