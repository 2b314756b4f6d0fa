"""A followed file, signals, parking, and what the operator says about itself while it runs."""
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import oracle
import rewind as driver
from rewind import Running, dead_letters, get, orders, rewind, rewind_json

FOLLOW = {"file": {"path": "orders.jsonl", "follow": True}, "format": "json"}
LISTEN = {"listen": "127.0.0.1:0"}


def text(lines):
    return "".join(line + "\n" for line in lines)


def address(running):
    """Where /metrics and the others are, from the program's log."""
    deadline = time.monotonic() + driver.PATIENCE
    while time.monotonic() < deadline:
        match = re.search(r"127\.0\.0\.1:(\d+)", running.stderr)
        if match:
            return f"http://127.0.0.1:{match[1]}"
        time.sleep(0.02)
    raise AssertionError(f"no address in the log:\n{running.stderr}")


# ------------------------------------------------------------------------------------------------ following
def test_records_appended_while_it_runs_are_read_and_a_part_of_a_line_waits(make_job):
    job = make_job(orders(10), source=FOLLOW)
    lines = list(orders(40, first=10))
    with Running(job) as r:
        r.committed(10)
        half = len(lines[0]) // 2
        job.append(lines[0][:half])
        r.wait_for(lambda s: s["phase"] == "waiting")
        assert r.status()["position"] == 10
        job.append(lines[0][half:])
        time.sleep(0.2)
        assert r.status()["position"] == 10, "a record ends at its newline"
        job.append("\n" + text(lines[1:]))
        r.committed(50)
        assert r.stop() == 0
    driver.check_against(job.expected(), job)


def test_a_csv_header_that_comes_late_is_waited_for(make_job):
    job = make_job([], source={"file": {"path": "orders.jsonl", "follow": True}, "format": "csv"}, event={"fields": {"a": "int", "b": "string"}},
                   tables={"t": {"key": "b", "aggregates": {"n": "sum(a)"}}}, sinks=None)
    with Running(job) as r:
        time.sleep(0.2)
        job.append("b,a\nx,1\n\"y\n")
        r.committed(1)
        job.append("z\",2\n")
        r.committed(2)
        assert r.stop() == 0
    driver.check_against(job.expected(), job)


def test_many_writers_and_restarts_give_what_one_run_gives(make_job):
    job = make_job([], source=FOLLOW, delivery={"commit_every": "5ms"}, checkpoints={"every": "20ms", "keep": {"last": 3}})
    lines = list(orders(6000, bad_every=71))
    for begin in range(0, 6000, 1500):
        with Running(job) as r:
            for at in range(begin, begin + 1500, 100):
                job.append(text(lines[at:at + 100]))
                time.sleep(0.005)
            r.committed(begin + 1500)
            if begin % 3000:
                r.kill()
            else:
                assert r.stop() == 0
    job.set(source={"file": {"path": "orders.jsonl"}, "format": "json"})
    job.run()
    driver.check_against(job.expected(), job)


def test_a_followed_file_that_shrinks_stops_the_job(make_job):
    job = make_job(orders(100), source=FOLLOW)
    with Running(job) as r:
        r.committed(100)
        os.truncate(job.input, 10)
        assert r.wait() == 8
        assert "orders.jsonl" in r.stderr


def test_a_followed_file_that_is_replaced_stops_the_job(make_job):
    job = make_job(orders(100), source=FOLLOW)
    with Running(job) as r:
        r.committed(100)
        other = job.folder / "other"
        other.write_text(text(orders(200)))
        other.rename(job.input)
        assert r.wait() == 8
        assert "orders.jsonl" in r.stderr


# ------------------------------------------------------------------------------------------------ signals
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_a_signal_ends_with_a_commit_and_a_checkpoint(number, make_job):
    job = make_job(orders(500), source=FOLLOW, checkpoints={"every": "1h"}, delivery={"commit_every": "1h"})
    with Running(job) as r:
        r.wait_for(lambda s: s["position"] == 500)
        r.signal(number)
        assert r.wait() == 0
    newest = driver.newest(job)
    assert newest["next_offset"] == 500
    driver.check_against(job.expected(), job)


def test_a_second_sigint_exits_at_once_and_loses_nothing(make_job):
    job = make_job(orders(500), source=FOLLOW, on_stop="park")
    with Running(job) as r:
        r.committed(500)
        # Stopped for a moment, so that both signals are there before the first is acted on.
        r.signal(signal.SIGSTOP)
        r.signal(signal.SIGINT)
        r.signal(signal.SIGCONT)
        for _ in range(1000):
            if r.process.poll() is not None:
                break
            r.signal(signal.SIGINT)
        assert r.wait() in (0, 130)
    job.set(source={"file": {"path": "orders.jsonl"}, "format": "json"}, on_stop="exit")
    job.run()
    driver.check_against(job.expected(), job)


def test_sigterm_before_the_end_of_a_file_that_is_not_followed_goes_on_later(make_job):
    job = make_job(orders(200000, keys=5000), delivery={"commit_every": "5ms"})
    with Running(job) as r:
        try:
            r.wait_for(lambda s: s["position"] > 1000)
        except AssertionError:
            assert r.process.poll() == 0
        if r.process.poll() is None:
            assert r.stop() == 0
    job.run()
    driver.check_against(job.expected(), job)


# ------------------------------------------------------------------------------------------------ parking
def test_a_parked_job_holds_the_lock_says_why_and_ends_on_sigterm(make_job):
    job = make_job(orders(100), source=FOLLOW, on_stop="park", http=LISTEN)
    with Running(job) as r:
        r.committed(100)
        url = address(r)
        assert get(url + "/readyz")[0] == 200
        os.truncate(job.input, 10)
        status = r.wait_for(lambda s: s["phase"] == "parked")
        assert "orders.jsonl" in status["reason"]
        code, page = get(url + "/readyz")
        assert code == 503 and "orders.jsonl" in page
        assert get(url + "/livez")[0] == 200
        assert json.loads(get(url + "/status")[1])["phase"] == "parked"
        assert job.run(expect=None).returncode == 5
        r.stop()
        assert r.process.returncode in (0, 8)


# ------------------------------------------------------------------------------------------------ HTTP
def test_metrics_are_openmetrics_and_tell_the_truth(make_job):
    job = make_job(orders(1000, bad_every=100), source=FOLLOW, http=LISTEN)
    expected = job.expected()
    with Running(job) as r:
        r.committed(1000)
        url = address(r)
        families = {f.name: f for f in text_string_to_metric_families(get(url + "/metrics")[1])}
        value = {sample.name: sample.value for family in families.values() for sample in family.samples if not sample.labels}
        assert value["rewind_position_offset"] == 1000
        assert value["rewind_committed_offset"] == 1000
        assert value["rewind_records_read_total"] == 1000
        assert value["rewind_events_applied_total"] == expected.applied
        assert value["rewind_dead_letters_total"] == len(expected.dead)
        assert value["rewind_keys"] == sum(map(len, expected.tables.values()))
        for family in families.values():
            assert family.name.startswith("rewind_") and family.documentation
        assert get(url + "/livez")[0] == get(url + "/readyz")[0] == get(url + "/startupz")[0] == 200
        assert get(url + "/nothing-here")[0] == 404
        assert r.stop() == 0


def test_the_status_page_and_the_status_command_agree(make_job):
    job = make_job(orders(100), source=FOLLOW, http=LISTEN)
    with Running(job) as r:
        r.committed(100)
        page = json.loads(get(address(r) + "/status")[1])
        said = rewind_json("status", "--data", job.data)
        for key in ("job", "position", "committed", "term", "pid", "repository", "lineage", "fingerprint", "input_digest", "counts", "genesis"):
            assert page[key] == said[key], key
        assert said["pid"] == r.process.pid
        assert "orders" in rewind("status", "--data", job.data).out
        assert rewind("status", job.file, cwd=job.folder).out
        assert r.stop() == 0
    assert rewind("status", "--data", job.data, expect=10).returncode == 10


def test_an_address_in_use_is_named(make_job):
    job = make_job(orders(10), source=FOLLOW, http=LISTEN)
    other = make_job(orders(10), name="other")
    with Running(job) as r:
        taken = address(r).removeprefix("http://")
        done = other.run("--set", f"http.listen={taken}", expect=None)
        assert done.returncode not in (0, 70) and taken in done.err and "http.listen" in done.err
        assert r.stop() == 0


# ------------------------------------------------------------------------------------------------ questions to a running operator
def test_state_get_answers_for_every_key_while_it_runs(make_job):
    job = make_job(orders(400, keys=25), source=FOLLOW)
    expected = job.expected()
    with Running(job) as r:
        r.committed(400)
        for (customer,), row in list(expected.tables["customers"].items())[:10]:
            found = rewind_json("state", "get", customer, "--data", job.data, "--table", "customers")["row"]
            assert (found["customer"], found["orders"]) == (customer, row[0])
        for key, row in list(expected.tables["countries"].items())[:10]:
            found = json.loads(rewind("state", "get", "--data", job.data, "--table", "countries", "-o", "json", "--", *key).out)["row"]
            assert (found["country"], found["quantity"], found["orders"], found["units"]) == (*key, *row)
        assert rewind("state", "get", "nobody", "--data", job.data, "--table", "customers", expect=None).returncode == 10
        job.append(text(orders(1, first=400, keys=1)))
        r.committed(401)
        found = rewind_json("state", "get", "customer-0", "--data", job.data, "--table", "customers")["row"]
        assert found["orders"] == job.expected().tables["customers"][("customer-0",)][0]
        assert r.stop() == 0


def test_checkpoints_made_on_demand_hold_what_was_there(make_job):
    job = make_job(orders(300), source=FOLLOW, checkpoints={"every": "1h"})
    with Running(job) as r:
        r.committed(300)
        rewind("checkpoint", "create", "--data", job.data, "--tag", "first")
        job.append(text(orders(300, first=300)))
        r.committed(600)
        made = rewind_json("checkpoint", "create", "--data", job.data)
        assert made["next_offset"] == 600
        first = rewind_json("checkpoint", "show", "first", "--data", job.data)
        assert (first["next_offset"], first["digest"]) == (300, job.expected(until=300).digest())
        assert rewind_json("checkpoint", "show", "latest", "--data", job.data)["digest"] == job.expected().digest()
        old = rewind("export", "--data", job.data, "--checkpoint", "first", "--table", "customers", "--format", "csv").stdout
        assert old == job.expected(until=300).export("customers")
        rows = rewind("state", "scan", "--data", job.data, "--table", "customers", "--limit", "0", "-o", "json").out
        assert len(re.findall(r'"customer-\d+"', rows)) == len(job.expected().tables["customers"])
        assert r.stop() == 0


def test_questions_from_many_sides_at_once_are_answered_and_change_nothing(make_job):
    job = make_job(orders(50000, keys=1000), source=FOLLOW, checkpoints={"every": "30ms", "keep": {"last": 3}}, delivery={"commit_at": {"offset_multiple": 500}})
    failures = []

    def ask(words, allowed):
        for _ in range(8):
            code = rewind(*words, "--data", job.data, expect=None).returncode
            if code not in allowed:
                failures.append((words, code))

    with Running(job) as r:
        r.committed(500)
        threads = [threading.Thread(target=ask, args=a) for a in [
            (["status"], (0,)), (["checkpoint", "create"], (0, 11)), (["checkpoint", "list"], (0,)),
            (["state", "get", "customer-1", "--table", "customers"], (0, 10, 11)), (["export", "--table", "countries"], (0, 11)),
        ]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        r.committed(50000)
        assert r.stop() == 0
    assert not failures
    job.set(source={"file": {"path": "orders.jsonl"}, "format": "json"})
    job.run()
    driver.check_against(job.expected(), job)
