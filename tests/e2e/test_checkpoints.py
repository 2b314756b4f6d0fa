"""Checkpoints as their owner sees them: list, check, export, restore, retention, pins, readers; genesis and the commit log at a start."""
import fcntl
import json
import os
import shutil
import signal
import subprocess

import pytest

import rewind as driver
from rewind import Job, Running, orders, rewind, rewind_json

FOLLOW = {"file": {"path": "orders.jsonl", "follow": True}, "format": "json"}
PLAIN = {"file": {"path": "orders.jsonl"}, "format": "json"}
FIXED = {"commit_at": {"offset_multiple": 100}}


# Nothing but what a test itself brings about.
QUIET = {"every": "1h", "full": {"keep": 0}}


def only_last(count):
    """Retention that does not depend on the hour in which a test runs."""
    return {"last": count, "hourly": 0, "daily": 0}


def text(lines):
    return "".join(line + "\n" for line in lines)


def steps(job, *counts):
    """Runs the job to its end several times, with more input each time: one final checkpoint each."""
    at = 0
    for count in counts:
        job.append(text(orders(count, first=at, bad_every=37)))
        at += count
        job.run()


def states(job):
    return {c["id"]: c["state"] for c in driver.checkpoints(job, pruned=True)}


# ------------------------------------------------------------------------------------------------ what is listed
def test_a_checkpoint_tells_all_that_it_stands_for(make_job):
    job = make_job(checkpoints=QUIET)
    steps(job, 100, 200)
    listed = driver.checkpoints(job)
    assert [c["next_offset"] for c in listed] == [300, 100, 0]
    for checkpoint in listed:
        expected = job.expected(until=checkpoint["next_offset"])
        shown = rewind_json("checkpoint", "show", checkpoint["id"], "--data", job.data)
        assert shown["digest"] == checkpoint["digest"] == expected.digest()
        assert shown["input_digest"] == expected.input_hash
        assert (shown["counts"]["read"], shown["counts"]["applied"], shown["counts"]["dead_letters"]) == (expected.read, expected.applied, len(expected.dead))
        rewind("checkpoint", "check", checkpoint["id"], "--scan", "--data", job.data)
    rewind("checkpoint", "check", "--all", "--scan", "--data", job.data)
    # Found by a beginning of its id, by job file and by directory.
    newest = listed[0]["id"]
    assert rewind_json("checkpoint", "show", newest[:-1] if sum(c["id"].startswith(newest[:-1]) for c in listed) == 1 else newest, "--data", job.data)["id"] == newest
    assert rewind_json("checkpoint", "show", job.file, "latest", cwd=job.folder)["id"] == newest
    assert rewind("checkpoint", "show", "no-such-one", "--data", job.data, expect=10).err


def test_the_same_checkpoint_exports_the_same_bytes_every_time(make_job):
    job = make_job(orders(5000, keys=1500))
    job.run()
    expected = job.expected()
    for table in expected.tables:
        for form in ("csv", "json"):
            words = ["export", "--data", job.data, "--table", table, "--format", form]
            first = rewind(*words).stdout
            assert first == expected.export(table, form)
            assert rewind(*words).stdout == first
            rewind(*words, "--file", job.folder / "export")
            assert (job.folder / "export").read_bytes() == first
    # The same state made in another way: in pieces, with kills.
    other = make_job(checkpoints={"every": "10ms"})
    lines = list(orders(5000, keys=1500))
    other.append(text(lines[:2000]))
    other.run()
    other.append(text(lines[2000:]))
    other.run(expect=None, REWIND_CRASH_POINT="checkpoint-synced:2")
    other.run()
    assert rewind("export", "--data", other.data, "--table", "customers").stdout == rewind("export", "--data", job.data, "--table", "customers").stdout


def test_an_export_that_cannot_be_written_leaves_no_half_file(make_job):
    job = make_job(orders(100))
    job.run()
    done = rewind("export", "--data", job.data, "--table", "customers", "--file", job.folder / "no-such-folder" / "x.csv", expect=10)
    assert "no-such-folder" in done.err
    assert rewind("export", "--data", job.data, "--table", "custommers", expect=None).returncode != 0


# ------------------------------------------------------------------------------------------------ restore
def test_restore_to_an_older_checkpoint_rebuilds_the_same_state(make_job):
    job = make_job(delivery=FIXED, checkpoints=QUIET)
    steps(job, 200, 200, 100)
    middle = [c for c in driver.checkpoints(job) if c["next_offset"] == 200][0]["id"]
    before = driver.outputs(job)
    digest = driver.digest(job)
    plan = rewind("restore", job.file, "--to", middle, "--dry-run", cwd=job.folder)
    assert middle in plan.out and len(driver.checkpoints(job)) == 4
    assert rewind("restore", job.file, "--to", middle, cwd=job.folder, expect=2), "without --yes the plan is all"
    rewind("restore", job.file, "--to", middle, "--reason", "a test", "--yes", cwd=job.folder)
    newest = driver.newest(job)
    assert (newest["next_offset"], newest["digest"], newest["reason"]) == (500, digest, "restore")
    assert driver.outputs(job) == before
    assert driver.digest(job) == digest
    job.append(text(orders(100, first=500, bad_every=37)))
    job.run()
    driver.check_against(job.expected(), job)


def test_restore_lands_on_the_checkpoint_asked_for_when_newer_ones_are_damaged(make_job):
    job = make_job(checkpoints=QUIET)
    steps(job, 150, 250)
    newest, middle, genesis = driver.checkpoints(job)
    driver.flip(job.checkpoints / newest["id"] / "MANIFEST", 40)
    rewind("restore", job.file, "--to", genesis["id"], "--yes", cwd=job.folder)
    assert driver.digest(job) == job.expected().digest()


def test_restore_to_what_is_not_there_or_damaged_changes_nothing(make_job):
    job = make_job(checkpoints=QUIET)
    steps(job, 150, 250)
    before = states(job)
    rewind("restore", job.file, "--to", "ffffffffffffffff", "--yes", cwd=job.folder, expect=10)
    assert states(job) == before


# ------------------------------------------------------------------------------------------------ retention
def test_retention_keeps_the_newest_and_what_is_pinned_and_all_manifests(make_job):
    job = make_job(checkpoints={"every": "1h", "keep": only_last(3), "full": {"keep": 0}})
    steps(job, 50, 50)
    tagged = driver.newest(job)["id"]
    rewind("checkpoint", "tag", tagged, "before-it-all", "--data", job.data)
    steps_from(job, 100, 50, 50, 50, 50, 50, 50)
    left = [c["next_offset"] for c in driver.checkpoints(job)]
    assert left[:3] == [400, 350, 300]
    assert left[-2:] == [100, 0], "genesis and tagged ones stay"
    assert len(left) <= 6, "the last checkpoint of a run may come after the last commit that allows a removal"
    pruned = [c for c in driver.checkpoints(job, pruned=True) if c["state"] == "pruned"]
    assert {c["next_offset"] for c in pruned} >= {50, 150, 200}
    for checkpoint in pruned:
        assert rewind_json("checkpoint", "show", checkpoint["id"], "--data", job.data)["digest"] == job.expected(until=checkpoint["next_offset"]).digest()
        assert not list((job.checkpoints / checkpoint["id"]).rglob("*.sst"))
    # Prune by hand, planned first.
    plan = rewind("checkpoint", "prune", "--data", job.data, "--keep", "2", "--dry-run").out
    assert plan and [c["next_offset"] for c in driver.checkpoints(job)] == left
    rewind("checkpoint", "prune", "--data", job.data, "--keep", "2", "--yes")
    assert [c["next_offset"] for c in driver.checkpoints(job)] == [400, 350, 100, 0]
    # The newest two, genesis and tagged ones cannot be forgotten; others can.
    for word in ("latest", "before-it-all", driver.checkpoints(job)[1]["id"], driver.checkpoints(job)[-1]["id"]):
        assert rewind("checkpoint", "forget", word, "--data", job.data, "--yes", expect=None).returncode != 0
    rewind("checkpoint", "tag", "before-it-all", "--data", job.data)
    rewind("checkpoint", "forget", tagged, "--data", job.data, "--yes")
    assert states(job)[tagged] == "pruned"
    job.run()
    assert driver.digest(job) == job.expected().digest()


def steps_from(job, at, *counts):
    for count in counts:
        job.append(text(orders(count, first=at, bad_every=37)))
        at += count
        job.run()


def test_a_checkpoint_that_somebody_reads_is_not_removed(make_job):
    job = make_job(checkpoints={"every": "1h", "keep": only_last(2), "full": {"keep": 0}})
    steps(job, 50)
    read = driver.newest(job)["id"]
    with open(job.checkpoints / read / "MANIFEST", "rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        steps_from(job, 50, 50, 50, 50, 50)
        assert states(job)[read] != "pruned"
        rewind("checkpoint", "check", read, "--scan", "--data", job.data)
        assert rewind("checkpoint", "forget", read, "--data", job.data, "--yes", expect=None).returncode != 0
    steps_from(job, 250, 50)
    assert states(job)[read] == "pruned"


def test_bad_checkpoints_do_not_count_as_kept(make_job):
    job = make_job(checkpoints={"every": "1h", "keep": only_last(2), "full": {"keep": 0}})
    steps(job, 50, 50, 50)
    newest = driver.checkpoints(job)[0]
    driver.flip(job.checkpoints / newest["id"] / "MANIFEST", 40)
    steps_from(job, 150, 50)
    after = driver.checkpoints(job)
    good = [c["next_offset"] for c in after if c["state"] != "bad"]
    assert good[:2] == [200, 100], "a good one behind the bad one stays"
    assert [c["id"] for c in after if c["state"] == "bad"] == [newest["id"]], "a bad one is set aside, not deleted"


# ------------------------------------------------------------------------------------------------ genesis (C2)
@pytest.mark.parametrize("point", ["genesis-checkpoint", "genesis-committing", "genesis-committed", "genesis-before-mark", "genesis-marked"])
def test_a_kill_during_genesis_begins_at_the_same_place(point, make_job):
    job = make_job(orders(300), delivery=FIXED)
    if point not in driver.crash_points():
        pytest.fail(f"the crash point {point} is gone")
    job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT=point)
    job.append(text(orders(100, first=300)))   # more input before the second start changes nothing below it
    job.run()
    driver.check_against(job.expected(), job)
    assert len([c for c in driver.checkpoints(job) if c["next_offset"] == 0]) == 1


# ------------------------------------------------------------------------------------------------ the commit log (C1)
@pytest.fixture
def killed(make_job):
    """A job killed behind its commits, before any checkpoint but genesis."""
    job = make_job(orders(2000, bad_every=61), delivery=FIXED, checkpoints={"every": "1h"}, source=FOLLOW)
    with Running(job) as r:
        r.committed(1500)
        r.kill()
    job.set(source=PLAIN)
    return job, job.out / "customers.jsonl.commits"


def test_a_torn_last_entry_never_happened(killed):
    job, log = killed
    with open(log, "ab") as f:
        f.write(log.read_bytes()[:-5][-60:][:20] or b"RWCE")
    job.run()
    driver.check_against(job.expected(), job)


def test_a_log_cut_in_its_last_entry_goes_back_to_the_entry_before(killed):
    job, log = killed
    os.truncate(log, log.stat().st_size - 3)
    job.run()
    driver.check_against(job.expected(), job)


def test_bytes_behind_the_last_entry_are_cut_from_outputs(killed):
    job, _ = killed
    for name in ("customers.jsonl", "countries.csv", "dead.jsonl"):
        with open(job.out / name, "ab") as f:
            f.write(b"half a li")
    job.run()
    driver.check_against(job.expected(), job)


def test_a_broken_entry_with_a_whole_one_behind_it_is_corruption(killed):
    job, log = killed
    driver.flip(log, 30)
    before = driver.outputs(job)
    done = job.run(expect=4)
    assert "customers.jsonl.commits" in done.err
    assert driver.outputs(job) == before


def test_an_output_that_lost_committed_bytes_stops_the_job(killed):
    job, _ = killed
    path = job.out / "countries.csv"
    os.truncate(path, path.stat().st_size // 2)
    assert "countries.csv" in job.run(expect=4).err


def test_a_start_writes_a_new_log_and_never_appends_to_the_old_one(killed):
    """Case: entries behind a torn one."""
    job, log = killed
    old = log.stat().st_ino
    held = open(log, "rb")
    size = log.stat().st_size
    job.run()
    assert log.stat().st_ino != old
    assert os.fstat(held.fileno()).st_size == size
    held.close()


def test_c_that_moved_back_below_a_checkpoint_stops_the_job(make_job):
    """C4: a commit log from before, beside checkpoints from after."""
    job = make_job(delivery=FIXED, checkpoints=QUIET)
    steps(job, 200)
    saved = {p: p.read_bytes() for p in job.out.iterdir()}
    steps_from(job, 200, 200)
    for path, data in saved.items():
        path.write_bytes(data)
    done = job.run(expect=6)
    assert "200" in done.err and "400" in done.err


def test_two_jobs_cannot_share_an_output(make_job):
    job = make_job(orders(100), source=FOLLOW)
    other = make_job(orders(100), name="other")
    shutil.rmtree(other.out)
    other.out.symlink_to(job.out)
    with Running(job) as r:
        r.committed(100)
        done = other.run(expect=None)
        assert done.returncode in (5, 6), done.err
        assert r.stop() == 0
    driver.check_against(job.expected(), job)


def test_history_log_holds_an_entry_for_each_act(make_job):
    job = make_job(checkpoints={"every": "1h", "keep": only_last(2), "full": {"keep": 0}})
    steps(job, 50, 50, 50, 50)
    rewind("checkpoint", "tag", "latest", "here", "--data", job.data)
    text_of_log = (job.data / "history.log").read_bytes()
    for word in (b"genesis", b"checkpoint", b"tag"):
        assert word in text_of_log
    # It is a chain: an entry changed in the middle is found.
    rewind("checkpoint", "check", "--data", job.data)
    driver.flip(job.data / "history.log", len(text_of_log) // 2)
    assert rewind("checkpoint", "check", "--data", job.data, expect=None).returncode == 4


def test_create_answers_with_a_checkpoint_that_began_after_it_was_asked_for(tmp_path):
    keys = (f'{{"customer":"c{i:07d}","country":"NO","amount":1.25,"quantity":1,"ts":{1700000000000 + i}}}' for i in range(200000))
    job = Job(tmp_path / "job", keys, source=FOLLOW, delivery={"commit_every": "1ms"}, checkpoints=QUIET)
    with Running(job) as r:
        r.committed(200000)
        slow = subprocess.Popen([driver.PROGRAM, "checkpoint", "create", "--data", job.data], stdout=subprocess.DEVNULL, env=driver.environment())
        r.wait_for(lambda s: s["checkpoints"]["running"] or s["checkpoints"]["made"] > 1)
        job.append(text(orders(1)))
        r.wait_for(lambda s: s["position"] == 200001)
        assert rewind_json("checkpoint", "create", "--data", job.data)["next_offset"] == 200001
        assert slow.wait(driver.PATIENCE) == 0
        assert r.stop() == 0


def test_create_between_commits_that_are_fixed_to_offsets_is_refused_and_not_kept_waiting(tmp_path):
    job = Job(tmp_path / "job", orders(250), source=FOLLOW, delivery=FIXED)
    with Running(job) as r:
        r.wait_for(lambda s: s["position"] == 250 and s["phase"] == "waiting")
        refused = rewind("checkpoint", "create", "--data", job.data, expect=11)
        assert "next at offset 300" in refused.err
        rewind("state", "scan", "--table", "customers", "--data", job.data)   # of the newest that there is
        job.append(text(orders(50, first=250)))
        r.committed(300)
        rewind("checkpoint", "create", "--data", job.data)
        assert r.stop() == 0
