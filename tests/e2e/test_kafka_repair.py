"""Repairs on a real broker: corrections and the new lineage in transactions, kills at their steps, what readers of committed records see (R4, C6)."""
import json
import signal
from concurrent import futures

import pytest

import oracle
import repairs
import rewind as driver
from kafka_job import key_of, value_of
from rewind import orders
from repairs import Faults, apply, plan, undo

pytestmark = pytest.mark.xdist_group("kafka")

PARTS = {"max_transaction": 12}
BEHIND = {"repair-part-sent", "repair-switched", "repair-entered"}


class Drill:
    """A job that read the wrong events, and the same events as they should have been, in a topic beside."""

    def __init__(self, job, broker, **more):
        self.job, self.broker, self.faults = job, broker, Faults()
        self.true = f"{job.name}-true"
        broker.topics([self.true], retention_ms=-1)
        job.produce(self.faults.wrong)
        broker.produce(self.true, self.faults.true)

    def more(self, count, first):
        lines = list(orders(count, keys=40, first=first))
        self.job.produce(lines)
        self.broker.produce(self.true, lines)

    def plan(self):
        return plan(self.job, "--amend", self.faults.file(self.job))

    def expected(self, true):
        return oracle.run_messages(oracle.Job(self.job.file), self.broker.read(self.true if true else self.job.source_topic))

    def check(self, true):
        expected = self.expected(true)
        for sink in expected.job.sinks:
            found = {row[0]: row[1] for row in self.job.rows(sink.topic)}
            wanted = {key_of(sink, key): value_of(sink, key, row) for key, row in expected.tables[sink.table.name].items()}
            assert {k: v for k, v in found.items() if v is not None} == wanted, sink.topic
        newest = driver.newest(self.job)
        assert (driver.digest(self.job), newest["next_offset"]) == (expected.digest(), self.job.c()[0])


@pytest.fixture
def drill(make_kafka_job, broker):
    return Drill(make_kafka_job(repair=PARTS), broker)


def test_a_live_repair_and_its_undo_are_those_of_the_true_events(drill):
    job = drill.job
    with job.running() as r:
        r.committed(job.end())
        made = drill.plan()
        drill.more(80, 600)
        apply(job, made["id"])
        drill.more(80, 680)
        r.committed(job.end())
        assert r.stop() == 0
    drill.check(True)
    topic = job.output_topics[0]
    corrected = [(m.key(), dict(m.headers())) for m in job.broker.read_all(topic) if b"rewind-repair" in [n.encode() for n, _ in m.headers()]]
    assert len({key for key, _ in corrected}) == len(corrected) == made["outputs"][0]["changed"] + made["outputs"][0]["added"]
    for key, headers in corrected:
        assert (headers["rewind-repair"], headers["rewind-reason"]) == (made["id"].encode(), b"as the drill has it")
        assert json.loads(headers["rewind-old"])["customer"] == key.decode()
    resolved = [m for m in job.broker.read(job.output_topics[2]) if "resolved-by" in dict(m.headers())]
    assert [(m.value(), dict(m.headers())["resolved-by"]) for m in resolved] == [(None, made["id"].encode())]
    with job.running() as r:
        undo(job)
        drill.more(80, 760)
        r.committed(job.end())
        assert r.stop() == 0
    drill.check(False)
    assert len(job.c()[1]) <= 256


TELLING = ["kafka-outputs-acknowledged", "kafka-committed", "repair-part-sent"]
OTHERS = ["repair-built", "repair-decided", "repair-sending", "kafka-position-sent", "repair-switched", "repair-entered"]


@pytest.mark.parametrize("point", TELLING + OTHERS)
def test_a_kill_on_the_way_leaves_exactly_one_of_the_two_histories(point, drill, long):
    """Offline: the transaction of the first corrections decides, whose X is C before it and after it (C6). Killed in the midst of it, the next start's fence aborts the switch."""
    if point in OTHERS and not long:
        pytest.skip("with --long")
    job = drill.job
    job.run_to_end()
    drill.plan()
    # The first two transactions of the command are the claim of its owner and the first corrections.
    passing = 2 if point.startswith("kafka-") else 1
    assert apply(job, expect=None, REWIND_CRASH_POINT=f"{point}:{passing}").returncode == -signal.SIGKILL
    switched = point in BEHIND or point == "kafka-committed"
    drill.more(60, 600)
    job.run_to_end()
    drill.check(switched)
    if not switched:
        apply(job)
        drill.check(True)
    assert [r["state"] for r in repairs.repairs(job)] == ["applied"]


def test_the_rest_of_the_transactions_goes_before_anything_else(drill):
    job = drill.job
    job.run_to_end()
    drill.plan()
    assert apply(job, expect=None, REWIND_CRASH_POINT="repair-part-sent:2").returncode == -signal.SIGKILL
    drill.more(60, 600)
    with job.running(REWIND_CRASH_POINT="repair-part-sent") as r:   # and killed in that again
        assert r.wait() == -signal.SIGKILL
    job.run_to_end()
    for topic in job.output_topics[:2]:
        marked = ["rewind-repair" in dict(m.headers()) for m in job.broker.read_all(topic)]
        first, last = marked.index(True), len(marked) - 1 - marked[::-1].index(True)
        assert all(marked[first:last + 1])
    drill.check(True)


def test_a_broker_that_goes_away_in_the_midst_is_waited_for(drill, broker):
    """C6: whatever became of the transaction, C says it."""
    job = drill.job
    with job.running() as r:
        r.committed(job.end())
        made = drill.plan()
        broker.freeze()
        try:
            with futures.ThreadPoolExecutor(1) as beside:
                applied = beside.submit(apply, job, made["id"])
                futures.wait([applied], 3)
                broker.thaw()
                applied.result(driver.PATIENCE)
        finally:
            broker.thaw()
        drill.more(60, 600)
        r.committed(job.end())
        assert r.stop() == 0
    drill.check(True)


def test_at_least_once_the_position_goes_first(make_kafka_job, broker):
    """Without transactions a kill may leave corrections twice, never those of a history that does not count."""
    drill = Drill(make_kafka_job(repair=PARTS, delivery={"mode": "at-least-once", "commit_every": "20ms"}), broker)
    job = drill.job
    job.run_to_end()
    drill.plan()
    assert apply(job, expect=None, REWIND_CRASH_POINT="repair-part-sent").returncode == -signal.SIGKILL
    assert not [m for topic in job.output_topics[:2] for m in broker.read_all(topic) if "rewind-repair" in dict(m.headers())]
    drill.more(60, 600)
    job.run_to_end()
    drill.check(True)
