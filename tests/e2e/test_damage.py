"""A flipped bit or a cut in any file of a checkpoint is found, said, and passed over; nothing else changes."""
import collections
import os
import shutil
import time

import pytest

import rewind as driver
from rewind import Job, Running, orders, rewind


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A job killed behind its commits, with several checkpoints that share files and an independent copy; and what it must come to."""
    folder = tmp_path_factory.mktemp("damage")
    job = Job(folder / "job", [], delivery={"commit_at": {"offset_multiple": 100}}, source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"},
              checkpoints={"every": "1h", "full": {"every": "1h", "keep": 1}})
    lines = [line + "\n" for line in orders(6000, keys=400, bad_every=101)]
    with Running(job) as r:
        for at in range(0, 5000, 1000):
            job.append("".join(lines[at:at + 1000]))
            r.committed(at + 1000)
            rewind("checkpoint", "create", "--data", job.data)
            deadline = time.monotonic() + driver.PATIENCE
            while not any(c["independent"] for c in driver.checkpoints(job)) and time.monotonic() < deadline:
                time.sleep(0.02)
        job.append("".join(lines[5000:]))
        r.committed(6000)
        r.kill()
    job.set(source={"file": {"path": "orders.jsonl"}, "format": "json"})
    return job, job.expected()


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
    newest = max((c for c in good(job) if not c["independent"]), key=lambda c: c["next_offset"])
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
        if path.stat().st_size == 0 or (damage is remove and name == "MANIFEST"):   # then it is no checkpoint any more
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
        assert newest["id"] in done.err and "is bad and is set aside" in done.err, done.err
        listed = {c["id"]: c["state"] for c in driver.checkpoints(job, pruned=True)}
        assert listed[newest["id"]] == "bad"
        driver.check_against(expected, job)
        base = max(c["next_offset"] for c in good(origin) if c["id"] not in condemned)
        assert f"at offset {base}; silent replay of [{base}, 6000)" in done.err, f"{name}: the newest good one is at {base}\n{done.err}"
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
    newest, _, _ = names_by_kind(job)
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
    newest, _, shared = names_by_kind(job)
    for name in shared:
        path = job.checkpoints / newest["id"] / name
        if path.stat().st_size:
            damage(path)
    job.run()
    driver.check_against(expected, job)


# ------------------------------------------------------------------------------------------------ while it runs
def test_damage_that_a_running_job_reads_leads_back_to_a_good_checkpoint_and_on(tmp_path):
    """Bytes of table files change under a job whose state is larger than its memory: RocksDB finds them at the next read, the job goes back inside the process, and
    comes to what an uninterrupted run comes to."""
    lines = [f'{{"customer":"customer-{i % 300000:08d}","country":"NO","amount":{i % 900}.25,"quantity":{i % 7},"ts":{1700000000000 + i}}}\n' for i in range(330000)]
    job = Job(tmp_path / "job", [], state={"path": "data", "memory": "64MiB"}, source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"},
              sinks=[{"table": "countries", "file": {"path": "out/countries.csv"}, "format": "csv"}], checkpoints={"every": "1h", "full": {"every": "1h", "keep": 1}})
    job.append("".join(lines[:300000]))
    with Running(job) as r:
        r.committed(300000)
        rewind("checkpoint", "create", "--data", job.data)
        deadline = time.monotonic() + driver.PATIENCE
        while not any(c["independent"] for c in driver.checkpoints(job)) and time.monotonic() < deadline:
            time.sleep(0.05)
        begun = r.status()
        assert not begun["state"]["hot_complete"], "reads come to RocksDB"
        for path in job.data.glob("live/*/**/*.sst"):
            with open(path, "r+b") as f:
                for at in range(5000, path.stat().st_size - 5000, 4000):
                    f.seek(at)
                    f.write(b"decay")
        job.append("".join(lines[300000:]))
        status = r.wait_for(lambda s: s["committed"] == 330000, "the job to get over the damage")
        assert status["recovery"]["rollbacks"] >= 1 and status["pid"] == begun["pid"]
        assert "going back to the last good checkpoint (attempt 1 of 3)" in r.stderr
        assert r.stop() == 0, r.stderr
    fresh = Job(tmp_path / "fresh", None, state={"path": "data", "memory": "64MiB"}, sinks=job.given["sinks"], checkpoints={"every": "1h"})
    fresh.input.write_text("".join(lines))
    fresh.run()
    assert driver.digest(job) == driver.digest(fresh)
    for sink in driver.oracle.Job(fresh.file).sinks:
        assert driver.view(job, sink) == driver.view(fresh, sink)
