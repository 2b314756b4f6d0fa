"""Plans of repairs on a real broker: transaction markers between records, amendments at them, beside a running operator; nothing is published."""
import json

import pytest

import differences
import oracle
import rewind as driver
from rewind import orders, rewind
from test_kafka_restore import BEGIN, stamped
from test_repair_plan import EVENT, TABLES, check, logic_file, plan, with_logic, wrong_tables
from test_restore import rfc3339

pytestmark = pytest.mark.xdist_group("kafka")


def sinks(name):
    return [
        {"table": "customers", "kafka": {"topic": f"{name}-customers"}, "where": "revenue > 6000"},
        {"table": "countries", "kafka": {"topic": f"{name}-countries"}, "format": "csv", "emit": "update"},
        {"table": "minutes", "kafka": {"topic": f"{name}-minutes"}},
        {"table": "minutes", "kafka": {"topic": f"{name}-closed"}, "emit": "close"},
    ]


@pytest.fixture
def job(make_kafka_job, broker):
    """600 records with times of their own, transaction markers behind each 100; checkpoints at three places, the wrong logic all along."""
    made = make_kafka_job(topics=False, checkpoints={"every": "1h", "full": {"keep": 0}}, event=EVENT, tables=wrong_tables())
    made.set(sinks=sinks(made.name))
    broker.topics([made.source_topic, *made.output_topics], retention_ms=-1)
    for part in range(6):
        lines = list(orders(100, keys=60, first=part * 100, bad_every=41))
        broker.produce_transaction(made.source_topic, stamped(lines, part * 100, late_every=50))
        if part % 2:
            made.run_to_end()
    return made


def histories(job, segments, **more):
    messages = job.broker.read(job.source_topic)
    return differences.history_of_messages([(0, oracle.Job(job.file))], messages), differences.history_of_messages(segments, messages, **more)


def published(job):
    return [[(m.key(), m.value()) for m in job.broker.read_all(topic)] for topic in job.output_topics], job.c()


def test_a_wrong_price_in_a_window_is_corrected_exactly_beside_a_running_operator(job, broker):
    bad, good = oracle.Job(job.file), with_logic(job, TABLES)
    messages = broker.read(job.source_topic)
    first, last = messages[130], messages[430]
    # A time leads to the first record that is not earlier, whatever comes behind it.
    begin = next(m for m in messages if m.timestamp()[1] >= first.timestamp()[1])
    before = published(job)
    with job.running() as r:
        r.wait_for(lambda s: s["phase"] == "waiting")
        c = job.c()
        made, found = plan(job, "--from", rfc3339(first.timestamp()[1]), "--to", last.offset(), "--logic", logic_file(job, TABLES))
        assert job.c()[0] == c[0]
        assert r.stop() == 0
    assert made["from"] == begin.offset() and made["to"] == last.offset()
    old, new = histories(job, [(0, bad), (begin.offset(), good), (last.offset(), bad)])
    check(job, made, found, old, new)
    assert found and made["records_from_journal"] == made["records_read"]
    after = published(job)
    assert after[0] == before[0]


def test_amendments_at_transaction_markers(job, broker):
    messages = broker.read(job.source_topic)
    offsets = {m.offset() for m in messages}
    marker = next(at for at in range(150, 600) if at not in offsets)
    extra = {"customer": "customer-3", "country": "日本", "amount": 4000.5, "quantity": 2, "ts": json.loads(messages[250].value())["ts"]}
    amendments = [{"insert": marker, "value": json.dumps(extra)}, {"skip": messages[300].offset()}, {"replace": messages[310].offset(), "value": json.dumps({**extra, "customer": "new"})}]
    (job.folder / "amend.jsonl").write_text("".join(json.dumps(a) + "\n" for a in amendments))
    made, found = plan(job, "--amend", "amend.jsonl")
    old, new = histories(job, [(0, oracle.Job(job.file))], amendments=amendments)
    check(job, made, found, old, new)
    assert made["differs_from"] == marker and any(c["key"] == "new" for c in found) == ("new" in [k[0] for k in new.tables["customers"] if new.tables["customers"][k][1] > 6000])
    assert rewind("repair", "show", job.file, cwd=job.folder).out.count("3 amendments") == 1
    assert driver.newest(job)["next_offset"] == job.c()[0] and BEGIN
