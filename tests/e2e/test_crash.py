"""Kills: at every named crash point and at random moments. After each the job starts again, and at its end everything equals an uninterrupted run."""
import random
import signal
import subprocess
import time

import pytest

import rewind as driver
from rewind import Job, Running, crash_points, environment, orders, rewind

FIXED = {"commit_at": {"offset_multiple": 100}}
TIMED = {"commit_every": "2ms"}
# Checkpoints as often as can be, few kept, copies all the time: so that every step of their making and removing comes up.
RESTLESS = {"every": "10ms", "keep": {"last": 2}, "full": {"every": "20ms", "keep": 1}}


# A table whose windows close and leave all the time.
WINDOWED = {
    "event": {"time": {"field": "ts"}, "late": "drop", "fields": driver.FIELDS},
    "tables": {**driver.TABLES, "minutes": {"key": "country", "window": {"tumbling": "20s", "retain": "2m"}, "aggregates": {"n": "count()", "units": "sum(quantity)"}}},
    "sinks": [
        {"table": "customers", "file": {"path": "out/customers.jsonl"}},
        {"table": "countries", "file": {"path": "out/countries.csv"}, "format": "csv", "emit": "update"},
        {"table": "minutes", "file": {"path": "out/minutes.jsonl"}, "emit": "close"},
    ],
}


class Truth:
    """What an uninterrupted run over the same input makes, itself compared with the oracle."""

    def __init__(self, job):
        self.expected = job.expected()
        job.run()
        driver.check_against(self.expected, job)
        self.digest = driver.digest(job)
        self.outputs = driver.outputs(job)

    def check(self, job):
        assert driver.digest(job) == self.digest
        found = driver.outputs(job)
        for sink in self.expected.job.sinks:
            name = sink.path.split("/")[-1]
            if sink.emit in ("update", "close") or self.expected.job.offset_multiple:
                assert found[name] == self.outputs[name]
            assert driver.view(job, sink) == self.expected.view(sink)
        assert found["dead.jsonl"] == self.outputs["dead.jsonl"]


# ------------------------------------------------------------------------------------------------ named crash points
@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An uninterrupted run of a small job; the same job killed half-way; the same job at its end."""
    folder = tmp_path_factory.mktemp("points")
    lines = list(orders(4000, keys=200, bad_every=53))
    for at in (700, 2500, 3100):
        lines[at] = "x" * 400000   # a dead letter too large to be held until its commit
    done = Job(folder / "done", lines, delivery=FIXED, checkpoints=RESTLESS, **WINDOWED)
    half = done.copy(folder / "half")
    truth = Truth(done)
    half.write(lines[:1000])
    for begin, end in ((1000, 1500), (1500, 2000), (2000, 4000)):   # each run ends with a checkpoint; how many it makes on its way is chance
        half.run()
        half.append("".join(line + "\n" for line in lines[begin:end]))
    half.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT="checkpoint-synced:1")
    for output in half.out.iterdir():   # whether the kill left bytes behind the last commit is chance; now it did
        if not output.name.endswith(".commits"):
            with output.open("ab") as file:
                file.write(b'{"half a row')
    return truth, half, done


def damage_newest(job):
    newest = driver.checkpoints(job)[0]["id"]
    victim = max((p for p in (job.checkpoints / newest).iterdir() if p.is_file() and p.name != "MANIFEST"), key=lambda p: p.stat().st_size)
    driver.flip(victim, victim.stat().st_size // 2)


# Points that a run does not come to by itself: the command that does.
BY_COMMAND = {
    "tag-written": lambda job: ["checkpoint", "tag", "latest", "keep-me", "--data", job.data],
}
# Nor always to these: a run removes something only where its keeper looks between two commits (K6).
ALSO_BY_COMMAND = {p: lambda job: ["checkpoint", "prune", "--keep", "1", "--yes", "--data", job.data] for p in crash_points() if p.startswith("prune-")}


@pytest.mark.parametrize("point", [p for p in crash_points() if not p.startswith(("kafka-", "journal-", "restore-", "carry-", "fill-", "repair-", "change-", "boundary-"))])   # in test_kafka_crash.py, test_restore.py, test_change.py
def test_a_kill_at_a_named_point_changes_nothing(point, small, tmp_path):
    truth, half, _ = small
    reached = 0

    def attempt(job, spec):
        if point in BY_COMMAND:
            return rewind(*BY_COMMAND[point](job), expect=None, REWIND_CRASH_POINT=spec).returncode
        return job.run(expect=None, REWIND_CRASH_POINT=spec).returncode

    def fresh(name):
        job = half.copy(tmp_path / name)
        job.restart()
        return job

    cases = [
        ("half", half.copy, f"{point}:1"), ("half-later", half.copy, f"{point}:3"),
        ("fresh", lambda to: fresh("fresh"), f"{point}:1"), ("fresh-later", lambda to: fresh("fresh-later"), f"{point}:4"),
        ("damaged", half.copy, f"{point}:1"),
    ]
    if point in BY_COMMAND:
        cases = cases[:1]
    for name, make, spec in cases:
        job = make(tmp_path / name)
        if name == "damaged":
            damage_newest(job)
        code = attempt(job, spec)
        assert code in (0, -signal.SIGKILL), f"{name}: exit code {code}"
        if code == 0 and name == "damaged" and reached:
            continue
        reached += code != 0
        if code != 0 and point not in BY_COMMAND:
            attempt(job, f"{point}:1")   # and again, in the recovery from it
        job.run()
        truth.check(job)
    if not reached and point in ALSO_BY_COMMAND:
        job = half.copy(tmp_path / "command")
        reached = rewind(*ALSO_BY_COMMAND[point](job), expect=-signal.SIGKILL, REWIND_CRASH_POINT=f"{point}:1").returncode
        job.run()
        truth.check(job)
    assert reached, f"no case came by {point}"


# ------------------------------------------------------------------------------------------------ random kills
KILLS = 208
LIVES = 4


@pytest.mark.parametrize("delivery", [FIXED, TIMED], ids=["fixed", "timed"])
@pytest.mark.parametrize("life", range(LIVES // 2))
def test_random_kills_change_nothing(delivery, life, make_job, tmp_path, long):
    kills = KILLS // LIVES * (10 if long else 1)
    pick = random.Random(1000 * life + len(str(delivery)))
    reference = make_job(orders(30000, keys=2000, seed=life, bad_every=211), delivery=delivery, checkpoints={**RESTLESS, "every": "25ms"})
    job = reference.copy(tmp_path / "killed")
    began = time.monotonic()
    truth = Truth(reference)
    whole = time.monotonic() - began
    killed = rounds = 0
    while killed < kills or rounds == 0:
        process = subprocess.Popen([driver.PROGRAM, "run", job.file], cwd=job.folder, env=environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # Mostly short lives, some that reach the end; once there are enough kills the last one may finish.
        patience = driver.PATIENCE if killed >= kills else pick.uniform(0.005, min(0.25, whole)) * pick.choice([0.3, 1, 1, 2])
        try:
            code = process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        said = process.stderr.read().decode()
        process.stderr.close()
        assert code in (0, -signal.SIGKILL), f"after {killed} kills the job ended with {code}:\n{said}"
        if code == 0:
            truth.check(job)
            rounds += 1
            job.restart()
        else:
            killed += 1
    print(f"{killed} kills, {rounds} complete rounds")


def test_a_kill_before_the_first_checkpoint_begins_again_at_genesis(make_job):
    job = make_job(orders(3000), checkpoints={"every": "1h"}, delivery=FIXED, source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"})
    with Running(job) as r:
        r.committed(2000)
        r.kill()
    listed = driver.checkpoints(job)
    assert [c["next_offset"] for c in listed] == [0]
    job.set(source={"file": {"path": "orders.jsonl"}, "format": "json"})
    job.run()
    assert driver.digest(job) == job.expected().digest()
