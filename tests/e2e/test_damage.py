"""A flipped bit or a cut in any file of a checkpoint is found, said, and passed over; nothing else changes."""
import collections
import os
import shutil
import signal

import pytest

import rewind as driver
from rewind import Job, orders, rewind

MORE = 700


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A job killed in the middle, with several checkpoints that share files and an independent copy; and what it must come to."""
    folder = tmp_path_factory.mktemp("damage")
    job = Job(folder / "job", orders(6000, keys=400, bad_every=101), delivery={"commit_at": {"offset_multiple": 100}},
              checkpoints={"every": "20ms", "keep": {"last": 5}, "full": {"every": "50ms", "keep": 1}})
    expected = job.expected()
    job.run(expect=-signal.SIGKILL, REWIND_CRASH_POINT="checkpoint-synced:9")
    return job, expected


def files_of(job, checkpoint):
    folder = job.checkpoints / checkpoint["id"]
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def good(job):
    return [c for c in driver.checkpoints(job) if c["state"] in ("good", "unverified")]


def links(job):
    """Checkpoints that hold each inode."""
    holders = collections.defaultdict(set)
    for checkpoint in good(job):
        for name in files_of(job, checkpoint):
            holders[(job.checkpoints / checkpoint["id"] / name).stat().st_ino].add(checkpoint["id"])
    return holders


def flip_first(path):
    driver.flip(path, 0)


def flip_middle(path):
    driver.flip(path, path.stat().st_size // 2)


def flip_last(path):
    driver.flip(path, path.stat().st_size - 1)


def cut(path):
    os.truncate(path, path.stat().st_size - 1)


def cut_all(path):
    os.truncate(path, 0)


def remove(path):
    path.unlink()


DAMAGES = [flip_first, flip_middle, flip_last, cut, cut_all, remove]


def names_by_kind(job):
    """The newest checkpoint's files that only it has, and those it shares with others."""
    newest = good(job)[0]
    holders = links(job)
    private, shared = [], []
    for name in files_of(job, newest):
        inode = (job.checkpoints / newest["id"] / name).stat().st_ino
        (shared if len(holders[inode]) > 1 else private).append(name)
    return newest, private, shared


def test_the_set_up_has_private_files_shared_files_and_a_copy(stopped):
    job, _ = stopped
    _, private, shared = names_by_kind(job)
    assert "MANIFEST" in private and shared, (private, shared)
    assert any(c["independent"] for c in good(job))
    copies = [c["id"] for c in good(job) if c["independent"]]
    for holders in links(job).values():
        assert len(holders) == 1 or not holders & set(copies), "a copy shares no file"


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_damage_in_any_file_of_the_newest_checkpoint_is_found_and_passed_over(damage, stopped, tmp_path):
    origin, expected = stopped
    newest, private, shared = names_by_kind(origin)
    for name in private + shared:
        job = origin.copy(tmp_path / "case")
        path = job.checkpoints / newest["id"] / name
        inode = path.stat().st_ino
        condemned = links(job)[inode]
        if path.stat().st_size == 0:
            shutil.rmtree(job.folder)
            continue
        damage(path)
        if damage is remove:
            condemned = {newest["id"]}
        # Found by a check that changes nothing.
        checked = rewind("checkpoint", "check", newest["id"], "--data", job.data, expect=None)
        assert checked.returncode == 4, f"{name}: {checked.out}{checked.err}"
        assert name in checked.out + checked.err
        # Passed over at the next start, which says so, and comes to the same end.
        done = job.run()
        assert newest["id"] in done.err and "quarantine" in done.err, done.err
        listed = {c["id"]: c["state"] for c in driver.checkpoints(job, pruned=True)}
        assert listed[newest["id"]] == "bad"
        driver.check_against(expected, job)
        base = [c for c in good(origin) if c["id"] not in condemned][0]
        assert base["id"] in done.err, f"{name}: {base['id']} was the newest good one\n{done.err}"
        shutil.rmtree(job.folder)


def test_when_all_that_share_are_damaged_the_independent_copy_serves(stopped, tmp_path):
    origin, expected = stopped
    job = origin.copy(tmp_path / "job")
    copies = [c["id"] for c in good(job) if c["independent"]]
    for checkpoint in good(job):
        if checkpoint["id"] in copies or checkpoint["next_offset"] == 0:
            continue
        for name in files_of(job, checkpoint):
            path = job.checkpoints / checkpoint["id"] / name
            if name.endswith(".sst"):
                os.truncate(path, path.stat().st_size // 2)
    done = job.run()
    assert copies[0] in done.err, done.err
    driver.check_against(expected, job)


def test_when_nothing_but_genesis_is_good_all_is_replayed(stopped, tmp_path):
    origin, expected = stopped
    job = origin.copy(tmp_path / "job")
    for checkpoint in good(job):
        if checkpoint["next_offset"] != 0:
            flip_middle(job.checkpoints / checkpoint["id"] / "MANIFEST")
    job.run()
    driver.check_against(expected, job)


def test_a_torn_manifest_and_an_unfinished_folder_are_no_checkpoint(stopped, tmp_path):
    origin, expected = stopped
    job = origin.copy(tmp_path / "job")
    newest = good(job)[0]
    manifest = job.checkpoints / newest["id"] / "MANIFEST"
    (job.checkpoints / "half").mkdir()
    shutil.copy(manifest, job.checkpoints / "half" / "MANIFEST.tmp")
    os.truncate(manifest, manifest.stat().st_size // 2)
    job.run()
    driver.check_against(expected, job)


@pytest.mark.parametrize("damage", [flip_middle, flip_last, cut], ids=lambda d: d.__name__)
def test_a_damaged_file_in_use_does_not_reach_a_result(damage, stopped, tmp_path):
    """Damage below checkpoints of which all are verified already: found in the background or by RocksDB, and rolled back; or never read."""
    origin, expected = stopped
    job = origin.copy(tmp_path / "job")
    _, _, shared = names_by_kind(job)
    newest = good(job)[0]
    for name in shared:
        path = job.checkpoints / newest["id"] / name
        if path.stat().st_size:
            damage(path)
    job.run()
    driver.check_against(expected, job)
