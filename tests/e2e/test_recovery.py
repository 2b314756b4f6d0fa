"""Recovery where it must not believe what it finds, and restore where it is interrupted or goes back for good."""
import os
import shutil
import signal
import subprocess

import pytest

import rewind as driver
from rewind import Job, Running, environment, orders, rewind

# Less memory than the changed keys of a replay need, so that silent replay makes checkpoints on its way.
NARROW = {"path": "data", "memory": "64MiB"}
RARE = {"every": "1h"}


def many_keys(tmp_path, count, **sections):
    """A job with a key per record."""
    lines = (f'{{"customer":"customer-{i:08d}","country":"NO","amount":{i % 900}.25,"quantity":{i % 7},"ts":{1700000000000 + i}}}' for i in range(count))
    return Job(tmp_path / "job", lines, state=NARROW, checkpoints=RARE, sinks=[{"table": "countries", "file": {"path": "out/countries.csv"}, "format": "csv"}],
               **sections)


def made_by(job):
    """What a job has come to: an uninterrupted run is the truth for the same job after its troubles."""
    return driver.digest(job), driver.outputs(job)


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


@pytest.mark.parametrize("gone", ["the log", "the folder"])
def test_where_c_is_lost_nothing_is_made_in_its_place(tmp_path, gone):
    job = Job(tmp_path / "job", orders(500))
    job.run()
    shutil.move(job.out, tmp_path / "away")
    if gone == "the log":
        shutil.copytree(tmp_path / "away", job.out)
        (job.out / "customers.jsonl.commits").unlink()
    before = sorted(job.folder.glob("out/*"))
    done = job.run(expect=8)
    assert "the commit log is gone" in done.err
    assert sorted(job.folder.glob("out/*")) == before
    shutil.rmtree(job.out, ignore_errors=True)
    shutil.move(tmp_path / "away", job.out)
    job.append("".join(line + "\n" for line in orders(100, first=500)))
    job.run()
    driver.check_against(job.expected(), job)


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
    truth = made_by(job)
    genesis = by_reason(job, "genesis")[0]["id"]
    stopped = 0
    for _ in range(20):   # the signal may come too late
        made = len(by_reason(job, "restore"))
        process = subprocess.Popen([driver.PROGRAM, "restore", job.file, "--to", genesis, "--yes"], cwd=job.folder, env=environment(),
                                   stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        while b"silent replay" not in (said := process.stderr.readline()):
            assert said, "it ended before the replay"
        process.send_signal(signal.SIGTERM)
        stderr = process.communicate(timeout=driver.PATIENCE)[1].decode()
        stopped = process.returncode == 11
        assert (process.returncode, len(by_reason(job, "restore"))) == ((11, made) if stopped else (0, made + 1)), stderr
        if stopped:
            assert "stopped during silent replay" in stderr
            break
    assert stopped
    job.run()
    assert made_by(job) == truth


def test_after_outputs_of_an_earlier_day_are_put_back_restore_is_the_way_on(tmp_path):
    lines = list(orders(3000))
    job = Job(tmp_path / "job", lines[:1000])
    job.run()
    shutil.copytree(job.out, tmp_path / "backup")
    job.write(lines)
    job.run()
    shutil.rmtree(job.out)
    shutil.copytree(tmp_path / "backup", job.out)
    before = driver.outputs(job)
    refused = job.run(expect=6)
    assert driver.outputs(job) == before
    # The message ends with the command to type.
    command = refused.err.strip().splitlines()[-1].split("to go on from these: rewind ")[1].split()
    assert command[0] == "restore"
    rewind(*command, "--yes", cwd=job.folder)
    assert driver.outputs(job) == before
    job.run()
    driver.check_against(job.expected(), job)


def narrow(tmp_path):
    """A job that must replay from genesis, and makes checkpoints on the way; and what it came to before."""
    job = many_keys(tmp_path, 400000)
    job.run()
    truth = made_by(job)
    for checkpoint in driver.checkpoints(job):
        if checkpoint["reason"] != "genesis":
            driver.flip(job.checkpoints / checkpoint["id"] / "MANIFEST", 40)
    return job, truth


@pytest.mark.parametrize("killed", [False, True], ids=["to-its-end", "killed"])
def test_checkpoints_that_replay_made_from_wrong_input_are_not_believed(tmp_path, killed):
    job, truth = narrow(tmp_path)
    right = job.input.read_bytes()
    at = right.index(b'"quantity":', 100000) + len(b'"quantity":')
    wrong = right[:at] + (b"5" if right[at:at + 1] != b"5" else b"6") + right[at + 1:]
    job.input.write_bytes(wrong)
    if killed:   # a replay from wrong input dies before it is compared with C, and leaves its checkpoint
        job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT="checkpoint-thawed")
        assert any(c["state"] != "bad" and c["next_offset"] > 0 for c in driver.checkpoints(job))
    else:
        done = job.run(expect=8)
        assert "are not those that were committed" in done.err
        assert all(c["state"] == "bad" or c["next_offset"] == 0 for c in driver.checkpoints(job))
    job.input.write_bytes(right)
    job.run()
    assert made_by(job) == truth


def test_damage_that_shows_itself_in_files_that_were_verified_leads_to_the_copy(tmp_path):
    """Decay on the disk changes no time: what was read back once is trusted at the start, and the store finds it while silent replay runs."""
    job = many_keys(tmp_path, 400000, source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"})
    job.set(checkpoints={"every": "1h", "full": {"every": "1h", "keep": 1}})
    lines = job.input.read_bytes().splitlines(keepends=True)
    with Running(job) as r:
        r.committed(400000)
        rewind("checkpoint", "create", "--data", job.data)
        r.stop()
    with Running(job) as r:
        job.append(b"".join(lines[::40]))
        r.committed(410000)
        # What is trusted at the next start is what was read back by now.
        r.wait_for(lambda s: all(c["state"] == "good" for c in driver.checkpoints(job)) and any(c["independent"] for c in driver.checkpoints(job)), "all to be verified, and the copy")
        r.kill()
    copies = [c["id"] for c in driver.checkpoints(job) if c["independent"]]
    for checkpoint in driver.checkpoints(job):
        if checkpoint["id"] in copies:
            continue
        for path in (job.checkpoints / checkpoint["id"]).rglob("*.sst"):
            times = path.stat()
            with open(path, "r+b") as f:
                for at in range(10000, times.st_size - 10000, 4000):
                    f.seek(at)
                    f.write(b"decay")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    job.set(source={"file": {"path": "orders.jsonl"}, "format": "json"})
    done = job.run()
    assert "going back to the last good checkpoint" in done.err and "is bad and is set aside" in done.err
    fresh = job.copy(tmp_path / "fresh")
    fresh.restart()
    fresh.run()
    assert driver.digest(job) == driver.digest(fresh)
