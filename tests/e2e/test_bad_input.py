"""Bad bytes, bad job files, bad places: each gets a dead letter, or one clear line and its exit code. Nothing is lost."""
import json
import os
import re
import shutil
import struct

import pytest

import rewind as driver
from disk import Tmpfs
from rewind import FIELDS, Running, dead_letters, orders, rewind

USAGE, IO, CORRUPT, LOCKED, INCOMPATIBLE, LOGIC, SOURCE, NOT_FOUND = 2, 3, 4, 5, 6, 7, 8, 10
FOLLOW = {"file": {"path": "orders.jsonl", "follow": True}, "format": "json"}


def one_line(done, *words):
    """The program ends with one line that says what is wrong, and the line holds these words."""
    lines = [line for line in done.err.splitlines() if line.startswith("rewind: ")]
    assert len(lines) == 1, f"one line, not {len(lines)}:\n{done.err}"
    for word in words:
        assert str(word) in lines[0], f"'{word}' is not in: {lines[0]}"
    return lines[0]


# ------------------------------------------------------------------------------------------------ records
GOOD = '{"customer": "a", "country": "b", "amount": 1.50, "quantity": 2, "ts": 1700000000000}'


def with_value(field, text):
    event = json.loads(GOOD)
    return "{" + ", ".join(f'"{k}": {text if k == field else json.dumps(v)}' for k, v in event.items() if text is not None or k != field) + "}"


RECORDS = [
    ("an-object-cut-short", GOOD[:-1], "malformed", None),
    ("two-objects", GOOD + GOOD, "malformed", None),
    ("not-json", "hello", "malformed", None),
    ("a-comma-too-many", GOOD[:-1] + ",}", "malformed", None),
    ("a-single-quote", GOOD.replace('"a"', "'a'"), "malformed", None),
    ("nan", with_value("amount", "NaN"), "malformed", None),
    ("a-leading-zero", with_value("quantity", "007"), "malformed", None),
    ("a-raw-control-character", with_value("customer", '"a\x01b"'), "malformed", None),
    ("a-lone-surrogate", with_value("customer", '"\\ud800"'), "malformed", None),
    ("deep-nesting", GOOD[:-1] + ', "deep": ' + "[" * 5000 + "]" * 5000 + "}", "malformed", None),
    ("an-array", "[" + GOOD + "]", "wrong-type", None),
    ("only-spaces", "   ", "malformed", None),
    ("invalid-utf8", GOOD.encode().replace(b'"a"', b'"\xff\xfe"'), "malformed", None),
    ("an-overlong-form", GOOD.encode().replace(b'"a"', b'"\xc0\xaf"'), "malformed", None),
    ("a-missing-field", with_value("amount", None), "missing-field", "amount"),
    ("a-null", with_value("amount", "null"), "missing-field", "amount"),
    ("a-number-for-a-text", with_value("customer", "12"), "wrong-type", "customer"),
    ("a-text-for-an-int", with_value("quantity", '"two"'), "wrong-type", "quantity"),
    ("a-bool-for-an-int", with_value("quantity", "true"), "wrong-type", "quantity"),
    ("a-fraction-for-an-int", with_value("quantity", "1.5"), "wrong-type", "quantity"),
    ("an-array-for-a-text", with_value("customer", '["a"]'), "wrong-type", "customer"),
    ("an-int-of-65-bits", with_value("quantity", "9223372036854775808"), "out-of-range", "quantity"),
    ("an-int-below-64-bits", with_value("quantity", "-9223372036854775809"), "out-of-range", "quantity"),
    ("a-decimal-of-40-digits", with_value("amount", "1" + "0" * 39), "out-of-range", "amount"),
    ("a-digit-beyond-the-scale", with_value("amount", "1.001"), "out-of-range", "amount"),
    ("an-exponent-without-end", with_value("amount", "1e999999999999999999999"), "out-of-range", "amount"),
    ("a-time-beyond-year-9999", with_value("ts", "999999999999999"), "out-of-range", "ts"),
    ("a-key-beyond-8-KiB", with_value("customer", json.dumps("k" * 9000)), "too-large", None),
    ("a-record-beyond-max-size", GOOD[:-1] + ', "note": "' + "x" * (1 << 20) + '"}', "too-large", None),
]
ACCEPTED = [
    ("the-largest-int", with_value("quantity", "9223372036854775807")),
    ("an-int-as-1e3", with_value("quantity", "1e3")),
    ("zeros-beyond-the-scale", with_value("amount", "1.5000")),
    ("a-record-of-one-field-more", GOOD[:-1] + ', "note": [1, {"a": null}]}'),
    ("escapes", with_value("customer", '"\\u00e9\\n\\ud83d\\ude00\\u0000"')),
    ("spaces-between", GOOD.replace(": ", " :\t ")),
]


@pytest.mark.parametrize("name, line, reason, field", RECORDS, ids=[r[0] for r in RECORDS])
def test_a_bad_record_is_a_dead_letter_and_its_neighbours_count(name, line, reason, field, make_job):
    job = make_job([GOOD, line, GOOD])
    job.run()
    raw = line if isinstance(line, bytes) else line.encode()
    found = dead_letters(job.dead)
    assert [f[0] for f in found] == [1]
    assert found[0][3] == raw, "the original bytes"
    assert found[0][1] == reason
    if field:
        assert found[0][2] == field
    assert driver.newest(job)["counts"]["applied"] == 2
    letter = json.loads(job.dead.read_bytes())
    assert ("UTF-8" in letter["message"]) == (name in ("invalid-utf8", "an-overlong-form"))
    assert letter["source"] and letter["message"] and letter["position"] == len(GOOD) + 1


@pytest.mark.parametrize("name, line", ACCEPTED, ids=[r[0] for r in ACCEPTED])
def test_an_unusual_but_right_record_counts(name, line, make_job):
    job = make_job([line])
    job.run()
    assert dead_letters(job.dead) == []
    driver.check_against(job.expected(), job)


def test_an_overflow_is_the_events_error_and_changes_no_table(make_job):
    most = 9223372036854775807
    lines = [with_value("quantity", str(q)) for q in (most, 1, -5, 6, 5)]
    job = make_job(lines, tables={"all": {"key": "country", "aggregates": {"units": "sum(quantity)"}}, **driver.TABLES}, sinks=None)
    job.run()
    driver.check_against(job.expected(), job)
    assert [(o, r) for o, r, _, _ in dead_letters(job.dead)] == [(1, "overflow"), (3, "overflow")]


def test_an_event_of_the_far_future_does_not_move_stream_time(make_job):
    lines = [with_value("ts", str(t)) for t in (1700000000000, 1700000060000, 4102444800000, 1700000070000)]
    job = make_job(lines, event={"time": {"field": "ts", "ahead": "1h"}, "fields": FIELDS})
    job.run()
    driver.check_against(job.expected(), job)
    assert [(o, r) for o, r, _, _ in dead_letters(job.dead)] == [(2, "future")]


CSV_FIELDS = {"id": "int", "name": "string", "price": "decimal(2)", "at": {"type": "time", "format": "%d/%m/%Y %H:%M"}, "paid": "bool"}
CSV_JOB = {
    "source": {"file": {"path": "orders.jsonl"}, "format": "csv"},
    "event": {"fields": CSV_FIELDS},
    "tables": {"names": {"key": ["name", "paid"], "aggregates": {"n": "count()", "least": "min(price)", "last": "max(at)", "ids": "sum(id)"}}},
    "sinks": [{"file": {"path": "out/names.csv"}, "format": "csv", "emit": "update"}],
}
CSV_HEADER = "paid,price,at,name,id,unused"


def test_csv_as_rfc_4180_has_it(make_job):
    rows = [
        CSV_HEADER,
        'true,1.50,24/12/2024 18:30,plain,1,',
        'false,0.05,01/01/2025 00:00,"quoted, with ""quotes""",2,x',
        'true,1.50,24/12/2024 18:30,"two\nlines",3,"more\r\nlines"',
        'true,-1.50,24/12/2024 18:30,"",4,',
        'true,2,24/12/2024 18:30,  spaces  ,+5,',
        '',
        'true,2,24/12/2024 18:30,after an empty line,6,',
    ]
    bad = [
        ('true,2,24/12/2024 18:30,,7,', "missing-field", "name"),
        ('true,2,24/12/2024 18:30,short,8', "malformed", None),
        ('true,2,24/12/2024 18:30,long,9,,', "malformed", None),
        ('true,2,24/12/2024 18:30,"closed"early,10,', "malformed", None),
        ('true,2,24/12/2024 18:30,a stray " quote,11,', "malformed", None),
        ('yes,2,24/12/2024 18:30,a bool that is none,12,', "wrong-type", "paid"),
        ('true,two,24/12/2024 18:30,a price that is none,13,', "wrong-type", "price"),
        ('true,2,2024-12-24,a time that is none,14,', "wrong-type", "at"),
    ]
    job = make_job(**CSV_JOB)
    job.input.write_bytes(("\ufeff" + "\r\n".join(rows + [b[0] for b in bad])).encode())
    job.run()
    expected = job.expected()
    driver.check_against(expected, job)
    assert [(r, f) for _, r, f, _ in dead_letters(job.dead)] == [(r, f) for _, r, f in bad]
    assert len(expected.tables["names"]) == 6


def test_a_header_without_a_needed_column_names_it(make_job):
    job = make_job(["paid,prise,at,name,id", "true,1,24/12/2024 18:30,a,1"], **CSV_JOB)
    one_line(job.run(expect=SOURCE), "price", "prise", "orders.jsonl")
    assert not job.data.exists() or not any(c["next_offset"] for c in driver.checkpoints(job))


def test_an_empty_file_is_an_empty_run(make_job):
    job = make_job([])
    job.run()
    assert driver.newest(job)["next_offset"] == 0
    assert driver.digest(job) == job.expected().digest()
    job.write(orders(100))
    job.run()
    driver.check_against(job.expected(), job)


def test_a_line_of_100_MB_is_a_dead_letter_in_bounded_memory(make_job):
    job = make_job(orders(100), state={"path": "data", "memory": "64MiB"}, source=FOLLOW)
    huge = b'{"customer": "' + b"y" * 100_000_000 + b'"}'
    job.append(huge + b"\n")
    job.append("\n".join(orders(100, first=101)) + "\n")
    with Running(job) as r:
        r.committed(201)
        resident = r.most_resident()
        assert r.stop() == 0
    assert resident < driver.memory_bound(64 << 20), f"{resident >> 20} MiB of resident memory"
    found = dead_letters(job.dead)
    assert [(f[0], f[1]) for f in found] == [(100, "too-large")]
    assert found[0][3] == huge
    assert driver.newest(job)["counts"]["applied"] == 200


def test_without_dead_letters_a_bad_event_stops_the_job_and_what_came_before_is_kept(make_job):
    job = make_job([GOOD, GOOD, "oops", GOOD], errors=None)
    one_line(job.run(expect=None), "offset 2", "dead_letter")
    assert driver.newest(job)["next_offset"] == 2
    assert job.run(expect=None).returncode != 0
    job.set(errors={"dead_letter": {"file": {"path": "out/dead.jsonl"}}})
    job.run()
    driver.check_against(job.expected(), job)


def test_a_job_without_any_output_goes_on_once_it_has_a_place_for_dead_letters(make_job):
    job = make_job([GOOD, GOOD, "oops", GOOD], errors=None, sinks=None)
    one_line(job.run(expect=None), "offset 2", "dead_letter")
    job.set(errors={"dead_letter": {"file": {"path": "out/dead.jsonl"}}})
    job.run()
    driver.check_against(job.expected(), job)


# ------------------------------------------------------------------------------------------------ the job file
def test_an_unknown_key_names_the_nearest_right_one_with_line_and_column(make_job):
    job = make_job([GOOD])
    text = job.file.read_text().replace("sinks:\n", "sinkz:\n")
    job.file.write_text(text)
    line = text[: text.index("sinkz")].count("\n") + 1
    said = one_line(job.run(expect=USAGE), f"{job.file.name}:{line}:1", "sinkz", "sinks")
    assert "sinks" in said
    assert rewind("config", "check", job.file, expect=USAGE, cwd=job.folder).err.strip()


@pytest.mark.parametrize("change, words", [
    ({"tables": {"t": {"key": "custmer", "aggregates": {"n": "count()"}}}}, ["custmer", "customer"]),
    ({"tables": {"t": {"key": "customer", "aggregates": {"n": "summ(amount)"}}}}, ["summ", "sum"]),
    ({"tables": {"t": {"key": "customer", "aggregates": {"n": "sum(customer)"}}}}, ["sum", "string"]),
    ({"tables": {"t": {"key": "customer", "aggregates": {"n": "sum(amonut)"}}}}, ["amonut", "amount"]),
    ({"event": {"fields": {"customer": "strnig"}}}, ["strnig", "string"]),
    ({"event": {"fields": {**FIELDS, "amount": "decimal(40)"}}}, ["decimal"]),
    ({"state": {"path": "data", "memory": "lots"}}, ["memory", "lots"]),
    ({"checkpoints": {"every": "10 parsecs"}}, ["every"]),
    ({"delivery": {"commit_every": "1s", "commit_at": {"offset_multiple": 5}}}, ["commit_every", "commit_at"]),
    ({"sinks": [{"table": "costumers", "file": {"path": "out/x"}}]}, ["costumers", "customers"]),
    ({"source": {"file": {"path": "orders.jsonl"}, "format": "jsno"}}, ["jsno", "json"]),
], ids=lambda v: str(v)[:40] if isinstance(v, dict) else "")
def test_a_mistake_in_the_job_file_is_named(change, words, make_job):
    job = make_job([GOOD], **({"sinks": None} if "tables" in change or "event" in change else {}))
    job.set(**change)
    if "event" in change and "tables" not in change:
        job.set(tables={"t": {"key": "customer", "aggregates": {"n": "count()"}}})
    one_line(job.run(expect=USAGE), job.file.name + ":", *words)
    assert not job.data.exists()


def test_an_unset_variable_without_default_is_an_error(make_job):
    job = make_job([GOOD], state={"path": "${NO_SUCH_PLACE}"})
    one_line(job.run(expect=USAGE), "NO_SUCH_PLACE")
    job.set(state={"path": "${NO_SUCH_PLACE:-data}"})
    job.run()
    assert job.data.exists()


# ------------------------------------------------------------------------------------------------ places
def test_a_missing_input_is_named(make_job):
    job = make_job()
    one_line(job.run(expect=NOT_FOUND), "orders.jsonl")


def reachable(job):
    """Opens the job's folder to any user, and puts the program where any user can start it."""
    for parent in [job.folder, *job.folder.parents]:
        if str(parent) not in ("/", "/tmp"):
            os.chmod(parent, os.stat(parent).st_mode | 0o755)
    program = job.folder / "rewind"
    shutil.copy(driver.PROGRAM, program)
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("place", ["data", "out"])
def test_a_place_that_may_not_be_written_is_named(place, make_job):
    job = make_job(orders(10))
    (job.folder / "data").mkdir()
    for folder in ("data", "out"):
        os.chmod(job.folder / folder, 0o555 if folder == place else 0o777)
    program = reachable(job)
    done = job.run(expect=IO, program=program, user=65534 if os.geteuid() == 0 else None)   # root may write anywhere
    one_line(done, place, "ermission")


def test_a_full_disk_under_the_data_directory_stops_with_one_line_and_nothing_is_lost(make_job):
    job = make_job(orders(120000, keys=100000), checkpoints={"every": "50ms", "keep": {"last": 2}, "full": {"keep": 0}}, state={"path": "data", "memory": "64MiB"})
    with Tmpfs(job.folder / "data", "12m") as disk:
        said = one_line(job.run(expect=IO), "data")
        assert "space" in said or "room" in said
        disk.grow("400m")
        job.run()
        driver.check_against(job.expected(), job)


def test_a_disk_too_full_to_open_the_state_is_told_in_one_line(make_job):
    job = make_job(orders(1000))
    with Tmpfs(job.folder / "data", "64m"):
        job.run()
        filler = job.folder / "data" / "filler"
        filler.write_bytes(bytes(shutil.disk_usage(job.folder / "data").free - (3 << 20)))
        job.append("".join(line + "\n" for line in orders(1000, first=1000)))
        one_line(job.run(expect=IO), "space left to open the state")
        filler.unlink()
        job.run()
        driver.check_against(job.expected(), job)


def test_an_independent_copy_is_not_made_where_it_would_fill_the_disk(make_job):
    many = (f'{{"customer":"{os.urandom(12).hex()}","country":"NO","amount":{i % 900}.25,"quantity":{i % 7},"ts":{1700000000000 + i}}}' for i in range(200000))
    job = make_job(many, checkpoints={"every": "1h", "full": {"keep": 0}})
    with Tmpfs(job.folder / "data", "400m"):
        job.run()
        free = 13 << 20   # enough to open the state, and for a checkpoint of one more order
        assert max(c["bytes"] for c in driver.checkpoints(job)) > 5 << 20
        (job.folder / "data" / "filler").write_bytes(bytes(shutil.disk_usage(job.folder / "data").free - free))
        job.append(next(orders(1)) + "\n")
        job.set(checkpoints={"every": "1h"})
        assert "no independent copy is made" in job.run().err
        (job.folder / "data" / "filler").unlink()
        job.append(next(orders(1)) + "\n")
        job.run()
        assert any(c["independent"] for c in driver.checkpoints(job))


def test_a_full_disk_under_the_output_stops_with_one_line_and_nothing_is_doubled(make_job):
    job = make_job(orders(30000, keys=3000, bad_every=50), delivery={"commit_at": {"offset_multiple": 500}})
    with Tmpfs(job.out, "1m") as disk:
        one_line(job.run(expect=IO), "space")
        disk.grow("100m")
        job.run()
        driver.check_against(job.expected(), job)


# ------------------------------------------------------------------------------------------------ owners

def test_a_second_process_on_the_data_directory_names_the_first(make_job):
    job = make_job(orders(10), source=FOLLOW)
    with Running(job) as r:
        r.committed(10)
        one_line(job.run(expect=LOCKED), r.process.pid)
        assert r.stop() == 0


def test_another_jobs_directory_is_refused(make_job):
    job = make_job(orders(10))
    job.run()
    other = make_job(orders(10), name="payments")
    (other.folder / "data" / "payments").mkdir(parents=True)
    shutil.copytree(job.data, other.data)
    one_line(other.run(expect=INCOMPATIBLE), "orders", "payments")


def crc32c(data):
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def make_newer(path):
    """Gives the first frame of a file the next format version, with a right checksum."""
    data = path.read_bytes()
    version, size = struct.unpack("<II", data[4:12])
    head, payload, rest = data[:4] + struct.pack("<II", version + 1, size), data[16:16 + size], data[16 + size:]
    path.write_bytes(head + struct.pack("<I", crc32c(head + payload)) + payload + rest)


def test_a_newer_versions_directory_is_refused_and_not_touched(make_job):
    job = make_job(orders(10))
    job.run()
    make_newer(job.data / "LOCK")
    before = {p: p.read_bytes() for p in job.data.rglob("*") if p.is_file()}
    one_line(job.run(expect=INCOMPATIBLE), "newer", "LOCK")
    assert {p: p.read_bytes() for p in job.data.rglob("*") if p.is_file()} == before


def test_a_newer_versions_manifest_is_not_taken_for_damage(make_job):
    job = make_job(orders(10))
    job.run()
    newest = driver.newest(job)["id"]
    make_newer(job.checkpoints / newest / "MANIFEST")
    one_line(job.run(expect=INCOMPATIBLE), "newer", newest)
    assert (job.checkpoints / newest / "MANIFEST").exists()


def test_changed_logic_is_refused_with_both_fingerprints(make_job):
    job = make_job(orders(100))
    job.run()
    old = driver.newest(job)["fingerprint"]
    tables = json.loads(json.dumps(driver.TABLES))
    tables["customers"]["aggregates"]["orders"] = "max(quantity)"
    before = driver.outputs(job)
    job.set(tables=tables)
    said = one_line(job.run(expect=LOGIC), old)
    assert len(set(re.findall(r"\b[0-9a-f]{32}\b", said))) >= 2
    assert driver.outputs(job) == before
    job.set(tables=driver.TABLES)
    job.run()
    driver.check_against(job.expected(), job)


def test_a_key_that_does_not_decide_results_may_change(make_job):
    job = make_job(orders(100))
    job.run()
    job.set(checkpoints={"every": "33s"}, state={"path": "data", "memory": "100MiB"})
    job.append("\n".join(orders(50, first=100)) + "\n")
    job.run()
    driver.check_against(job.expected(), job)


# ------------------------------------------------------------------------------------------------ the input changes under the job
def test_an_input_that_shrank_is_refused(make_job):
    job = make_job(orders(1000))
    job.run()
    os.truncate(job.input, job.input.stat().st_size // 2)
    before = driver.outputs(job)
    one_line(job.run(expect=SOURCE), "orders.jsonl")
    assert driver.outputs(job) == before


def test_an_input_that_was_replaced_is_refused(make_job):
    job = make_job(orders(1000))
    job.run()
    job.write(orders(1500, seed=2))
    one_line(job.run(expect=SOURCE), "orders.jsonl")


def test_a_record_changed_below_c_is_found_by_the_input_digest(make_job):
    """Case of E4: the bytes between checkpoint and C are not those that were committed."""
    job = make_job(orders(20000), checkpoints={"every": "1h"}, source=FOLLOW)
    with Running(job) as r:
        r.committed(20000)
        r.kill()
    data = job.input.read_bytes()
    at = data.index(b'"quantity": ', len(data) // 2) + len(b'"quantity": ')
    job.input.write_bytes(data[:at] + (b"7" if data[at:at + 1] != b"7" else b"6") + data[at + 1:])
    before = driver.outputs(job)
    done = job.run(expect=SOURCE)
    one_line(done, "orders.jsonl")
    assert driver.outputs(job) == before
    job.input.write_bytes(data)
    job.set(source={"file": {"path": "orders.jsonl"}, "format": "json"})
    job.run()
    driver.check_against(job.expected(), job)


# ------------------------------------------------------------------------------------------------ outputs that are not ours
def test_an_output_that_exists_without_a_log_is_never_touched(make_job):
    job = make_job(orders(10))
    mine = job.out / "customers.jsonl"
    mine.write_text("precious\n")
    one_line(job.run(expect=INCOMPATIBLE), "customers.jsonl")
    assert mine.read_text() == "precious\n"


def test_outputs_of_another_repository_are_foreign(make_job):
    job = make_job(orders(10))
    job.run()
    shutil.rmtree(job.folder / "data")
    before = driver.outputs(job)
    one_line(job.run(expect=INCOMPATIBLE), "state.path")
    assert driver.outputs(job) == before


def test_a_lost_commit_log_is_not_taken_for_a_new_job(make_job):
    job = make_job(orders(10))
    job.run()
    (job.out / "customers.jsonl.commits").unlink()
    before = driver.outputs(job)
    assert job.run(expect=None).returncode in (INCOMPATIBLE, SOURCE)
    assert driver.outputs(job) == before


def test_fresh_moves_aside_and_deletes_nothing(make_job):
    job = make_job(orders(500))
    job.run()
    before = driver.outputs(job)
    job.run("--fresh")
    driver.check_against(job.expected(), job)
    moved = [p for p in job.out.iterdir() if ".before-" in p.name]
    assert {p.name.split(".before-")[0] for p in moved} >= set(before)
    assert any(".before-" in p.name for p in job.data.parent.iterdir())


@pytest.mark.parametrize("words, nearest", [(["rnu"], "run"), (["checkpoint", "lsit"], "list"), (["run", "--frehs", "x.yaml"], "--fresh"), (["state", "gte"], "get")])
def test_an_unknown_word_is_an_error_with_a_suggestion(words, nearest):
    done = rewind(*words, expect=USAGE)
    assert nearest in done.err
