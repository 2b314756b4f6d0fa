"""The broker is gone: what the journal holds is replayed without it, nothing is lost or begun anew, and the job waits and says for whom."""
import re
import time

import pytest

import rewind as driver
from rewind import PATIENCE, get, orders, rewind, rewind_json
from test_kafka_cases import RARELY
from test_restore import rfc3339

pytestmark = pytest.mark.xdist_group("kafka-gone")
BEGIN = 1700000000000
LISTEN = {"listen": "127.0.0.1:0"}
FILES = {
    "sinks": [{"table": "customers", "file": {"path": "out/customers.jsonl"}}, {"table": "countries", "file": {"path": "out/countries.csv"}, "format": "csv", "emit": "update"}],
    "errors": {"dead_letter": {"file": {"path": "out/dead.jsonl"}}},
}


def stamped(count, first=0):
    """A record a second."""
    return [{"value": line.encode(), "timestamp": BEGIN + (first + i) * 1000} for i, line in enumerate(orders(count, first=first, bad_every=37))]


@pytest.fixture
def gone(broker):
    """Kills the broker once; it is there again at the end."""
    yield broker.kill
    if broker.process is None:
        broker.start()


def page(r, name):
    deadline = time.monotonic() + PATIENCE
    while "listening on" not in r.stderr:
        assert time.monotonic() < deadline, "waited in vain for the job to listen"
        time.sleep(0.05)
    return get("http://" + re.search(r"listening on (\S+)", r.stderr)[1] + name)


def test_outputs_in_files_are_gone_on_with_from_the_journal_and_then_the_broker_is_waited_for(make_kafka_job, broker, gone):
    job = make_kafka_job(checkpoints=RARELY, http=LISTEN, **FILES)
    job.produce(stamped(4000))
    with job.running() as r:
        r.committed(4000)
        r.kill()
    assert [c["next_offset"] for c in driver.checkpoints(job)] == [0]
    before = driver.outputs(job)
    gone()
    with job.running() as r:
        status = r.wait_for(lambda s: s["position"] == 4000 and s["phase"] in ("running", "waiting"), "the journal to be replayed")
        assert status["committed"] == 4000 and status["source"]["away_since"]
        assert "no broker answers" in r.stderr
        r.wait_for(lambda s: not s["ready"], "the job to notice that it waits")
        code, text = page(r, "/readyz")
        assert code == 503 and "no broker answers the source since " in text, text
        assert driver.outputs(job) == before
        broker.start()
        job.produce(stamped(1000, first=4000))
        r.committed(5000)
        assert r.stop() == 0, r.stderr
    driver.check_against(job.expected(), job)


def test_outputs_in_topics_wait_for_the_broker_and_nothing_is_lost(make_kafka_job, broker, gone):
    job = make_kafka_job(checkpoints=RARELY, http=LISTEN)
    job.produce(stamped(3000))
    with job.running() as r:
        r.committed(3000)
        r.kill()
    gone()
    with job.running() as r:
        status = r.wait_for(lambda s: s["reason"], "the job to say that it waits")
        assert status["phase"] == "starting" and not status["ready"]
        code, text = page(r, "/readyz")
        assert code == 503 and "because: " in text, text
        said = re.search(r"no broker answers since (\S+)", r.stderr)[1]
        assert status["source"]["away_since"][:19] == said[:19], r.stderr   # from when it was asked, not from when it was given up
        broker.start()
        job.produce(stamped(500, first=3000))
        r.committed(job.end())
        assert r.stop() == 0, r.stderr
    job.check()


def test_restore_before_a_time_and_the_state_at_a_time_need_no_broker(make_kafka_job, broker, gone):
    """Two hours of orders, one a second. The digest is that of a run that stopped there; the state at a time is the oracle's."""
    job = make_kafka_job(checkpoints={"every": "1h", "full": {"keep": 0}})
    for part in range(3):
        job.produce(stamped(2400, first=2400 * part))
        job.run_to_end()
    expected, at_4000 = job.expected(), job.expected(4000).export("customers", "json").decode().splitlines()
    gone()
    plan = rewind_json("restore", job.file, "--before", rfc3339(BEGIN + 4000 * 1000), "--dry-run", cwd=job.folder)
    assert (plan["place"], plan["record"]["offset"], plan["next_offset"], plan["no_broker"]) == (4000, 4000, 2400, True)
    done = rewind("restore", job.file, "--before", rfc3339(BEGIN + 4000 * 1000), "--yes", cwd=job.folder)
    assert "no broker answers" in done.err
    newest = driver.newest(job)
    assert (newest["reason"], newest["next_offset"]) == ("restore", 7200)
    assert driver.digest(job) == expected.digest() and newest["input_digest"] == expected.input_hash
    found = rewind("state", "at", job.file, "--time", rfc3339(BEGIN + 4000 * 1000), "--table", "customers", "--limit", 0, "-o", "json", cwd=job.folder).out.splitlines()
    assert sorted(found) == sorted(at_4000)
    broker.start()
    job.produce(stamped(300, first=7200))
    job.run_to_end()
    job.check()


def test_another_cluster_that_comes_in_its_place_is_refused(make_kafka_job, broker, gone, tmp_path, monkeypatch, long):
    import broker as support

    if not long:
        pytest.skip("two brokers, one after the other, take a while: --long")

    job = make_kafka_job(checkpoints=RARELY, **FILES)
    job.produce(stamped(1000))
    with job.running() as r:
        r.committed(1000)
        r.kill()
    gone()
    with job.running() as r:
        r.wait_for(lambda s: s["position"] == 1000 and s["phase"] in ("running", "waiting"), "the journal to be replayed")
        free, ports = support.free_port, iter([broker.port])
        monkeypatch.setattr(support, "free_port", lambda: next(ports, None) or free())
        other = support.Broker(tmp_path / "other")
        try:
            other.topic(job.source_topic)
            assert r.wait() == 8, r.stderr
            assert "this state was made from" in r.stderr
        finally:
            other.close()
