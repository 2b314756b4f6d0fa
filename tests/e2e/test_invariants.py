"""Invariants: counts, marks and parking, against a second calculation over the same records."""
import json
import random
import re
import signal

import pytest

import oracle
import rewind as driver
from rewind import Job, Running, rewind, rewind_json

FIELDS = {"account": "string", "amount": "decimal(2)", "ts": {"type": "time", "format": "epoch-ms"}}
TABLES = {
    "accounts": {"key": "account", "aggregates": {"n": "count()", "balance": "sum(amount)", "least": "min(amount)"}, "derived": {"mean": "round(balance / (n - 3), 2)"}},
    "minutes": {"key": "account", "window": {"tumbling": "1m", "grace": "0s", "retain": "2m"}, "aggregates": {"n": "count()", "spent": "sum(amount) where amount < 0"}},
}
VISITS = {"visits": {"key": "account", "window": {"session": "4s", "grace": "1s", "retain": "1m"}, "aggregates": {"n": "count()", "spent": "sum(amount)"}}}
SINKS = [
    {"table": "accounts", "file": {"path": "out/accounts.jsonl"}},
    {"table": "accounts", "file": {"path": "out/updates.jsonl"}, "emit": "update", "fields": ["balance"]},
    {"table": "minutes", "file": {"path": "out/minutes.jsonl"}, "emit": "close"},
]
ALERTS = [
    {"table": "accounts", "check": "balance >= 0"},
    {"table": "accounts", "check": "mean > -20 and least > -90"},
    {"table": "minutes", "check": "spent > -150"},
    {"table": "minutes", "check": "n < 1000"},
]
WITH_VISITS = {"tables": {**TABLES, **VISITS}, "invariants": ALERTS + [{"table": "visits", "check": "spent > -150 or n < 3"}]}
PARKS = [{"table": "accounts", "check": "balance >= 0", "on_violation": "park"}]
FOLLOW = {"file": {"path": "orders.jsonl", "follow": True}, "format": "json"}
SLOW = {"commit_every": "1h"}


def line(account, cents, ts=0):
    return '{"account": "%s", "amount": %s%d.%02d, "ts": %d}' % (account, "-" if cents < 0 else "", abs(cents) // 100, abs(cents) % 100, 1700000000000 + ts)


def movements(count, seed=1, accounts=40):
    pick = random.Random(seed)
    for i in range(count):
        yield line(f"a{pick.randrange(accounts)}", pick.randrange(-9500, 10500), i * 200) if i % 97 else "{"


def job_of(folder, lines, **more):
    given = {"event": {"time": {"field": "ts"}, "fields": FIELDS}, "tables": TABLES, "sinks": SINKS, "invariants": ALERTS, "checkpoints": {"every": "10ms", "full": {"keep": 0}}}
    return Job(folder, lines, **{**given, **more})


def marks(checkpoint, invariants):
    """How many keys a checkpoint's mark says for each invariant."""
    text = checkpoint.get("violated") or ""
    return [int((re.findall(re.escape(f"{i['table']}: {i['check']} (") + r"(\d+) keys", text) or [0])[0]) for i in invariants]


def check_marks(job, most=12):
    """Every checkpoint (of many: some) is marked with what holds at its place; returns how many are, and how many are not."""
    found = [c for c in driver.checkpoints(job, pruned=True)]
    marked = clean = 0
    for checkpoint in [*found[:-1][:: max(1, len(found) // most)], found[-1]]:   # genesis among them
        whole = rewind_json("checkpoint", "show", checkpoint["id"], "--data", job.data)
        expected = [len(v) for v in oracle.run(oracle.Job(job.file), job.input, checkpoint["next_offset"]).violations()]
        assert marks(whole, job.given["invariants"]) == expected, f"checkpoint {whole['id']} at {whole['next_offset']}: {whole.get('violated')}"
        marked, clean = marked + any(expected), clean + (not any(expected))
    return marked, clean


# ------------------------------------------------------------------------------------------------ alerts
def test_checkpoints_are_marked_with_what_does_not_hold_at_their_place(tmp_path):
    job = job_of(tmp_path, movements(6000), **WITH_VISITS)
    job.run()
    driver.check_against(job.expected(), job)
    marked, clean = check_marks(job)
    assert marked > 0 and clean > 0, "genesis at least is clean"


def test_marks_are_right_after_kills_anywhere(tmp_path):
    job = job_of(tmp_path, movements(6000, seed=2), **WITH_VISITS)
    for point in ("commit-begin:5", "windows-closed:9", "freeze-begun:2", "commit-known:7", "checkpoint-synced", "sink-output-appended:30", "checkpoint-thawed", "commit-begin:9"):
        job.run(expect=None, REWIND_CRASH_POINT=point)
    job.run()
    driver.check_against(job.expected(), job)
    assert check_marks(job)[0] > 0


def test_silent_replay_counts_too(tmp_path):
    """A checkpoint made by nothing but replay has the same marks: restore builds one at C."""
    job = job_of(tmp_path, movements(3000, seed=3), checkpoints={"every": "1h", "full": {"keep": 0}})
    job.run()
    genesis = [c["id"] for c in driver.checkpoints(job) if c["next_offset"] == 0][-1]
    rewind("restore", job.file, "--to", genesis, "--yes", cwd=job.folder)
    found = {c["next_offset"] for c in driver.checkpoints(job)}
    assert len(found) == 2
    assert check_marks(job)[0] > 0
    texts = {rewind_json("checkpoint", "show", c["id"], "--data", job.data).get("violated") for c in driver.checkpoints(job) if c["next_offset"] > 0}
    assert len({re.sub(r", such as [^)]*", "", t) for t in texts}) == 1


def test_replay_with_little_memory_marks_what_it_writes_on_the_way(tmp_path):
    """More keys than memory holds: replay makes checkpoints, and those are marked as well."""
    pick = random.Random(4)
    moves = [(pick.randrange(400000), pick.randrange(-9500, 10500)) for _ in range(300000)]
    job = job_of(tmp_path, (line(f"account-with-a-long-name-{a}", c) for a, c in moves), tables={"accounts": {**TABLES["accounts"], "derived": {}}}, sinks=[],
                 invariants=ALERTS[:1], state={"path": "data", "memory": "64MiB"}, checkpoints={"every": "1h", "full": {"keep": 0}})
    job.run()
    genesis = [c["id"] for c in driver.checkpoints(job) if c["next_offset"] == 0][-1]
    rewind("restore", job.file, "--to", genesis, "--yes", cwd=job.folder)
    made = {c["next_offset"]: rewind_json("checkpoint", "show", c["id"], "--data", job.data) for c in driver.checkpoints(job)}
    balances, at, seen = {}, 0, 0
    for account, cents in moves:
        balances[account] = balances.get(account, 0) + cents
        at += 1
        if at in made:
            seen += 1
            assert marks(made[at], ALERTS[:1]) == [sum(b < 0 for b in balances.values())], at
    assert seen == len(made) - 1 > 1, "memory makes checkpoints on the way"


def test_a_mark_goes_when_the_violation_goes_and_status_and_metrics_say_so(tmp_path):
    job = job_of(tmp_path, [line("a", 500), line("b", 500)], source=FOLLOW, invariants=ALERTS[:1], http={"listen": "127.0.0.1:0"}, delivery={"commit_every": "20ms"})
    with Running(job) as running:
        def now(count):
            return running.wait_for(lambda s: s["invariants"][0]["violations"] == count, f"{count} violations")["invariants"][0]

        def mark():
            made = json.loads(rewind("checkpoint", "create", job.file, "-o", "json", cwd=job.folder).out)
            return rewind_json("checkpoint", "show", made["id"], "--data", job.data).get("violated")

        running.committed(1)
        assert now(0) == {"table": "accounts", "check": "balance >= 0", "on_violation": "alert", "violations": 0, "key": None, "row": None}
        job.append(line("a", -600) + "\n" + line("b", -700) + "\n")
        found = now(2)
        assert found["key"] == "b" and json.loads(found["row"])["balance"] == -2
        assert mark() == "accounts: balance >= 0 (2 keys, such as b)"
        text = rewind("status", "--data", job.data).out
        assert "accounts: balance >= 0: 2 keys, such as b" in text
        job.append(line("b", 300) + "\n")
        assert now(1)["key"] == "a"
        job.append(line("a", 300) + "\n")
        assert now(0)["key"] is None
        assert mark() is None
        assert running.stop() == 0
        log = running.stderr
    assert re.search(r"accounts: balance >= 0 does not hold for \d keys, such as .*balance", log) and "accounts: balance >= 0 holds again for all keys" in log
    assert len(re.findall("does not hold", log)) == 1, "what is known is not said again and again"


def test_invariants_that_come_later_count_what_was_there_before(tmp_path):
    lines = list(movements(4000, seed=5))
    job = job_of(tmp_path, lines[:2000], invariants=None)
    job.run()
    assert not any(c.get("violated") for c in driver.checkpoints(job))
    job.set(invariants=ALERTS)
    job.write(lines)
    job.run()
    driver.check_against(job.expected(), job)
    newest = rewind_json("checkpoint", "show", "latest", "--data", job.data)
    assert marks(newest, ALERTS) == [len(v) for v in job.expected().violations()] and any(marks(newest, ALERTS))
    job.set(invariants=ALERTS[2:3])
    rewind("restore", job.file, "--to", [c["id"] for c in driver.checkpoints(job) if c["next_offset"] > 0][-1], "--yes", cwd=job.folder)
    newest = rewind_json("checkpoint", "show", "latest", "--data", job.data)
    assert marks(newest, ALERTS[2:3]) == [len(v) for v in job.expected().violations()]


# ------------------------------------------------------------------------------------------------ restore
def test_restore_passes_over_marked_checkpoints_unless_one_is_named(tmp_path):
    job = job_of(tmp_path, None, invariants=ALERTS[:1], checkpoints={"every": "1h", "full": {"keep": 0}})
    for step in ([line("a", 100)], [line("b", 100)], [line("a", -300)], [line("b", 100)]):
        job.append("".join(text + "\n" for text in step))
        job.run()
    made = {c["next_offset"]: c["id"] for c in driver.checkpoints(job)}
    at = sorted(made)
    plan = rewind_json("restore", job.file, "--offset", at[4], "--dry-run", cwd=job.folder)
    assert plan["base"] == made[at[2]]
    assert [p["id"] for p in plan["passed_over"] if p["why"] == "an invariant did not hold there"] == [made[at[4]], made[at[3]]]
    shown = rewind("restore", job.file, "--offset", at[4], "--dry-run", cwd=job.folder).out
    assert "accounts: balance >= 0 (1 keys, such as a)" in shown
    named = rewind("restore", job.file, "--to", made[at[4]], "--yes", cwd=job.folder).out
    assert "an invariant did not hold there" in named
    driver.check_against(job.expected(), job)


# ------------------------------------------------------------------------------------------------ parking
def published(job, path="out/accounts.jsonl"):
    return [json.loads(text) for text in (job.folder / path).read_text().splitlines()]


def assert_parked(job, done):
    assert "accounts: balance >= 0 does not hold for the key" in done.err and "rewind bisect" in done.err
    for path in ("out/accounts.jsonl", "out/updates.jsonl"):
        rows = published(job, path)
        assert path.endswith("updates.jsonl") or all(r["balance"] >= 0 for r in rows)
    newest = max((r["_offset"] for r in published(job, "out/updates.jsonl")), default=-1)
    return newest


def test_a_parked_job_publishes_nothing_that_breaks_the_invariant_and_a_restart_parks_at_the_same_place(tmp_path):
    """The violation is mended by the next record: where commits fall would decide, if the place were not remembered."""
    good = [line(f"a{i}", 1000) for i in range(50)]
    job = job_of(tmp_path, good + [line("a7", -3000), line("b", 5)], invariants=PARKS, delivery=SLOW, checkpoints={"every": "1h", "full": {"keep": 0}})
    done = job.run(expect=1)
    assert assert_parked(job, done) == -1
    job.append(line("a7", 4000) + "\n" + "".join(line(f"c{i}", 1) + "\n" for i in range(20000)))
    for _ in range(2):
        done = job.run(expect=1)
        assert assert_parked(job, done) == -1
        assert "parked this job at offset" in done.err
    job.set(invariants=[{**PARKS[0], "on_violation": "alert"}])
    job.run()
    driver.check_against(job.expected(), job)
    assert not list(job.data.glob("VIOLATED"))


def test_a_parked_job_goes_on_where_the_place_is_well_now(tmp_path):
    job = job_of(tmp_path, [line("a", 1000), line("a", -3000)], invariants=PARKS, delivery=SLOW, checkpoints={"every": "1h", "full": {"keep": 0}})
    job.run(expect=1)
    job.set(invariants=[{"table": "accounts", "check": "balance >= -1000000", "on_violation": "park"}])
    assert "what parked this job does not any more" in job.run().err
    driver.check_against(job.expected(), job)
    assert not list(job.data.glob("VIOLATED"))


def test_kills_on_the_way_to_the_place_do_not_let_it_pass(tmp_path):
    lines = list(movements(30000, seed=6, accounts=20000))
    job = job_of(tmp_path, lines, invariants=[{"table": "accounts", "check": "balance >= 0 or n < 6", "on_violation": "park"}], delivery={"commit_every": "1ms"})
    for point in ("commit-begin:2", "freeze-begun:2", "commit-known:3", "recovery-taken-over", "recovery-done", "sink-output-appended:4"):
        job.run(expect=None, REWIND_CRASH_POINT=point)
    done = job.run(expect=1)
    newest = assert_parked_somewhere(job, done)
    again = job.run(expect=1)
    assert assert_parked_somewhere(job, again) == newest, "nothing more was published"


def assert_parked_somewhere(job, done):
    """Nothing that any key was published with at the end of a transaction breaks the invariant."""
    assert "does not hold for the key" in done.err
    rows = published(job)
    assert rows and all(r["balance"] >= 0 or r["n"] < 6 for r in rows)
    return max(r["_offset"] for r in rows)


def test_with_fixed_commits_it_parks_at_the_same_commit_every_time(tmp_path):
    lines = [line(f"a{i % 60}", 1000) for i in range(500)] + [line("a7", -90000), line("a7", 90000)] + [line("b", 1) for _ in range(100)]
    job = job_of(tmp_path, lines, invariants=PARKS)
    ends = [i + 1 for i in range(len(lines))]
    whole = oracle.run(oracle.Job(job.file), job.input)
    offsets = [o for o, _, _ in whole.events["accounts"]]
    assert len(offsets) == len(ends)
    multiple = offsets[501]          # a transaction ends between the two
    job.set(delivery={"commit_at": {"offset_multiple": multiple}})
    for _ in range(3):
        job.run(expect=1)
        assert published(job) == []
    job.restart()
    job.set(delivery={"commit_at": {"offset_multiple": offsets[502]}})   # and behind both
    job.run()
    driver.check_against(job.expected(), job)


def test_on_stop_park_stays_up_and_says_what_to_do(tmp_path):
    job = job_of(tmp_path, [line("a", 1), line("a", -5)], source=FOLLOW, invariants=PARKS, on_stop="park", http={"listen": "127.0.0.1:0"})
    with Running(job) as running:
        found = running.wait_for(lambda s: s["phase"] == "parked", "it to park")
        assert "accounts: balance >= 0 does not hold for the key a" in found["reason"] and found["next"].startswith("find the record: rewind bisect")
        assert running.process.poll() is None
        running.signal(signal.SIGTERM)
        assert running.wait() == 1


def test_the_open_window_that_leaves_is_looked_at_before_it_is_published(tmp_path):
    """Closed, published and gone inside one transaction: its last value counts."""
    lines = [line("a", -20000, 0), line("b", 1, 600000), line("b", 1, 1200000)]
    job = job_of(tmp_path, lines, invariants=[{**ALERTS[2], "on_violation": "park"}], delivery=SLOW)
    done = job.run(expect=1)
    assert "minutes: spent > -150 does not hold for the key [\"a\"," in done.err
    assert published(job, "out/minutes.jsonl") == []


# ------------------------------------------------------------------------------------------------ Kafka
@pytest.mark.xdist_group("kafka")
def test_nothing_of_a_broken_transaction_reaches_a_topic(make_kafka_job, broker):
    job = make_kafka_job(invariants=[{"table": "customers", "check": "revenue >= 0", "on_violation": "park"}], delivery=SLOW, event={"fields": {"customer": "string", "amount": "int", "country": "string"}},
                         tables={"customers": {"key": "customer", "aggregates": {"revenue": "sum(amount)"}}, "countries": {"key": "country", "aggregates": {"n": "count()"}}})
    job.produce(['{"customer": "a", "amount": 5, "country": "DE"}', '{"customer": "a", "amount": -9, "country": "DE"}'])
    for _ in range(2):
        with Running(job, "--set", "on_stop=park", "--set", "delivery.commit_every=50ms") as running:
            running.wait_for(lambda s: s["phase"] == "parked", "it to park")
            running.signal(signal.SIGTERM)
            assert running.wait() == 1
        assert [m.value() for topic in job.output_topics for m in broker.read(topic, 0)] == []
