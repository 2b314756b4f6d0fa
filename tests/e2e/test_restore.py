"""Going back by place: restore by offset, time and id, where no operator runs and where one does; what is passed over; kills on the way."""
import datetime
import json
import signal

import pytest

import rewind as driver
from rewind import Running, orders, rewind, rewind_json

PLAIN = {"file": {"path": "orders.jsonl"}, "format": "json"}
FOLLOW = {"file": {"path": "orders.jsonl", "follow": True}, "format": "json"}
QUIET = {"every": "1h", "full": {"keep": 0}}
TIMED = {"time": {"field": "ts"}, "fields": driver.FIELDS}
FIXED = {"commit_at": {"offset_multiple": 100}}


def text(lines):
    return "".join(line + "\n" for line in lines)


def in_steps(job, *counts):
    """One final checkpoint at the end of each."""
    at = 0
    for count in counts:
        job.append(text(orders(count, first=at, bad_every=37)))
        at += count
        job.run()
    return job


def made_at(job, offset):
    return [c["id"] for c in driver.checkpoints(job) if c["next_offset"] == offset][-1]


def plan_of(job, *words):
    return rewind_json("restore", job.file, *words, "--dry-run", cwd=job.folder)


def restore(job, *words, **more):
    return rewind("restore", job.file, *words, "--yes", cwd=job.folder, **more)


def rfc3339(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def times(job):
    """Event time in ms of each record that is an event; None of one that is not."""
    found = []
    for line in job.input.read_text(encoding="utf-8").splitlines():
        try:
            event = json.loads(line)
            found.append(event["ts"] if isinstance(event, dict) and isinstance(event["quantity"], int) and 0.01 <= abs(float(event["amount"])) < 1e9 else None)
        except (ValueError, KeyError):
            found.append(None)
    return found


# ------------------------------------------------------------------------------------------------ plans
def test_an_offset_leads_to_the_newest_good_checkpoint_at_or_below_it(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 200, 200, 100)
    for offset, base in [(0, 0), (199, 0), (200, 200), (201, 200), (400, 400), (499, 400), (500, 500), (9999, 500)]:
        plan = plan_of(job, "--offset", offset)
        assert (plan["next_offset"], plan["place"], plan["records_to_replay"]) == (base, offset, 500 - base)
        assert plan["base"] == made_at(job, base)
        assert {p["next_offset"] for p in plan["passed_over"]} == {x for x in (200, 400, 500) if x > base}
        assert all(p["why"] == "above the place" for p in plan["passed_over"])
        if offset < 500:
            assert plan["record"]["offset"] == offset
    assert "place" in rewind("restore", job.file, "--offset", "200", "--dry-run", cwd=job.folder).out


def test_a_time_leads_to_the_first_record_whose_event_is_not_earlier(make_job):
    job = in_steps(make_job(checkpoints=QUIET, event=TIMED), 200, 200, 100)
    when = times(job)
    known = [(at, ms) for at, ms in enumerate(when) if ms is not None]
    for wanted in [known[0][1], known[60][1], known[250][1] + 1, sorted(ms for _, ms in known)[300], known[-1][1]]:
        first = next(at for at, ms in known if ms >= wanted)
        plan = plan_of(job, "--before", rfc3339(wanted))
        assert (plan["place"], plan["record"]["offset"], plan["event_times"]) == (first, first, True)
        assert plan["record"]["time"].rstrip("Z")[:19] == rfc3339(when[first])[:19]
        assert plan["next_offset"] == max(x for x in (0, 200, 400, 500) if x <= first)
        assert plan["earlier_records"] == sum(1 for at, ms in known if at > first and ms < wanted)
    late = plan_of(job, "--before", "2099-01-01T00:00:00Z")
    assert (late["place"], late["record"], late["next_offset"]) == (500, None, 500)
    early = plan_of(job, "--before", "1999-01-01T00:00:00Z")
    assert early["place"] == known[0][0] and early["next_offset"] == 0


def test_a_file_whose_events_have_no_time_says_that_an_offset_is_the_way(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 100)
    done = restore(job, "--before", "2026-01-01T00:00:00Z", expect=2)
    assert "--offset" in done.err and "event.time" in done.err


def test_when_a_checkpoint_was_made_plays_no_part(make_job):
    job = in_steps(make_job(checkpoints=QUIET, event=TIMED), 200, 200)
    # All were made now, years after the events; a time of now is behind all of them.
    assert plan_of(job, "--before", "12:00")["next_offset"] == 400


@pytest.mark.parametrize("words, said", [
    (["--before", "noon"], "no time"), (["--before", "25:00"], "no time"), ([], "say one place"), (["--offset", "3", "--to", "latest"], "say one place"),
    (["--offset", "three"], "offset"),
])
def test_a_place_that_is_none_is_refused(words, said, make_job):
    job = in_steps(make_job(checkpoints=QUIET), 10)
    assert said in restore(job, *words, expect=2).err


def test_bad_checkpoints_are_passed_over_and_said(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 200, 200, 100)
    bad = made_at(job, 400)
    victim = max((p for p in (job.checkpoints / bad).rglob("*") if p.is_file() and p.name != "MANIFEST" and p.stat().st_nlink == 1), key=lambda p: p.stat().st_size)
    driver.flip(victim, victim.stat().st_size // 2)
    (job.data / "verified").unlink(missing_ok=True)
    before = driver.outputs(job)
    plan = plan_of(job, "--offset", 450)
    assert plan["next_offset"] == 200
    assert {(p["id"], p["why"]) for p in plan["passed_over"]} == {(bad, "bad"), (made_at(job, 500), "above the place")}
    digest = driver.newest(job)["digest"]
    restore(job, "--offset", 450)
    assert (driver.newest(job)["digest"], driver.newest(job)["reason"]) == (digest, "restore")
    assert driver.outputs(job) == before


# ------------------------------------------------------------------------------------------------ where no operator runs
@pytest.mark.parametrize("place", [["--offset", "250"], ["--before", "TIME"], ["--to", "ID"]], ids=["offset", "time", "id"])
def test_offline_the_state_is_rebuilt_and_outputs_stay(place, make_job):
    job = in_steps(make_job(checkpoints=QUIET, event=TIMED), 200, 200, 100)
    place = [{"TIME": rfc3339(times(job)[300]), "ID": made_at(job, 200)}.get(word, word) for word in place]
    before, digest = driver.outputs(job), driver.digest(job)
    told = rewind("restore", job.file, *place, cwd=job.folder, expect=2).out   # no terminal, no --yes
    assert "base" in told and len(driver.checkpoints(job)) == 4
    restore(job, *place, "--reason", "a test")
    newest = driver.newest(job)
    assert (newest["next_offset"], newest["digest"], newest["reason"]) == (500, digest, "restore")
    assert driver.digest(job) == job.expected().digest()
    assert driver.outputs(job) == before
    job.append(text(orders(100, first=500, bad_every=37)))
    job.run()
    driver.check_against(job.expected(), job)


@pytest.mark.parametrize("point", [p for p in driver.crash_points() if p.startswith(("recovery-", "restore-reb", "restore-ch", "manifest-", "history-app"))])
def test_a_restore_killed_on_its_way_changes_nothing(point, make_job):
    job = in_steps(make_job(checkpoints=QUIET), 200, 200)
    before, digest = driver.outputs(job), driver.digest(job)
    restore(job, "--offset", 200, expect=-signal.SIGKILL, REWIND_CRASH_POINT=f"{point}:1")
    assert driver.outputs(job) == before
    job.append(text(orders(50, first=400, bad_every=37)))
    job.run()
    driver.check_against(job.expected(), job)
    assert digest == made_digest(job, 400)


def made_digest(job, offset):
    return {c["digest"] for c in driver.checkpoints(job) if c["next_offset"] == offset}.pop()


# ------------------------------------------------------------------------------------------------ on a running operator
def follower(make_job, **sections):
    return make_job(list(orders(400, bad_every=37)), source=FOLLOW, **{"checkpoints": QUIET, "delivery": {"commit_every": "5ms"}, **sections})


def in_the_middle(job, r):
    """A checkpoint at 400, and input behind it."""
    r.committed(400)
    rewind("checkpoint", "create", "--data", job.data)
    job.append(text(orders(300, first=400, bad_every=37)))
    r.committed(700)


@pytest.mark.parametrize("delivery", [{"commit_every": "5ms"}, FIXED], ids=["timed", "fixed"])
def test_a_running_operator_rewinds_and_goes_on(delivery, make_job):
    job = follower(make_job, delivery=delivery)
    with Running(job) as r:
        in_the_middle(job, r)
        pid, commits = r.status()["pid"], r.status()["commits"]["count"]
        done = rewind_json("restore", job.file, "--offset", 650, "--yes", "--reason", "a test", cwd=job.folder)
        assert (done["committed"], done["equal_checkpoints"], done["different_checkpoints"]) == (700, 1, 0)
        assert done["digest"] == job.expected().digest()
        told = driver.rewind("restore", job.file, "--to", made_at(job, 0), "--yes", cwd=job.folder).out
        assert "the same state" in told
        status = r.wait_for(lambda s: s["phase"] == "waiting")
        assert (status["pid"], status["restore"]["done"], status["restore"]["failed"]) == (pid, 2, 0)
        assert status["commits"]["count"] >= commits > 0 and status["commits"]["last"]   # of this process, whatever it went back to
        job.append(text(orders(200, first=700, bad_every=37)))
        r.committed(900)
        assert r.stop() == 0
    driver.check_against(job.expected(), job)
    reasons = [c["reason"] for c in driver.checkpoints(job)]
    assert reasons.count("restore") == 2


def test_a_paused_operator_stays_paused(make_job):
    job = follower(make_job)
    with Running(job) as r:
        in_the_middle(job, r)
        rewind("pause", job.file, cwd=job.folder)
        restore(job, "--offset", 500)
        assert r.wait_for(lambda s: s["phase"] == "paused")["position"] == 700
        rewind("resume", job.file, cwd=job.folder)
        job.append(text(orders(100, first=700)))
        r.committed(800)
        assert r.stop() == 0
    driver.check_against(job.expected(), job)


def test_input_arrives_and_outputs_go_on_around_a_restore(make_job):
    job = follower(make_job)
    with Running(job) as r:
        in_the_middle(job, r)
        for i in range(5):
            job.append(text(orders(100, first=700 + i * 100, bad_every=37)))
            restore(job, "--offset", 500)
        r.committed(1200)
        assert r.stop() == 0
    driver.check_against(job.expected(), job)


@pytest.mark.parametrize("point", [p for p in driver.crash_points() if p.startswith(("restore-", "recovery-")) or p == "history-half-append"])
def test_an_operator_killed_while_it_restores_comes_back_to_the_same(point, make_job):
    job = follower(make_job)
    with Running(job) as r:
        in_the_middle(job, r)
        assert r.stop() == 0
    # The points of recovery are passed once by the start itself.
    count = 2 if point.startswith("recovery-") else 1
    with Running(job, REWIND_CRASH_POINT=f"{point}:{count}") as r:
        r.committed(700)
        done = restore(job, "--offset", 500, expect=None)
        assert done.returncode == 10 and "recovers by itself" in done.err, done.err
        assert r.wait() == -signal.SIGKILL
    with Running(job) as r:
        job.append(text(orders(100, first=700, bad_every=37)))
        r.committed(800)
        assert r.stop() == 0
    driver.check_against(job.expected(), job)


def test_a_restore_that_cannot_be_done_leaves_the_operator_as_it_was(make_job):
    job = follower(make_job)
    with Running(job) as r:
        in_the_middle(job, r)
        rewind("checkpoint", "create", "--data", job.data)
        # Bytes below C are not what they were: the older checkpoint needs them, the newest does not.
        raw = job.input.read_bytes()
        at = raw.index(b"customer-", raw.index(b"\n", len(raw) * 6 // 7))
        with open(job.input, "r+b") as f:
            f.seek(at)
            f.write(b"CUSTOMER")
        done = restore(job, "--offset", 450, expect=8)
        assert "are not those that were committed" in done.err
        status = r.wait_for(lambda s: s["phase"] == "waiting")
        assert (status["committed"], status["restore"]["failed"]) == (700, 1)
        with open(job.input, "r+b") as f:
            f.seek(at)
            f.write(b"customer")
        restore(job, "--offset", 450)
        assert r.stop() == 0
    driver.check_against(job.expected(), job)


def test_a_parked_operator_can_be_restored(make_job):
    job = make_job(list(orders(300)), source=FOLLOW, checkpoints=QUIET, on_stop="park", errors=None, delivery={"commit_every": "5ms"})
    with Running(job) as r:
        r.committed(300)
        job.append("not json\n")
        r.wait_for(lambda s: s["phase"] == "parked")
        rewind("restore", job.file, "--offset", 0, "--yes", cwd=job.folder, expect=None)
        # It is rebuilt, goes on, meets the same event and parks again.
        r.wait_for(lambda s: s["phase"] == "parked" and s["restore"]["done"] == 1)
        assert r.stop() != 0
