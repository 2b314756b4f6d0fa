"""restore --from-output: the state at C from nothing but the job's own outputs, and the input from there on."""
import json
import shutil
import signal

import oracle
import pytest
import rewind as driver
from rewind import Job, Running, orders, rewind, rewind_json

TABLES = {
    "customers": {"key": "customer", "aggregates": {"orders": "count()", "revenue": "sum(amount)", "least": "min(amount)", "most": "max(amount)", "last_seen": "max(ts)", "where": "max(country)",
                                                    "half": "sum(portion)", "returns": "count() where quantity < 0"}, "derived": {"mean": "round(revenue / orders, 3)"}},
    "countries": {"key": ["country", "quantity"], "aggregates": {"orders": "count()", "units": "sum(quantity)", "least": "min(customer)"}},
}
FIELDS = {**driver.FIELDS, "portion": {"type": "float", "path": "amount"}}
EVENT = {"fields": FIELDS}
BOTH = "out/customers.jsonl,out/countries.csv"
FOLLOW = {"file": {"path": "orders.jsonl", "follow": True}, "format": "json"}


def job_of(folder, lines, **more):
    return Job(folder, lines, **{"event": EVENT, "tables": TABLES, **more})


def lose_state(job):
    shutil.rmtree(job.folder / "data")


def rebuild(job, names=BOTH, *words, expect=0, **more):
    return rewind("restore", job.file, "--from-output", names, "--yes", *words, expect=expect, cwd=job.folder, **more)


def marks(job):
    return [json.loads(text) for text in (job.data / "rebuilt.jsonl").read_text().splitlines()]


def check_continued(job):
    """State and outputs are those of one run over the whole input; dead letters, too."""
    expected = job.expected()
    rewind("checkpoint", "check", "latest", "--scan", "--data", job.data)
    assert driver.newest(job)["digest"] == expected.digest()
    assert driver.newest(job)["input_digest"] == expected.input_hash
    assert driver.dead_letters(job.dead) == driver.expected_dead(expected)
    for sink in expected.job.sinks:
        assert driver.without_layout(driver.view(job, sink)) == driver.without_layout(expected.view(sink))


# ------------------------------------------------------------------------------------------------ files
def test_the_state_is_what_it_was_and_the_job_goes_on(tmp_path):
    lines = list(orders(2500)) + list(orders(1500, first=2500, bad_every=61))
    job = job_of(tmp_path, lines[:2500])
    job.run()
    before, outputs = driver.newest(job), driver.outputs(job)
    lose_state(job)
    assert "--from-output LIST" in job.run(expect=6).err
    plan = rewind("restore", job.file, "--from-output", BOTH, "--dry-run", cwd=job.folder).out
    assert f"the committed offset {before['next_offset']}" in plan and "customers      from out/customers.jsonl; exact" in plan
    assert driver.checkpoints(job) == [], "a dry run makes nothing"
    done = rebuild(job)
    made = driver.newest(job)
    assert (made["digest"], made["next_offset"], made["input_digest"]) == (before["digest"], before["next_offset"], before["input_digest"])
    assert made["rebuilt"] == f"from {BOTH} at offset {before['next_offset']}" and made["pinned"]
    assert driver.outputs(job) == outputs
    expected = job.expected()
    rows = marks(job)
    assert {(r["table"], r["row"]) for r in rows} == {("customers", "exact"), ("countries", "exact")}
    assert len(rows) == sum(map(len, expected.tables.values())) and f"{len(rows)} rows, {len(rows)} exact and 0 estimated" in done.err
    job.write(lines)
    job.run()
    check_continued(job)
    assert all(c["next_offset"] >= before["next_offset"] for c in driver.checkpoints(job))
    for checkpoint in driver.checkpoints(job):
        assert rewind_json("checkpoint", "show", checkpoint["id"], "--data", job.data)["rebuilt"] == made["rebuilt"]
    job.run()   # and a further start is an ordinary one


def test_open_dead_letters_are_not_in_outputs_and_begin_anew(tmp_path):
    """The rows are what they were; the digest covers the dead letters, too."""
    job = job_of(tmp_path, orders(1000, bad_every=50))
    job.run()
    before, rows = driver.newest(job), rewind("export", "--data", job.data, "--table", "customers").out
    assert before["dead_letters"]["open"] > 0
    lose_state(job)
    rebuild(job)
    assert rewind("export", "--data", job.data, "--table", "customers").out == rows
    made = driver.newest(job)
    assert made["dead_letters"]["open"] == 0 and made["digest"] != before["digest"] and made["input_digest"] == before["input_digest"]


def test_the_mark_stays_through_restores_and_shadows(tmp_path):
    job = job_of(tmp_path, orders(1000))
    job.run()
    lose_state(job)
    rebuild(job)
    job.append("".join(text + "\n" for text in orders(500, first=1000)))
    job.run()
    rewind("restore", job.file, "--offset", 1000, "--yes", cwd=job.folder)
    assert all(rewind_json("checkpoint", "show", c["id"], "--data", job.data)["rebuilt"] for c in driver.checkpoints(job))
    below = rewind("restore", job.file, "--offset", 500, "--dry-run", cwd=job.folder, expect=2)
    assert "is below 1000, where the job began" in below.err


@pytest.mark.parametrize("point", ["genesis-checkpoint", "genesis-committing", "genesis-committed", "publish-before-manifest", "sink-log-renamed", "freeze-begun", "sink-entry-appended"])
def test_killed_anywhere_it_is_done_by_the_next_try_or_was(tmp_path, point):
    lines = list(orders(1500))
    job = job_of(tmp_path, lines[:1000])
    job.run()
    before = driver.newest(job)
    lose_state(job)
    rebuild(job, expect=-signal.SIGKILL, REWIND_CRASH_POINT=point)
    again = rebuild(job, expect=None)
    assert again.returncode == 0 or "a state is rebuilt from outputs only where there is none" in again.err, again.err
    if again.returncode:
        assert job.run().returncode == 0
    assert driver.newest(job)["digest"] == before["digest"] and driver.newest(job)["next_offset"] == 1000
    job.write(lines)
    job.run()
    check_continued(job)


def test_deleted_and_updated_rows_stand_as_they_do_last(tmp_path):
    """An output of every update, with rows that vanished: built by tombstones is Kafka's; here by a where that is not there."""
    job = job_of(tmp_path, orders(3000, keys=20), sinks=[{"table": "customers", "file": {"path": "out/customers.csv"}, "format": "csv", "emit": "update"},
                                                         {"table": "countries", "file": {"path": "out/countries.jsonl"}}])
    job.run()
    before = driver.newest(job)
    lose_state(job)
    rebuild(job, "out/customers.csv,out/countries.jsonl")
    assert driver.newest(job)["digest"] == before["digest"]


def test_first_and_last_are_estimates_where_events_have_a_time(tmp_path):
    tables = {"customers": {"key": "customer", "aggregates": {"n": "count()", "first": "first(country)", "last": "last(amount)", "odd": "last(quantity) where quantity > 6"}}}
    sinks = [{"file": {"path": "out/customers.jsonl"}}]
    lines = list(orders(600))
    timed = job_of(tmp_path / "timed", lines[:400], event={**EVENT, "time": {"field": "ts"}}, tables=tables, sinks=sinks)
    plain = job_of(tmp_path / "plain", lines[:400], tables=tables, sinks=sinks)
    for job, estimated in ((timed, True), (plain, False)):
        job.run()
        rows = job.expected().tables["customers"]
        lose_state(job)
        rebuild(job, "out/customers.jsonl")
        for mark in marks(job):
            row = rows[(mark["key"],)]
            named = [n for n, v in zip(["first", "last", "odd"], row[1:4]) if v is not None] if estimated else []
            assert (mark["row"], mark.get("estimated", [])) == ("estimated" if named else "exact", named)
        shown = {tuple(r.values())[0]: list(r.values())[1:] for r in map(json.loads, rewind("export", "--data", job.data, "--format", "json").out.splitlines())}
        assert {k: v[0] for k, v in shown.items()} == {k[0]: r[0] for k, r in rows.items()}
    plain.write(lines)
    plain.run()
    expected = plain.expected()
    assert driver.view(plain, expected.job.sinks[0]) == expected.view(expected.job.sinks[0]), "without times, order is that of offsets"


def test_what_cannot_be_had_from_outputs_is_refused_by_name(tmp_path):
    extra = {"customers": {"key": "customer", "aggregates": {"n": "count()", "average": "mean(amount)", "kinds": "distinct(country)"}}}
    one = [{"file": {"path": "out/c.jsonl"}}]
    for number, (more, names, code, texts) in enumerate([
        ({"tables": extra, "sinks": one}, "out/c.jsonl", 2, ["average is a mean, whose state is more than its answer", "kinds is a distinct"]),
        ({}, "out/customers.jsonl", 2, ["names no output of the tables: countries"]),
        ({}, "out/costumers.jsonl", 10, ["did you mean 'out/customers.jsonl'?"]),
        ({"tables": {"customers": TABLES["customers"]}, "sinks": [{**one[0], "fields": ["orders"]}]}, "out/c.jsonl", 2, ["revenue is not among its fields"]),
        ({"tables": {"customers": TABLES["customers"]}, "sinks": [{**one[0], "where": "orders > 1"}]}, "out/c.jsonl", 2, ["rows that its `where` does not take"]),
        ({"event": {**EVENT, "time": {"field": "ts"}}, "tables": {"t": {"key": "customer", "window": {"tumbling": "1h"}, "aggregates": {"n": "count()"}}}, "sinks": one}, "out/c.jsonl", 2,
         ["its windows close by a stream time"]),
    ]):
        job = job_of(tmp_path / str(number), orders(50), **more)
        job.run()
        lose_state(job)
        done = rebuild(job, names, expect=code)
        assert all(text in done.err for text in texts), done.err
        assert not job.data.exists()


def test_it_is_refused_where_there_is_a_state_and_where_nothing_was_committed(tmp_path):
    job = job_of(tmp_path, orders(300))
    assert "nothing was committed" in rebuild(job, expect=10).err
    job.run()
    made = driver.newest(job)
    assert "a state is rebuilt from outputs only where there is none" in rebuild(job, expect=6).err
    assert driver.newest(job) == made
    assert "it takes no place to go back to" in rebuild(job, BOTH, "--offset", 3, expect=2).err


def test_an_input_that_lost_its_beginning_is_no_input_of_these_outputs(tmp_path):
    job = job_of(tmp_path, orders(300))
    job.run()
    lose_state(job)
    job.write(list(orders(300))[100:])
    assert "are not those that were committed" in rebuild(job, expect=8).err


# ------------------------------------------------------------------------------------------------ Kafka
def kafka_job(make_kafka_job, **more):
    job = make_kafka_job(event=EVENT, tables=TABLES, journal={"mode": "off"}, **more)
    return job


@pytest.mark.xdist_group("kafka")
def test_from_compacted_topics_with_the_input_truncated_below_c(make_kafka_job, broker):
    job = kafka_job(make_kafka_job)
    job.produce(orders(3000, keys=50))
    job.run_to_end()
    before = driver.newest(job)
    lose_state(job)
    broker.delete_records(job.source_topic, 0, before["next_offset"])
    names = ",".join(job.output_topics[:2])
    rebuild(job, names)
    made = driver.newest(job)
    assert (made["digest"], made["next_offset"], made["input_digest"]) == (before["digest"], before["next_offset"], before["input_digest"])
    job.produce(orders(500, keys=70, first=3000))
    job.run_to_end()
    assert driver.newest(job)["rebuilt"] == made["rebuilt"]
    whole = oracle.Expected(oracle.Job(job.file))
    for offset, text in enumerate(list(orders(3000, keys=50)) + list(orders(500, keys=70, first=3000))):
        whole.take(offset, text.encode(), None)
    assert whole.digest() == driver.digest(job)


@pytest.mark.xdist_group("kafka")
def test_killed_between_its_checkpoint_and_the_commit_it_is_done_by_the_next_try(make_kafka_job, broker):
    """With keys that vanished: what is a tombstone in the output is no row."""
    job = kafka_job(make_kafka_job)
    job.set(source={**job.given["source"], "tombstone": "delete"})
    job.produce(orders(500, keys=50))
    job.run_to_end()
    job.produce([{"key": "customer-7", "value": None}, {"key": "customer-8", "value": None}])
    job.run_to_end()
    assert rewind("state", "get", "--data", job.data, "--table", "customers", "customer-7", expect=10)
    assert any(m.value() is None for m in broker.read(job.output_topics[0])), "and is one"
    before = driver.newest(job)
    lose_state(job)
    names = ",".join(job.output_topics[:2])
    rebuild(job, names, expect=-signal.SIGKILL, REWIND_CRASH_POINT="genesis-checkpoint")
    with Running(job) as running:
        assert running.wait() == 6
    rebuild(job, names)
    assert driver.newest(job)["digest"] == before["digest"]
    job.produce(orders(100, keys=50, first=500))
    job.run_to_end()
