"""State that is several times its memory, and results that do not depend on it."""
import signal

import pytest

import rewind as driver
from rewind import Running, orders

PLAIN = {"file": {"path": "orders.jsonl"}, "format": "json"}

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


def test_state_of_several_times_the_memory_is_right_and_memory_stays_bounded(big):
    job, expected = big
    row = 15 * 16.5 + 60
    assert len(expected.tables["wide"]) * row > 1.5 * 0.55 * (64 << 20), "the state is larger than the hot table may be"
    job.set(source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"})
    with Running(job) as r:
        status = r.committed(expected.read)
        resident = r.most_resident()
        assert r.stop() == 0
    assert status["state"]["evicted"] > 0, "the state did not fit"
    driver.check_against(expected, job)
    assert resident < driver.memory_bound(64 << 20), f"{resident >> 20} MiB resident"


def test_the_memory_budget_never_changes_a_result(big, tmp_path):
    job, expected = big
    other = job.copy(tmp_path / "other")
    other.restart()
    other.set(state={"path": "data", "memory": "1GiB"}, source=PLAIN)
    other.run()
    driver.check_against(expected, other)


def test_a_kill_with_state_beyond_memory_recovers(big, tmp_path):
    job, expected = big
    other = job.copy(tmp_path / "other")
    other.restart()
    other.set(checkpoints={"every": "300ms", "keep": {"last": 3}}, source=PLAIN)
    for passing in (2, 3):
        code = other.run(expect=None, REWIND_CRASH_POINT=f"publish-before-hash:{passing}").returncode
        assert code in (0, -signal.SIGKILL)
    other.run()
    driver.check_against(expected, other)
