"""State that is several times its memory, and results that do not depend on it."""
import os
import signal
import subprocess

import pytest

import rewind as driver
from rewind import environment, orders

# Rows of some 250 bytes in the table, so that a few hundred thousand keys are several times the 35 MiB of hot table that 64 MiB give.
WIDE = {
    "wide": {
        "key": ["customer", "country"],
        "aggregates": {f"{name}{i}": f"{name}(amount)" for name in ("sum", "min", "max") for i in range(5)},
    }
}


@pytest.fixture(scope="module")
def big(tmp_path_factory, long):
    count = 2000000 if long else 250000
    job = driver.Job(tmp_path_factory.mktemp("big"), tables=WIDE, sinks=[{"file": {"path": "out/wide.jsonl"}}], delivery={"commit_every": "500ms"},
                     state={"path": "data", "memory": "64MiB"})
    lines = (line.replace("customer-", "customer-with-quite-a-long-name-") for line in orders(count, keys=count))
    job.write(lines)
    return job, job.expected()


def run_measured(job, *words):
    process = subprocess.Popen([driver.PROGRAM, "run", str(job.file), *words], cwd=job.folder, env=environment(), stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    said = process.stderr.read().decode()
    process.stderr.close()
    _, code, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    return process.returncode, used.ru_maxrss * 1024, said


def test_state_of_several_times_the_memory_is_right_and_memory_stays_bounded(big):
    job, expected = big
    row = 15 * 16.5 + 60
    assert len(expected.tables["wide"]) * row > 1.5 * 0.55 * (64 << 20), "the state is larger than the hot table may be"
    code, resident, said = run_measured(job)
    assert code == 0, said
    driver.check_against(expected, job)
    assert resident < 1.1 * (64 << 20) + (48 << 20), f"{resident >> 20} MiB resident"


def test_the_memory_budget_never_changes_a_result(big, tmp_path):
    job, expected = big
    other = job.copy(tmp_path / "other")
    other.restart()
    other.set(state={"path": "data", "memory": "1GiB"})
    other.run()
    driver.check_against(expected, other)


def test_a_kill_with_state_beyond_memory_recovers(big, tmp_path):
    job, expected = big
    other = job.copy(tmp_path / "other")
    other.restart()
    other.set(checkpoints={"every": "300ms", "keep": {"last": 3}})
    for passing in (2, 3):
        code = other.run(expect=None, REWIND_CRASH_POINT=f"publish-before-hash:{passing}").returncode
        assert code in (0, -signal.SIGKILL)
    other.run()
    driver.check_against(expected, other)
