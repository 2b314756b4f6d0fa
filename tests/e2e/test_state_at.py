"""The state as it was at a place of the input, beside what the oracle says of the records below it; and nothing of the job's own is touched."""
import rewind as driver
from rewind import Running, orders, rewind, rewind_json
from test_restore import FOLLOW, QUIET, TIMED, in_steps, rfc3339, text, times

WINDOWS = {
    "event": {"time": {"field": "ts"}, "late": "drop", "fields": driver.FIELDS},
    "tables": {**driver.TABLES, "minutes": {"key": "country", "window": {"tumbling": "20s", "retain": "2m"}, "aggregates": {"n": "count()", "units": "sum(quantity)"}}},
}


def rows_at(job, table, *place, **more):
    done = rewind("state", "at", job.file, *place, "--table", table, "--limit", 0, "-o", "json", cwd=job.folder, **more)
    return sorted(done.out.splitlines())


def expected_rows(job, table, until):
    """As the oracle exports them."""
    return sorted(job.expected(until).export(table, "json").decode().splitlines())


def everything(folder):
    """Every file below a folder, with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_state_at_any_offset_is_that_of_the_records_below_it(make_job, tmp_path):
    job = in_steps(make_job(checkpoints=QUIET, **WINDOWS), 150, 150, 100)
    before = everything(job.folder)
    private = tmp_path / "private"
    private.mkdir()
    for offset in (0, 1, 77, 150, 151, 299, 300, 399, 400):
        for table in ("customers", "minutes"):
            found = rows_at(job, table, "--offset", offset, TMPDIR=private)
            assert (found == []) == (offset == 0)
            assert found == expected_rows(job, table, offset), (offset, table)
    assert everything(job.folder) == before
    assert list(private.iterdir()) == []


def test_a_time_is_the_place_before_the_first_record_that_is_not_earlier(make_job):
    job = in_steps(make_job(checkpoints=QUIET, event=TIMED), 200, 200)
    when = times(job)
    wanted = when[260]
    first = next(at for at, ms in enumerate(when) if ms is not None and ms >= wanted)
    assert rows_at(job, "customers", "--time", rfc3339(wanted)) == expected_rows(job, "customers", first)


def test_one_key_is_one_row_and_a_key_that_was_not_there_yet_is_said(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 300)
    expected = job.expected(137)
    key, row = sorted(expected.tables["customers"].items())[0]
    found = rewind_json("state", "at", job.file, "--offset", 137, "--table", "customers", key[0], cwd=job.folder)
    assert found["offset"] == 137 and found["row"]["orders"] == row[0]
    absent = next(k for k in job.expected().tables["customers"] if k not in expected.tables["customers"])
    assert "no such key" in rewind("state", "at", job.file, "--offset", 137, "--table", "customers", absent[0], cwd=job.folder, expect=10).err


def test_it_works_beside_a_running_operator_and_disturbs_it_not(make_job):
    job = make_job(list(orders(400, bad_every=37)), source=FOLLOW, checkpoints=QUIET, delivery={"commit_every": "5ms"})
    with Running(job) as r:
        r.committed(400)
        assert rows_at(job, "customers", "--offset", 222) == expected_rows(job, "customers", 222)
        job.append(text(orders(100, first=400, bad_every=37)))
        r.committed(500)
        assert rows_at(job, "customers", "--offset", 450) == expected_rows(job, "customers", 450)
        assert r.stop() == 0
    driver.check_against(job.expected(), job)


def test_a_place_behind_the_end_is_said(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 100)
    done = rewind("state", "at", job.file, "--offset", 101, "--table", "customers", cwd=job.folder, expect=8)
    assert "ends at offset 100" in done.err


def test_other_logic_is_not_used_unsaid(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 100)
    tables = {**driver.TABLES, "customers": {"key": "customer", "aggregates": {"orders": "count()"}}}
    job.set(tables=tables, sinks=None)
    assert "logic" in rewind("state", "at", job.file, "--offset", 50, "--table", "customers", cwd=job.folder, expect=7).err
    kept = rewind("state", "at", "--data", job.data, "--offset", 50, "--table", "customers", "--limit", 0, "-o", "json", cwd=job.folder).out.splitlines()
    assert len(kept) == len(job.expected(50).tables["customers"])


def test_more_keys_than_memory_holds_are_still_right(tmp_path):
    lines = (f'{{"customer":"customer-{i:08d}","country":"NO","amount":{i % 900}.25,"quantity":{i % 7},"ts":{1700000000000 + i}}}' for i in range(300000))
    job = driver.Job(tmp_path / "job", lines, state={"path": "data", "memory": "64MiB"}, checkpoints=QUIET, sinks=None)
    job.run()
    found = rewind_json("state", "at", job.file, "--offset", 250000, "--table", "countries", "NO", "3", cwd=job.folder)
    assert found["row"]["orders"] == sum(1 for i in range(250000) if i % 7 == 3)
