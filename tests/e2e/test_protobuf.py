"""Messages of Protocol Buffers from files and into files: every value, every dead letter, every row is what the protobuf package says."""
import decimal
import json
import random
import signal
import subprocess

import pytest

import oracle
import proto_messages
import rewind as driver
from rewind import Running, rewind, rewind_json


def make(make_job, seed, syntax):
    """A random kind of message, and for each of its fields a job whose table has that field as key, so that every value is looked at."""
    pick = random.Random(seed)
    kind = proto_messages.Kind(pick, syntax)
    jobs = []
    for name, given in kind.fields().items():
        job = make_job(name="one", event={"fields": {name: given}}, tables={"t": {"key": name, "aggregates": {"n": "count()"}}},
                       sinks=[{"file": {"path": "out/rows.jsonl"}, "emit": "update"}],
                       source={"file": {"path": "in.pb"}, "format": "protobuf", "protobuf": {"descriptor": "t.desc", "message": "t.Outer"}})
        job.input = job.folder / "in.pb"
        (job.folder / "t.desc").write_bytes(kind.descriptor_set())
        jobs.append(job)
    return kind, jobs, pick


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("syntax", ["proto2", "proto3"])
def test_random_messages_are_read_as_the_protobuf_package_reads_them(syntax, seed, make_job):
    kind, jobs, pick = make(make_job, seed, syntax)
    messages = [kind.message(pick) for _ in range(400)]
    good = 0
    for job in jobs:
        job.input.write_bytes(proto_messages.delimited(messages))
        job.run()
        expected = job.expected()
        good += expected.applied
        driver.check_against(expected, job)
    assert good > 100, "hardly any message is good: the test looks at nothing"


def damage(pick, raw):
    data = bytearray(raw)
    for _ in range(1 + pick.randrange(2)):
        at = pick.randrange(len(data) + 1)
        kind = pick.randrange(5)
        if kind == 0:
            del data[at:at + 1 + pick.randrange(3)]
        elif kind == 1:
            data[at:at] = pick.randbytes(1 + pick.randrange(2))
        elif kind == 2 and at < len(data):
            data[at] ^= 1 << pick.randrange(8)
        elif kind == 3:
            data = data[:at]
        else:
            data[at:at] = proto_messages.varint(pick.randrange(1, 50) << 3 | pick.choice([0, 1, 2, 3, 4, 5, 5])) + pick.randbytes(pick.randrange(9))
    return bytes(data)


@pytest.mark.parametrize("seed", range(2))
def test_damaged_messages_give_the_same_values_or_dead_letters(seed, make_job):
    kind, jobs, pick = make(make_job, 100 + seed, ["proto2", "proto3"][seed % 2])
    messages = [damage(pick, kind.message(pick)) for _ in range(2000)]
    compared = 0
    for job in jobs:
        job.input.write_bytes(proto_messages.delimited(messages))
        job.run()
        dead = {d[0]: d[1] for d in driver.dead_letters(job.dead)}
        assert set(dead.values()) <= {"malformed", "wrong-type", "out-of-range", "missing-field"}
        rows = {row["_offset"]: row for row in map(json.loads, (job.folder / "out/rows.jsonl").read_text().splitlines())}
        assert sorted([*rows, *dead]) == list(range(len(messages)))
        given = oracle.Job(job.file)
        message_class = proto_messages.class_of(job.folder / "t.desc", "t.Outer")
        field = next(iter(given.fields.values()))
        for offset, row in rows.items():
            try:
                value = proto_messages.decode(message_class, given, messages[offset])[field.name]
            except oracle.Fault as fault:
                # What no path names is passed over, so it may be broken; nothing else may.
                assert fault.code == "malformed", (offset, messages[offset].hex())
                continue
            assert json.loads(oracle.value_json(value, field.kind, field.scale)) == row[field.name], (offset, messages[offset].hex())
            compared += 1
    assert compared > 500


# ------------------------------------------------------------------------------------------------ one job as people write it
SHOP = """
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
message Line { string sku = 1; int32 units = 2; }
message Customer { string id = 1; optional string country = 2; }
enum Kind { SALE = 0; REFUND = 1; }
message Unused { string id = 1; }
message Order {
  message Note { string text = 1; }
  Customer customer = 1;
  repeated Line items = 2;
  Kind kind = 3;
  string amount = 4;
  sint64 cents = 5;
  google.protobuf.Timestamp at = 6;
  bytes token = 7;
  double weight = 8;
  map<string, string> labels = 9;
  oneof paid { string card = 10; bool cash = 11; }
}
"""
TIMESTAMP = """
syntax = "proto3";
package google.protobuf;
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
"""
FIELDS = {
    "customer": {"type": "string", "path": "customer.id"},
    "kind": "string",
    "kind_number": {"type": "int", "path": "kind"},
    "amount": "decimal(2)",
    "cents": "decimal(0)",
    "first": {"type": "string", "path": "items[0].sku"},
    "token": "bytes",
    "weight": "float",
    "at": {"type": "time", "format": "protobuf-timestamp"},
}
TABLES = {
    "customers": {"key": "customer", "aggregates": {"orders": "count()", "revenue": "sum(amount)", "weight": "sum(weight)", "last": "max(at)", "cents": "min(cents)"}},
    "kinds": {"key": ["kind", "kind_number", "token"], "aggregates": {"n": "count()", "heaviest": "max(weight)"}},
}
SOURCE = {"file": {"path": "orders.pb"}, "format": "protobuf", "protobuf": {"descriptor": "shop.desc", "message": "shop.Order"}}


def compile_proto(text, folder, name):
    (folder / f"{name}.proto").write_text(text)
    (folder / "google/protobuf").mkdir(parents=True, exist_ok=True)
    (folder / "google/protobuf/timestamp.proto").write_text(TIMESTAMP)
    subprocess.run(["protoc-c", "--include_imports", f"--descriptor_set_out={name}.desc", f"{name}.proto"], cwd=folder, check=True)
    return folder / f"{name}.desc"


def shop_job(make_job, **more):
    job = make_job(**{"event": {"fields": FIELDS, "time": {"field": "at"}}, "tables": TABLES, "source": SOURCE,
                      "sinks": [{"table": "customers", "file": {"path": "out/customers.pb"}, "format": "protobuf", "emit": "update"},
                                {"table": "kinds", "file": {"path": "out/kinds.pb"}, "format": "protobuf", "fields": ["heaviest"]}], **more})
    job.input = job.folder / "orders.pb"
    return job, proto_messages.class_of(compile_proto(SHOP, job.folder, "shop"), "shop.Order")


def orders(order_class, count, seed=1):
    pick = random.Random(seed)
    for i in range(count):
        order = order_class()
        order.customer.id = f"c{pick.randrange(40)}"
        order.kind = pick.choice([0, 1]) if i % 50 else 9
        order.amount = f"{pick.randrange(-500, 99999) / 100:.2f}" if i % 40 else "1.001"
        order.cents = pick.randrange(-10**12, 10**12)
        for _ in range(pick.randrange(3) if i % 9 == 0 else 1):
            order.items.add(sku=f"s{pick.randrange(9)}", units=pick.randrange(5))
        order.at.FromMicroseconds(1700000000000000 + i * 250000 + pick.randrange(10**6) - (2 * 10**15 if i % 70 == 3 else 0))
        order.token = pick.choice([b"", b"\0\xff", b"abc"])
        order.weight = pick.uniform(0, 10)
        order.labels["a"] = "b"
        yield order.SerializeToString(deterministic=True)


def row_class(job, table, **env):
    text = rewind("config", "proto", job.file, cwd=job.folder).out
    return proto_messages.class_of(compile_proto(text, job.folder, "rows"), "rewind." + job.name.replace("-", "_") + f".{table}")


def answers(message, names, kinds):
    """What a row's message says, as the oracle has values."""
    out = []
    for name, (kind, scale) in zip(names, kinds):
        if not message.HasField(name):
            out.append(None)
            continue
        value = getattr(message, name)
        out.append(decimal.Decimal(value) if kind == "decimal" else value.ToMicroseconds() if kind == "time" else value)
    return tuple(out)


def rows_of(job, sink, lineage):
    """(key, answers, offset) of each row of an output file."""
    message_class = row_class(job, sink.table.name)
    columns = [sink.table.columns[i] for i in sink.columns]
    for raw in proto_messages.split((job.folder / sink.path).read_bytes()):
        row = message_class.FromString(raw)
        assert row.rewind_lineage == lineage and not row.deleted
        asked = {f.name for f in sink.table.key} | {c.name for c in columns} | {"rewind_offset", "rewind_lineage"}
        assert {f.name for f, _ in row.ListFields()} <= asked
        yield (answers(row, [f.name for f in sink.table.key], [(f.kind, f.scale) for f in sink.table.key]),
               answers(row, [c.name for c in columns], [(c.kind, c.scale) for c in columns]), row.rewind_offset)


def check_rows(job, expected):
    lineage = driver.newest(job)["lineage"]
    for sink in expected.job.sinks:
        rows = list(rows_of(job, sink, lineage))
        if sink.emit == "update":
            assert rows == [(key, tuple(row[i] for i in sink.columns), offset) for offset, key, row in expected.events[sink.table.name]]
        assert {key: row for key, row, _ in rows} == {key: tuple(row[i] for i in sink.columns) for key, row in expected.tables[sink.table.name].items()}


def check(job):
    expected = job.expected()
    assert driver.digest(job) == expected.digest()
    assert driver.newest(job)["input_digest"] == expected.input_hash
    assert driver.dead_letters(job.dead) == driver.expected_dead(expected)
    check_rows(job, expected)
    return expected


def test_a_job_in_and_out_of_protobuf(make_job):
    job, order_class = shop_job(make_job)
    job.input.write_bytes(proto_messages.delimited(orders(order_class, 3000)))
    job.run()
    expected = check(job)
    assert {d.code for d in expected.dead} == {"wrong-type", "out-of-range", "missing-field"}
    assert expected.applied > 2000


def test_rows_of_windows_say_their_start_and_end(make_job):
    job, order_class = shop_job(make_job, tables={"hourly": {"key": "kind", "window": {"tumbling": "1m"}, "aggregates": {"n": "count()"}}},
                                sinks=[{"file": {"path": "out/hourly.pb"}, "format": "protobuf", "emit": "update"}])
    job.input.write_bytes(proto_messages.delimited(orders(order_class, 500)))
    job.run()
    expected = job.expected()
    rows = [row_class(job, "hourly").FromString(raw) for raw in proto_messages.split((job.folder / "out/hourly.pb").read_bytes())]
    assert len(rows) > 300
    assert {(r.kind, r.window_start.ToMicroseconds()): r.n for r in rows} == {key: row[0] for key, row in expected.last["hourly"].items()}
    assert {r.window_end.ToMicroseconds() - r.window_start.ToMicroseconds() for r in rows} == {60 * 10**6}


def test_a_restart_goes_on_between_messages(make_job):
    job, order_class = shop_job(make_job)
    messages = list(orders(order_class, 900))
    for count in (300, 600, 900):
        job.input.write_bytes(proto_messages.delimited(messages[:count]))
        job.run()
        check(job)


def test_a_followed_file_waits_for_the_rest_of_a_message(make_job):
    job, order_class = shop_job(make_job)
    job.set(source={**SOURCE, "file": {"path": "orders.pb", "follow": True}}, checkpoints={"every": "50ms"})
    data = proto_messages.delimited(orders(order_class, 60))
    job.input.write_bytes(data[:1000])
    with Running(job) as r:
        whole = len(list(whole_messages(data[:1000])))
        r.committed(whole)
        for at in range(1000, len(data), 701):
            with open(job.input, "ab") as f:
                f.write(data[at:at + 701])
        r.committed(60)
        assert r.stop() == 0
    check(job)


def whole_messages(data):
    at = 0
    while at < len(data):
        size = data[at] if data[at] < 128 else data[at] & 127 | data[at + 1] << 7
        at += (1 if data[at] < 128 else 2) + size
        if at <= len(data):
            yield at


def test_a_cut_file_a_large_message_and_an_empty_one(make_job):
    job, order_class = shop_job(make_job)
    big = order_class(card="x" * 3000000).SerializeToString()
    messages = [*orders(order_class, 10), b"", big, *orders(order_class, 10, seed=2)]
    data = proto_messages.delimited(messages)
    job.input.write_bytes(data[:-5])
    job.run()
    dead = driver.dead_letters(job.dead)
    found = {d[0]: d[1] for d in dead}
    assert (found[10], found[11], found[21]) == ("missing-field", "too-large", "malformed")
    assert dead[-1][3] == messages[-1][:-5] and [d[3] for d in dead if d[0] == 11] == [big]
    job.input.write_bytes(data)
    assert "was continued since" in job.run(expect=8).err


def test_a_length_beyond_the_file_and_one_that_is_none(make_job):
    job, order_class = shop_job(make_job)
    messages = list(orders(order_class, 5))
    job.input.write_bytes(proto_messages.delimited(messages) + proto_messages.varint(1 << 30) + b"abc")
    job.run()
    assert driver.dead_letters(job.dead)[-1][0::3] == (5, b"abc")
    other, _ = shop_job(make_job)
    other.input.write_bytes(proto_messages.delimited(messages) + b"\xff" * 11 + b"abc")
    assert "stands no record's length" in other.run(expect=8).err


def test_confluents_frame_is_passed_over_and_judged(make_job):
    job, order_class = shop_job(make_job)
    job.set(source={**SOURCE, "protobuf": {**SOURCE["protobuf"], "framing": "confluent"}})
    messages = list(orders(order_class, 200))
    note = order_class.Note(text="hello").SerializeToString()
    frames = [proto_messages.framed(order_class, m) for m in messages]
    assert frames[0][5:7] == b"\x02\x06", "the fourth message of its file"
    frames[3] = b"\1" + frames[3][1:]
    frames[4] = frames[4][:4]
    frames[5] = proto_messages.framed(order_class.Note, note)
    frames[6] = b"\0\0\0\0\1\0" + messages[6]
    job.input.write_bytes(proto_messages.delimited(frames))
    job.run()
    found = {d[0]: d[1] for d in driver.dead_letters(job.dead)}
    assert [found[i] for i in (3, 4, 5, 6)] == ["malformed", "malformed", "wrong-type", "wrong-type"]
    driver_expected = job.expected()
    assert driver.digest(job) == driver_expected.digest()
    assert driver.dead_letters(job.dead) == driver.expected_dead(driver_expected)


def test_the_descriptor_set_belongs_to_the_logic_and_is_kept(make_job):
    job, order_class = shop_job(make_job)
    job.input.write_bytes(proto_messages.delimited(orders(order_class, 50)))
    job.run()
    compile_proto(SHOP.replace("string card = 10", "string card = 12"), job.folder, "shop")
    assert "logic has fingerprint" in job.run(expect=7).err
    (job.folder / "shop.desc").unlink()
    rows = rewind_json("state", "get", "c1", "--table", "customers", "--data", job.data)["row"]
    assert rows["customer"] == "c1", "the data directory alone is enough to look at the state"


def test_mistakes_in_paths_and_descriptors_are_named_with_their_place(make_job, tmp_path):
    job, _ = shop_job(make_job)

    def said(message="shop.Order", **fields):
        job.set(event={"fields": {**FIELDS, **fields}}, source={**SOURCE, "protobuf": {"descriptor": "shop.desc", "message": message}})
        return rewind("config", "check", job.file, cwd=job.folder, expect=2).err

    assert 'did you mean "shop.Order"' in said("shop.Ordre") and 'did you mean "shop.Order"' in said("Order")
    assert 'message shop.Customer has no field "ide"; did you mean "id"' in said(x={"type": "string", "path": "customer.ide"})
    assert 'orders.yaml:' in said(x={"type": "string", "path": "customer.ide"})
    assert "is repeated; name one element, the first of them is items[0]" in said(x={"type": "string", "path": "items.sku"})
    assert "is not repeated" in said(x={"type": "string", "path": "amount[0]"})
    assert "is a map" in said(x={"type": "string", "path": "labels[0].value"})
    assert "is no message" in said(x={"type": "string", "path": "amount.x"})
    assert "cents is sint64, which is no string" in said(x={"type": "string", "path": "cents"})
    assert "is shop.Customer, which is no string" in said(x={"type": "string", "path": "customer"})
    assert "is google.protobuf.Timestamp, which is no time as rfc3339" in said(x={"type": "time", "path": "at"})
    assert "is no path" in said(x={"type": "string", "path": "items[].sku"})
    (job.folder / "shop.desc").write_bytes(b"hello")
    assert "no descriptor set" in said()
    (job.folder / "shop.desc").unlink()
    assert "protoc --include_imports" in said()


def test_what_a_sink_of_protobuf_or_raw_cannot_be_is_said(make_job):
    job, _ = shop_job(make_job)

    def said(*sinks, **more):
        job.set(sinks=list(sinks), **more)
        return rewind("config", "check", job.file, cwd=job.folder, expect=2).err

    assert "which a file has not" in said({"table": "kinds", "file": {"path": "x"}, "format": "raw", "raw": {"value": "int64be"}, "fields": ["n"]})
    assert "has a meaning only where the sink's format is raw" in said({"table": "kinds", "file": {"path": "x"}, "raw": {"value": "int64be"}})
    assert "no sink of the job has the format protobuf" in (job.set(sinks=[]), rewind("config", "proto", job.file, cwd=job.folder, expect=2).err)[1]
    job.set(tables={"t": {"key": "customer", "aggregates": {"rewind_offset": "count()"}}})
    assert "is a name that rows of protobuf have for themselves" in said({"file": {"path": "x"}, "format": "protobuf"})


def test_the_printed_proto_is_compiled_and_keeps_its_numbers(make_job):
    job, _ = shop_job(make_job)
    before = rewind("config", "proto", job.file, cwd=job.folder).out
    job.given["tables"]["customers"]["aggregates"]["more"] = "max(cents)"
    job.set()
    after = rewind("config", "proto", job.file, cwd=job.folder).out
    assert set(before.splitlines()) <= set(after.splitlines())
    compile_proto(after, job.folder, "after")
    assert 'optional string revenue = 33 [json_name = "revenue"];  // decimal(2)' in after


# ------------------------------------------------------------------------------------------------ event.each
def each_jobs(make_job, kind, pick):
    """A job for each repeated message of the kind: its elements are the events, two fields of theirs and one around them are the key."""
    for path, message in kind.repeated():
        fields = {**kind.fields(2, message, ".", "i"), **kind.fields(1)}
        if not any(f["path"].startswith(".") for f in fields.values()):
            continue
        for given in fields.values():
            if pick.randrange(3):
                given["optional"] = True
        job = make_job(name="each", event={"each": path, "fields": fields}, tables={"t": {"key": list(fields), "aggregates": {"n": "count()"}}},
                       sinks=[{"file": {"path": "out/rows.jsonl"}, "emit": "update"}],
                       source={"file": {"path": "in.pb"}, "format": "protobuf", "protobuf": {"descriptor": "t.desc", "message": "t.Outer"}})
        job.input = job.folder / "in.pb"
        (job.folder / "t.desc").write_bytes(kind.descriptor_set())
        yield job


def compare_elements(job, messages):
    """Each row is an element that the package finds, in their order; it may find more good ones, and what no path names may be broken."""
    given = oracle.Job(job.file)
    message_class = proto_messages.class_of(job.folder / "t.desc", "t.Outer")
    rows = {}
    for row in map(json.loads, (job.folder / "out/rows.jsonl").read_text().splitlines()):
        rows.setdefault(row["_offset"], []).append(row)
    for offset, found in rows.items():
        try:
            events = [e for e in proto_messages.decode(message_class, given, messages[offset]) if not isinstance(e, oracle.Fault)]
        except oracle.Fault as fault:
            assert fault.code == "malformed", (offset, messages[offset].hex())
            continue
        shown = ({n: json.loads(oracle.value_json(v, given.fields[n].kind, given.fields[n].scale)) for n, v in event.items()} for event in events)
        for row in found:
            assert any(event == {n: row[n] for n in event} for event in shown), (offset, messages[offset].hex())


@pytest.mark.parametrize("damaged", [False, True])
def test_elements_of_a_repeated_message_are_events(make_job, damaged):
    good = dead = jobs = 0
    for seed in range(8):
        pick = random.Random(seed)
        kind = proto_messages.Kind(pick, pick.choice(["proto2", "proto3"]))
        for job in each_jobs(make_job, kind, pick):
            messages = [kind.message(pick) for _ in range(150)]
            if damaged:
                messages = [damage(pick, m) if pick.randrange(3) == 0 else m for m in messages]
            job.input.write_bytes(proto_messages.delimited(messages))
            job.run()
            expected = job.expected()
            if damaged:
                compare_elements(job, messages)
            else:
                driver.check_against(expected, job)
            good += expected.applied
            dead += len(expected.dead)
            jobs += 1
    assert jobs > 5 and good > 500 and dead > 100


def test_lines_of_orders_are_events(make_job):
    """Through kills, and with an element that is named by its index, too; more elements than a record may have are a dead letter."""
    fields = {**FIELDS, "sku": {"type": "string", "path": ".sku"}, "units": {"type": "int", "path": ".units"}, "first_sku": {"type": "string", "path": "items[0].sku"}}
    tables = {"skus": {"key": "sku", "aggregates": {"n": "count()", "units": "sum(units)", "buyer": "last(customer)", "first": "first(first_sku)"}}}
    job, order_class = shop_job(make_job, event={"fields": fields, "time": {"field": "at"}, "each": "items"}, tables=tables,
                                sinks=[{"table": "skus", "file": {"path": "out/skus.jsonl"}, "emit": "update"}], delivery={"commit_every": "1ms"}, checkpoints={"every": "10ms"})
    messages = list(orders(order_class, 3000))
    large = order_class.FromString(messages[7])
    for i in range(4097):
        large.items.add(sku="s", units=1)
    messages[7] = large.SerializeToString()
    job.input.write_bytes(proto_messages.delimited(messages))
    for point in ("commit-begin", "freeze-begun", "checkpoint-synced"):
        job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT=point)
    job.run()
    expected = job.expected()
    driver.check_against(expected, job)
    assert expected.applied > 2000 and any(d.code == "too-large" for d in expected.dead)


def test_what_cannot_be_each_is_said(make_job):
    job, _ = shop_job(make_job)

    def said(each, **fields):
        job.set(event={"fields": {**FIELDS, **fields}, "each": each})
        return rewind("config", "check", job.file, cwd=job.folder, expect=2).err

    assert "is one element; write it without [0]" in said("items[0]")
    assert "events are the elements of a repeated message" in said("customer") and "events are the elements of a repeated message" in said("amount")
    assert "is a map" in said("labels")
    assert 'did you mean "items"' in said("itmes")
    assert 'has no field "skuu"; did you mean "sku"' in said("items", x={"type": "string", "path": ".skuu"})
