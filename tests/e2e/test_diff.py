"""What `diff` says of two states, beside what the oracle says of both."""
import csv
import io
import json
import shutil

import pytest

import differences
import oracle
import rewind as driver
from rewind import Running, orders, rewind
from test_restore import FOLLOW, QUIET, in_steps, made_at

EVENT = {"time": {"field": "ts"}, "late": "drop", "fields": driver.FIELDS}
TABLES = {
    **driver.TABLES,
    "minutes": {"key": "country", "window": {"tumbling": "20s", "retain": "1h"}, "aggregates": {"n": "count()", "units": "sum(quantity)", "kinds": "topk(quantity, 2)"}},
}
TABLES["customers"]["derived"] = {"mean": "revenue / orders"}


def diff(job, *words, **more):
    return rewind("diff", job.file, *words, cwd=job.folder, **more)


def diff_json(job, *words, expect=1):
    """The keys, by table, as differences.of_tables has them; and the summary."""
    lines = [json.loads(line, parse_float=str, parse_int=str) for line in diff(job, *words, "--limit", 0, "-o", "json", expect=expect).out.splitlines()]
    return in_tables(lines[:-1]), lines[-1]["summary"]


def in_tables(lines):
    found = {}
    for line in lines:
        keys = found.setdefault(line["table"], {})
        assert line["key"] not in keys
        keys[line["key"]] = (line["change"], {n: tuple(c[k] for k in ("old", "new", "delta")) for n, c in line["columns"].items()})
    return found


def plain(found):
    """The oracle's differences with the program's types: texts, and numbers as texts."""
    def value(text):
        return json.loads(text, parse_float=str, parse_int=str)

    def delta(amount):
        return None if amount is None else str(amount)

    return {key: (change, {n: (value(o), value(w), delta(d)) for n, (o, w, d) in columns.items()}) for key, (change, columns) in found.items()}


def expected(a, b, names):
    return {name: found for name in names if (found := plain(differences.of_tables(a, b, name)))}


def test_every_key_and_column_that_differs_is_told_and_no_other(make_job):
    job = in_steps(make_job(checkpoints=QUIET, event=EVENT, tables=TABLES), 250, 120, 7)
    runs = {at: job.expected(at) for at in (0, 250, 370, 377)}
    for old, new in ((250, 370), (370, 377), (377, 250), (0, 377)):
        found, summary = diff_json(job, made_at(job, old), made_at(job, new))
        want = expected(runs[old], runs[new], TABLES)
        assert found == want
        assert summary["equal"] is False and summary["old"]["next_offset"] == str(old) and summary["new"]["next_offset"] == str(new)
        for table in summary["tables"]:
            keys = want.get(table["table"], {})
            assert {c: sum(change == c for change, _ in keys.values()) for c in ("changed", "added", "vanished")} == \
                {c: int(table[c]) for c in ("changed", "added", "vanished")}
            for name, totals in table["columns"].items():
                deltas = [columns[name][2] for _, columns in keys.values() if name in columns]
                assert int(totals["changed"]) == len(deltas)
                if deltas[0] is not None:
                    assert differences.number(totals["delta"]) == sum(map(differences.number, deltas))
                    assert differences.number(totals["new"]) - differences.number(totals["old"]) == differences.number(totals["delta"])


def test_equal_states_are_told_apart_without_reading_a_key(make_job, tmp_path):
    job = in_steps(make_job(checkpoints=QUIET, event=EVENT, tables=TABLES), 300)
    rewind("checkpoint", "copy", job.file, "--to", tmp_path / "backup", cwd=job.folder)
    found, summary = diff_json(job, "latest", str(tmp_path / "backup"), expect=0)
    assert found == {} and summary["equal"] is True and summary["rows_read"] == "0" and summary["buckets_read"] == "0"
    assert diff(job, "latest", tmp_path / "backup").out.endswith("equal\n")
    assert diff(job, "latest", "latest", "-o", "csv").out == "table,key,change,column,old,new,delta\n"


def test_csv_says_the_same_as_json_and_a_file_is_whole(make_job):
    job = in_steps(make_job(checkpoints=QUIET, event=EVENT, tables=TABLES), 250, 60)
    found, _ = diff_json(job, made_at(job, 250), "latest")
    diff(job, made_at(job, 250), "latest", "--limit", 0, "-o", "csv", "-f", "changes.csv", expect=1)
    rows = list(csv.DictReader(io.StringIO((job.folder / "changes.csv").read_text(encoding="utf-8"))))
    assert len(rows) == sum(len(columns) for keys in found.values() for _, columns in keys.values())
    for row in rows:
        change, columns = found[row["table"]][row["key"]]
        old, new, delta = columns[row["column"]]
        assert row["change"] == change and row["delta"] == (delta or "")
        if not isinstance(new, list) and not isinstance(old, list):
            assert (row["old"], row["new"]) == (driver.text_of(old), driver.text_of(new))


def test_one_table_one_key_and_a_limit(make_job):
    job = in_steps(make_job(checkpoints=QUIET, event=EVENT, tables=TABLES), 250, 120)
    old = made_at(job, 250)
    found, _ = diff_json(job, old, "latest")
    only, summary = diff_json(job, old, "latest", "--table", "minutes")
    assert only == {"minutes": found["minutes"]} and [t["table"] for t in summary["tables"]] == ["minutes"]
    for table in found:
        key = sorted(found[table])[0]
        one, _ = diff_json(job, old, "latest", "--table", table, "--key", key)
        assert one == {table: {key: found[table][key]}}
    few = diff(job, old, "latest", "--limit", 3, "-o", "json", expect=1).out.splitlines()
    assert len(few) == 4 and json.loads(few[-1])["summary"]["keys"] == sum(map(len, found.values()))
    shown = diff(job, old, "latest", "--limit", 2, expect=1).out
    assert f"{sum(map(len, found.values())) - 2} more keys are not shown" in shown
    unchanged = next(k for k in job.expected().tables["customers"] if k[0] not in found["customers"])
    diff(job, old, "latest", "--table", "customers", "--key", unchanged[0], expect=0)
    assert "on either side" in diff(job, old, "latest", "--table", "customers", "--key", "nobody", expect=10).err
    assert "did you mean 'minutes'" in diff(job, old, "latest", "--table", "minute", expect=10).err
    assert "--table" in diff(job, old, "latest", "--key", "x", expect=2).err


def test_live_is_what_the_running_operator_has_now(make_job):
    job = make_job(list(orders(300, bad_every=37)), source=FOLLOW, checkpoints=QUIET, event=EVENT, tables=TABLES)
    with Running(job) as r:
        r.committed(300)
        found, summary = diff_json(job, "live", "live", expect=0)
        base = summary["new"]["checkpoint"]
        job.append("".join(line + "\n" for line in orders(100, first=300)))
        r.committed(400)
        found, summary = diff_json(job, base, "live")
        assert found == expected(job.expected(300), job.expected(400), TABLES)
        assert r.stop() == 0
    done = diff(job, base, "live", expect=1)
    assert "live is the newest checkpoint" in done.err


def test_two_jobs_are_compared_by_the_names_of_tables_and_columns(make_job):
    """Other logic over the same records: a changed sum, a column more, one less, one of another type; tables in another order, and one that only one job has."""
    lines = list(orders(400, bad_every=37))
    other = json.loads(json.dumps(TABLES))
    other["customers"]["aggregates"]["revenue"] = 'sum(if(country == "日本", amount * 2, amount))'
    other["customers"]["aggregates"]["units"] = "sum(quantity)"
    del other["customers"]["aggregates"]["least"]
    other["minutes"]["aggregates"]["n"] = "sum(1.0)"
    other = {"extra": {"key": "customer", "aggregates": {"orders": "count()"}}, **{n: other[n] for n in ("minutes", "customers")}}
    a = make_job(lines, event=EVENT, tables=TABLES)
    b = make_job(lines, event=EVENT, tables=other, sinks=a.given["sinks"][:1])
    a.run()
    b.run()
    done = rewind("diff", a.data, b.checkpoints / driver.newest(b)["id"], "--limit", 0, "-o", "json", expect=1)
    found = in_tables([json.loads(line, parse_float=str, parse_int=str) for line in done.out.splitlines()[:-1]])
    x, y = oracle.run(oracle.Job(a.file), a.input), oracle.run(oracle.Job(b.file), b.input)
    for name in ("customers", "minutes"):
        assert found[name] == plain(differences.of_tables(x, y, name))
    assert {k: c for k, (c, _) in found["extra"].items()} == {k[0]: "added" for k in y.tables["extra"]}
    assert {c for c, _ in found["countries"].values()} == {"vanished"}


def test_an_export_is_compared_with_a_state(make_job):
    job = in_steps(make_job(checkpoints=QUIET, event=EVENT, tables=TABLES), 250, 120)
    for table in TABLES:
        rewind("export", job.file, "--checkpoint", made_at(job, 250), "--table", table, "-f", f"{table}.jsonl", cwd=job.folder)
        old, _ = diff_json(job, made_at(job, 250), "latest", "--table", table)
        found, summary = diff_json(job, f"{table}.jsonl", "latest", "--table", table)
        assert found == old and summary["old"] == {"side": f"{table}.jsonl"}
        back, _ = diff_json(job, "latest", f"./{table}.jsonl", "--table", table)
        assert {k: {"added": "vanished", "vanished": "added"}.get(c, c) for k, (c, _) in back[table].items()} == {k: c for k, (c, _) in old[table].items()}
        key = sorted(found[table])[0]
        assert diff_json(job, f"{table}.jsonl", "latest", "--table", table, "--key", key)[0] == {table: {key: found[table][key]}}
        assert diff_json(job, f"{table}.jsonl", made_at(job, 250), "--table", table, expect=0)[0] == {}
    lines = (job.folder / "customers.jsonl").read_text(encoding="utf-8").splitlines()
    for bad, says in (([lines[1], lines[0]], "not in order"), ([lines[0][:-1]], "does not end"), (["[1]"], "an object"), ([lines[0].replace('"orders"', '"odors"')], "no such column"),
                      (['{"orders":1}'], "key is missing"), ([lines[0] + "x"], "does not end"), ([""], "an object")):
        (job.folder / "bad.jsonl").write_text("\n".join(bad) + "\n", encoding="utf-8")
        done = diff(job, "bad.jsonl", "latest", "--table", "customers", expect=None)
        assert (done.returncode == 2 and says in done.err and "bad.jsonl" in done.err), (bad, done.err)
    assert "both are files" in diff(job, "bad.jsonl", "customers.jsonl", expect=2).err
    assert "--table" in diff(job, "customers.jsonl", "latest", expect=2).err


def test_a_damaged_side_is_refused(make_job):
    job = in_steps(make_job(checkpoints=QUIET), 200, 100)
    copied = job.copy(job.folder.parent / "copied")
    folder = copied.checkpoints / made_at(job, 300)
    table = next(iter((folder / "tables").glob("*.sst")))
    data = table.read_bytes()
    table.unlink()
    table.write_bytes(data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:])
    (copied.data / "verified").unlink(missing_ok=True)
    assert "rewind:" in rewind("diff", "--data", copied.data, "latest", made_at(job, 200), expect=4).err
    shutil.rmtree(copied.folder)


@pytest.mark.parametrize("words, code, says", [
    (("diff", "latest", "latest"), 2, "no job is named"),
    (("diff", "no/such/folder", "./neither"), 10, "there is no such folder"),
    (("diff", "one"), 2, "needs OLD NEW"),
])
def test_sides_that_are_none_are_refused_with_what_to_type(tmp_path, words, code, says):
    assert says in rewind(*words, cwd=tmp_path, expect=code).err
