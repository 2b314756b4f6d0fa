"""The drill: generated orders in which all that can go wrong does, a job that is killed on the way, and a repair beside it while more orders come. What stands there in the end, state and newest
committed value of every output key, is what an independent calculation over the true orders comes to."""
import json

import pytest

import oracle
import repairs
import rewind as driver
from kafka_job import key_of, value_of
from rewind import Running, rewind

COUNT = 12000
FAULTS = "lost=1500,gap=150,duplicated=2000,late=600,malformed=1200,price=7000..7300"
EVENT = {"time": {"field": "ts"}, "fields": {"customer": "string", "country": "string", "quantity": "int", "amount": "decimal(2)", "ts": {"type": "time", "format": "epoch-ms"}}}
TABLES = {
    "customers": {"key": "customer", "aggregates": {"orders": "count()", "units": "sum(quantity)", "revenue": "sum(amount)", "biggest": "max(amount)", "returns": "count() where quantity < 0"}},
    "seconds": {"key": "country", "window": {"tumbling": "1s", "grace": "0s", "retain": "30d"}, "aggregates": {"orders": "count()", "revenue": "sum(amount)"}},
}
INVARIANTS = [{"table": "customers", "check": "biggest < 210"}]
OFTEN = {"every": "100ms", "full": {"keep": 0}}


class Orders:
    """What was written and what is true; more of both come."""

    def __init__(self, folder):
        names = {name: folder / f"{name}.jsonl" for name in ("faults", "amendments", "truth", "written")}
        rewind("generate", "orders", "--records", COUNT, "--keys", 400, "--inject", FAULTS, "--faults", names["faults"], "--amendments", names["amendments"], "--truth", names["truth"], "-f",
               names["written"])
        self.amendments = names["amendments"]
        self.written, self.true = names["written"].read_bytes().splitlines(), names["truth"].read_bytes().splitlines()
        self.kinds = {json.loads(line)["fault"] for line in names["faults"].read_text().splitlines()}

    def more(self, count):
        """Good ones that come later."""
        made = rewind("generate", "orders", "--records", len(self.true) + count, "--keys", 400).stdout.splitlines()[len(self.true):]
        self.true += made
        self.written += made
        return made

    def expected(self, job, lines):
        whole = oracle.Expected(oracle.Job(job.file))
        for offset, line in enumerate(lines):
            whole.take(offset, line, None)
        return whole


def up(running):
    running.wait_for(lambda s: s["phase"] in ("running", "waiting"), "it to be up")


def check_state(job, expected):
    newest = driver.newest(job)
    assert driver.digest(job) == expected.digest()
    assert newest["dead_letters"]["open"] == 0
    assert newest.get("violated") is None


def test_on_files(tmp_path):
    orders = Orders(tmp_path)
    assert orders.kinds == {"lost", "gap", "duplicated", "late", "malformed", "price"}
    job = driver.Job(tmp_path / "job", orders.written[:5000], event=EVENT, tables=TABLES, invariants=INVARIANTS, checkpoints=OFTEN,
                     source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"},
                     sinks=[{"table": "customers", "file": {"path": "out/customers.jsonl"}}, {"table": "seconds", "file": {"path": "out/seconds.csv"}, "format": "csv", "emit": "close"}])

    def feed(lines):
        job.append(b"".join(line + b"\n" for line in lines))

    with Running(job) as running:
        running.committed(4000)
        running.kill()
    with Running(job) as running:
        feed(orders.written[5000:])
        running.committed(len(orders.written))
        assert running.status()["invariants"][0]["violations"] > 0
        repairs.plan(job, "--amend", orders.amendments)
        feed(orders.more(700))
        running.kill()
    with Running(job) as running:
        up(running)
        repairs.apply(job, "latest", "--tolerance", "20")   # windows that are open now close meanwhile
        feed(orders.more(300))
        running.committed(len(orders.written))
        assert running.status()["invariants"][0]["violations"] == 0
        assert running.stop() == 0
    expected = orders.expected(job, orders.true)
    check_state(job, expected)
    for sink in expected.job.sinks:
        assert driver.view(job, sink) == expected.view(sink), sink.path
    with Running(job) as running:     # and back again: what came since stays, and the invariant is violated as it was
        up(running)
        repairs.undo(job)
        feed(orders.more(200))
        running.committed(len(orders.written))
        assert running.status()["invariants"][0]["violations"] > 0
        assert running.stop() == 0
    expected = orders.expected(job, orders.written)
    assert driver.digest(job) == expected.digest()
    for sink in expected.job.sinks:
        assert driver.view(job, sink) == expected.view(sink), sink.path


@pytest.mark.xdist_group("kafka")
def test_on_a_broker(make_kafka_job, tmp_path):
    orders = Orders(tmp_path)
    job = make_kafka_job(event=EVENT, tables=TABLES, invariants=INVARIANTS, checkpoints=OFTEN)
    topics = job.output_topics
    job.set(sinks=[{"table": "customers", "kafka": {"topic": topics[0]}}, {"table": "seconds", "kafka": {"topic": topics[1]}, "emit": "close"}])
    job.produce(orders.written[:5000])
    with Running(job) as running:
        running.committed(4000)
        running.kill()
    with Running(job) as running:
        job.produce(orders.written[5000:])
        running.committed(job.end())
        repairs.plan(job, "--amend", orders.amendments)
        job.produce(orders.more(700))
        running.kill()
    with Running(job) as running:
        up(running)
        repairs.apply(job, "latest", "--tolerance", "20")   # windows that are open now close meanwhile
        job.produce(orders.more(300))
        running.committed(job.end())
        assert running.status()["invariants"][0]["violations"] == 0
        assert running.stop() == 0
    expected = orders.expected(job, orders.true)
    check_state(job, expected)
    for sink in expected.job.sinks:
        rows = expected.tables[sink.table.name].items() if sink.emit == "commit" else [(key, row) for _, key, row in expected.closed[sink.table.name]]
        newest = {row[0]: row[1] for row in job.rows(sink.topic)}
        assert newest == {key_of(sink, key): value_of(sink, key, row) for key, row in rows}, sink.topic
