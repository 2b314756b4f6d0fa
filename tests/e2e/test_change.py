"""A job file that changes: which logic decides which records, and what a kill, a damaged checkpoint or an old job file leaves of that (L1 to L5)."""
import json
import random
import re
import shutil
import signal

import pytest

import oracle
import rewind as driver
from rewind import TABLES, Job, Running, orders, rewind

SINKS = [
    {"table": "customers", "file": {"path": "out/customers.jsonl"}, "fields": ["orders", "revenue", "least", "most", "last_seen"]},
    {"table": "countries", "file": {"path": "out/countries.csv"}, "format": "csv", "emit": "update", "fields": ["orders", "units"]},
]
HALF = 600


def changed(**customers):
    tables = json.loads(json.dumps(TABLES))
    tables["customers"].update(customers)
    return tables


FIRST = TABLES
# Other arguments, a condition, and aggregates that begin here, one of them before those that were there.
SECOND = changed(where="quantity > 0", aggregates={"last_place": "last(country)", **TABLES["customers"]["aggregates"], "revenue": "sum(amount * 2)", "units": "sum(quantity)"})
THIRD = changed(where="amount > 1", aggregates=SECOND["customers"]["aggregates"])


class Changing(Job):
    """Remembers the job file of each segment, to be calculated again."""

    def __init__(self, folder, **more):
        super().__init__(folder, [], sinks=SINKS, event={"time": {"field": "ts"}, "fields": driver.FIELDS}, **more)
        self.segments = []

    def read(self, count):
        """So many records more, with the job file as it is."""
        have = self.input.read_bytes().count(b"\n")
        if not self.segments or self.segments[-1][1].read_text() != self.file.read_text():
            kept = self.folder / f"segment-{len(self.segments)}.yaml"
            shutil.copy(self.file, kept)
            self.segments.append((have, kept))
        self.append("".join(line + "\n" for line in orders(count, seed=3 + have, first=have, bad_every=97)))
        return self

    def expected(self, until=None):
        return oracle.run_segments(self.segments, self.input)


def begun(tmp_path, **more):
    """Two runs with the first logic, so that there is a checkpoint below the place where the next begins; then the second one, not run yet."""
    job = Changing(tmp_path / "job", **more)
    job.read(HALF // 2).run()
    job.read(HALF - HALF // 2).run()
    return job.set(tables=SECOND, on_change="from-now").read(HALF)


def check(job):
    expected = job.expected()
    assert driver.digest(job) == expected.digest()
    assert driver.newest(job)["input_digest"] == expected.input_hash
    assert driver.dead_letters(job.dead) == driver.expected_dead(expected)
    for sink in expected.job.sinks:
        if sink.emit == "update":   # each row says which lineage made it
            assert re.sub(rb"[0-9a-f]{32}", b"-", (job.folder / sink.path).read_bytes()) == expected.output(sink, "-")
        assert driver.without_layout(driver.view(job, sink)) == driver.without_layout(expected.view(sink))


def history(job, kind):
    """Entries of a kind: its text is the first field of each."""
    return [entry for entry in (job.data / "history.log").read_bytes().split(b"RWHE") if b"\x0a" + bytes([len(kind)]) + kind.encode() in entry]


def lose(job, from_offset):
    """Every checkpoint at or above an offset, genesis apart, is damaged: one of its files is gone."""
    lost = [c for c in driver.checkpoints(job) if c["next_offset"] >= from_offset]
    for c in lost:
        (job.checkpoints / c["id"] / "tables" / "CURRENT").unlink(missing_ok=True)
    return len(lost)


def test_records_below_the_change_keep_the_old_logic_and_those_from_it_on_have_the_new(tmp_path):
    job = begun(tmp_path)
    done = job.run()
    assert f"records from offset {HALF} on are decided by" in done.err
    check(job)
    assert len(history(job, "logic")) == 1
    job.read(200).run()
    check(job)
    assert len(history(job, "logic")) == 1


@pytest.mark.parametrize("point", ["lineage-job-written", "change-lineage-kept", "change-checkpoint", "change-committing", "change-committed", "sink-outputs-synced", "recovery-done:2"])
def test_a_kill_in_the_midst_of_a_change_leaves_one_of_both_lineages(tmp_path, point):
    job = begun(tmp_path)
    job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT=point)
    job.run()
    check(job)
    assert len(history(job, "logic")) == 1
    job.read(100).run()
    check(job)
    assert len(history(job, "logic")) == 1


def test_a_kill_before_the_change_and_the_old_job_file_again_leave_the_old_logic(tmp_path):
    job = begun(tmp_path)
    job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT="change-checkpoint")
    job.set(tables=FIRST, on_change=None)
    job.segments = [(0, job.file)]
    job.run()
    check(job)
    assert history(job, "logic") == []


@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("below", [HALF // 2 + 1, 1])
def test_a_recovery_from_below_the_change_replays_each_record_with_its_own_logic(tmp_path, below, kill):
    job = begun(tmp_path)
    job.run()
    before = driver.outputs(job)
    assert lose(job, below) >= 2
    if kill:
        job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT="boundary-crossed")
    done = job.run()
    assert kill or f"below the segment from {HALF}" in done.err
    check(job)
    assert driver.outputs(job) == before
    job.read(100).run()
    check(job)


@pytest.mark.parametrize("running", [False, True], ids=["offline", "live"])
def test_restore_from_below_the_change_comes_to_the_same_state(tmp_path, running):
    job = begun(tmp_path)
    job.run()
    below = next(c["id"] for c in driver.checkpoints(job) if c["next_offset"] == HALF // 2)
    words = ["restore", job.file, "--to", below, "--yes"]
    if running:
        job.set(source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"})
        with Running(job) as r:
            r.wait_for(lambda s: s["phase"] == "waiting")
            rewind(*words, cwd=job.folder)
            assert r.stop() == 0
    else:
        rewind(*words, cwd=job.folder)
    assert driver.newest(job)["next_offset"] == 2 * HALF
    check(job)


def test_a_copy_takes_the_logic_of_every_segment_along(tmp_path):
    job = begun(tmp_path)
    job.run()
    rewind("checkpoint", "copy", "latest", "--data", job.data, "--to", tmp_path / "copy")
    kept = {path.relative_to(job.data): path.read_bytes() for path in (job.data / "lineages").rglob("*") if path.is_file()}
    assert kept == {path.relative_to(tmp_path / "copy"): path.read_bytes() for path in (tmp_path / "copy" / "lineages").rglob("*") if path.is_file()}
    assert sum("logics" in path.parts for path in kept) == 1
    assert "last_place" in rewind("state", "scan", "--data", tmp_path / "copy", "--table", "customers").out


def test_a_recovery_crosses_several_changes(tmp_path):
    job = begun(tmp_path)
    job.run()
    job.set(tables=THIRD).read(300).run()
    check(job)
    lose(job, 1)
    job.run()
    check(job)


def test_an_earlier_job_file_runs_on_with_the_lineage_in_force_and_a_warning(tmp_path):
    job = begun(tmp_path)
    job.run()
    job.set(tables=FIRST, on_change=None)
    segments, job.segments = job.segments, [*job.segments, (10**9, job.file)]
    job.read(200)
    job.segments = segments
    done = job.run()
    assert "is an earlier job file of this data directory" in done.err and "quantity > 0" in done.err
    check(job)
    job.set(source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"})
    with Running(job) as r:
        assert r.wait_for(lambda s: s["phase"] == "waiting")["earlier_job_file"]


def test_after_two_changes_the_first_job_file_still_changes_nothing(tmp_path):
    job = begun(tmp_path)
    job.run()
    job.set(tables=THIRD).read(200).run()
    job.set(tables=FIRST)
    segments = job.segments
    job.read(200)
    job.segments = segments[:3]
    done = job.run()
    assert "is an earlier job file of this data directory" in done.err
    check(job)
    assert len(history(job, "logic")) == 2


def test_an_unknown_job_file_is_refused_unless_told_otherwise(tmp_path):
    job = begun(tmp_path).set(on_change=None)
    done = job.run(expect=7)
    assert "this state was made with" in done.err and "on_change: from-now" in done.err
    job.run(expect=0, REWIND_ON_CHANGE="from-now")
    check(job)


@pytest.mark.parametrize("seed", range(2))
def test_random_changes_and_kills_do_what_a_model_of_them_says(tmp_path, seed):
    """The model: which job files C has named, and which of them is in force. Anything else that is given goes on with that one, is refused, or begins where the last run ended."""
    pick = random.Random(seed)
    fourth = changed(where="quantity > 2", aggregates=SECOND["customers"]["aggregates"])
    given = [FIRST, SECOND, THIRD, fourth]
    job = Changing(tmp_path / "job", checkpoints={"every": "1h", "full": {"keep": 0}})
    job.read(100).run()
    files = {0: job.segments[0][1]}
    force, named, segments, done = 0, {0}, [(0, files[0])], 100
    for _ in range(9):
        which, on_change = pick.randrange(4), pick.choice(["refuse", "from-now", "from-now"])
        kill = pick.choice([None, None, "change-lineage-kept", "change-checkpoint", "change-committed"])
        job.set(tables=given[which], on_change=on_change)
        files[which] = shutil.copy(job.file, job.folder / f"logic-{which}.yaml")
        have = job.input.read_bytes().count(b"\n")
        job.append("".join(line + "\n" for line in orders(60, seed=have, first=have, bad_every=97)))
        switches = which not in named and on_change == "from-now"
        if which not in named and not switches:
            job.run(expect=7)
            continue
        if switches and kill:
            job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT=kill)
        else:
            job.run()
        if switches and kill in (None, "change-committed"):
            force, named, segments = which, named | {which}, [*segments, (done, files[which])]
        if not (switches and kill):
            done = have + 60
        if pick.random() < 0.3:
            lose(job, 101)
    job.set(tables=given[force])
    job.run()
    job.segments = segments
    check(job)
    assert len(history(job, "logic")) == len(segments) - 1


def test_what_shapes_the_state_cannot_begin_at_an_offset(tmp_path):
    job = begun(tmp_path)
    job.set(tables=changed(key="country"))
    done = job.run(expect=7)
    assert "the key of table 'customers' has other parts" in done.err and "rewind repair plan data/orders/0/lineages/" in done.err
    fewer = {name: text for name, text in TABLES["customers"]["aggregates"].items() if name != "least"}
    job.set(tables=changed(aggregates=fewer), sinks=[{**SINKS[0], "fields": ["orders"]}, SINKS[1]])
    done = job.run(expect=7)
    assert "aggregate 'least' of table 'customers' is gone" in done.err
    assert history(job, "logic") == []


def test_where_it_can_only_begin_with_the_first_record_the_message_says_how(tmp_path):
    job = begun(tmp_path)
    job.set(tables=changed(key="country"))
    command = re.search(r"rewind (repair plan \S+ --from \d+ --logic \S+)", job.run(expect=7).err)[1].split()
    rewind(*command, cwd=job.folder)
    rewind("repair", "apply", command[2], "latest", "--reason", "another key", "--yes", cwd=job.folder)
    job.run()
    job.segments = [(0, job.file)]
    check(job)


def test_a_new_table_and_a_new_output_hold_what_came_since(tmp_path):
    job = begun(tmp_path)
    tables = {**SECOND, "places": {"key": "country", "aggregates": {"n": "count()", "top": "topk(customer, 3)"}}}
    job.set(tables=tables, sinks=[*SINKS, {"table": "places", "file": {"path": "out/places.jsonl"}}])
    job.segments = job.segments[:-1] + [(HALF, job.file)]
    job.run()
    check(job)
    lose(job, 1)
    job.run()
    check(job)


KINDS = {
    "windows": {"tables": {"minutes": {"key": "country", "window": {"tumbling": "10s", "grace": "20s", "retain": "1m"}, "aggregates": {"n": "count()"}}},
                "sinks": [{"table": "minutes", "file": {"path": "out/minutes.jsonl"}, "emit": "close", "fields": ["n"]}]},
    "sessions": {"tables": {"visits": {"key": "customer", "window": {"session": "5s", "grace": "10s", "retain": "1m"}, "aggregates": {"n": "count()"}}}},
    "ids": {"event": {"id": "customer", "dedup": {"within": "10s"}, "time": {"field": "ts"}, "fields": driver.FIELDS}},
    "fixed commits": {"delivery": {"commit_at": {"offset_multiple": 70}}},
    "no outputs": {"sinks": None, "errors": {"dead_letter": {"file": {"path": "out/dead.jsonl"}}}},
    "nothing published": {"sinks": None, "errors": None},
}


@pytest.mark.parametrize("kind", KINDS)
def test_jobs_of_every_kind_change_and_recover_across_it(tmp_path, kind):
    more = json.loads(json.dumps(KINDS[kind]))
    tables = more.pop("tables", {})
    sinks = SINKS + more.pop("sinks") if more.get("sinks") else more.pop("sinks", SINKS)
    job = Changing(tmp_path / "job", tables={**FIRST, **tables})
    job.set(sinks=sinks, **more)

    def arrive(count):
        have = job.input.read_bytes().count(b"\n")
        job.append("".join(line + "\n" for line in orders(count, seed=have, first=have, keys=40, bad_every=97 if kind != "nothing published" else 0)))

    arrive(HALF // 2)
    job.run()
    arrive(HALF // 2)
    job.run()
    first = shutil.copy(job.file, job.folder / "first.yaml")
    wider = {**tables, **{name: {**table, "aggregates": {"units": "sum(quantity)", **table["aggregates"]}} for name, table in tables.items()}}
    job.set(tables={**SECOND, **wider}, on_change="from-now")
    arrive(HALF)
    job.run()
    job.segments = [(0, first), (HALF, job.file)]
    for _ in range(2):
        expected = job.expected()
        assert driver.digest(job) == expected.digest()
        for sink in expected.job.sinks:
            if sink.emit == "close":
                assert re.sub(rb"[0-9a-f]{32}", b"-", (job.folder / sink.path).read_bytes()) == expected.output(sink, "-")
        assert len(history(job, "logic")) == 1
        assert lose(job, HALF // 2 + 1) > 0
        arrive(50)
        job.run()


def test_outputs_may_change_where_logic_does_not_but_for_the_first(tmp_path):
    job = begun(tmp_path)
    job.set(tables=FIRST, sinks=[SINKS[0], {**SINKS[1], "where": "orders > 2"}, {"table": "customers", "file": {"path": "out/more.jsonl"}, "emit": "update"}])
    job.segments = job.segments[:1]
    job.run()
    assert driver.digest(job) == job.expected().digest()
    assert driver.view(job, job.expected().job.sinks[0]) == job.expected().view(job.expected().job.sinks[0])
    more = [json.loads(line) for line in (job.out / "more.jsonl").read_text().splitlines()]
    assert more and all(row["_offset"] >= HALF for row in more)
    job.set(sinks=[SINKS[1], SINKS[0]])
    done = job.run(expect=8)   # what is committed is kept beside the first one
    assert "the commit log is gone" in done.err


def test_a_running_job_answers_from_the_tables_that_it_has_by_then(tmp_path):
    job = begun(tmp_path)
    job.set(source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"})
    job.segments = job.segments[:-1] + [(HALF, job.file)]
    with Running(job) as r:
        r.wait_for(lambda s: s["committed"] == 2 * HALF and s["phase"] == "waiting")
        assert {(one["table"], one["aggregate"], one["offset"]) for one in r.status()["since"]} == {("customers", "last_place", HALF), ("customers", "units", HALF)}
        assert (r.status()["repair"]["switch_number"], r.status()["earlier_job_file"]) == (1, False)
        assert f"offset {HALF}: customers.units" in rewind("status", "--data", job.data).out
        key = next(iter(job.expected().tables["customers"]))[0]
        row = driver.rewind_json("state", "get", "--data", job.data, "--table", "customers", key)
        assert "last_place" in json.dumps(row)
        assert r.stop() == 0
    check(job)
