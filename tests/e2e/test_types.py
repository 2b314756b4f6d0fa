"""Floats and bytes, as keys and in aggregates, from every text format into every text format: what the oracle says, to the bit."""
import base64
import csv
import io
import json
import random
import struct

import rewind as driver
from rewind import rewind, rewind_json

EVENT = {"fields": {"device": "bytes", "level": "float", "reading": "float"}}
TABLES = {
    "devices": {"key": "device", "aggregates": {"n": "count()", "sum": "sum(reading)", "least": "min(reading)", "most": "max(reading)"}},
    "levels": {"key": ["level", "device"], "aggregates": {"sum": "sum(reading)"}},
}
SINKS = [
    {"table": "devices", "file": {"path": "out/devices.jsonl"}},
    {"table": "levels", "file": {"path": "out/levels.csv"}, "format": "csv", "emit": "update"},
]
BIG = 1.7976931348623157e308


def readings(count, seed=1):
    pick = random.Random(seed)
    devices = [base64.b64encode(pick.randbytes(1 + pick.randrange(6))).decode() for _ in range(20)]
    for i in range(count):
        reading = pick.choice([repr(pick.uniform(-1e6, 1e6)), repr(pick.expovariate(1) * 10 ** pick.randrange(-300, 300)), "-0.0", "1e-400", "12345678901234567890", "0.1"])
        if i % 50 == 49:
            reading = pick.choice(["1e400", repr(BIG), repr(BIG), repr(-BIG)])
        level = pick.choice(["-1.5", "0", "-0", "2e-7", "1e21", repr(struct.unpack(">d", pick.randbytes(8))[0])]).replace("nan", "1").replace("inf", "1e999")
        device = pick.choice(devices) if i % 40 else "no base64"
        yield device, level, reading


def as_json(rows):
    return [f'{{"device":{json.dumps(d)},"level":{level},"reading":{reading}}}' for d, level, reading in rows]


def as_csv(rows):
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([["device", "level", "reading"], *rows])
    return out.getvalue().splitlines()


def check(job):
    job.run()
    expected = job.expected()
    assert {d.code for d in expected.dead} == {"wrong-type", "out-of-range", "overflow"}
    driver.check_against(expected, job)


def test_floats_and_bytes_from_json(make_job):
    check(make_job(as_json(readings(3000)), event=EVENT, tables=TABLES, sinks=SINKS))


def test_floats_and_bytes_from_csv(make_job):
    check(make_job(as_csv(readings(3000, seed=2)), event=EVENT, tables=TABLES, sinks=SINKS, source={"file": {"path": "orders.jsonl"}, "format": "csv"}))


def test_a_key_is_found_by_the_text_of_its_float_and_bytes(make_job):
    job = make_job(as_json([("AP8=", "1e-7", "0.5"), ("AP8=", "0.0000001", "0.25"), ("", "-0", "3")]), event=EVENT, tables=TABLES, sinks=SINKS)
    job.run()
    found = rewind_json("state", "get", "1e-7", "AP8=", "--table", "levels", "--data", job.data)["row"]
    assert found == {"level": 1e-7, "device": "AP8=", "sum": 0.75}
    assert rewind_json("state", "get", "", "--table", "devices", "--data", job.data)["row"]["sum"] == 3
    assert "is not a value of type bytes" in rewind("state", "get", "1", "A", "--table", "levels", "--data", job.data, expect=2).err
