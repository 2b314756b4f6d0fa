"""The journal on a real broker: what the topic lost is replayed from the own copy, what the copy lost from the topic; where neither has it, the job says which."""
import os
import re
import shutil
import time

import pytest

import rewind as driver
from disk import Tmpfs
from rewind import orders, rewind, rewind_json
from test_kafka_cases import RARELY, killed_at, made_anew, refused, until

pytestmark = pytest.mark.xdist_group("kafka-journal")
COMPACTED = {"cleanup_policy": "compact", "segment_ms": 50, "min_cleanable_dirty_ratio": 0.01}


class Remembers:
    """A broker of which the test knows all records that a topic ever had."""

    def __init__(self, broker, topic):
        self.broker, self.topic, self.kept = broker, topic, {}

    def __getattr__(self, name):
        return getattr(self.broker, name)

    def read(self, topic, *words, **more):
        found = self.broker.read(topic, *words, **more)
        if topic != self.topic:
            return found
        self.kept.update({m.offset(): m for m in found})
        return [self.kept[offset] for offset in sorted(self.kept)]


def remembering(job):
    job.broker = Remembers(job.broker, job.source_topic)
    return job


def segments(job):
    return sorted((job.data / "journal").iterdir())


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


# ------------------------------------------------------------------------------------------------ what the topic lost
def test_records_compacted_below_the_position_come_from_the_journal(make_kafka_job, broker):
    job = remembering(make_kafka_job(name="bridged", checkpoints=RARELY, topics=COMPACTED))
    lines = [{"value": line, "key": f"k{i % 7}"} for i, line in enumerate(orders(300))]
    job.produce(lines[:200])
    time.sleep(0.1)          # a segment ends
    job.produce(lines[200:])
    killed_at(job, 300)
    job.broker.read(job.source_topic)
    time.sleep(0.1)
    job.produce([{"value": line, "key": "other"} for line in orders(1, first=300)])
    until(lambda: len(broker.read(job.source_topic)) < 200, "the broker to compact the topic")
    job.run_to_end()
    job.check()


def test_records_removed_above_the_position_come_from_the_journal(make_kafka_job, broker):
    # Nothing is committed before the kill: C is 0, and the journal is far ahead of it.
    job = remembering(make_kafka_job(name="ahead", checkpoints=RARELY, delivery={"commit_every": "1h"}))
    job.produce(orders(6000))
    with job.running() as r:
        r.wait_for(lambda s: s["position"] == 6000)
        r.wait_for(lambda s: s["journal"]["next"] and s["journal"]["next"] > 3000)
        r.kill()
    job.broker.read(job.source_topic)
    assert job.c()[0] == 0
    broker.delete_records(job.source_topic, 0, 2500)
    assert broker.bounds(job.source_topic)[0] == 2500
    job.set(delivery={"commit_every": "20ms"})
    job.run_to_end()
    job.check()


def test_a_topic_made_anew_is_found_though_the_journal_has_what_was_read(make_kafka_job):
    job = make_kafka_job(name="journal-anew", checkpoints=RARELY)
    job.produce(orders(300))
    killed_at(job, 300)
    made_anew(job, orders(400, seed=2), position=job.c())
    refused(job, 8, "the record at offset 299", "is not the one that was read")


# ------------------------------------------------------------------------------------------------ what the journal lost
def test_a_damaged_block_is_refilled_from_the_topic_and_counts_after_the_digest_was_compared(make_kafka_job, broker):
    job = remembering(make_kafka_job(name="refilled", checkpoints=RARELY))
    job.produce(orders(4000))
    job.run_to_end()
    first = segments(job)[0]
    flip(first, first.stat().st_size // 2)
    genesis = driver.checkpoints(job)[-1]["id"]
    said = rewind("restore", job.file, "--to", genesis, "--yes", cwd=job.folder).err
    assert "damaged" in said
    job.run_to_end()
    job.check()
    # The hole is filled: now the topic is not needed any more.
    broker.delete_records(job.source_topic, 0, 3990)
    rewind("restore", job.file, "--to", genesis, "--yes", cwd=job.folder)
    job.run_to_end()
    job.check()


def test_a_range_that_neither_has_is_named(make_kafka_job, broker):
    job = make_kafka_job(name="nowhere", checkpoints=RARELY)
    job.produce(orders(4000))
    job.run_to_end()
    for path in segments(job)[:1]:
        path.unlink()
    job.produce(orders(100, first=4000))
    job.run_to_end()
    broker.delete_records(job.source_topic, 0, 4000)
    genesis = driver.checkpoints(job)[-1]["id"]
    said = rewind("restore", job.file, "--to", genesis, "--yes", expect=8, cwd=job.folder).err
    assert "the journal has no records from 0 to 3999" in said


def test_segments_of_an_unclean_stop_are_gone_on_from(make_kafka_job):
    job = make_kafka_job(name="torn", checkpoints=RARELY)
    count = 0
    for turn in range(4):
        job.produce(orders(700, first=count))
        count += 700
        with job.running() as r:
            r.committed(count)
            r.kill()
        newest = max(segments(job), key=os.path.getmtime)
        size = newest.stat().st_size
        os.truncate(newest, size - (size % 97) - turn)   # as a power loss may leave it
    job.run_to_end()
    job.check()


# ------------------------------------------------------------------------------------------------ what is kept
def test_list_and_check_say_what_the_journal_holds(make_kafka_job):
    job = make_kafka_job(name="listed", checkpoints=RARELY)
    times = [1700000000000 + i for i in range(4000)]
    job.produce([{"value": line, "timestamp": t} for line, t in zip(orders(4000), times)])
    with job.running() as r:
        r.committed(4000)
        listed = rewind_json("journal", "list", "--data", job.data)   # beside a running operator
        assert sum(s["records"] for s in listed["segments"]) == 4000 and listed["missing"] == []
        assert r.stop() == 0, r.stderr
    job.run_to_end()
    job.produce(orders(10, first=4000))
    job.run_to_end()
    listed = rewind_json("journal", "list", job.file, cwd=job.folder)["segments"]
    assert [(s["from"], s["next"], s["records"]) for s in listed] == [(0, 4000, 4000), (4000, 4010, 10)]
    assert listed[0]["first_time"].startswith("2023-11-14T22:13:20") and listed[0]["last_time"].startswith("2023-11-14T22:13:23.999")
    assert "no offset is missing from 0 to 4009" in rewind("journal", "check", "--data", job.data).out
    first = segments(job)[0]
    flip(first, first.stat().st_size // 2)
    checked = rewind_json("journal", "check", "--data", job.data, expect=4)
    assert ["damaged" in (s["error"] or "") for s in checked["segments"]] == [True, False]


def test_old_segments_go_and_the_horizon_moves(make_kafka_job):
    job = make_kafka_job(name="kept", checkpoints={"every": "50ms", "keep": {"last": 2}}, journal={"keep": "200ms"})
    count = 0
    with job.running() as r:
        for _ in range(20):
            job.produce(orders(100, first=count))
            count += 100
            r.committed(count)
            time.sleep(0.1)
        r.wait_for(lambda s: s["journal"]["first"] > 0)
        s = r.wait_for(lambda s: (s["journal"]["horizon"] or 0) >= s["journal"]["first"])
        assert s["journal"]["holes"] == 0 and s["journal"]["durable"] is not None
        assert r.stop() == 0, r.stderr
    job.check()


def test_the_horizon_is_that_of_journal_and_topic_together_and_checkpoints_below_it_are_marked(make_kafka_job, broker):
    """K7: the topic reaches back to genesis; when it has lost its beginning, the journal alone tells from where to go on."""
    job = make_kafka_job(name="horizon", checkpoints={"every": "1h", "keep": {"last": 9}, "full": {"keep": 0}})
    for part in range(3):
        job.produce(orders(200, first=200 * part))
        job.run_to_end()
    segments(job)[0].unlink()                                    # [0, 200): what retention would have taken
    with job.running() as r:
        r.wait_for(lambda s: s["recovery"]["horizon"] == 0 and s.get("journal", {}).get("horizon") == 200, "topic and journal to be looked at")
        assert not any(c["below_horizon"] for c in driver.checkpoints(job))
        broker.delete_records(job.source_topic, 0, 100)
        r.wait_for(lambda s: s["recovery"]["horizon"] == 200, "the topic's new beginning to be heard of")
        assert r.stop() == 0, r.stderr
    marked = {c["next_offset"]: c["below_horizon"] for c in driver.checkpoints(job)}   # beside nobody: as last noted
    assert marked == {0: True, 200: False, 400: False, 600: False}
    assert re.search(r"^\S+ .* PH ", rewind("checkpoint", "list", "--data", job.data).out, re.M)
    broker.delete_records(job.source_topic, 0, 450)              # the journal goes on below the topic
    with job.running() as r:
        r.wait_for(lambda s: s["source"]["away_since"] is None and s["recovery"]["horizon"] == 200)
        assert r.stop() == 0, r.stderr


def test_when_the_one_checkpoint_above_the_cut_turns_out_bad_the_one_before_it_can_still_be_replayed_from(make_kafka_job, broker):
    """K7: whatever keep says, the journal reaches from the second newest good checkpoint up to C. The topic has none of it any more."""
    job = remembering(make_kafka_job(name="second", checkpoints={"every": "1h", "keep": {"last": 2}, "full": {"keep": 0}}, journal={"keep": "100ms"}))
    for part in range(5):
        job.produce(orders(300, first=300 * part))
        job.run_to_end()
        time.sleep(0.12)
    job.produce(orders(200, first=1500))
    with job.running() as r:
        r.committed(1700)                       # C is above the newest checkpoint, at 1500; the one before it is at 1200
        r.wait_for(lambda s: s["journal"]["first"] > 0, "retention to have taken what it may")
        assert r.status()["journal"]["first"] <= 1200
        r.kill()
    job.broker.read(job.source_topic)
    broker.delete_records(job.source_topic, 0, 1700)
    newest = driver.newest(job)
    assert newest["next_offset"] == 1500
    flip(job.checkpoints / newest["id"] / "MANIFEST", 40)
    with job.running() as r:
        r.committed(1700)
        assert "from checkpoint" in r.stderr and "at offset 1200" in r.stderr
        assert r.stop() == 0, r.stderr
    job.check()


def test_a_full_disk_stops_the_journal_before_it_takes_the_room_of_the_state(make_kafka_job):
    job = make_kafka_job(journal={"codec": "none"}, checkpoints={"every": "50ms", "keep": {"last": 2}, "full": {"keep": 0}}, http={"listen": "127.0.0.1:0"})
    wide = [f'{line[:-1]},"pad":"{"x" * 20000}"}}' for line in orders(1000)]
    with Tmpfs(job.folder / "data", "48m") as disk:
        job.produce(wide)
        for _ in range(3):          # nor does it take that of a start
            done = job.run(expect=3)
            assert "no space left on the disk for the journal" in done.err and "on_full: continue" in done.err, done.err
        job.set(journal={"codec": "none", "on_full": "continue"})
        with job.running() as r:
            r.committed(1000)
            r.wait_for(lambda s: s["journal"]["suspended"] and s["checkpoints"]["offset"] == 1000)
            base = "http://" + re.search(r"listening on (\S+)", r.stderr)[1]
            assert "\nrewind_journal_suspended 1\n" in driver.get(base + "/metrics")[1]
            assert "no room: goes on without" in rewind("status", "--data", job.data).out
            assert r.stop() == 0, r.stderr
        disk.grow("400m")
        job.produce(orders(100, first=1000))
        job.run_to_end()
        job.check()
        assert rewind_json("journal", "list", "--data", job.data)["missing"]   # from where the disk was full


def test_without_a_journal_there_is_none(make_kafka_job, tmp_path):
    job = make_kafka_job(name="unjournaled", journal="off")
    job.produce(orders(300))
    with job.running() as r:
        r.committed(300)
        assert "journal" not in r.status()
        assert r.stop() == 0, r.stderr
    assert not (job.data / "journal").exists()
    job.check()


def test_the_journal_can_be_turned_on_and_off_between_starts(make_kafka_job):
    job = make_kafka_job(name="switched", checkpoints=RARELY)
    count = 0
    for given in ("off", {"codec": "zstd"}, "off", {"codec": "none"}, {"codec": "lz4"}):
        job.set(journal=given)
        job.produce(orders(500, first=count, seed=count))
        count += 500
        with job.running() as r:
            r.committed(count)
            r.kill()
    genesis = driver.checkpoints(job)[-1]["id"]
    rewind("restore", job.file, "--to", genesis, "--yes", cwd=job.folder)
    job.run_to_end()
    job.check()


def test_a_file_source_has_no_journal(make_job):
    job = make_job(orders(10), journal={"keep": "1d"})
    assert "a file is its own log" in rewind("run", job.file, expect=2, cwd=job.folder).err


# ------------------------------------------------------------------------------------------------ elsewhere
@pytest.fixture
def ahead(make_kafka_job, broker):
    """A tagged checkpoint at 300, 700 more committed, killed; and the topic has nothing of it any more."""
    job = remembering(make_kafka_job(name="carried", checkpoints=RARELY))
    job.produce(orders(300))
    with job.running() as r:
        r.committed(300)
        rewind("checkpoint", "create", "--data", job.data, "--tag", "before-noon")
        job.produce(orders(700, first=300))
        r.committed(1000)
        r.kill()
    job.broker.read(job.source_topic)
    broker.delete_records(job.source_topic, 0, 1000)
    yield job
    job.broker.broker.delete_topic(job.source_topic)


def copy(job, *words, **more):
    return rewind_json("checkpoint", "copy", job.file, *words, cwd=job.folder, **more)


def test_the_journal_from_there_on_and_the_tag_go_with_a_copy(ahead, tmp_path):
    job, backup = ahead, tmp_path / "backup"
    killed = rewind("checkpoint", "copy", job.file, "before-noon", "--to", backup, cwd=job.folder, expect=-9, REWIND_CRASH_POINT="carry-segment")
    assert killed.returncode == -9
    done = copy(job, "before-noon", "--to", backup)
    assert (done["next_offset"], done["journal_next"], done["journal_segments_copied"]) == (300, 1000, 1)
    again = copy(job, "before-noon", "--to", backup)
    assert (again["was_there"], again["journal_segments_copied"]) == (True, 0)
    assert driver.rewind_json("checkpoint", "show", "before-noon", "--data", backup)["next_offset"] == 300
    assert "no offset is missing" in rewind("journal", "check", "--data", backup).out
    shutil.rmtree(job.data)
    back = copy(job, "--from", backup)
    assert back["journal_next"] == 1000
    job.run_to_end()
    job.check()
    assert [c["tag"] for c in driver.checkpoints(job) if c["tag"]] == ["before-noon"]
