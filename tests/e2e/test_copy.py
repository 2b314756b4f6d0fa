"""A checkpoint carried to a folder elsewhere, and back after the disk is lost."""
import shutil
import signal

import pytest

import rewind as driver
from rewind import Running, orders, rewind, rewind_json
from test_restore import FOLLOW, QUIET, in_steps, made_at, text


def copy(job, *words, **more):
    return rewind_json("checkpoint", "copy", job.file, *words, cwd=job.folder, **more)


@pytest.fixture
def saved(make_job, tmp_path):
    """A job, its copy at offset 300, and what it came to at 400 before the disk was lost."""
    job = in_steps(make_job(checkpoints=QUIET), 200, 100)
    copy(job, "--to", tmp_path / "backup")
    job.append(text(orders(100, first=300, bad_every=37)))
    job.run()
    return job, tmp_path / "backup"


def test_what_comes_back_goes_on_to_the_same(saved):
    job, backup = saved
    before = driver.outputs(job)
    shutil.rmtree(job.data)
    refused = job.run(expect=6)   # it makes an empty directory, and will not start from it
    command = refused.err.split("rewind checkpoint copy ")[1].split(";")[0].replace("DIR", str(backup)).split()
    assert driver.outputs(job) == before
    rewind("checkpoint", "copy", *command, cwd=job.folder)
    assert driver.newest(job)["next_offset"] == 300
    job.append(text(orders(100, first=400, bad_every=37)))
    job.run()
    driver.check_against(job.expected(), job)
    rewind("checkpoint", "check", "--all", "--scan", "--data", job.data)


def test_it_comes_back_into_a_folder_that_is_not_there(saved):
    job, backup = saved
    shutil.rmtree(job.data)
    copy(job, "--from", backup)
    job.run()
    driver.check_against(job.expected(), job)


def test_only_what_the_folder_lacks_is_copied_and_commands_read_it(saved):
    job, backup = saved
    assert copy(job, made_at(job, 300), "--to", backup)["was_there"] is True
    done = copy(job, "--to", backup)
    assert done["next_offset"] == 400 and done["files_linked"] > 0
    assert [c["next_offset"] for c in rewind_json("checkpoint", "list", "--data", backup)] == [400, 300]
    rewind("checkpoint", "check", "--all", "--scan", "--data", backup)
    there = rewind("export", "--data", backup, "--table", "customers").stdout
    assert there == rewind("export", "--data", job.data, "--table", "customers").stdout


@pytest.mark.parametrize("point", ["carry-file", "carry-before-name"])
@pytest.mark.parametrize("way", ["out", "back"])
def test_a_copy_killed_on_its_way_is_no_checkpoint_and_can_be_made_again(way, point, saved, tmp_path):
    job, backup = saved
    words = ["--to", tmp_path / "other"] if way == "out" else ["--from", backup]
    if way == "back":
        shutil.rmtree(job.data)
    rewind("checkpoint", "copy", job.file, *words, cwd=job.folder, expect=-signal.SIGKILL, REWIND_CRASH_POINT=f"{point}:1")
    if way == "back":
        assert "no good checkpoint" in job.run(expect=4).err
    copy(job, *words)
    if way == "out":
        shutil.rmtree(job.data)
        copy(job, "--from", tmp_path / "other")
    job.run()
    driver.check_against(job.expected(), job)


def test_a_damaged_checkpoint_is_not_copied_and_a_damaged_copy_does_not_come_back(saved, tmp_path):
    job, backup = saved

    def damage(folder):
        victim = max((p for p in folder.rglob("*") if p.is_file() and p.name != "MANIFEST"), key=lambda p: p.stat().st_size)
        driver.flip(victim, victim.stat().st_size // 2)

    damage(job.checkpoints / made_at(job, 400))
    rewind("checkpoint", "copy", job.file, "--to", tmp_path / "other", cwd=job.folder, expect=4)
    damage(backup / "checkpoints")
    shutil.rmtree(job.data)
    rewind("checkpoint", "copy", job.file, "--from", backup, cwd=job.folder, expect=4)


def test_it_mixes_nothing_and_disturbs_nobody(make_job, saved, tmp_path):
    job, backup = saved
    other = in_steps(make_job(name="others", checkpoints=QUIET), 50)
    assert "another data directory" in rewind("checkpoint", "copy", other.file, "--to", backup, cwd=other.folder, expect=6).err
    assert "of job" in rewind("checkpoint", "copy", other.file, "--from", backup, cwd=other.folder, expect=6).err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    rewind("checkpoint", "copy", job.file, "--to", tmp_path / "full", cwd=job.folder, expect=6)
    job.set(source=FOLLOW)
    with Running(job) as r:
        r.committed(400)
        rewind("checkpoint", "copy", job.file, "--from", backup, cwd=job.folder, expect=5)
        assert copy(job, "--to", tmp_path / "live")["next_offset"] == 400
        assert r.stop() == 0
