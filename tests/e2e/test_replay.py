"""Replays into a shadow: amendments and other logic beside the oracle, kills on the way, a live operator beside it, samples of keys; and nothing of the job's own is touched."""
import json
import random
import shutil
import signal
import subprocess
import time

import pytest
import xxhash
import yaml

import oracle
import rewind as driver
from rewind import Running, environment, orders, rewind, rewind_json
from test_restore import FOLLOW, QUIET, TIMED, in_steps, rfc3339, text, times

# All that an inserted or replaced event may meet: ids seen before, windows that are closed, faults.
JUDGED = {
    "event": {"id": "id", "time": {"field": "ts"}, "dedup": {"within": "10m"}, "late": "dead-letter", "fields": {**driver.FIELDS, "id": {"type": "string", "optional": True}}},
    "tables": {**driver.TABLES, "minutes": {"key": "country", "window": {"tumbling": "1m", "grace": "15s", "retain": "3m"}, "aggregates": {"n": "count()", "units": "sum(quantity)"}}},
}
EXACT = {"sinks": [], "errors": {"dead_letter": {"file": {"path": "out/dead.jsonl"}}}}


def judged_orders(count, seed, bad_every=41):
    """Orders with ids, some of them given again."""
    pick = random.Random(seed)
    for at, line in enumerate(orders(count, keys=60, seed=seed, bad_every=bad_every)):
        yield line.replace("{", f'{{"id": "i{at if pick.random() < 0.8 else pick.randrange(at + 1)}", ', 1) if line.startswith("{") else line


def replay(job, *words, **more):
    return rewind("replay", job.file, *words, cwd=job.folder, **more)


def replay_json(job, *words, **more):
    return rewind_json("replay", job.file, *words, cwd=job.folder, **more)


def write_amendments(job, given, name="amend.jsonl"):
    (job.folder / name).write_text("".join(json.dumps(a, ensure_ascii=False) + "\n" for a in given), encoding="utf-8")
    return name


def other_logic(job, name="other.yaml", **changed):
    """A job file with other columns of `customers`; everything else as it is."""
    given = json.loads(json.dumps(job.given))
    given["tables"]["customers"]["aggregates"].update(changed)
    (job.folder / name).write_text(yaml.safe_dump(given, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return name


def random_amendments(count, seed):
    """In no order; now and then many at one place, beyond the end, or of events that cannot be read."""
    pick = random.Random(seed)
    source = list(judged_orders(count, seed + 1000, bad_every=7))
    given = []
    for offset in pick.sample(range(count), count // 10):
        given.append({"skip": offset, "reason": "a test"} if pick.random() < 0.5 else {"replace": offset, "value": pick.choice(source)})
    for offset in pick.choices(range(count + 20), k=count // 10):
        given += [{"insert": offset, "value": pick.choice(source)} for _ in range(pick.choice([1, 1, 1, 2, 40]))]
    given.append({"insert": pick.randrange(count), "value": {"customer": "as an object", "country": "X", "amount": 1.25, "quantity": 1, "ts": 1700000100000}})
    pick.shuffle(given)
    return given


def untouched(job):
    return {str(p.relative_to(job.folder)): p.read_bytes() for p in sorted(job.folder.rglob("*")) if p.is_file() and "shadows" not in p.parts}


# ------------------------------------------------------------------------------------------------ what it comes to
def test_a_replay_of_the_same_is_the_same_and_touches_nothing(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 200, 200, 100)
    before = untouched(job)
    for begin, base in [(0, 0), (200, 200), (399, 200), (500, 500)]:
        found = replay_json(job, "--from", begin, "--to", 500)
        assert (found["base_offset"], found["records"], found["next_offset"]) == (base, 500 - base, 500)
        assert found["equals_live"] and found["digest"] == job.expected().digest() and found["kept"] is None
    assert replay_json(job, "--from", 0, "--to", 123)["digest"] == job.expected(123).digest()
    assert "the same digest" in replay(job, "--from", "latest").out
    assert untouched(job) == before
    assert list((job.data / "shadows").iterdir()) == []


def test_inserts_of_many_events_and_into_sessions_equal_the_oracle(make_job):
    pick = random.Random(4)
    fields = {"customer": "string", "ts": {"type": "time", "format": "epoch-s"}, "n": {"type": "int", "path": ".n"}, "kind": {"type": "string", "path": ".kind"}}

    def record(at):
        late = pick.randrange(40) if pick.random() < 0.2 else 0
        parts = [{"n": pick.randrange(9) if pick.random() < 0.95 else "x", "kind": pick.choice("abc")} for _ in range(pick.choice([0, 1, 1, 2, 5, 300]) if at % 40 == 0 else pick.randrange(4))]
        return {"customer": f"c{pick.randrange(9)}", "ts": 1700000000 + at // 2 - late, "rows": parts if pick.random() < 0.97 else 7}

    lines = [json.dumps(record(at)) for at in range(600)]
    given = [{"insert": at, "value": record(at)} for at in pick.choices(range(600), k=120)] + [{"insert": 300, "value": record(300)} for _ in range(400)]
    given += [{"skip": at} if pick.random() < 0.5 else {"replace": at, "value": record(at)} for at in pick.sample(range(600), 60)]
    tables = {
        "visits": {"key": ["customer", "kind"], "window": {"session": "4s", "grace": "2s", "retain": "1m"}, "aggregates": {"n": "count()", "s": "sum(n)", "last": "last(n)"}},
        "kinds": {"key": "kind", "aggregates": {"n": "count()", "s": "sum(n)", "first": "first(n)"}},
    }
    job = make_job(lines, checkpoints=QUIET, event={"time": {"field": "ts"}, "late": "dead-letter", "each": "rows", "fields": fields}, tables=tables, **EXACT)
    job.run()
    assert replay_json(job, "--from", 0)["equals_live"]
    found, expected = replay_json(job, "--amend", write_amendments(job, given)), oracle.run_amended(job.file, given, job.input)
    assert found["digest"] == expected.digest()
    events = found["events"]
    assert (events["applied"], events["late"], events["dead"]) == (expected.applied, expected.late, len(expected.dead)) and expected.late > 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_amendments_of_random_input_equal_the_oracle_over_the_amended_input(make_job, seed):
    count = 1200
    job = make_job(list(judged_orders(count, seed)), checkpoints=QUIET, **JUDGED, **EXACT)
    job.run()
    given = random_amendments(count, seed)
    name = write_amendments(job, given)
    until = random.Random(seed).randrange(count // 2, count + 1)
    expected = oracle.run_amended(job.file, given, job.input, until)
    found = replay_json(job, "--amend", name, "--to", until)
    assert found["digest"] == expected.digest()
    assert found["next_offset"] == until
    events = found["events"]
    assert (events["applied"], events["late"], events["duplicate"], events["dead"]) == (expected.applied, expected.late, expected.duplicates, len(expected.dead))
    skipped = sum(1 for a in given if "skip" in a and a["skip"] < until)
    waiting = sum(1 for a in given if max(a.get("skip", 0), a.get("replace", 0), a.get("insert", 0)) >= until)
    assert (found["amendments"]["skipped"], found["amendments"]["waiting"], found["amendments"]["missed"]) == (skipped, waiting, 0)
    assert expected.late > 0 and expected.duplicates > 0


def test_an_inserted_event_is_judged_like_a_record_in_its_place(make_job):
    lines = list(judged_orders(400, 11, bad_every=0))
    job = make_job(lines, checkpoints=QUIET, **JUDGED, **EXACT)
    job.run()
    plain = job.expected()
    seen = next(event for event in map(json.loads, lines[300:]) if event["id"].encode() in plain.ids)
    early = {**json.loads(lines[0]), "id": "never seen"}
    new = {**json.loads(lines[390]), "id": "another that was never seen"}
    for event, counted in [(new, "applied"), (seen, "duplicate"), (early, "late"), ("no event", "dead"), ({**new, "amount": "x"}, "dead")]:
        given = [{"insert": 395, "value": event}]
        found, expected = replay_json(job, "--amend", write_amendments(job, given)), oracle.run_amended(job.file, given, job.input)
        before = {"applied": plain.applied, "duplicate": plain.duplicates, "late": plain.late, "dead": len(plain.dead)}
        more = {name for name in before if found["events"][name] != before[name]}
        assert more == ({"late", "dead"} if counted == "late" else {counted}) and found["events"][counted] == before[counted] + 1
        assert found["digest"] == expected.digest()


def test_a_name_keeps_the_place_that_was_asked_for_last(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 300)
    for until in (200, 120, 300):
        found = replay_json(job, "--from", 0, "--to", until, "--keep", "moved")
        assert found["digest"] == job.expected(until).digest()
        assert rewind_json("checkpoint", "show", found["checkpoint"], "--data", job.folder / found["kept"])["next_offset"] == until


def test_another_logic_decides_from_its_offset_on_and_the_earlier_one_below(make_job):
    job = make_job(list(judged_orders(900, 5)), checkpoints=QUIET, **JUDGED, **EXACT)
    job.run()
    other = other_logic(job, revenue="sum(amount * 2)", least="min(amount) where quantity > 0")
    given = random_amendments(900, 5)
    name = write_amendments(job, given)
    for begin in (0, 1, 450, 899):
        expected = oracle.run_amended(job.file, given, job.input, 900, [(begin, job.folder / other)])
        assert replay_json(job, "--from", begin, "--logic", other, "--amend", name)["digest"] == expected.digest()


def test_a_new_aggregate_begins_at_its_offset_and_goes_on_in_a_kept_shadow(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 300, 300)
    other = other_logic(job, orders_since="count()", units="sum(quantity)")
    found = replay_json(job, "--from", 450, "--logic", other, "--keep", "more")
    shadow = job.data / "shadows" / "more"
    assert job.folder / found["kept"] == shadow
    rows = {r["customer"]: r for r in map(json.loads, rewind("export", "--data", shadow, "--table", "customers").out.splitlines())}
    expected, below = job.expected(), job.expected(450)
    assert set(rows) == {key[0] for key in expected.tables["customers"]}
    for key, row in expected.tables["customers"].items():
        before = below.tables["customers"].get(key)
        assert rows[key[0]]["orders"] == row[0]
        assert rows[key[0]]["orders_since"] == row[0] - (before[0] if before else 0)
    # Where the state is of other tables by now, what comes later goes on in them.
    assert rewind("diff", job.file, "latest", shadow, cwd=job.folder, expect=1).returncode == 1


def test_a_logic_that_can_only_begin_with_the_first_record_is_refused_elsewhere(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 200)
    other = other_logic(job, least="max(amount)")
    done = replay(job, "--from", 100, "--logic", other, expect=None)
    assert done.returncode != 0 and "can only begin with the first record" in done.err and "--from 0" in done.err
    assert replay_json(job, "--from", 0, "--logic", other)["digest"] == oracle.run(job.folder / other, job.input).digest()


def test_places_are_offsets_times_and_checkpoints(make_job):
    job = in_steps(make_job(checkpoints=QUIET, event=TIMED), 200, 200)
    when = times(job)
    wanted = max(ms for ms in when[:250] if ms is not None) + 1
    first = next(at for at, ms in enumerate(when) if ms is not None and ms >= wanted)
    middle = [c["id"] for c in driver.checkpoints(job) if c["next_offset"] == 200][0]
    found = replay_json(job, "--from", middle, "--to", rfc3339(wanted))
    assert (found["from"], found["to"], found["base"]) == (200, first, middle)
    assert found["digest"] == job.expected(first).digest()


def test_a_data_directory_is_enough_and_a_kept_shadow_is_one(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 300)
    name = write_amendments(job, [{"skip": at} for at in range(100, 200)])
    said = rewind("replay", "--data", job.data, "--amend", name, "--keep", "less", cwd=job.folder).out
    expected = oracle.run_amended(job.file, [{"skip": at} for at in range(100, 200)], job.input)
    shadow = job.data / "shadows" / "less"
    assert driver.rewind_json("checkpoint", "show", "latest", "--data", shadow)["digest"] == expected.digest()
    assert rewind("export", "--data", shadow, "--table", "customers").out.encode() == expected.export("customers", "json")
    hint = said.split("compare: rewind ")[1].split()
    assert "100 skipped" in said and rewind(*hint, cwd=job.folder, expect=1).out


# ------------------------------------------------------------------------------------------------ mistakes
def test_mistakes_are_said_with_what_to_do(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 100)
    (job.folder / "bad.jsonl").write_text('{"skip": 1}\n{"skip": 2, "value": "x"}\n')
    assert "bad.jsonl:2" in replay(job, "--amend", "bad.jsonl", expect=2).err
    assert "below --from" in replay(job, "--from", 50, "--to", 20, expect=2).err
    assert "--from OFFSET" in replay(job, expect=2).err
    assert "no part of all keys" in replay(job, "--from", 0, "--sample", "101%", expect=2).err
    assert "--keep" in replay(job, "--from", 0, "--keep", "../x", expect=2).err
    assert "the least is" in replay(job, "--from", 0, "--memory", "1MiB", expect=2).err
    assert "input ends at offset 100" in replay(job, "--from", 0, "--to", 101, expect=None).err
    replay(job, "--from", 0, "--keep", "one")
    name = write_amendments(job, [{"skip": 3}])
    done = replay(job, "--from", 0, "--amend", name, "--keep", "one", expect=None)
    assert done.returncode != 0 and "begun with something else" in done.err
    missed = replay_json(job, "--amend", write_amendments(job, [{"skip": 3}, {"skip": 3000}]))
    assert (missed["amendments"]["skipped"], missed["amendments"]["waiting"]) == (1, 1)


# ------------------------------------------------------------------------------------------------ kills
def test_a_replay_that_was_killed_goes_on_where_it_was(make_job):
    count = 12000
    job = make_job(list(judged_orders(count, 3)), checkpoints={"every": "10ms", "full": {"keep": 0}}, **JUDGED, **EXACT)
    job.run()
    other = other_logic(job, revenue="sum(amount * 2)")
    name = write_amendments(job, random_amendments(count, 3))
    words = ["--from", 7000, "--logic", other, "--amend", name, "--keep", "killed"]
    expected = oracle.run_amended(job.file, [json.loads(line) for line in (job.folder / name).read_text().splitlines()], job.input, count, [(7000, job.folder / other)])
    # On the way: as a checkpoint is being made, as it is there, as a stage begins.
    ends = []
    for point in ["freeze-begun:2", "checkpoint-thawed:3", "checkpoint-synced:2", "lock-renamed:1", "checkpoint-thawed:2"]:
        ends.append(replay(job, *words, expect=None, REWIND_CRASH_POINT=point).returncode)
    assert ends[0] == -signal.SIGKILL and set(ends) <= {0, -signal.SIGKILL}
    found = replay_json(job, *words)
    assert found["digest"] == expected.digest()
    assert found.get("resumed_at", -1) > 0


def test_what_a_killed_replay_left_behind_goes_with_the_next_one(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 300)
    assert replay(job, "--from", 0, expect=None, REWIND_CRASH_POINT="checkpoint-synced:1").returncode == -signal.SIGKILL
    assert len(list((job.data / "shadows").iterdir())) == 1
    replay(job, "--from", 0)
    assert list((job.data / "shadows").iterdir()) == []


# ------------------------------------------------------------------------------------------------ beside a live operator
def test_a_replay_beside_a_running_operator_disturbs_it_not(make_job):
    lines = list(orders(20000, bad_every=37))
    job = make_job(lines[:10000], source=FOLLOW, checkpoints={"every": "100ms", "full": {"keep": 0}}, delivery={"commit_every": "5ms"})
    name = write_amendments(job, [{"skip": 77}, {"insert": 5000, "value": json.loads(lines[0])}])
    given = [{"skip": 77}, {"insert": 5000, "value": lines[0]}]
    with Running(job) as running:
        running.committed(10000)
        at = 10000
        process = subprocess.Popen([driver.PROGRAM, "replay", str(job.file), "--amend", name, "--to", "10000", "-o", "json"], cwd=job.folder, env=environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while process.poll() is None:
            job.append(text(lines[at:at + 50]) if at < 20000 else "")
            at = min(at + 50, 20000)
            time.sleep(0.02)
        out, err = process.communicate()
        assert process.returncode == 0, err.decode()
        assert json.loads(out)["digest"] == oracle.run_amended(job.file, given, job.input, 10000).digest()
        job.append(text(lines[at:]))
        running.committed(20000)
        assert running.stop() == 0
    driver.check_against(job.expected(), job)


# ------------------------------------------------------------------------------------------------ samples
def changed_keys(old, new, sample):
    """Of each table those keys of the sample whose rows differ."""
    found = {}
    for name, table in old.job.tables.items():
        a, b = old.tables[name], new.tables[name]
        differ = [k for k in a.keys() | b.keys() if (k not in a or k not in b or oracle.encode_row(table, a[k]) != oracle.encode_row(table, b[k]))]
        found[name] = {k for k in differ if in_sample(table, k, sample)}
    return found


def in_sample(table, key, sample):
    encoded = oracle.encode_key(table, key)
    return xxhash.xxh3_64_intdigest(encoded[:-8] if table.window else encoded, 1000000) % 1000000 < sample


def test_a_sample_says_of_its_keys_what_the_whole_would(make_job):
    job = make_job(list(orders(800, keys=150)), checkpoints=QUIET, sinks=[], event={"time": {"field": "ts"}, "late": "drop", "fields": driver.FIELDS},
                   tables={**driver.TABLES, "minutes": {"key": "country", "window": {"tumbling": "20s", "grace": "5m", "retain": "1h"}, "aggregates": {"n": "count()"}}})
    job.run()
    other = other_logic(job, revenue="sum(amount * 2)")
    given = [{"skip": at} for at in range(300, 340)]
    name = write_amendments(job, given)
    plain, changed = job.expected(), oracle.run_amended(job.file, given, job.input, 800, [(200, job.folder / other)])
    for words, sample in [("100%", 1000000), ("40%", 400000), ("12.5%", 125000)]:
        found = replay_json(job, "--from", 200, "--logic", other, "--amend", name, "--sample", words)
        expected = changed_keys(plain, changed, sample)
        assert {t["table"]: t["changed"] + t["added"] + t["vanished"] for t in found["tables"]} == {t: len(keys) for t, keys in expected.items()}
        revenue = {k[0]: (plain.tables["customers"][k][1], changed.tables["customers"][k][1]) for k in expected["customers"] if k in changed.tables["customers"]}
        shown = [c for c in found["largest"] if c["column"] == "revenue" and c["key"] in revenue]
        assert shown or words == "12.5%"
        for c in shown:
            assert (f'{c["old"]:.2f}', f'{c["new"]:.2f}') == tuple(f"{v:.2f}" for v in revenue[c["key"]])
        sizes = [abs(c["delta"]) for c in found["largest"]]
        assert sizes == sorted(sizes, reverse=True)
    assert "of the sampled keys" in replay(job, "--from", 200, "--logic", other, "--sample", "40%").out


def test_a_shadow_takes_the_memory_that_it_is_given(make_job):
    job = make_job(list(orders(3000, keys=2000)), checkpoints=QUIET, state={"path": "data", "memory": "512MiB"})
    job.run()
    shutil.rmtree(job.out)
    assert replay_json(job, "--from", 0, "--memory", "64MiB")["equals_live"]
