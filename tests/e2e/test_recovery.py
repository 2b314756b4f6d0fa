"""Recovery where it must not believe what it finds, and restore where it is interrupted or goes back for good."""
import shutil
import signal
import subprocess

import pytest

import rewind as driver
from rewind import Job, environment, orders, rewind

# Less memory than the changed keys of a replay need, so that silent replay makes checkpoints on its way.
NARROW = {"path": "data", "memory": "64MiB"}
RARE = {"every": "1h"}


def many_keys(tmp_path, count, **sections):
    """A job with a key per record."""
    lines = (f'{{"customer":"customer-{i:08d}","country":"NO","amount":{i % 900}.25,"quantity":{i % 7},"ts":{1700000000000 + i}}}' for i in range(count))
    return Job(tmp_path / "job", lines, state=NARROW, checkpoints=RARE, sinks=[{"table": "countries", "file": {"path": "out/countries.csv"}, "format": "csv"}],
               **sections)


def by_reason(job, reason):
    return [c for c in driver.checkpoints(job) if c["reason"] == reason]


def test_a_kill_between_the_first_commit_and_its_mark_does_not_hide_a_later_loss_of_c(tmp_path):
    job = Job(tmp_path / "job", orders(500))
    job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT="genesis-committed")
    job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT="freeze-begun")   # output is committed, genesis is the only checkpoint
    shutil.rmtree(job.out)
    job.out.mkdir()
    done = job.run(expect=8)
    assert "the commit log is gone" in done.err


@pytest.mark.parametrize("outputs_too", [False, True])
def test_a_data_directory_without_its_checkpoints_does_not_begin_anew(tmp_path, outputs_too):
    job = Job(tmp_path / "job", orders(500))
    job.run()
    before = driver.outputs(job)
    shutil.rmtree(job.checkpoints)
    (job.data / "history.log").unlink()
    if outputs_too:
        shutil.rmtree(job.out)
        job.out.mkdir()
    done = job.run(expect=4)
    assert "all its checkpoints are gone" in done.err and "--fresh" in done.err
    assert driver.outputs(job) == ({} if outputs_too else before)
    job.run("--fresh")
    driver.check_against(job.expected(), job)


def test_a_restore_that_is_stopped_says_that_it_was_not_done(tmp_path):
    job = many_keys(tmp_path, 400000)
    job.run()
    genesis = by_reason(job, "genesis")[0]["id"]
    stopped = 0
    for _ in range(20):   # the signal may come too late
        made = len(by_reason(job, "restore"))
        process = subprocess.Popen([driver.PROGRAM, "restore", job.file, "--to", genesis, "--yes"], cwd=job.folder, env=environment(),
                                   stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        while b"silent replay" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGTERM)
        stderr = process.communicate(timeout=driver.PATIENCE)[1].decode()
        stopped = process.returncode == 11
        assert (process.returncode, len(by_reason(job, "restore"))) == ((11, made) if stopped else (0, made + 1)), stderr
        if stopped:
            assert "stopped during silent replay" in stderr
            break
    assert stopped
    job.run()
    driver.check_against(job.expected(), job)
