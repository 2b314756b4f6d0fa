"""journal export and import: what goes out is what an independent client reads; what comes in fills holes, and only where it is what was read."""
import base64
import datetime
import json

import pytest

import rewind as driver
from rewind import orders, rewind, rewind_json

pytestmark = pytest.mark.xdist_group("kafka-journal")
BEGIN = 1700000000000


def text(data):
    return None if data is None else base64.b64encode(data).decode()


def of_message(m):
    line = {"offset": m.offset(), "time": m.timestamp()[1], "key": text(m.key()), "value": text(m.value())}
    if m.headers():
        line["headers"] = [[name, text(value)] for name, value in m.headers()]
    return line


def ms(time):
    """RFC 3339 as milliseconds, by another road than the program's."""
    return round(datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() * 1000)


@pytest.fixture
def job(make_kafka_job, broker):
    """Three checkpoints above genesis, each with a segment of its own; records with keys, headers and without, transaction markers, tombstones. The topic has none of them any more."""
    made = make_kafka_job(checkpoints={"every": "1h", "full": {"keep": 0}})
    for part in range(3):
        lines = [{"value": line.encode(), "timestamp": BEGIN + part * 1000 + i, **({"key": f"k{i}"} if i % 3 else {}),
                  **({"headers": [("a", b"\x00\xff"), ("n", None), ("a", b"")]} if i % 5 == 0 else {})} for i, line in enumerate(orders(200, first=part * 300))]
        broker.produce(made.source_topic, lines)
        broker.produce(made.source_topic, [{"value": None, "key": "gone"}, {"value": b"", "key": b""}])
        broker.produce_transaction(made.source_topic, list(orders(98, first=part * 300 + 200)))
        made.run_to_end()
    made.read = broker.read(made.source_topic)
    made.wanted = made.check()
    broker.delete_records(made.source_topic, 0, made.end())
    return made


def export(job, *words):
    return [json.loads(line) for line in rewind("journal", "export", job.file, *words, cwd=job.folder).out.splitlines()]


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def missing(job):
    return [(m["from"], m["next"]) for m in rewind_json("journal", "list", job.file, cwd=job.folder)["missing"]]


def remove(job, number):
    segments = sorted((job.data / "journal").iterdir())
    assert len(segments) == 3
    segments[number].unlink()


def test_an_export_is_what_an_independent_client_read(job):
    found = export(job)
    assert [{**line, "time": ms(line["time"])} for line in found] == [of_message(m) for m in job.read]
    part = export(job, "--offset", 150, "--records", 3)
    assert part == [line for line in found if line["offset"] >= 150][:3]


def test_an_import_fills_a_hole_and_the_replay_needs_no_topic(job, tmp_path):
    out = tmp_path / "all.jsonl"
    rewind("journal", "export", job.file, "--file", out, cwd=job.folder)
    remove(job, 1)
    hole = missing(job)[0]
    genesis = driver.checkpoints(job)[-1]["id"]
    assert f"the journal has no records from {hole[0]} to {hole[1] - 1}" in rewind("restore", job.file, "--to", genesis, "--yes", expect=8, cwd=job.folder).err
    planned = rewind_json("journal", "import", job.file, out, "--dry-run", cwd=job.folder)
    inside = sum(1 for m in job.read if hole[0] <= m.offset() < hole[1])
    assert planned == {"filled": inside, "there": len(job.read) - inside, "outside": 0, "holes": [{"from": hole[0], "next": hole[1], "records": inside, "filled": True}]}
    assert missing(job) == [hole]
    # Killed when all is written and nothing counts: nothing has changed, and the same again works.
    rewind("journal", "import", job.file, out, "--yes", cwd=job.folder, expect=-9, REWIND_CRASH_POINT="fill-durable")
    assert missing(job) == [hole]
    rewind("journal", "import", job.file, out, "--yes", cwd=job.folder)
    assert missing(job) == []
    assert "no offset is missing" in rewind("journal", "check", job.file, cwd=job.folder).out
    rewind("restore", job.file, "--to", genesis, "--yes", cwd=job.folder)
    newest = driver.newest(job)
    assert (newest["reason"], newest["digest"], newest["input_digest"]) == ("restore", job.wanted.digest(), job.wanted.input_hash)


def test_the_last_and_the_first_segment_can_be_filled_too(job, tmp_path):
    lines = export(job)
    out = write(tmp_path / "all.jsonl", lines)
    remove(job, 2)
    remove_first = sorted((job.data / "journal").iterdir())[0]
    remove_first.unlink()
    rewind("journal", "import", job.file, out, "--yes", cwd=job.folder)
    assert export(job) == lines and missing(job) == []


def test_holes_are_filled_from_the_topic_while_it_has_them(make_kafka_job, broker):
    job = make_kafka_job(checkpoints={"every": "1h", "full": {"keep": 0}})
    for part in range(4):
        broker.produce(job.source_topic, [{"value": line, "key": f"k{i}"} for i, line in enumerate(orders(200, first=300 * part))])
        broker.produce_transaction(job.source_topic, list(orders(98, first=300 * part + 200)))
        job.run_to_end()
    wanted, lines = job.check(), export(job)
    parts = sorted((job.data / "journal").iterdir())
    first = missing(job)
    for number in (0, 2):
        parts[number].unlink()
    broker.delete_records(job.source_topic, 0, 100)          # of the first hole the topic has only a part: that stays
    planned = rewind_json("journal", "import", job.file, "--dry-run", cwd=job.folder)
    assert first == [] and [hole["filled"] for hole in planned["holes"]] == [False, True]
    rewind("journal", "import", job.file, "--yes", cwd=job.folder)
    assert export(job) == [line for line in lines if line["offset"] >= planned["holes"][0]["next"]]
    broker.delete_records(job.source_topic, 0, job.end())
    second = sorted(driver.checkpoints(job), key=lambda c: c["next_offset"])[1]["id"]
    rewind("restore", job.file, "--to", second, "--yes", cwd=job.folder)
    assert (driver.newest(job)["digest"], driver.newest(job)["input_digest"]) == (wanted.digest(), wanted.input_hash)


def other_bytes(line):
    line["value"] = text(b"{}")


def other_time(line):
    line["time"] = "2020-01-01T00:00:00Z"


def no_headers(line):
    line.pop("headers", None)


@pytest.mark.parametrize("change", [other_bytes, other_time, no_headers, None], ids=lambda c: c.__name__ if c else "left_out")
def test_what_is_not_what_was_read_is_refused_and_nothing_is_written(change, job, tmp_path):
    lines = export(job)
    remove(job, 1)
    hole = missing(job)[0]
    before = sorted((p.name, p.read_bytes()) for p in (job.data / "journal").iterdir())
    one = next(line for line in lines if line["offset"] >= hole[0] and line.get("headers"))
    if change:
        change(one)
    else:
        lines.remove(one)
    said = rewind("journal", "import", job.file, write(tmp_path / "changed.jsonl", lines), "--yes", cwd=job.folder, expect=8).err
    assert "must reproduce what was read" in said
    # Nor is anything changed that the journal has.
    lines = [line for line in lines if line["offset"] < hole[0]]
    lines[3]["key"] = text(b"other")
    said = rewind("journal", "import", job.file, write(tmp_path / "changed.jsonl", lines), "--yes", cwd=job.folder, expect=8).err
    assert f"the record at offset {lines[3]['offset']} is not the one that the journal has" in said
    assert sorted((p.name, p.read_bytes()) for p in (job.data / "journal").iterdir()) == before


def test_a_file_that_is_none_is_named_by_line(job, tmp_path):
    lines = [json.dumps(line) for line in export(job, "--records", 3)]
    for bad in ['{"offset": 1}', '{"offset": 2, "time": null, "key": null, "value": "?"}', "[]", lines[2].replace('"offset": 2', '"offset": 0'), lines[2] + "x"]:
        path = tmp_path / "bad.jsonl"
        path.write_text("\n".join([*lines[:2], bad]))
        assert "bad.jsonl:3" in rewind("journal", "import", job.file, path, "--yes", cwd=job.folder, expect=2).err, bad
    with job.running() as r:
        r.wait_for(lambda s: s["phase"] == "waiting")
        rewind("journal", "import", job.file, path, "--yes", cwd=job.folder, expect=5)
        assert r.stop() == 0
