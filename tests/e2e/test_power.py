"""Power cuts under a running job, on a file system of its own: what a checkpoint counts on is there, the journal has no hole below it (K3), and outputs are those of an uninterrupted run."""
import random
import time

import pytest

import disk as support
import rewind as driver
from rewind import orders, rewind, rewind_json

pytestmark = pytest.mark.xdist_group("kafka")
RESTLESS = {"every": "40ms", "keep": {"last": 3}}


@pytest.fixture(scope="module")
def allowed():
    why = support.refuses()
    if why:
        pytest.skip(f"no power is cut here: {why}")


@pytest.fixture
def disk(allowed, tmp_path):
    made = support.Disk(tmp_path)
    yield made
    made.close()


def nothing_missing_below_the_newest_checkpoint(job):
    if rewind("checkpoint", "list", "--data", job.data, expect=None).returncode == 10 or not driver.checkpoints(job):
        assert job.c() is None   # C2: cut before genesis was durable, so nothing is committed either
        return
    newest = driver.newest(job)["next_offset"]
    if newest == 0:
        return   # genesis: nothing lies below it
    listed = rewind_json("journal", "check", "--data", job.data, expect=None)
    assert all(hole["from"] >= newest for hole in listed["missing"]), (newest, listed)
    covered = max((s["next"] for s in listed["segments"]), default=0)
    assert covered >= newest, (newest, listed)


def test_power_cuts_lose_nothing_that_a_checkpoint_counts_on(make_kafka_job, disk, long):
    draw = random.Random(8)
    job = make_kafka_job(checkpoints=RESTLESS)
    (disk.root / "data").mkdir()
    (job.folder / "data").symlink_to(disk.root / "data")
    count = 0
    for cut in range(120 if long else 7):
        with job.running() as r:
            if cut % 3:                # some are cut while they recover
                r.wait_for(lambda s: s["phase"] in ("running", "waiting"))
                for _ in range(draw.randrange(1, 4)):
                    job.produce(orders(150, first=count, bad_every=37))
                    count += 150
                    time.sleep(draw.random() / 10)
            else:
                job.produce(orders(150, first=count, bad_every=37))
                count += 150
                time.sleep(draw.random() / 4)
            disk.cut()
            r.kill()
        disk.again()
        nothing_missing_below_the_newest_checkpoint(job)
    job.run_to_end()
    job.check()
