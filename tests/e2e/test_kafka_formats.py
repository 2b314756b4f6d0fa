"""Protobuf and raw records from topics and into topics of a real broker, read and written by an independent client."""
import decimal
import random
import struct

import pytest

import proto_messages
import rewind as driver
import test_protobuf
from rewind import rewind

pytestmark = pytest.mark.xdist_group("kafka")


def sink(table, name, **more):
    return {"table": table, "kafka": {"topic": f"{name}-{table}"}, **more}


def view(job, topic):
    """Newest (value, offset) of each key."""
    return {key: value for key, value, *_ in job.rows(topic)}


def check_state(job):
    expected = job.expected()
    assert driver.digest(job) == expected.digest()
    assert driver.newest(job)["input_digest"] == expected.input_hash
    job.check_dead(expected, job.given["errors"]["dead_letter"]["kafka"]["topic"])
    return expected


@pytest.mark.parametrize("framing", ["none", "confluent"])
def test_protobuf_from_a_topic_into_a_topic(framing, make_kafka_job, broker):
    name = f"proto-{framing}"
    job = make_kafka_job(name, event={"fields": test_protobuf.FIELDS}, tables=test_protobuf.TABLES,
                         sinks=[sink("customers", name, format="protobuf"), sink("kinds", name, format="protobuf", emit="update", fields=["n"])])
    job.given["source"].update(format="protobuf", protobuf={"descriptor": "shop.desc", "message": "shop.Order", "framing": framing})
    job.set()
    order_class = proto_messages.class_of(test_protobuf.compile_proto(test_protobuf.SHOP, job.folder, "shop"), "shop.Order")
    messages = list(test_protobuf.orders(order_class, 1500))
    if framing == "confluent":
        messages = [proto_messages.framed(order_class, m) for m in messages]
    messages[7] = messages[7][:-3]
    broker.produce(job.source_topic, [{"value": m} for m in messages])
    job.run_to_end()
    expected = check_state(job)
    assert {"wrong-type", "out-of-range", "missing-field", "malformed"} == {d.code for d in expected.dead}
    customers = test_protobuf.row_class(job, "customers")
    columns = expected.job.tables["customers"].columns
    rows = {}
    for key, value in view(job, f"{name}-customers").items():
        row = customers.FromString(value)
        assert key.decode() == row.customer and not row.rewind_lineage
        rows[(row.customer,)] = test_protobuf.answers(row, [c.name for c in columns], [(c.kind, c.scale) for c in columns])
    assert rows == {key: tuple(row) for key, row in expected.tables["customers"].items()}
    kinds = test_protobuf.row_class(job, "kinds")
    found = [(kinds.FromString(value).kind, kinds.FromString(value).token, kinds.FromString(value).n, offset) for _, value, offset, _ in job.rows(f"{name}-kinds")]
    assert found == [(key[0], key[2], row[0], offset) for offset, key, row in expected.events["kinds"]]


def test_raw_from_a_topic_into_topics(make_kafka_job, broker):
    name = "raw"
    job = make_kafka_job(name, event={"fields": {"customer": {"type": "string", "path": "key"}, "amount": {"type": "int", "path": "value"}}},
                         tables={"totals": {"key": "customer", "aggregates": {"total": "sum(amount)", "least": "min(amount)"}},
                                 "amounts": {"key": "amount", "aggregates": {"n": "count()"}}},
                         sinks=[sink("totals", name, format="raw", raw={"key": "string", "value": "int64be"}, fields=["total"]),
                                sink("amounts", name, format="raw", raw={"key": "int64be", "value": "string"})])
    job.given["source"].update(format="raw", raw={"key": "string", "value": "int32be"})
    job.set()
    pick = random.Random(3)
    records = [{"key": f"c{pick.randrange(30)}".encode(), "value": struct.pack(">i", pick.randrange(-200, 200))} for _ in range(2000)]
    records[5] = {"key": None, "value": struct.pack(">i", 1)}
    records[6] = {"key": b"\xff", "value": struct.pack(">i", 1)}
    records[7] = {"key": b"c1", "value": b"\0\0\0"}
    records[8] = {"key": b"c1", "value": None}
    records[9] = {"key": b"", "value": struct.pack(">i", -2**31)}
    broker.produce(job.source_topic, records)
    job.run_to_end()
    expected = check_state(job)
    assert [(d.offset, d.code) for d in expected.dead] == [(5, "missing-field"), (6, "malformed"), (7, "malformed")]
    assert view(job, "raw-totals") == {key[0].encode(): struct.pack(">q", row[0]) for key, row in expected.tables["totals"].items()}
    assert view(job, "raw-amounts") == {struct.pack(">q", key[0]): str(row[0]).encode() for key, row in expected.tables["amounts"].items()}


def test_raw_floats_and_bytes(make_kafka_job, broker):
    name = "rawfloat"
    job = make_kafka_job(name, event={"fields": {"device": {"type": "bytes", "path": "key"}, "level": {"type": "float", "path": "value"}}},
                         tables={"devices": {"key": "device", "aggregates": {"sum": "sum(level)"}}, "levels": {"key": "level", "aggregates": {"n": "count()"}}},
                         sinks=[sink("devices", name, format="raw", raw={"key": "bytes", "value": "float64be"}),
                                sink("levels", name, format="raw", raw={"key": "float64be", "value": "int64be"})])
    job.given["source"].update(format="raw", raw={"key": "bytes", "value": "float64be"})
    job.set()
    pick = random.Random(4)
    levels = [0.0, -0.0, 1.5, -2.25, 1e300, float("inf"), float("nan"), *(pick.uniform(-5, 5) for _ in range(20))]
    broker.produce(job.source_topic, [{"key": pick.choice([b"\0", b"\xff\xfe", b""]), "value": struct.pack(">d", pick.choice(levels))} for _ in range(800)])
    job.run_to_end()
    expected = check_state(job)
    assert {d.code for d in expected.dead} == {"out-of-range"}
    assert view(job, f"{name}-devices") == {key[0]: struct.pack(">d", row[0]) for key, row in expected.tables["devices"].items()}
    assert view(job, f"{name}-levels") == {struct.pack(">d", key[0]): struct.pack(">q", row[0]) for key, row in expected.tables["levels"].items()}


def test_a_null_of_a_raw_value_has_no_bytes_and_texts_are_exact(make_kafka_job, broker):
    name = "rawtext"
    job = make_kafka_job(name, event={"fields": {"customer": {"type": "string", "path": "key"}, "amount": {"type": "decimal(2)", "path": "value"}}},
                         tables={"totals": {"key": "customer", "aggregates": {"total": "sum(amount)"}}},
                         sinks=[sink("totals", name, format="raw", raw={"key": "none", "value": "string"}, emit="update")])
    job.given["source"].update(format="raw", raw={"key": "string", "value": "string"})
    job.set()
    broker.produce(job.source_topic, [{"key": b"a", "value": text} for text in (b"0.10", b"0.20", b"1e3", b"x", b"0.001")])
    job.run_to_end()
    expected = check_state(job)
    assert [d.code for d in expected.dead] == ["wrong-type", "out-of-range"]
    assert [(key, value) for key, value, *_ in job.rows(f"{name}-totals")] == [(None, b"0.10"), (None, b"0.30"), (None, b"1000.30")]
    assert decimal.Decimal("1000.30") == expected.tables["totals"][("a",)][0]
    other = make_kafka_job("rawnot", topics=False, sinks=[sink("customers", "rawnot", format="raw", raw={"value": "int64be"}, fields=["revenue"])])
    assert 'int64be is no form of "revenue"' in rewind("config", "check", other.file, expect=2).err
