"""The runbook for wrong outputs, word for word: every command on the page is run, in its order, on orders in which faults were made, and what comes out is what the true orders come to."""
import re
import shlex

import pytest

import oracle
import repairs
import rewind as driver
from rewind import Running, rewind

PAGE = driver.ROOT / "deploy" / "runbooks" / "wrong-window.md"
FAULTS = "lost=3000,gap=300,duplicated=3000,late=1000,malformed=2000,price=5000..5600"
COUNT = 8000


def sections():
    """{number: commands} of the page."""
    parts = re.split(r"^## (\S+)\. .*$", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
    found = {}
    for number, body in zip(parts[::2], parts[1::2]):
        lines = [line for block in re.findall(r"```\n(.*?)```", body, re.S) for line in block.splitlines()]
        assert lines and all(line.startswith("rewind ") for line in lines), number
        found[number] = [shlex.split(line)[1:] for line in lines]
    return found


@pytest.fixture
def job(make_job):
    made = make_job([], checkpoints={"every": "50ms", "full": {"keep": 0}}, event={"fields": {"customer": "string", "country": "string", "amount": "decimal(2)", "quantity": "int"}},
                    tables={"customers": {"key": "customer", "aggregates": {"orders": "count()", "revenue": "sum(amount)"}}},
                    sinks=[{"table": "customers", "file": {"path": "out/customers.jsonl"}}])
    rewind("generate", "orders", "--records", COUNT, "--keys", 300, "--inject", FAULTS, "--faults", "faults.jsonl", "--amendments", "amendments.jsonl", "--truth", "true.jsonl",
           "-f", "orders.jsonl", cwd=made.folder)
    return made


def follow(job, page, number):
    for words in page[number]:
        done = rewind(*words, cwd=job.folder)
        assert done.out, words


def expected(job, name):
    return oracle.run(oracle.Job(job.file), (job.folder / name).read_bytes())


def is_view_of(job, wanted):
    for sink in wanted.job.sinks:
        assert driver.view(job, sink) == wanted.view(sink)


def test_the_page_leads_from_wrong_outputs_to_the_true_ones_and_back(job):
    page = sections()
    assert list(page) == ["1", "2a", "2b", "3", "4", "5"]
    count = len((job.folder / "orders.jsonl").read_bytes().splitlines())
    wrong, true = expected(job, "orders.jsonl"), expected(job, "true.jsonl")
    assert wrong.view(wrong.job.sinks[0]) != true.view(true.job.sinks[0])
    job.set(source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"})
    with Running(job) as r:
        r.committed(count)
        follow(job, page, "1")
        follow(job, page, "2a")
        follow(job, page, "3")
        is_view_of(job, true)
        follow(job, page, "4")
        is_view_of(job, wrong)
        assert r.stop() == 0
    job.set(source={"file": {"path": "orders.jsonl"}, "format": "json"})
    follow(job, page, "5")
    is_view_of(job, true)
    job.run()
    is_view_of(job, true)
    assert [r["kind"] for r in repairs.repairs(job) if r["state"] == "applied"] == ["repair", "undo", "repair"]


def test_a_window_of_wrong_logic_is_computed_anew(job):
    """Ten times the amount in the orders of a window: the logic that divides there comes to what the true amounts do."""
    page = sections()
    rewind("generate", "orders", "--records", COUNT, "--keys", 300, "--inject", "price=5000..5600", "--truth", "true.jsonl", "-f", "orders.jsonl", cwd=job.folder)
    given = job.given["tables"]
    count = len((job.folder / "orders.jsonl").read_bytes().splitlines())
    fixed = driver.Job(job.folder, None, "fixed", **{k: v for k, v in job.given.items() if k != "job"})
    fixed.set(tables={"customers": {**given["customers"], "aggregates": {"orders": "count()", "revenue": "sum(round(amount / 10, 2))"}}})
    wrong, true = expected(job, "orders.jsonl"), expected(job, "true.jsonl")
    job.set(source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"})
    with Running(job) as r:
        r.committed(count)
        follow(job, page, "2b")
        follow(job, page, "3")
        is_view_of(job, true)
        follow(job, page, "4")
        is_view_of(job, wrong)
        assert r.stop() == 0
