"""Repairs applied and taken back: the outputs are those of the true events, and a kill at any step leaves exactly one of two histories (R4, R5, C6)."""
import base64
import json
import os
import re
import shlex
import signal
import subprocess

import pytest

import oracle
import repairs
import rewind as driver
from rewind import Running, crash_points, orders, rewind, rewind_json
from repairs import Faults, apply, plan, undo

FOLLOW = {"file": {"path": "orders.jsonl", "follow": True}, "format": "json"}
RESTLESS = {"every": "20ms", "full": {"keep": 0}}
PARTS = {"max_transaction": 9}   # so that a repair takes several transactions
POINTS = [p for p in crash_points() if p.startswith("repair-")]
BEHIND = {"repair-part-sent", "repair-switched", "repair-entered", "repair-done"}   # C names the new history


def check(job, expected):
    """Views of both outputs and the state."""
    for sink in expected.job.sinks:
        assert driver.view(job, sink) == expected.view(sink), sink.path
    assert driver.digest(job) == expected.digest()


def wrong_job(make_job, faults, **sections):
    return make_job(faults.wrong, **{"checkpoints": RESTLESS, "sinks": SINKS, **sections})


SINKS = [
    {"table": "customers", "file": {"path": "out/customers.jsonl"}},
    {"table": "countries", "file": {"path": "out/countries.csv"}, "format": "csv", "emit": "update"},
]


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A job that read the wrong events, and a plan; several transactions to publish it. Copied by tests, not changed."""
    faults = Faults()
    job = driver.Job(tmp_path_factory.mktemp("planned") / "job", faults.wrong, checkpoints=RESTLESS, sinks=SINKS, repair=PARTS)
    job.run()
    check(job, faults.expected(job, False))
    made = plan(job, "--amend", faults.file(job))
    assert made["transactions"] > 2
    return job, faults, made


# ------------------------------------------------------------------------------------------------ what it comes to
def test_corrections_are_exactly_the_keys_that_differ(planned, tmp_path):
    """R3: of each output the keys whose newest value was wrong, once, with what stood there before."""
    job, faults = planned[0].copy(tmp_path / "job"), planned[1]
    old, new = (faults.expected(job, true) for true in (False, True))
    before = driver.outputs(job)
    apply(job)
    check(job, new)
    sink = new.job.sinks[0]
    differ = {key for key in {**old.view(sink), **new.view(sink)} if old.view(sink).get(key) != new.view(sink).get(key)}
    found = repairs.corrections(job, "customers.jsonl")
    assert sorted((row["customer"],) for row in found) == sorted(differ)
    for row in found:
        assert tuple(driver.text_of(v) for v in list(row["_old"].values())[1:]) == old.view(sink)[(row["customer"],)]
        assert (row["_repair"], row["_reason"], row["_offset"]) == (planned[2]["id"], "as the drill has it", str(len(faults.wrong) - 1))
    for name, was in before.items():   # what stood there stays
        assert (job.out / name).read_bytes().startswith(was)


@pytest.mark.parametrize("running", [False, True], ids=["offline", "live"])
def test_after_a_repair_all_is_as_if_the_true_events_had_been_read(running, make_job):
    faults = Faults()
    job = wrong_job(make_job, faults, source=FOLLOW if running else {"file": {"path": "orders.jsonl"}, "format": "json"})

    def to_end(r=None):
        r.committed(len(faults.wrong)) if r else job.run()

    def drill(r=None):
        to_end(r)
        made = plan(job, "--amend", faults.file(job))
        job.append(faults.more(orders(150, keys=40, first=600)))   # C moves on between plan and apply
        to_end(r)
        apply(job, made["id"])
        job.append(faults.more(orders(150, keys=40, first=750)))
        to_end(r)
        if r:
            assert r.status()["repair"] == {"switch_number": 1, "done": 1, "failed": 0}
            assert r.stop() == 0

    if running:
        with Running(job) as r:
            drill(r)
    else:
        drill()
    check(job, faults.expected(job, True))
    job.run(*[], expect=0) if not running else None
    report = rewind_json("repair", "report", job.file, "latest", cwd=job.folder)
    assert report["applied"] and report["why"] == "as the drill has it" and report["digest_before"] != report["digest_after"]
    assert [o["output"] for o in report["plan"]["outputs"]] == [sink["file"]["path"] for sink in SINKS] and {t["table"] for t in report["plan"]["tables"]} == {"customers", "countries"}
    page = rewind("repair", "report", job.file, "latest", cwd=job.folder).out
    assert all(f"output {sink['file']['path']}: " in page for sink in SINKS)


# ------------------------------------------------------------------------------------------------ kills
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_on_the_way_leaves_exactly_one_of_the_two_histories(point, planned, tmp_path):
    """Offline: the next run, with more events, is of the old history or of the new one, whole; and a second try ends in the new one."""
    for passing in (1, 2) if point == "repair-sending" else (1,):
        job, faults = planned[0].copy(tmp_path / f"{passing}"), planned[1].copy()
        code = apply(job, expect=None, REWIND_CRASH_POINT=f"{point}:{passing}").returncode
        assert code == -signal.SIGKILL
        switched = point in BEHIND or (point == "repair-sending" and passing > 1)
        job.append(faults.more(orders(60, keys=40, first=600)))
        job.run()
        check(job, faults.expected(job, switched))
        assert [r["state"] for r in repairs.repairs(job)] == ["applied" if switched else "planned"]
        if not switched:
            apply(job)
            check(job, faults.expected(job, True))
        job.append(faults.more(orders(60, keys=40, first=660)))
        job.run()
        check(job, faults.expected(job, True))


@pytest.mark.parametrize("point", ["repair-asked", "repair-paused", "repair-built", "repair-decided", "repair-part-sent", "repair-switched", "repair-entered", "repair-done"])
def test_a_running_operator_that_is_killed_on_the_way_is_of_one_history(point, planned, tmp_path):
    job, faults = planned[0].copy(tmp_path / "job"), planned[1].copy()
    job.set(source=FOLLOW)
    with Running(job, REWIND_CRASH_POINT=point) as r:
        r.wait_for(lambda s: s["phase"] == "waiting")
        assert apply(job, expect=None).returncode != 0
        assert r.wait() == -signal.SIGKILL
    with Running(job) as r:
        job.append(faults.more(orders(60, keys=40, first=600)))
        r.committed(len(faults.wrong))
        if point not in BEHIND:
            apply(job)
        assert r.stop() == 0
    check(job, faults.expected(job, True))


@pytest.mark.parametrize("point", ["repair-built", "repair-adopted", "repair-decided", "repair-part-sent", "repair-switched", "repair-entered"])
def test_a_kill_while_it_is_taken_back_leaves_exactly_one_of_the_two_histories(point, planned, tmp_path):
    job, faults = planned[0].copy(tmp_path / "job"), planned[1].copy()
    apply(job)
    assert undo(job, expect=None, REWIND_CRASH_POINT=point).returncode == -signal.SIGKILL
    job.append(faults.more(orders(60, keys=40, first=600)))
    job.run()
    check(job, faults.expected(job, point not in BEHIND))
    if point not in BEHIND:
        undo(job)
    check(job, faults.expected(job, False))


# ------------------------------------------------------------------------------------------------ cases
def test_two_applies_that_crash_before_the_switch(planned, tmp_path):
    """C6: each leaves a checkpoint of a history that never was; the third one counts."""
    job, faults = planned[0].copy(tmp_path / "job"), planned[1].copy()
    for first, point in ((600, "repair-decided"), (620, "repair-sending")):
        assert apply(job, expect=None, REWIND_CRASH_POINT=point).returncode == -signal.SIGKILL
        job.append(faults.more(orders(20, keys=40, first=first)))
        job.run()
        check(job, faults.expected(job, False))
    apply(job)
    job.append(faults.more(orders(20, keys=40, first=640)))
    job.run()
    check(job, faults.expected(job, True))


def test_the_rest_is_published_before_anything_else(planned, tmp_path):
    """R4 (5): killed behind the first of many transactions, the next start has all corrections out before it reads on."""
    job, faults = planned[0].copy(tmp_path / "job"), planned[1].copy()
    assert apply(job, expect=None, REWIND_CRASH_POINT="repair-part-sent").returncode == -signal.SIGKILL
    out = [json.loads(line) for line in (job.out / "customers.jsonl").read_text().splitlines()]
    sent = sum("_repair" in row for row in out)
    assert 0 < sent < planned[2]["outputs"][0]["changed"] + planned[2]["outputs"][0]["added"] + 1
    job.append(faults.more(orders(100, keys=40, first=600)))
    assert job.run(expect=None, REWIND_CRASH_POINT="repair-sending:2").returncode == -signal.SIGKILL   # and killed in that again
    job.run()
    rows = [json.loads(line) for line in (job.out / "customers.jsonl").read_text().splitlines()]
    marked = ["_repair" in row for row in rows]
    last = len(marked) - 1 - marked[::-1].index(True)
    assert all(marked[marked.index(True):last + 1])   # nothing else between them
    keys = [row["customer"] for row in rows if "_repair" in row]
    assert len(keys) == len(set(keys))                # none twice
    check(job, faults.expected(job, True))


def test_undo_after_more_traffic_and_again_further_back(make_job):
    """R5: a stack. What came since is kept, whatever is taken back."""
    faults = Faults()
    job = wrong_job(make_job, faults)
    job.run()
    first = plan(job, "--amend", faults.file(job))
    apply(job, first["id"])
    job.append(faults.more(orders(100, keys=40, first=600)))
    job.run()
    (job.folder / "second.jsonl").write_text('{"skip": 5}\n')
    second = plan(job, "--amend", "second.jsonl")
    apply(job, second["id"])
    job.append(faults.more(orders(100, keys=40, first=700)))
    job.run()
    both = faults.copy()
    del both.true[5]
    check(job, both.expected(job, True))
    assert "is not what was switched last" in undo(job, first["id"], expect=2).err
    undo(job, second["id"])
    check(job, faults.expected(job, True))
    job.append(faults.more(orders(100, keys=40, first=800)))
    job.run()
    undo(job)
    check(job, faults.expected(job, False))
    assert "no repair was applied" in undo(job, expect=10).err
    job.append(faults.more(orders(100, keys=40, first=900)))
    job.run()
    check(job, faults.expected(job, False))


def test_a_change_of_the_job_file_is_taken_back_too_and_what_is_below_it_after_that(make_job):
    """R5: a change that holds from now on is on the stack as a repair is; undone, it is gone from there."""
    job, fixed = logic_job(make_job, on_change="from-now")
    job.run()
    (job.folder / "skip.jsonl").write_text('{"skip": 5}\n')
    below = plan(job, "--amend", "skip.jsonl")
    apply(job, below["id"])
    repaired = shown(job)
    job.set(tables=fixed.given["tables"])
    job.append("".join(line + "\n" for line in orders(100, keys=30, first=600)))
    job.run()
    changed = shown(job)
    assert changed != repaired
    assert "a change of the job file is" in undo(job, below["id"], expect=2).err
    assert "took back the last change of the job file" in undo(job).out
    job.set(tables=REVENUE_TABLES)
    whole = job.expected()
    skipped = json.loads(job.input.read_text(encoding="utf-8").splitlines()[5], parse_float=str, parse_int=str)["customer"]
    differs = [key for key, row in whole.view(whole.job.sinks[0]).items() if shown(job)[key] != row]
    assert differs == [(skipped,)]      # all by the logic of before, but for the record that is left out
    assert below["id"] in undo(job).out
    check(job, whole)
    assert "no repair was applied" in undo(job, expect=10).err
    assert [(r["kind"], r["undoes"]) for r in repairs.repairs(job)] == [("repair", None), ("undo", None), ("undo", below["id"])]


def test_the_checkpoint_at_which_the_job_file_changed_stays_to_go_back_to(make_job):
    """R5, of a change: its base outlives retention, so that little need be replayed."""
    job, fixed = logic_job(make_job, on_change="from-now")
    job.run()
    job.set(tables=fixed.given["tables"], checkpoints={"every": "1h", "keep": {"last": 2, "hourly": 0, "daily": 0}, "full": {"keep": 0}})
    for first in (600, 650, 700, 750):
        job.append("".join(line + "\n" for line in orders(50, keys=30, first=first)))
        job.run()
    rewind("checkpoint", "prune", job.file, "--yes", cwd=job.folder)
    left = {c["next_offset"]: c for c in driver.checkpoints(job)}
    assert sorted(left) == [0, 600, 750, 800] and left[600]["reason"] == "segment" and left[600]["pinned"] and not left[750]["pinned"]
    undo(job)
    assert repairs.repairs(job)[-1]["base_offset"] == 600
    job.set(tables=REVENUE_TABLES)
    check(job, job.expected())


def test_what_came_since_the_plan_is_held_to_an_invariant_that_parks(make_job):
    """S5 at C: the plan violated nothing, and by now the new logic would. The operator goes on as it was."""
    job, fixed = logic_job(make_job)
    job.run()
    total = {key[0]: abs(float(row[1])) for key, row in revenue(job).items()}
    limit = int(max(total.values()) * 1.2) + 1
    job.set(invariants=[{"table": "customers", "check": f"revenue < {limit}", "on_violation": "park"}])
    made = plan(job, "--from", LATER, "--logic", fixed.file)
    assert made["violations"] == [] and made["corrections"] == 30
    most = max(total, key=total.get)
    add = int(limit - 1 - next(float(row[1]) for key, row in revenue(job, 0).items() if key[0] == most))   # below the limit once, above it twice
    line = json.dumps({"customer": most, "country": "x", "amount": add, "quantity": 1, "ts": 1700000000000})
    job.append(line + "\n")
    job.run()
    before = driver.outputs(job)
    refused = apply(job, expect=1)
    assert f"violates invariant customers: revenue < {limit} by 1 keys that did not, such as {most}" in refused.err and "repair rebase" in refused.err
    assert driver.outputs(job) == before
    assert typed(job, refused.err, "repair rebase").out
    assert "VIOLATED" in rewind("repair", "show", job.file, cwd=job.folder).out
    job.run()
    assert shown(job) == revenue(job, 0)


def test_a_repair_that_adds_a_column_is_not_held_to_what_was_violated_before(make_job):
    """S5: a key begins to violate an invariant, or it does not, also where its rows have other columns by then."""
    job, fixed = logic_job(make_job)
    job.set(sinks=[{**SINKS[0], "fields": ["orders", "revenue"]}], invariants=[{"table": "customers", "check": "orders < 10"}])
    job.run()
    assert driver.newest(job)["violated"]
    fixed.set(tables={"customers": {"key": "customer", "aggregates": {"most": "max(amount)", **FIXED}}})
    made = plan(job, "--from", LATER, "--logic", fixed.file)
    assert made["corrections"] == 30 and made["violations"] == []
    apply(job)
    assert shown(job) == revenue(job)


def test_invariants_of_columns_that_came_with_a_repair_do_not_keep_it_from_being_taken_back(make_job):
    """L5: the job file was edited for the repair, invariants too; then the repair is taken back, and the pod restarts with that file."""
    job, fixed = logic_job(make_job)
    sinks = [{**SINKS[0], "fields": ["orders", "revenue"]}]
    job.set(sinks=sinks)
    job.run()
    new = {"customers": {"key": "customer", "aggregates": {**FIXED, "most": "max(amount)"}}}
    fixed.set(tables=new, sinks=sinks)
    plan(job, "--from", LATER, "--logic", fixed.file)
    apply(job)
    assert shown(job) == revenue(job)
    job.set(tables=new, invariants=[{"table": "customers", "check": "most < 500"}, {"table": "customers", "check": "orders > 0"}])
    job.append("".join(line + "\n" for line in orders(100, keys=30, first=600)))
    assert "its logic is not used" not in job.run().err
    assert driver.newest(job)["violated"].startswith("customers: most < 500")
    undo(job)
    assert shown(job) == revenue(job, 0)
    job.append("".join(line + "\n" for line in orders(100, keys=30, first=700)))
    again = job.run().err
    assert "its logic is not used" in again and "1 of " in again and "are not looked at" in again
    assert shown(job) == revenue(job, 0) and driver.newest(job).get("violated") is None


def test_a_repair_of_what_broke_an_invariant_can_be_taken_back(make_job):
    """S5 holds a plan to the invariants; but what only alerts was published before the repair, so it keeps nobody from going back. What parks does."""
    faults = Faults()
    most = max(json.loads(line)["amount"] for line in faults.true)
    check_of = {"table": "customers", "check": f"most <= {most}"}
    job = wrong_job(make_job, faults, invariants=[{**check_of, "on_violation": "alert"}])
    job.run()
    assert driver.newest(job)["violated"]
    plan(job, "--amend", faults.file(job))
    apply(job)
    assert driver.newest(job).get("violated") is None
    assert "VIOLATED" not in rewind("repair", "show", job.file, cwd=job.folder).out
    true, wrong = (faults.expected(job, right) for right in (True, False))
    check(job, true)
    job.set(invariants=[{**check_of, "on_violation": "park"}])
    refused = undo(job, expect=1)
    assert f"violates invariant customers: most <= {most}" in refused.err and "on_violation: alert" in refused.err
    assert "is not applied" in rewind("repair", "show", job.file, cwd=job.folder).out
    check(job, true)
    job.set(invariants=[{**check_of, "on_violation": "alert"}])
    undo(job)
    check(job, wrong)
    assert driver.newest(job)["violated"]


def typed(job, text, beginning):
    """What a message or a page says is to be typed next, typed."""
    words = shlex.split(re.search(rf"rewind ({beginning}[^;(\n]*)", text)[1])
    return rewind(*words, cwd=job.folder)


def test_what_a_refusal_says_is_to_be_typed_works(planned, tmp_path):
    job, faults = planned[0].copy(tmp_path / "job"), planned[1].copy()
    page = rewind("repair", "show", job.file, "--limit", 2, cwd=job.folder).out
    assert len(typed(job, page, "repair show").out.splitlines()) > planned[2]["corrections"]
    by_data = rewind("repair", "show", "--data", job.data, "--limit", 2, cwd=job.folder).out
    assert typed(job, by_data, "repair show").out == typed(job, page, "repair show").out
    (job.folder / "second.jsonl").write_text('{"skip": 5}\n')
    second = plan(job, "--amend", "second.jsonl")
    job.append(faults.more(orders(60, keys=40, first=600)))
    job.run()
    apply(job, planned[2]["id"])
    assert "is applied: it is part of the history" in (done := rewind("repair", "forget", job.file, planned[2]["id"], "--yes", cwd=job.folder, expect=11).err)
    assert planned[2]["id"] in typed(job, done, "repair report").out
    gone = rewind("diff", job.file, "live", f"repair:{planned[2]['id']}", cwd=job.folder, expect=10).err
    ends = {word: re.search(rf"{word} +checkpoint (\S+)", typed(job, gone, "repair report").out)[1] for word in ("before", "after")}
    assert "customers: " in rewind("diff", job.file, ends["before"], ends["after"], cwd=job.folder, expect=1).out
    refused = apply(job, second["id"], expect=7)
    again = typed(job, refused.err, "repair rebase").out
    assert second["id"] in again and "correction" in typed(job, again, "repair show").out


def test_an_undo_that_comes_to_more_by_now_says_how_to_ask_again(make_job):
    """R4 (3), of an undo: it cannot be rebased, only asked for again."""
    job, fixed = logic_job(make_job)
    job.run()
    plan(job, "--from", 590, "--logic", fixed.file)
    apply(job)
    assert "planned at offset" in rewind("repair", "undo", job.file, "--dry-run", cwd=job.folder).out   # to look needs no reason
    planned_undo = repairs.repairs(job)[-1]
    assert (planned_undo["kind"], planned_undo["state"]) == ("undo", "planned")
    job.append("".join(line + "\n" for line in orders(300, keys=30, first=600)))   # each of them differs
    job.run()
    refused = apply(job, planned_undo["id"], expect=11)
    assert "are approved" in refused.err and "--tolerance" in refused.err
    job.run()
    words = shlex.split(re.search(r"rewind (repair undo[^;(\n]*)", refused.err)[1])
    rewind(*words, "--reason", "back", "--yes", cwd=job.folder)
    assert shown(job) == revenue(job, 0)


def interrupted():
    """In a child: SIGINT is there already when the program begins to look for it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.kill(os.getpid(), signal.SIGINT)


def test_what_is_replayed_to_take_a_repair_back_can_be_interrupted(planned, tmp_path):
    """In its plan or while it is brought up: nothing is taken back then, wherever the replay was."""
    job, faults = planned[0].copy(tmp_path / "job"), planned[1]
    for words in (["undo"], ["apply", planned[2]["id"]]):
        if words[0] == "undo":
            apply(job)
        before = driver.outputs(job)
        done = subprocess.run([driver.PROGRAM, "repair", words[0], str(job.file), *words[1:], "--reason", "x", "--yes"], cwd=job.folder, env=driver.environment(), preexec_fn=interrupted,
                              stdin=subprocess.DEVNULL, timeout=driver.PATIENCE, capture_output=True)
        assert done.returncode == 11 and b"the replay stops" in done.stderr and b"start the same command again" in done.stderr
        assert driver.outputs(job) == before
        check(job, faults.expected(job, words[0] == "undo"))
        if words[0] == "undo":
            undo(job)
            check(job, faults.expected(job, False))
            job = planned[0].copy(tmp_path / "other")


def test_a_plan_made_before_another_was_applied_is_refused(make_job):
    """R4 (1)."""
    faults = Faults()
    job = wrong_job(make_job, faults)
    job.run()
    first = plan(job, "--amend", faults.file(job))
    (job.folder / "second.jsonl").write_text('{"skip": 5}\n')
    second = plan(job, "--amend", "second.jsonl")
    apply(job, first["id"])
    refused = apply(job, second["id"], expect=None)
    assert refused.returncode != 0 and "another repair was applied" in refused.err
    check(job, faults.expected(job, True))
    again = rewind_json("repair", "rebase", job.file, second["id"], cwd=job.folder)
    assert again["rebased_from"] == second["id"] != again["repair"]
    apply(job, again["repair"])
    del faults.true[5]
    check(job, faults.expected(job, True))
    assert [r["state"] for r in repairs.repairs(job)] == ["applied", "planned", "applied"]


def test_closed_windows_are_repaired(make_job):
    """S4: a window that closed long ago is still in the state, and what was published of it is corrected, once."""
    event = {"time": {"field": "ts"}, "fields": driver.FIELDS}
    tables = {"hourly": {"key": "country", "window": {"tumbling": "10s", "grace": "0s", "retain": "30d"}, "aggregates": {"orders": "count()", "revenue": "sum(amount)"}}}
    sinks = [{"table": "hourly", "file": {"path": "out/hourly.jsonl"}, "emit": "close"}]
    true = [json.dumps({"customer": "c", "country": f"n{i % 3}", "amount": 10, "quantity": 1, "ts": 1700000000000 + i * 100}) for i in range(2000)]
    wrong = [line.replace('"amount": 10', '"amount": 1000') if 300 <= i < 700 else line for i, line in enumerate(true)]
    job = make_job(wrong, event=event, tables=tables, sinks=sinks, checkpoints=RESTLESS)
    job.run()
    (job.folder / "amend.jsonl").write_text("".join(json.dumps({"replace": i, "value": true[i]}) + "\n" for i in range(300, 700)))
    plan(job, "--amend", "amend.jsonl")
    apply(job)
    faults = Faults(0)
    faults.true, faults.wrong = true, wrong
    check(job, faults.expected(job, True))
    rows = repairs.corrections(job, "hourly.jsonl")
    assert len(rows) == len({(row["country"], row["window_start"]) for row in rows}) > 0
    assert all(row["_old"]["revenue"] != row["revenue"] for row in rows)
    undo(job)
    check(job, faults.expected(job, False))


def test_an_act_wants_a_reason_and_a_plan(planned, tmp_path):
    job = planned[0].copy(tmp_path / "job")
    assert "--reason" in rewind("repair", "apply", job.file, "latest", "--yes", cwd=job.folder, expect=2).err
    assert "no repair has the id" in apply(job, "0000", expect=10).err
    before = driver.outputs(job)
    assert "planned at offset" in rewind("repair", "apply", job.file, "latest", "--reason", "x", "--dry-run", cwd=job.folder).out
    assert driver.outputs(job) == before
    apply(job)
    assert "applied already" in apply(job, expect=2).err


# ------------------------------------------------------------------------------------------------ another logic
REVENUE = {"orders": "count()", "revenue": "sum(amount)"}
FIXED = {"orders": "count()", "revenue": "sum(amount * 2)"}
REVENUE_TABLES = {"customers": {"key": "customer", "aggregates": REVENUE}}
LATER = 200   # where the new logic begins


def logic_job(make_job, **sections):
    job = make_job(list(orders(600, keys=30)), tables=REVENUE_TABLES, sinks=SINKS[:1], checkpoints=RESTLESS, **sections)
    (job.folder / "fixed").mkdir()
    fixed = driver.Job(job.folder / "fixed", None, "orders", **{**job.given, "tables": {"customers": {"key": "customer", "aggregates": FIXED}}})
    return job, fixed


def revenue(job, until=None):
    """By customer, with amounts twice from LATER on, up to `until`; as texts."""
    total = {}
    for at, line in enumerate(job.input.read_text(encoding="utf-8").splitlines()):
        event = json.loads(line, parse_float=str, parse_int=str)
        twice = LATER <= at and (until is None or at < until)
        cents = round(float(event["amount"]) * 100) * (2 if twice else 1)
        orders_of, sum_of = total.get(event["customer"], (0, 0))
        total[event["customer"]] = (orders_of + 1, sum_of + cents)
    return {(key,): (str(n), f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}") for key, (n, cents) in total.items()}


def shown(job):
    return driver.view(job, oracle.Job(job.file).sinks[0])


def test_yesterdays_job_file_does_not_undo_a_repair(make_job):
    """L5: the pod restarts with the job file of before the repair. C's lineage decides."""
    job, fixed = logic_job(make_job)
    job.run()
    plan(job, "--from", LATER, "--logic", fixed.file)
    apply(job)
    assert shown(job) == revenue(job)
    job.append("".join(line + "\n" for line in orders(200, keys=30, first=600)))
    assert "its logic is not used" in job.run().err
    assert shown(job) == revenue(job)


def test_undo_and_then_a_restart_with_the_edited_job_file(make_job):
    """L5: after the repair the job file was edited as advised; then the repair is taken back, and the pod restarts."""
    job, fixed = logic_job(make_job)
    job.run()
    plan(job, "--from", LATER, "--logic", fixed.file)
    apply(job)
    job.append("".join(line + "\n" for line in orders(100, keys=30, first=600)))
    job.set(tables=fixed.given["tables"])
    assert "its logic is not used" not in job.run().err
    assert shown(job) == revenue(job)
    undo(job)
    assert shown(job) == revenue(job, 0)
    job.append("".join(line + "\n" for line in orders(100, keys=30, first=700)))
    assert "its logic is not used" in job.run().err
    assert shown(job) == revenue(job, 0)


def test_a_logic_that_ends_and_records_behind_it(make_job):
    """L1: segments begin at offsets. What was read behind --to is of the old logic, before the repair and after it."""
    job, fixed = logic_job(make_job)
    job.run()
    plan(job, "--from", LATER, "--to", 400, "--logic", fixed.file)
    job.append("".join(line + "\n" for line in orders(100, keys=30, first=600)))
    job.run()
    apply(job)
    job.append("".join(line + "\n" for line in orders(100, keys=30, first=700)))
    job.run()
    assert shown(job) == revenue(job, 400)


def test_more_corrections_than_approved_stop_it_unless_they_are_tolerated(make_job):
    """R4 (3)."""
    job, fixed = logic_job(make_job)
    job.run()
    made = plan(job, "--from", 590, "--logic", fixed.file)
    assert 0 < made["corrections"] <= 10
    job.append("".join(line + "\n" for line in orders(300, keys=30, first=600)))   # each of them differs under the new logic
    job.run()
    before = driver.outputs(job)
    refused = apply(job, expect=None)
    assert refused.returncode != 0 and f"and {made['corrections']} are approved" in refused.err
    assert driver.outputs(job) == before
    job.run()
    apply(job, "latest", "--tolerance", 10000)
    assert [r["state"] for r in repairs.repairs(job)] == ["applied"]


# ------------------------------------------------------------------------------------------------ dead letters
def letters(job):
    return [json.loads(line) for line in job.dead.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("point", [None, "repair-part-sent", "repair-switched"])
def test_dead_letters_that_are_new_and_those_that_are_resolved(point, make_job, tmp_path):
    """R6: what is none any more is said so under the same offset; what fails now stands there with its bytes. Once, whatever is killed."""
    faults = Faults()
    job = wrong_job(make_job, faults, repair=PARTS)
    job.run()
    was = letters(job)
    assert [letter["offset"] for letter in was] == [len(faults.wrong) - 200]   # the line that broke off
    bad = "not an order"
    (job.folder / "amend.jsonl").write_text("".join([faults.file(job) and line + "\n" for line in faults.amendments if '"insert"' not in line] +
                                                    [json.dumps({"replace": 7, "value": bad}) + "\n", json.dumps({"insert": 9, "value": bad}) + "\n"]))
    made = plan(job, "--amend", "amend.jsonl")
    assert (made["dead_letters_new"], made["dead_letters_resolved"]) == (2, 1)
    if point:
        assert apply(job, expect=None, REWIND_CRASH_POINT=point).returncode == -signal.SIGKILL
        job.run()
    else:
        apply(job)
    found = letters(job)[len(was):]
    assert [(letter["offset"], letter.get("resolved_by")) for letter in found] == [(7, None), (9, None), (was[0]["offset"], made["id"])]
    assert all("value" not in letter for letter in found if "resolved_by" in letter)
    assert base64.b64decode(found[1]["value"]) == bad.encode()
    listed = [json.loads(line) for line in rewind("dlq", "list", job.file, "-o", "json", cwd=job.folder).out.splitlines()]
    assert [letter["offset"] for letter in listed] == [7, 9]
    undo(job)
    assert [(letter["offset"], "resolved_by" in letter) for letter in letters(job)[len(was) + 3:]] == [(7, True), (9, True), (was[0]["offset"], False)]
    assert letters(job)[-1]["value"] == was[0]["value"]


# ------------------------------------------------------------------------------------------------ without outputs
@pytest.mark.parametrize("point", ["repair-lineage", "repair-adopted", "repair-decided", "repair-switched", "repair-entered"])
def test_without_outputs_the_checkpoint_is_the_switch(point, make_job):
    """C1: nothing is published, and the newest checkpoint says which history counts."""
    faults = Faults()
    job = make_job(faults.wrong, sinks=[], errors=None, event={"fields": driver.FIELDS, "missing": "drop"}, checkpoints=RESTLESS)
    del faults.true[400], faults.wrong[400]   # there is no place for the one that cannot be read
    faults.amendments = [line for line in faults.amendments if json.loads(line).get("replace") != 400]
    job.write(faults.wrong)
    job.run()
    plan(job, "--amend", faults.file(job))
    code = apply(job, expect=None, REWIND_CRASH_POINT=point).returncode
    assert code == -signal.SIGKILL or point == "repair-switched" and code == 0   # there are no transactions
    switched = point != "repair-lineage"
    job.run()
    assert driver.digest(job) == faults.expected(job, switched).digest()
    assert [r["state"] for r in repairs.repairs(job)] == ["applied" if switched else "planned"]
    if not switched:
        apply(job)
    undo(job)
    assert driver.digest(job) == faults.expected(job, False).digest()


# ------------------------------------------------------------------------------------------------ on_change: replay
@pytest.mark.parametrize("point", [None, "repair-built", "repair-decided", "repair-part-sent", "repair-entered"])
def test_a_job_file_that_is_to_hold_from_the_first_record_on_corrects_all(point, make_job):
    """L5. Also what may begin at genesis only (L3)."""
    job = wrong_job(make_job, Faults(), repair=PARTS)
    job.run()
    tables = json.loads(json.dumps(driver.TABLES))
    tables["customers"]["aggregates"]["revenue"] = "sum(amount * 2)"
    tables["countries"]["aggregates"]["units"] = "max(quantity)"   # another type
    job.set(tables=tables, on_change="replay")
    job.append("".join(line + "\n" for line in orders(60, keys=40, first=600)))
    if point:
        assert job.run(expect=None, REWIND_CRASH_POINT=point).returncode == -signal.SIGKILL
    job.run()
    check(job, oracle.run(oracle.Job(job.file), job.input.read_bytes()))
    before = driver.outputs(job)
    assert "on_change" not in job.run().err   # once
    assert driver.outputs(job) == before
    undo(job)
    job.set(tables=driver.TABLES, on_change=None)
    check(job, oracle.run(oracle.Job(job.file), job.input.read_bytes()))


def test_outputs_that_are_others_are_not_corrected(make_job):
    job = wrong_job(make_job, Faults())
    job.run()
    tables = json.loads(json.dumps(driver.TABLES))
    tables["customers"]["aggregates"]["revenue"] = "sum(amount * 2)"
    before = driver.outputs(job)
    job.set(tables=tables, sinks=SINKS[:1], on_change="replay")
    assert "there are others now" in job.run(expect=7).err
    assert driver.outputs(job) == before


# ------------------------------------------------------------------------------------------------ restore with another logic, or other records
@pytest.mark.parametrize("running", [False, True], ids=["offline", "live"])
def test_restore_with_another_logic_or_other_records_is_a_repair_in_a_pause(running, make_job):
    """R1."""
    job, fixed = logic_job(make_job)
    words = ["restore", job.file, "--offset", LATER, "--logic", fixed.file, "--reason", "x", "--yes"]
    if running:
        job.set(source=FOLLOW)
        with Running(job) as r:
            r.committed(600)
            rewind(*words, cwd=job.folder)
            assert r.wait_for(lambda s: s["phase"] == "waiting")["repair"]["done"] == 1
            rewind("pause", "--data", job.data)
            (job.folder / "amend.jsonl").write_text('{"skip": 0}\n')
            rewind("restore", job.file, "--amend", "amend.jsonl", "--reason", "y", "--yes", cwd=job.folder)
            r.wait_for(lambda s: s["phase"] == "paused", "it to be as it was found")
            assert r.stop() == 0
    else:
        job.run()
        rewind(*words, cwd=job.folder)
        assert shown(job) == revenue(job)
        assert "their places themselves" in rewind("restore", job.file, "--offset", 5, "--amend", "x", "--reason", "x", "--yes", cwd=job.folder, expect=2).err
    assert [r["state"] for r in repairs.repairs(job)] == ["applied"] * (1 + running)


def test_an_operator_whose_repair_is_refused_goes_on_as_before(make_job):
    """R4 (3): the pause is over, nothing is changed, and it reads on."""
    job, fixed = logic_job(make_job)
    job.set(source=FOLLOW)
    with Running(job) as r:
        r.committed(600)
        plan(job, "--from", 595, "--logic", fixed.file)
        job.append("".join(line + "\n" for line in orders(300, keys=30, first=600)))
        r.committed(900)
        refused = apply(job, expect=None)
        assert refused.returncode != 0 and "are approved" in refused.err
        job.append("".join(line + "\n" for line in orders(100, keys=30, first=900)))
        r.committed(1000)
        assert r.status()["repair"] == {"switch_number": 0, "done": 0, "failed": 1}
        assert r.stop() == 0
    assert shown(job) == revenue(job, 0)
    assert [r["state"] for r in repairs.repairs(job)] == ["planned"]
