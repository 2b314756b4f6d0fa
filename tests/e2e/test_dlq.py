"""Dead letters of jobs over files: listed, shown, exported, and made good in place. What must stand there says the oracle."""
import base64
import json
import re

import pytest

import oracle
import rewind as driver
from rewind import Running, orders, rewind, rewind_json

LINES = list(orders(600, bad_every=37))
BAD = range(36, 600, 37)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A job that came to its end, to be looked at."""
    job = driver.Job(tmp_path_factory.mktemp("dlq"), LINES)
    job.run()
    return job


def dlq(job, *words, **more):
    return [json.loads(line) for line in rewind("dlq", *words, *([] if words[0] == "export" else ["-o", "json"]), "--data", job.data, **more).out.splitlines()]


def entry(offset, ordinal, letter):
    time = None if letter.time is None else letter.time
    return {"offset": offset, **({} if ordinal is None else {"ordinal": ordinal}), "reason": letter.code, "field": letter.field, "time": time,
            "state": "failed" if letter.failed else "open", "attempts": letter.attempts, "hash": f"{letter.hashed:032x}"}


def expected_entries(expected):
    return [entry(*at, letter) for at, letter in sorted(expected.open_dead.items(), key=lambda item: (item[0][0], -1 if item[0][1] is None else item[0][1]))]


def test_the_list_is_what_failed(done):
    found = dlq(done, "list", "--limit", 0)
    assert found == expected_entries(done.expected()) and [d["offset"] for d in found] == list(BAD)
    assert driver.newest(done)["dead_letters"] == {"open": len(BAD), "failed": 0}
    table = rewind("dlq", "list", done.file, cwd=done.folder).out.splitlines()
    assert table[0].split() == ["OFFSET", "REASON", "FIELD", "TIME", "STATE", "ATTEMPTS"] and len(table) == len(BAD) + 1


def test_filters_leave_what_they_say(done):
    every = dlq(done, "list", "--limit", 0)

    def offsets(*words):
        return [d["offset"] for d in dlq(done, "list", *words)]

    assert offsets("--code", "malformed,missing-field") == [d["offset"] for d in every if d["reason"] in ("malformed", "missing-field")]
    assert offsets("--from", 110, "--to", 332) == [at for at in BAD if 110 <= at < 332]
    assert offsets("--from", driver.newest(done)["id"]) == [] and offsets("--to", "latest") == list(BAD)
    assert offsets("--state", "failed") == [] and offsets("--state", "open") == list(BAD)
    assert len(offsets("--limit", 3)) == 3
    for words, why in {("--code", "lates"): "did you mean 'late'", ("--code", "io"): "no dead letter has the reason 'io'", ("--from", "never"): "no checkpoint|never"}.items():
        assert re.search(why, rewind("dlq", "list", "--data", done.data, *words, expect=None).err)


def test_the_bytes_come_from_the_source_or_else_from_the_output(done):
    raw = {at: LINES[at].encode() for at in BAD}
    exported = dlq(done, "export", cwd=done.folder)
    assert {d["offset"]: base64.b64decode(d["value"]) for d in exported} == raw and {d["found_in"] for d in exported} == {"source"}
    assert [d.get("text") for d in exported] == [LINES[at] for at in BAD]
    moved = done.input.rename(done.folder / "away.jsonl")
    try:
        from_output = dlq(done, "export", cwd=done.folder)
        assert {d["offset"]: base64.b64decode(d["value"]) for d in from_output} == raw and {d["found_in"] for d in from_output} == {"output"}
        done.input.write_bytes(b"".join(line.encode() + b" \n" for line in LINES))   # another file: its bytes do not count
        assert {d["found_in"] for d in dlq(done, "export", cwd=done.folder)} == {"output"}
        dead = done.dead.rename(done.folder / "dead-away.jsonl")
        nowhere = dlq(done, "show", BAD[3], cwd=done.folder)
        assert [d["found_in"] for d in nowhere] == [None] and nowhere[0]["value"] is None
        assert "nowhere" in rewind("dlq", "show", "--data", done.data, BAD[3], cwd=done.folder).out
        dead.rename(done.dead)
    finally:
        done.input.unlink(missing_ok=True)
        moved.rename(done.input)
    shown = rewind("dlq", "show", done.file, BAD[0], cwd=done.folder).out
    assert "malformed" in shown and "found in    source" in shown
    assert rewind("dlq", "show", done.file, 1, cwd=done.folder, expect=10).err


def test_of_a_record_of_many_events_each_is_its_own(make_job):
    fields = {name: {**(given if isinstance(given, dict) else {"type": given}), "path": f".{name}"} for name, given in driver.FIELDS.items()}
    rows = list(orders(8))
    lines = ['{"rows":[' + ",".join([rows[0], "{}", rows[1], "{}"]) + "]}", '{"rows":7}', '{"rows":[' + rows[2] + "]}"]
    job = make_job(lines, event={"each": "rows", "fields": fields})
    job.run()
    assert [(d["offset"], d.get("ordinal")) for d in dlq(job, "list")] == [(0, 1), (0, 3), (1, None)]
    assert dlq(job, "list") == expected_entries(job.expected())
    assert [(d["offset"], d["ordinal"]) for d in dlq(job, "show", "0/3", cwd=job.folder)] == [(0, 3)]
    assert len(dlq(job, "show", 0, cwd=job.folder)) == 2
    done = rewind("dlq", "redrive", job.file, "--in-place", "--set", "customer=ann", "--set", "country=", "--set", "amount=1.50", "--set", "quantity=2", "--set", "ts=1700000000000",
                  "-f", "amend.jsonl", cwd=job.folder)
    assert "Not 1 others" in done.err and "--from 0 --amend amend.jsonl" in done.err
    amended = [json.loads(line) for line in (job.folder / "amend.jsonl").read_text().splitlines()]
    good = {"customer": "ann", "country": "", "amount": 1.5, "quantity": 2, "ts": 1700000000000}
    assert [a["replace"] for a in amended] == [0]
    assert json.loads(amended[0]["value"]) == {"rows": [json.loads(rows[0]), good, json.loads(rows[1]), good]}
    skipped = rewind("dlq", "redrive", job.file, "--in-place", "--skip", cwd=job.folder)
    assert [json.loads(line)["skip"] for line in skipped.out.splitlines()] == [1] and "its other events" in skipped.err


def test_made_good_in_place_their_events_count_where_they_stand(make_job):
    """The amendments, replayed, give the rows of an input that was right from the beginning; what cannot be set stays open."""
    job = make_job(LINES)
    job.run()
    rewind("dlq", "redrive", job.file, "--in-place", "--code", "wrong-type,out-of-range", "--set", "quantity=3", "--set", "amount=12.50", "-f", "amend.jsonl", cwd=job.folder)
    amended = {a["replace"]: a["value"] for a in map(json.loads, (job.folder / "amend.jsonl").read_text().splitlines())}
    assert sorted(amended) == [at for at in BAD if (at // 37) % 6 in (1, 4, 5)]
    rewind("replay", job.file, "--amend", "amend.jsonl", "--keep", "fixed", cwd=job.folder)
    right = oracle.run(oracle.Job(job.file), "".join(amended.get(i, line) + "\n" for i, line in enumerate(LINES)).encode())
    shadow = job.data / "shadows" / "fixed"
    assert rewind("export", "--data", shadow, "--table", "customers", "--format", "csv").stdout == right.export("customers")
    assert [d["offset"] for d in rewind_lines("dlq", "list", "--data", shadow)] == [at for at in BAD if at not in amended]
    rewind("dlq", "redrive", "--data", job.data, "--in-place", "--skip", "-f", "skip.jsonl", cwd=job.folder)
    rewind("replay", job.file, "--amend", "skip.jsonl", "--keep", "skipped", cwd=job.folder)
    assert rewind_lines("dlq", "list", "--data", job.data / "shadows" / "skipped") == []


def test_a_record_that_was_amended_is_amended_further(make_job):
    """Two fields are wrong, and are set one after the other: the second amendment has both."""
    twice = {**json.loads(LINES[5]), "quantity": "x", "amount": "y"}
    job = make_job([*LINES[:5], json.dumps(twice)])
    job.run()
    rewind("dlq", "redrive", job.file, "--in-place", "--set", "amount=1.25", "-f", "first.jsonl", cwd=job.folder)
    rewind("replay", job.file, "--amend", "first.jsonl", "--keep", "first", cwd=job.folder)
    second = rewind("dlq", "redrive", "--data", job.data / "shadows" / "first", "--in-place", "--set", "quantity=3", cwd=job.folder)
    assert json.loads(json.loads(second.out)["value"]) == {**twice, "amount": 1.25, "quantity": 3}


def test_the_repair_is_planned_at_once_if_one_says_yes(make_job):
    job = make_job(LINES)
    job.run()
    words = ["dlq", "redrive", job.file, "--in-place", "--code", "wrong-type,out-of-range", "--set", "quantity=3", "--set", "amount=12.50", "-o", "json", "--yes"]
    assert "say --file" in rewind(*words, cwd=job.folder, expect=2).err
    plan = json.loads(rewind(*words, "-f", "amend.jsonl", cwd=job.folder).out.splitlines()[0])["plan"]
    amended = (job.folder / "amend.jsonl").read_text().splitlines()
    assert (plan["dead_letters_new"], plan["dead_letters_resolved"]) == (0, len(amended)) and plan["from"] == json.loads(amended[0])["replace"]
    assert "wants the job file" in rewind("dlq", "redrive", "--data", job.data, "--in-place", "--skip", "-f", "x", "--yes", cwd=job.folder, expect=2).err


def rewind_lines(*words):
    return [json.loads(line) for line in rewind(*words, "-o", "json").out.splitlines()]


def test_words_that_make_no_sense_are_refused(done):
    for words, why in {
        (): "the source is a file", ("--in-place",): "say what is to be another", ("--skip",): "belongs to --in-place", ("--logic", "x.yaml"): "belongs to --in-place",
        ("--in-place", "--skip", "--set", "a=1"): "say one of them", ("--in-place", "--set", "a..b=1"): "--set a..b", ("--in-place", "--skip", "x"): "named by its offset",
    }.items():
        assert why in rewind("dlq", "redrive", done.file, *words, cwd=done.folder, expect=2).err, words


def test_a_running_job_says_what_failed_so_far(make_job):
    job = make_job(LINES[:300], source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"}, http={"listen": "127.0.0.1:0"}, checkpoints={"every": "1h"},
                   delivery={"commit_every": "5ms"})
    with Running(job) as r:
        r.committed(300)
        assert [d["offset"] for d in dlq(job, "list")] == [at for at in BAD if at < 300]
        job.append("".join(line + "\n" for line in LINES[300:]))
        r.committed(600)
        assert [d["offset"] for d in dlq(job, "list", "--limit", 0)] == list(BAD)
        status = r.status()["dead_letters"]
        assert (status["open"], status["failed"], status["oldest_offset"]) == (len(BAD), 0, BAD[0])
        counts = {}
        for letter in job.expected().open_dead.values():
            counts[letter.code] = counts.get(letter.code, 0) + 1
        assert status["by_reason"] == counts
        metrics = driver.get("http://" + re.search(r"listening on (\S+)", r.stderr)[1] + "/metrics")[1]
        for reason, count in counts.items():
            assert f'rewind_dead_letters_open{{reason="{reason}",state="open"}} {count}\n' in metrics
        assert f"rewind_dead_letters_oldest_offset {BAD[0]}\n" in metrics
        assert r.stop() == 0
    driver.check_against(job.expected(), job)
