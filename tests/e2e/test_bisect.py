"""bisect: the first record behind which something is not true any more, against a search that looks at every record."""
import json
import random

import pytest

import rewind as driver
from rewind import Job, Running, rewind

FIELDS = {"account": "string", "amount": "decimal(2)", "ts": {"type": "time", "format": "epoch-ms"}}
TABLES = {
    "accounts": {"key": "account", "aggregates": {"n": "count()", "balance": "sum(amount)"}, "derived": {"mean": "round(balance / n, 4)"}},
    "minutes": {"key": ["account"], "window": {"tumbling": "1m", "retain": "2m"}, "aggregates": {"n": "count()"}},
}
SINKS = [{"table": "accounts", "file": {"path": "out/accounts.jsonl"}}]
QUIET = {"every": "1h", "full": {"keep": 0}}


def line(account, cents, ts=0, **more):
    text = '{"account": "%s", "amount": %s%d.%02d, "ts": %d' % (account, "-" if cents < 0 else "", abs(cents) // 100, abs(cents) % 100, 1700000000000 + ts)
    return text + "".join(f', "{k}": {json.dumps(v)}' for k, v in more.items()) + "}"


def job_of(folder, **more):
    given = {"event": {"time": {"field": "ts"}, "fields": FIELDS}, "tables": TABLES, "sinks": SINKS, "checkpoints": QUIET}
    return Job(folder, [], **{**given, **more})


def in_steps(job, steps):
    """A checkpoint at the end of each."""
    for lines in steps:
        job.append("".join(text + "\n" for text in lines))
        job.run()
    return job


def bisect(job, check, *words, table="accounts", expect=1, **more):
    done = rewind("bisect", job.file, "--check", check, "--table", table, *words, "-o", "json", expect=expect, cwd=job.folder, **more)
    return json.loads(done.out)


def moves_of(job):
    """(offset, account, cents, text) of each record that is an event."""
    for offset, text in enumerate(job.input.read_text().splitlines()):
        try:
            event = json.loads(text)
        except ValueError:
            continue
        yield offset, event["account"], round(event["amount"] * 100), text


def first_untrue(job, holds, begin, end, key=None):
    """Every record of [begin, end) looked at: the first behind which a row that it changed is not as wanted."""
    rows = {}
    for offset, account, cents, text in moves_of(job):
        n, balance = rows.get(account, (0, 0))
        rows[account] = n + 1, balance + cents
        if begin <= offset < end and (key is None or key == account) and not holds(n + 1, balance + cents):
            return offset, account, (n, balance), (n + 1, balance + cents), text
    return None


def untrue_at(job, holds, place, key=None):
    rows = {}
    for offset, account, cents, _ in moves_of(job):
        if offset < place:
            n, balance = rows.get(account, (0, 0))
            rows[account] = n + 1, balance + cents
    return any(not holds(n, b) for account, (n, b) in rows.items() if key in (None, account))


def expected(job, holds, until, key=None):
    """What bisect promises, by brute force: the interval from the checkpoints, then the first record inside it."""
    places = sorted({c["next_offset"] for c in driver.checkpoints(job) if c["next_offset"] <= until}, reverse=True)
    if not untrue_at(job, holds, places[0], key):
        found = first_untrue(job, holds, places[0], until, key)
        if found:
            return found
    untrue = None
    for place in places:
        if untrue_at(job, holds, place, key):
            untrue = place
        elif untrue is not None:
            return first_untrue(job, holds, place, untrue, key)
    return None


def check_found(job, found, wanted):
    offset, account, before, after, text = wanted
    assert (found["outcome"], found["offset"], found["key"]) == ("found", offset, account)
    assert found["record"]["value"] == text and found["record"]["bytes"] == len(text.encode())
    row = json.loads(found["after"])
    assert (row["account"], row["n"], round(row["balance"] * 100)) == (account, *after)
    if before[0] == 0:
        assert found["before"] is None
    else:
        row = json.loads(found["before"])
        assert (row["n"], round(row["balance"] * 100)) == before


def movements(count, seed, accounts=30, drift=0):
    pick = random.Random(seed)
    return [line(f"a{pick.randrange(accounts)}", pick.randrange(-9500, 10500) - drift, i * 50) if i % 41 else "{" for i in range(count)]


# ------------------------------------------------------------------------------------------------ the answer
@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_record_that_a_look_at_every_record_finds(tmp_path, seed):
    """Random balances flip all the time, so this is also what is promised where a property flips several times."""
    pick = random.Random(seed)
    job = in_steps(job_of(tmp_path), [movements(pick.randrange(20, 400), seed * 100 + i, drift=i * 20) for i in range(6)])
    end = driver.newest(job)["next_offset"]
    for check, holds, key in [
        ("balance >= 0", lambda n, b: b >= 0, None),
        ("balance >= -200", lambda n, b: b >= -20000, None),
        ("balance > -400", lambda n, b: b > -40000, "a7"),
        ("n < 25 or mean > -15", lambda n, b: n < 25 or b / n / 100 > -15, None),
        ("n <= 20", lambda n, b: n <= 20, "a3"),
    ]:
        for until in (end, pick.randrange(end // 2, end)):
            wanted = expected(job, holds, until, key)
            found = bisect(job, check, "--offset", until, *(["--key", key] if key else []), expect=1 if wanted else 0)
            assert found["until"] == until
            if wanted:
                check_found(job, found, wanted)
            else:
                assert found["outcome"] == "true"


def test_it_was_untrue_from_the_first_record_on(tmp_path):
    job = in_steps(job_of(tmp_path), [[line("a", -5)], [line("a", -5), line("b", 7)]])
    found = bisect(job, "balance >= 0")
    assert (found["offset"], found["key"], found["before"]) == (0, "a", None)
    assert [p["verdict"] for p in found["looked_at"]] == ["untrue", "untrue", "true"], "genesis has no rows"


def test_it_never_is_untrue(tmp_path):
    job = in_steps(job_of(tmp_path), [movements(200, 1), movements(200, 2)])
    found = bisect(job, "n >= 1", expect=0)
    assert found["outcome"] == "true" and {p["verdict"] for p in found["looked_at"]} == {"true"} and found["records_replayed"] == 0
    text = rewind("bisect", job.file, "--check", "n >= 1", "--table", "accounts", cwd=job.folder).out
    assert "accounts: n >= 1 is true at offset 400, and at every checkpoint below" in text
    null = bisect(job, "balance / (n - n) > 1", expect=0)
    assert null["outcome"] == "true", "what cannot be evaluated is not untrue"


def test_what_came_before_the_oldest_checkpoint_that_is_left_is_not_found(tmp_path):
    job = in_steps(job_of(tmp_path), [[line("a", -5)], [line("b", 5)], [line("c", 5)]])
    for checkpoint in driver.checkpoints(job):
        if checkpoint["next_offset"] == 0:
            driver.flip(next((job.checkpoints / checkpoint["id"]).glob("MANIFEST")), 40)
    found = bisect(job, "balance >= 0")
    assert found["outcome"] == "before-oldest"


def test_events_of_one_record_count_together(tmp_path):
    """In the midst of a record it is untrue and then true again: the record is none that made it so."""
    fields = {**FIELDS, "amount": {"type": "decimal(2)", "path": "."}}
    job = job_of(tmp_path, event={"time": {"field": "ts"}, "each": "parts", "fields": fields})

    def several(*amounts):
        return '{"account": "a", "ts": 1700000000000, "parts": [%s]}' % ", ".join(amounts)

    in_steps(job, [[several("1"), several("-5", "10"), several("3", "-20", "1"), several("1")]])
    found = bisect(job, "balance >= 0")
    assert found["offset"] == 2 and json.loads(found["before"])["balance"] == 6 and json.loads(found["after"])["balance"] == -10


def test_windows_have_keys_with_their_start(tmp_path):
    lines = [line("a", 1, i * 7000) for i in range(40)]
    job = in_steps(job_of(tmp_path), [lines[:20], lines[20:]])
    found = bisect(job, "n <= 8", table="minutes")
    counts, wanted = {}, None
    for offset in range(40):
        start = (1700000000000 + offset * 7000) // 60000
        counts[start] = counts.get(start, 0) + 1
        if counts[start] == 9 and wanted is None:
            wanted = offset, start
    assert found["offset"] == wanted[0]
    again = bisect(job, "n <= 8", "--key", found["key"], table="minutes")
    assert again["offset"] == wanted[0] and json.loads(again["key"])[0] == "a"


# ------------------------------------------------------------------------------------------------ beside an operator
def test_it_works_beside_a_running_operator_and_changes_nothing(tmp_path):
    job = job_of(tmp_path, source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"}, checkpoints={"every": "50ms", "full": {"keep": 0}})
    lines = movements(3000, 9, drift=30)
    with Running(job) as running:
        for i in range(0, 3000, 500):
            job.append("".join(text + "\n" for text in lines[i:i + 500]))
            running.committed(i + 500)
        made = {p.name for p in job.checkpoints.iterdir() if p.suffix != ".part"}   # one may be in making
        status = running.status()
        found = bisect(job, "balance >= -100")
        assert running.status()["pid"] == status["pid"] and running.status()["position"] == status["position"]
        wanted = first_untrue(job, lambda n, b: b >= -10000, found["looked_at"][-1]["next_offset"], 3000)
        check_found(job, found, wanted)
        assert made <= {p.name for p in job.checkpoints.iterdir()}
        assert running.stop() == 0
    driver.check_against(job.expected(), job)


def test_the_record_that_parked_a_job_is_found_behind_the_committed_offset(tmp_path):
    """The command that the error names."""
    job = job_of(tmp_path, invariants=[{"table": "accounts", "check": "balance >= 0", "on_violation": "park"}], delivery={"commit_every": "1h"})
    job.write([line("a", 500), line("b", 5), line("a", -700), line("c", 5)])
    done = job.run(expect=1)
    assert "rewind bisect" in done.err
    found = bisect(job, "balance >= 0")
    assert (found["offset"], found["key"], found["until"]) == (2, "a", 4)
    text = rewind("bisect", "--data", job.data, "--check", "balance >= 0", "--table", "accounts", expect=1, cwd=job.folder).out
    assert "became untrue at offset 2" in text and line("a", -700) in text and '"balance":-2.00' in text


def test_mistakes_are_said(tmp_path):
    job = in_steps(job_of(tmp_path), [[line("a", 1)]])
    for words, code, text in [
        (["--table", "accounts"], 2, "--check EXPR is missing"),
        (["--check", "balance >= 0"], 2, "say which with --table"),
        (["--check", "balance >= 0", "--table", "acounts"], 10, "did you mean 'accounts'?"),
        (["--check", "balanc >= 0", "--table", "accounts"], 2, "there is no column 'balanc'"),
        (["--check", "balance", "--table", "accounts"], 2, "a condition is true or false"),
        (["--check", "n > 0", "--table", "minutes", "--key", "a"], 2, "this is no key of table minutes"),
    ]:
        assert text in rewind("bisect", job.file, *words, expect=code, cwd=job.folder).err


# ------------------------------------------------------------------------------------------------ Kafka
@pytest.mark.xdist_group("kafka")
def test_records_of_a_topic_are_shown_with_their_key_and_come_from_the_journal(make_kafka_job, broker):
    job = make_kafka_job(event={"fields": {"account": "string", "amount": "int"}}, tables={"accounts": {"key": "account", "aggregates": {"balance": "sum(amount)"}}},
                         sinks=[{"table": "accounts", "kafka": {"topic": "bisect-accounts"}}])
    job.produce(['{"account": "a", "amount": 5}', '{"account": "b", "amount": 1}', '{"account": "a", "amount": -9}'])
    job.run_to_end()
    broker.delete_records(job.source_topic, 0, 3)   # what is replayed is only in the journal now
    found = bisect(job, "balance >= 0")
    assert (found["offset"], found["record"]["value"], found["before"]) == (2, '{"account": "a", "amount": -9}', '{"account":"a","balance":5}')
    assert found["record"]["time"]
