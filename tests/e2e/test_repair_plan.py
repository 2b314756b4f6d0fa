"""Plans of repairs on files: the corrections are exactly the output keys whose newest value differs between two histories, as the oracle calculates both."""
import decimal
import json
import random

import pytest

import differences
import oracle
import rewind as driver
from rewind import Running, orders, rewind
from test_restore import FOLLOW, QUIET, rfc3339, times

EVENT = {"time": {"field": "ts"}, "late": "drop", "fields": driver.FIELDS}
TABLES = {
    "customers": {"key": "customer", "aggregates": {"orders": "count()", "revenue": "sum(amount)", "most": "max(amount)", "last_seen": "max(ts)"}, "derived": {"mean": "revenue / orders"}},
    "countries": {"key": ["country", "quantity"], "where": "quantity != 3", "aggregates": {"orders": "count()", "units": "sum(quantity)"}},
    "minutes": {"key": "country", "window": {"tumbling": "20s", "grace": "10s", "retain": "1h"}, "aggregates": {"n": "count()", "total": "sum(amount)"}},
}
SINKS = [
    {"table": "customers", "file": {"path": "out/customers.jsonl"}, "where": "revenue > 6000"},
    {"table": "customers", "file": {"path": "out/counts.jsonl"}, "fields": ["orders", "last_seen"]},
    {"table": "countries", "file": {"path": "out/countries.csv"}, "format": "csv", "emit": "update"},
    {"table": "minutes", "file": {"path": "out/minutes.jsonl"}},
    {"table": "minutes", "file": {"path": "out/closed.jsonl"}, "emit": "close"},
]
# What was wrong: a price that counts twice in one country.
WRONG = 'if(country == "日本", amount + amount, amount)'


def wrong_tables():
    tables = json.loads(json.dumps(TABLES))
    tables["customers"]["aggregates"].update(revenue=f"sum({WRONG})", most=f"max({WRONG})")
    tables["minutes"]["aggregates"]["total"] = f"sum({WRONG})"
    return tables


def logic_file(job, tables, name="fixed.yaml", event=None):
    """Another job file, of which only the logic counts."""
    import yaml

    given = {**job.given, "job": "another-name", "tables": tables, "event": event or job.given["event"]}
    given.pop("sinks", None)
    (job.folder / name).write_text(yaml.safe_dump(given, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return name


def with_logic(job, tables, event=None):
    """The oracle's job: the current one with that logic."""
    path = job.folder / "oracle.yaml"
    import yaml

    path.write_text(yaml.safe_dump({**job.given, "tables": tables, "event": event or job.given["event"]}, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return oracle.Job(path)


def grown(job, *counts):
    """Runs over so many records, with a checkpoint behind each portion."""
    at = 0
    for count in counts:
        job.append("".join(line + "\n" for line in orders(count, keys=60, first=at, bad_every=41)))
        at += count
        job.run()
    return job


def plan(job, *words, **more):
    """The plan, and its corrections."""
    lines = rewind("repair", "plan", job.file, *words, "--limit", 0, "-o", "json", cwd=job.folder, **more).out.splitlines()
    return json.loads(lines[0], parse_float=decimal.Decimal)["plan"], [json.loads(line, parse_float=str, parse_int=str) for line in lines[1:]]


def check(job, made, found, old, new):
    """Plan and corrections beside two histories."""
    wanted = differences.of_views(old, new)
    by_output = {}
    for c in found:
        keys = by_output.setdefault(c["output"], {})
        assert c["key"] not in keys
        keys[c["key"]] = c
    for place, sink in enumerate(new.job.sinks):
        keys = by_output.pop(sink.path or sink.topic, {})
        names = [sink.table.shown[i].name for i in sink.columns]
        want = {as_text(sink.table, key): change for key, change in wanted[place].items()}
        assert keys.keys() == want.keys(), sink.path or sink.topic
        for key, (before, after) in want.items():
            assert keys[key]["change"] == ("added" if before is None else "vanished" if after is None else "changed")
            columns = keys[key]["columns"]
            for i, name in enumerate(names):
                a, b = before[i] if before else "", after[i] if after else ""
                if before and after:
                    assert (name in columns) == (a != b)
                if name in columns:
                    assert (driver.text_of(columns[name]["old"]) == a if before else True) and (driver.text_of(columns[name]["new"]) == b if after else True)
        counts = next(o for o in made["outputs"] if o["output"] == (sink.path or sink.topic))
        for change in ("changed", "added", "vanished"):
            assert counts[change] == sum(c["change"] == change for c in keys.values())
    assert by_output == {}
    assert made["corrections"] == len(found) == sum(map(len, wanted))
    assert made["new_digest"] == new.digest() and made["old_digest"] == old.digest()
    was, now = ({(d.offset, d.ordinal) for d in run.dead} for run in (old, new))
    assert (made["dead_letters_new"], made["dead_letters_resolved"]) == (len(now - was), len(was - now))
    for table in made["tables"]:
        want = differences.of_tables(old, new, table["table"])
        for change in ("changed", "added", "vanished"):
            assert table[change] == sum(c == change for c, _ in want.values())
        for name, totals in table["columns"].items():
            deltas = [columns[name][2] for _, columns in want.values() if name in columns]
            assert totals["changed"] == len(deltas)
            if totals["delta"] is not None and None not in deltas:
                assert totals["delta"] == sum(deltas) and totals["new"] - totals["old"] == sum(deltas)


def as_text(table, texts):
    """A key from the texts of its parts."""
    if len(texts) == 1:
        return texts[0]
    bare = ("int", "decimal", "float", "bool")
    return "[" + ",".join(t if f.kind in bare else json.dumps(t, ensure_ascii=False) for f, t in zip(table.key, texts)) + "]"


@pytest.fixture
def wrong(make_job):
    """A job that ran over 500 records with the wrong logic, checkpoints every 100."""
    return grown(make_job(checkpoints=QUIET, event=EVENT, tables=wrong_tables(), sinks=SINKS), 100, 100, 100, 100, 100)


def everything(folder, *but):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and not any(b in p.parts for b in but)}


def test_a_wrong_price_in_a_window_is_corrected_exactly(wrong):
    """The logic is right again from 330 on, and the wrong one was so before 130."""
    before = everything(wrong.folder, "repairs", "fixed.yaml", "oracle.yaml", "verified")
    made, found = plan(wrong, "--from", 130, "--to", 330, "--logic", logic_file(wrong, TABLES))
    assert everything(wrong.folder, "repairs", "fixed.yaml", "oracle.yaml", "verified") == before
    bad, good = oracle.Job(wrong.file), with_logic(wrong, TABLES)
    old, new = wrong.expected(), differences.history([(0, bad), (130, good), (330, bad)], wrong.input)
    check(wrong, made, found, old, new)
    assert made["base_offset"] == 100 and made["position"] == 500 and made["records_read"] == 400 and made["differs_from"] == 130
    assert {c["output"] for c in found} == {"out/customers.jsonl", "out/minutes.jsonl", "out/closed.jsonl"}
    assert any(c["change"] == "vanished" for c in found)   # where: turned false


def test_the_planned_state_is_a_side_of_a_diff(wrong):
    made, _ = plan(wrong, "--from", 130, "--to", 330, "--logic", logic_file(wrong, TABLES))
    bad = oracle.Job(wrong.file)
    old, new = wrong.expected(), differences.history([(0, bad), (130, with_logic(wrong, TABLES)), (330, bad)], wrong.input)
    lines = [json.loads(line) for line in rewind("diff", wrong.file, "live", f"repair:{made['id'][:8]}", "--limit", 0, "-o", "json", cwd=wrong.folder, expect=1).out.splitlines()]
    for table in TABLES:
        assert {line["key"] for line in lines[:-1] if line["table"] == table} == differences.of_tables(old, new, table).keys()
    assert lines[-1]["summary"]["new"]["digest"] == made["new_digest"]


def why(job, *words, expect=1):
    found = json.loads(rewind("diff", job.file, *words, "-o", "json", cwd=job.folder, expect=expect).out, parse_float=str, parse_int=str)
    return found, [(int(s["offset"]), s["old"]["row"], s["new"]["row"]) for s in found["offsets"]]


def rows(steps):
    return [(offset, *(row and json.loads(row, parse_float=str, parse_int=str) for row in both)) for offset, *both in steps]


def test_why_names_the_first_records_that_made_a_key_differ(wrong):
    lines = wrong.input.read_text(encoding="utf-8").splitlines()
    at = next(i for i in range(220, 300) if i % 41 != 40 and i % 100 < 90)
    amendments = [{"skip": at}, {"insert": at + 5, "value": lines[at]}]
    (wrong.folder / "amend.jsonl").write_text("".join(json.dumps(a) + "\n" for a in amendments))
    made, found = plan(wrong, "--from", 130, "--to", 330, "--logic", logic_file(wrong, TABLES), "--amend", "amend.jsonl")
    bad = oracle.Job(wrong.file)
    old, new = wrong.expected(), differences.history([(0, bad), (130, with_logic(wrong, TABLES)), (330, bad)], wrong.input, amendments=amendments)
    customer = json.loads(lines[at])["customer"]
    wanted = [(customer,), next(k for k in old.tables["customers"] if differences.why(old, new, "customers", k, (500, 500)) and k[0] != customer)]
    for key in wanted:
        answer, steps = why(wrong, "live", "repair:latest", "--table", "customers", "--why", key[0], "--limit", 0)
        assert steps == rows(differences.why(old, new, "customers", key, (500, 500)))
        assert answer["base"] == made["base"] and answer["more"] is False
    few, steps = why(wrong, "live", "repair:latest", "--table", "customers", "--why", customer, "--limit", 1)
    assert steps == rows(differences.why(old, new, "customers", (customer,), (500, 500))[:1])
    same = next(k for k in old.tables["customers"] if not differences.why(old, new, "customers", k, (500, 500)))
    assert why(wrong, "live", "repair:latest", "--table", "customers", "--why", same[0], expect=0)[1] == []
    assert f"offset {steps[0][0]}\n" in rewind("diff", wrong.file, "live", "repair:latest", "--table", "customers", "--why", customer, cwd=wrong.folder, expect=1).out
    window = next(c["key"] for c in found if c["output"] == "out/minutes.jsonl" and c["change"] == "changed")
    key = next(k for k in old.tables["minutes"] if differences.key_text(old.job.tables["minutes"], k) == window)
    assert why(wrong, "live", "repair:latest", "--table", "minutes", "--why", window, "--limit", 0)[1] == rows(differences.why(old, new, "minutes", key, (500, 500)))


def test_why_two_places_of_one_history_differ(wrong):
    at = {c["next_offset"]: c["id"] for c in driver.checkpoints(wrong)}
    run = wrong.expected()
    key = next(k for k in run.tables["customers"] if len(differences.why(run, run, "customers", k, (200, 400))) > 1)
    answer, steps = why(wrong, at[200], at[400], "--table", "customers", "--why", key[0], "--limit", 0)
    assert steps == rows(differences.why(run, run, "customers", key, (200, 400))) and answer["base"] == at[200] and answer["records_read"] == "200"
    assert why(wrong, at[400], at[200], "--table", "customers", "--why", key[0], "--limit", 0)[1] == [(o, b, a) for o, a, b in steps]
    for words, says in ((["--why", "x"], "--table"), (["--table", "countries", "--why", "x"], "no key of table"), (["--table", "customers", "--why", "x", "-o", "csv"], "as JSON")):
        assert says in rewind("diff", wrong.file, at[200], "latest", *words, cwd=wrong.folder, expect=2).err
    assert "one job" in rewind("diff", wrong.data, wrong.data, "--why", "x", cwd=wrong.folder, expect=2).err


def test_from_the_beginning_and_for_good(wrong):
    made, found = plan(wrong, "--from", 0, "--logic", logic_file(wrong, TABLES))
    check(wrong, made, found, wrong.expected(), differences.history([(0, with_logic(wrong, TABLES))], wrong.input))
    assert made["to"] is None and made["base_offset"] == 0


def test_places_are_times_and_checkpoints_too(wrong):
    when = times(wrong)
    first = next(at for at, ms in enumerate(when) if ms is not None and ms >= when[150])
    one, _ = plan(wrong, "--from", rfc3339(when[150]), "--logic", logic_file(wrong, TABLES))
    assert one["from"] == first
    base = next(c for c in driver.checkpoints(wrong) if c["next_offset"] == 300)
    two, _ = plan(wrong, "--from", base["id"], "--logic", "fixed.yaml")
    assert two["from"] == 300 and two["base"] == base["id"] and two["base_offset"] == 300


def test_amendments_skip_replace_and_insert(wrong):
    lines = wrong.input.read_text(encoding="utf-8").splitlines()
    good = [at for at in range(120, 500) if at % 41 != 40]
    changed = json.loads(lines[good[40]])
    value = {**changed, "customer": "somebody-new", "quantity": changed["quantity"] + 1}
    extra = {**json.loads(lines[good[80]]), "amount": 9999.5}
    amendments = [{"skip": good[3]}, {"skip": good[50], "reason": "a test order"}, {"replace": good[40], "value": json.dumps(value)}, {"insert": good[80], "value": json.dumps(extra)}]
    (wrong.folder / "amend.jsonl").write_text("".join(json.dumps(a) + "\n" for a in amendments))
    made, found = plan(wrong, "--amend", "amend.jsonl")
    bad = oracle.Job(wrong.file)
    check(wrong, made, found, wrong.expected(), differences.history([(0, bad)], wrong.input, amendments=amendments))
    assert made["amendments"] == 4 and made["differs_from"] == good[3] and made["base_offset"] == 100
    # With a logic, and both beyond the newest checkpoint's reach of one of them.
    made, found = plan(wrong, "--amend", "amend.jsonl", "--from", 101, "--logic", logic_file(wrong, TABLES), "--rebuild-old")
    check(wrong, made, found, wrong.expected(), differences.history([(0, bad), (101, with_logic(wrong, TABLES))], wrong.input, amendments=amendments))
    assert made["rebuilt_old"] is True


def test_records_that_were_dead_letters_are_applied_and_the_other_way_round(wrong):
    """The new logic takes what the old one could not decode: an amount of more digits; and keys vanish by a table's where."""
    event = json.loads(json.dumps(EVENT))
    event["fields"]["quantity"] = {"type": "int", "default": 0}
    tables = json.loads(json.dumps(TABLES))
    tables["countries"]["where"] = "quantity > 3"
    made, found = plan(wrong, "--from", 0, "--logic", logic_file(wrong, tables, event=event))
    new = differences.history([(0, with_logic(wrong, tables, event))], wrong.input)
    check(wrong, made, found, wrong.expected(), new)
    assert any(c["output"] == "out/countries.csv" and c["change"] == "vanished" for c in found)


def test_a_derived_column_that_is_defined_otherwise_is_corrected_although_the_state_is_the_same(wrong):
    tables = wrong_tables()
    tables["customers"]["derived"]["mean"] = "revenue * 2"
    done = rewind("repair", "plan", wrong.file, "--from", 400, "--logic", logic_file(wrong, tables), "-o", "json", cwd=wrong.folder, expect=None)
    assert done.returncode == 2 and "nothing is to be repaired" in done.err   # outputs are not logic


def test_if_nothing_differs_the_plan_says_so(wrong):
    tables = wrong_tables()
    tables["customers"]["where"] = "quantity > -1000"
    made, found = plan(wrong, "--from", 200, "--logic", logic_file(wrong, tables))
    assert found == [] and made["corrections"] == 0 and made["tables"] == [] and made["old_digest"] == made["new_digest"]
    assert "nothing is to be corrected" in rewind("repair", "show", wrong.file, cwd=wrong.folder).out


def test_invariants_that_keys_begin_to_violate_are_named(make_job):
    invariants = [{"table": "customers", "check": "revenue > 5000 or orders < 6", "on_violation": "alert"}, {"table": "minutes", "check": "n > 0", "on_violation": "alert"}]
    job = grown(make_job(checkpoints=QUIET, event=EVENT, tables=wrong_tables(), sinks=SINKS, invariants=invariants), 250, 250)
    made, found = plan(job, "--from", 0, "--logic", logic_file(job, TABLES))
    old, new = job.expected(), differences.history([(0, with_logic(job, TABLES))], job.input)
    check(job, made, found, old, new)

    def breaks(run):
        return {key[0] for key, row in run.tables["customers"].items() if row[1] <= 5000 and row[0] >= 6}

    begin = breaks(new) - breaks(old)
    assert begin and [(v["table"], v["keys"], v["key"] in begin) for v in made["violations"]] == [("customers", len(begin), True)]
    assert "VIOLATED" in rewind("repair", "show", job.file, cwd=job.folder).out


def test_a_job_without_outputs_has_a_plan_of_its_state(make_job):
    job = grown(make_job(checkpoints=QUIET, event={**EVENT, "missing": "drop"}, tables=wrong_tables(), sinks=None, errors=None))
    job.append("".join(line + "\n" for line in orders(300, keys=60)))
    job.run()
    made, found = plan(job, "--from", 0, "--logic", logic_file(job, TABLES))
    new = differences.history([(0, with_logic(job, TABLES))], job.input)
    assert found == [] and made["outputs"] == [] and made["new_digest"] == new.digest() and made["tables"]
    assert "no outputs" in rewind("repair", "show", job.file, cwd=job.folder).out


def test_windows_that_have_left_cannot_be_repaired(make_job):
    tables = wrong_tables()
    tables["minutes"]["window"]["retain"] = "60s"
    job = grown(make_job(checkpoints=QUIET, event=EVENT, tables=tables, sinks=SINKS), *[100] * 6)
    right = json.loads(json.dumps(TABLES))
    right["minutes"]["window"]["retain"] = "60s"
    done = rewind("repair", "plan", job.file, "--from", 50, "--logic", logic_file(job, right), cwd=job.folder, expect=2)
    assert "window.retain" in done.err and "minutes" in done.err
    made, found = plan(job, "--from", 510, "--logic", "fixed.yaml")
    check(job, made, found, job.expected(), differences.history([(0, oracle.Job(job.file)), (510, with_logic(job, right))], job.input))


def test_a_logic_that_may_begin_at_the_beginning_only_is_refused_elsewhere(wrong):
    tables = wrong_tables()
    tables["customers"]["key"] = "country"
    logic = logic_file(wrong, tables)
    assert "--from 0" in rewind("repair", "plan", wrong.file, "--from", 200, "--logic", logic, cwd=wrong.folder, expect=7).err
    made, found = plan(wrong, "--from", 0, "--logic", logic)
    new = differences.history([(0, with_logic(wrong, tables))], wrong.input)
    assert made["new_digest"] == new.digest()
    assert {c["change"] for c in found if c["output"] == "out/counts.jsonl"} == {"added", "vanished"}


def test_what_is_published_under_keys_of_other_types_cannot_be_corrected(wrong):
    tables = wrong_tables()
    tables["customers"]["key"] = "quantity"
    refused = rewind("repair", "plan", wrong.file, "--from", 0, "--logic", logic_file(wrong, tables), cwd=wrong.folder, expect=7)
    assert "keys of table customers have other types" in refused.err and "a job of its own" in refused.err


def test_it_is_listed_and_shown_and_a_person_can_read_it(wrong):
    logic = logic_file(wrong, TABLES)
    page = rewind("repair", "plan", wrong.file, "--from", 130, "--to", 330, "--logic", logic, "--limit", 5, cwd=wrong.folder).out
    listed = json.loads(rewind("repair", "list", wrong.file, "-o", "json", cwd=wrong.folder).out)
    assert len(listed) == 1 and listed[0]["state"] == "planned"
    shown = rewind("repair", "show", wrong.file, listed[0]["id"][:6], "--limit", 5, cwd=wrong.folder).out
    assert shown == page and listed[0]["id"] in rewind("repair", "list", wrong.file, cwd=wrong.folder).out
    for says in ("another logic for the records of [130, 330)", "records once", "corrections in 1 transaction", f"rewind repair apply {wrong.file} {listed[0]['id']}", "the 5 greatest corrections"):
        assert says in page, says
    rows = rewind("repair", "show", wrong.file, "--limit", 0, "-o", "csv", cwd=wrong.folder).out.splitlines()
    found = [json.loads(line) for line in rewind("repair", "show", "--data", wrong.data, "--limit", 0, "-o", "json").out.splitlines()[1:]]
    assert len(rows) == 1 + sum(max(1, len(c["columns"])) for c in found)
    assert "no repair has the id" in rewind("repair", "show", wrong.file, "ffff", cwd=wrong.folder, expect=10).err


def test_a_damaged_plan_hides_no_others_and_can_be_forgotten(wrong):
    logic = logic_file(wrong, TABLES)
    ids = [plan(wrong, "--from", at, "--logic", logic)[0]["id"] for at in (130, 200)]
    path = wrong.data / "repairs" / ids[0] / "PLAN"
    driver.flip(path, path.stat().st_size // 2)
    listed = rewind("repair", "list", wrong.file, cwd=wrong.folder)
    assert ids[1] in listed.out and ids[0] not in listed.out
    assert f"{ids[0]}/PLAN" in listed.err and f"rewind repair forget JOB {ids[0]}" in listed.err
    assert "damaged" in rewind("repair", "apply", wrong.file, ids[0], "--reason", "x", "--yes", cwd=wrong.folder, expect=4).err
    rewind("repair", "forget", wrong.file, ids[0], "--yes", cwd=wrong.folder)
    assert not path.exists() and rewind("repair", "list", wrong.file, cwd=wrong.folder).err == ""


def test_a_plan_is_forgotten_when_someone_says_so(wrong):
    logic, folder = logic_file(wrong, TABLES), wrong.data / "repairs"
    made = [plan(wrong, "--from", at, "--logic", logic)[0]["id"] for at in (130, 230)]
    before = driver.digest(wrong)
    assert rewind("repair", "forget", wrong.file, made[0], cwd=wrong.folder, expect=2).out.startswith(f"remove the plan of repair {made[0]}")
    rewind("repair", "forget", wrong.file, made[0][:10], "--dry-run", cwd=wrong.folder)
    assert len(list(folder.iterdir())) == 2
    assert json.loads(rewind("repair", "forget", wrong.file, made[0][:10], "--yes", "-o", "json", cwd=wrong.folder).out)["removed"] is True
    assert [p.name for p in folder.iterdir()] == [made[1]] == [p["id"] for p in json.loads(rewind("repair", "list", wrong.file, "-o", "json", cwd=wrong.folder).out)]
    assert "no repair has the id" in rewind("repair", "forget", wrong.file, made[0], "--yes", cwd=wrong.folder, expect=10).err
    (folder / made[1] / "PLAN").unlink()   # as if it had been killed
    rewind("repair", "forget", wrong.file, made[1], "--yes", cwd=wrong.folder)
    assert list(folder.iterdir()) == [] and driver.digest(wrong) == before
    again, _ = plan(wrong, "--from", 130, "--logic", logic)
    rewind("repair", "apply", wrong.file, again["id"], "--reason", "wrong price", "--yes", cwd=wrong.folder)
    assert "part of the history" in rewind("repair", "forget", wrong.file, again["id"], "--yes", cwd=wrong.folder, expect=11).err


def test_beside_a_running_operator(make_job):
    job = make_job(list(orders(400, keys=60, bad_every=41)), source=FOLLOW, checkpoints=QUIET, event=EVENT, tables=wrong_tables(), sinks=SINKS)
    with Running(job) as r:
        r.committed(400)
        made, found = plan(job, "--from", 100, "--to", 300, "--logic", logic_file(job, TABLES))
        bad = oracle.Job(job.file)
        check(job, made, found, job.expected(400), differences.history([(0, bad), (100, with_logic(job, TABLES)), (300, bad)], job.input))
        job.append("".join(line + "\n" for line in orders(100, keys=60, first=400)))
        r.committed(500)
        again, found = plan(job, "--from", 100, "--to", 300, "--logic", "fixed.yaml")
        assert again["id"] != made["id"] and again["position"] == 500
        check(job, again, found, job.expected(), differences.history([(0, bad), (100, with_logic(job, TABLES)), (300, bad)], job.input))
        assert r.stop() == 0
    driver.check_against(job.expected(), job)


@pytest.mark.parametrize("words, says", [
    (["--from", 10], "another logic, or amendments"),
    (["--logic", "fixed.yaml"], "--from 0 is the beginning"),
    (["--from", 300, "--to", 200, "--logic", "fixed.yaml"], "nothing is between"),
    (["--from", 600, "--logic", "fixed.yaml"], "was not processed yet"),
    (["--from", 100, "--logic", "orders.yaml"], "nothing is to be repaired"),
])
def test_what_cannot_be_planned_is_said(wrong, words, says):
    logic_file(wrong, TABLES)
    assert says in rewind("repair", "plan", wrong.file, *words, cwd=wrong.folder, expect=2).err
    assert not (wrong.data / "repairs").exists()


def test_records_that_are_not_what_was_processed_stop_the_plan(wrong):
    data = bytearray(wrong.input.read_bytes())
    at = data.index(b"\n", len(data) * 3 // 5) + 20
    data[at] ^= 1
    wrong.input.write_bytes(bytes(data))
    done = rewind("repair", "plan", wrong.file, "--from", 130, "--logic", logic_file(wrong, TABLES), cwd=wrong.folder, expect=None)
    assert done.returncode == 8 and json.loads(rewind("repair", "list", wrong.file, "-o", "json", cwd=wrong.folder).out) == [], done.err


def test_a_plan_that_was_killed_goes_on_where_it_was(wrong):
    logic, folder = logic_file(wrong, TABLES), wrong.data / "repairs"
    bad = oracle.Job(wrong.file)
    for at, point in enumerate(("participant-written", "manifest-renamed", "checkpoint-synced")):
        words = ["--from", 130 + at, "--logic", logic]
        done = rewind("repair", "plan", wrong.file, *words, cwd=wrong.folder, expect=None, REWIND_CRASH_POINT=f"{point}:1")
        assert done.returncode == -9, done.err
        assert len(list(folder.iterdir())) == at + 1 and len(json.loads(rewind("repair", "list", wrong.file, "-o", "json", cwd=wrong.folder).out)) == at
        made, found = plan(wrong, *words)
        check(wrong, made, found, wrong.expected(), differences.history([(0, bad), (130 + at, with_logic(wrong, TABLES))], wrong.input))
        assert len(list(folder.iterdir())) == at + 1 and (folder / made["id"] / "PLAN").exists()


# ------------------------------------------------------------------------------------------------ random ones
def random_lines(pick, count):
    for at, line in enumerate(orders(count, keys=25, seed=pick.randrange(1000), bad_every=29)):
        number = at if pick.random() < 0.9 else pick.randrange(at + 1)
        yield line.replace("{", f'{{"id": "o-{number}", ', 1) if line.startswith("{") else line


def random_logic(pick, event, tables):
    """Another logic over the same tables: what may be changed somewhere in the middle (L3)."""
    event, tables = json.loads(json.dumps(event)), json.loads(json.dumps(tables))
    amount = pick.choice(["amount", 'if(quantity > 2, amount + amount, amount)', 'if(country == "", amount, amount - amount)'])
    tables["customers"]["aggregates"].update(revenue=f"sum({amount})", orders=pick.choice(["count()", "count() where quantity > 0"]))
    for name in ("minutes", "hops", "sessions"):
        tables[name]["aggregates"]["total"] = pick.choice(["sum(amount)", f"sum({amount})"])
        tables[name].pop("where", None)
        if pick.random() < 0.4:
            tables[name]["where"] = f"quantity > {pick.randrange(4)}"
    if pick.random() < 0.5:
        event["fields"]["quantity"] = {"type": "int", "default": pick.randrange(5)}
    return event, tables


@pytest.mark.parametrize("seed", range(4))
def test_random_histories_differ_exactly_as_the_oracle_says(make_job, seed, long):
    pick = random.Random(seed)
    event = {"id": "id", "dedup": {"within": "40s"}, "time": {"field": "ts"}, "late": "drop", "fields": {"id": "string", **driver.FIELDS}}
    tables = {n: TABLES[n] for n in ("customers", "countries", "minutes")}
    aggregates = {"n": "count()", "total": "sum(amount)"}
    tables["hops"] = {"key": "country", "window": {"hopping": "30s", "advance": "10s", "retain": "1h"}, "aggregates": aggregates}
    tables["sessions"] = {"key": "customer", "window": {"session": "8s", "grace": "4s", "retain": "1h"}, "aggregates": aggregates}
    sinks = [*SINKS[:2], *({"table": t, "file": {"path": f"out/{t}-{e}.jsonl"}, "emit": e, **({"where": "total > 900"} if pick.random() < 0.5 else {})}
                           for t in ("minutes", "hops", "sessions") for e in (pick.choice(["commit", "update"]), "close"))]
    job = make_job(checkpoints=QUIET, event=event, tables=tables, sinks=sinks)
    event, tables = random_logic(pick, event, tables)
    job.set(event=event, tables=tables)
    lines, at = list(random_lines(pick, 420)), 0
    for count in (100, 120, 200):
        job.append("".join(line + "\n" for line in lines[at:at + count]))
        at += count
        job.run()
    bad = oracle.Job(job.file)
    for _ in range(20 if long else 3):
        event, tables = random_logic(pick, job.given["event"], job.given["tables"])
        good, logic = with_logic(job, tables, event), logic_file(job, tables, event=event)
        begin, end = sorted(pick.sample(range(0, 420), 2))
        amendments = []
        for place in sorted(pick.sample(range(begin, end + 1), min(pick.randrange(4), end - begin))):
            value = lines[pick.randrange(420)]
            amendments.append(pick.choice([{"skip": place}, {"replace": place, "value": value}, {"insert": place, "value": value}]))
        amendments = [a for a in amendments if end > list(a.values())[0]]
        (job.folder / "amend.jsonl").write_text("".join(json.dumps(a) + "\n" for a in amendments))
        stays = pick.random() < 0.3
        words = ["--from", begin, "--logic", logic, *(["--to", end] if not stays else []), *(["--amend", "amend.jsonl"] if amendments else []), *(["--rebuild-old"] if pick.random() < 0.3 else [])]
        done = rewind("repair", "plan", job.file, *words, "--limit", 0, "-o", "json", cwd=job.folder, expect=None)
        if "nothing is to be repaired" in done.err:
            assert good.given["tables"] == bad.given["tables"] and good.given["event"] == bad.given["event"] and not amendments
            continue
        assert done.returncode == 0, done.err
        found = done.out.splitlines()
        new = differences.history([(0, bad), (begin, good), *([] if stays else [(end, bad)])], job.input, amendments=amendments)
        check(job, json.loads(found[0], parse_float=decimal.Decimal)["plan"], [json.loads(line, parse_float=str, parse_int=str) for line in found[1:]], job.expected(), new)
