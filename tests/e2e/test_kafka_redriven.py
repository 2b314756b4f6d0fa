"""Records that are sent again with their origin in a header: applied once, if at all (S3), and the index of open dead letters is part of the state (E1, E3)."""
import json

import pytest

import rewind as driver
from rewind import orders

pytestmark = pytest.mark.xdist_group("kafka")


def lines_with(count, bad):
    """Good orders, but for those at the offsets in `bad`: each lacks its customer. And what they should have been."""
    good = [json.loads(line) for line in orders(count)]
    sent = [{k: v for k, v in event.items() if k != "customer"} if i in bad else event for i, event in enumerate(good)]
    return [json.dumps(event) for event in sent], [json.dumps(event) for event in good]


def again(job, value, *of, retries=None, origin=None):
    headers = [("rewind-origin", (origin or job.origin(*of)).encode())] + ([("rewind-retries", str(retries).encode())] if retries is not None else [])
    return {"value": value, "headers": headers}


def facts(job):
    return driver.newest(job)


def dead_of(job):
    return {at: (letter.code, letter.attempts, letter.failed) for at, letter in job.expected().open_dead.items()}


def test_a_redriven_record_is_applied_once_however_often_it_comes(make_kafka_job):
    job = make_kafka_job()
    sent, good = lines_with(60, {7, 20, 33})
    job.produce(sent)
    job.run_to_end()
    assert facts(job)["dead_letters"] == {"open": 3, "failed": 0}
    job.produce([again(job, good[20], 20), again(job, good[20], 20), again(job, good[7], 7), again(job, good[8], 8), again(job, good[5], 5000)])
    job.run_to_end()
    job.produce([again(job, good[20], 20)] * 3)
    job.run_to_end()
    expected = job.check()
    assert dead_of(job) == {(33, None): ("missing-field", 0, False)}
    assert facts(job)["counts"] == {"read": 68, "applied": 59, "late": 0, "duplicate": 6, "dropped": 0, "dead_letters": 3}
    assert facts(job)["dead_letters"] == {"open": 1, "failed": 0} and len(expected.dead) == 3


def test_what_goes_on_failing_fails_for_good_at_the_limit_that_it_carries(make_kafka_job, broker):
    job = make_kafka_job()
    sent, good = lines_with(30, {3, 4})
    job.produce(sent + [again(job, sent[3], 3)] * 2 + [again(job, '{"customer":1}', 4, retries=1)])
    job.run_to_end()
    assert dead_of(job) == {(3, None): ("missing-field", 2, False), (4, None): ("wrong-type", 1, True)}
    job.produce([again(job, "{", 3), again(job, good[3], 3), again(job, good[4], 4, retries=9)])   # the third try of three, and too late
    job.run_to_end()
    job.check()
    assert dead_of(job) == {(3, None): ("malformed", 3, True), (4, None): ("wrong-type", 1, True)}
    assert facts(job)["dead_letters"] == {"open": 0, "failed": 2} and facts(job)["counts"]["duplicate"] == 2
    tries = [dict(m.headers()) for m in broker.read(job.output_topics[-1])]
    assert [(h.get("rewind-origin"), h.get("rewind-attempts")) for h in tries] == [
        (None, None), (None, None), (job.origin(3).encode(), b"1"), (job.origin(3).encode(), b"2"), (job.origin(4).encode(), b"1"), (job.origin(3).encode(), b"3")]


def test_an_origin_elsewhere_says_nothing_here(make_kafka_job):
    job = make_kafka_job()
    sent, good = lines_with(20, {5})
    elsewhere = ["", "x", f"other/{job.source_topic}/0/5", job.origin(5).replace("/0/", "/1/"), job.origin(5) + "/", job.origin(5) + "/x", job.origin(), job.origin(2**63)]
    job.produce(sent + [again(job, good[i], origin=origin) for i, origin in enumerate(elsewhere)])
    job.run_to_end()
    job.check()
    assert facts(job)["counts"]["applied"] == 19 + len(elsewhere) and facts(job)["dead_letters"]["open"] == 1


def test_of_a_record_of_many_events_only_the_one_that_failed_is_applied(make_kafka_job):
    fields = {name: {**(given if isinstance(given, dict) else {"type": given}), "path": f".{name}"} for name, given in driver.FIELDS.items()}
    job = make_kafka_job(event={"each": "rows", "fields": fields})
    good = list(orders(9))

    def record(*rows):
        return '{"rows":[' + ",".join(rows) + "]}"

    whole = record(*good[:3])
    job.produce([record(good[0], "{}", good[2]), record("{}", "{}"), '{"rows":7}', '{"rows":{}}'])   # 0/1, 1/0, 1/1, 2, 3
    job.produce([again(job, whole, 0, 1), again(job, whole, 0, 1), again(job, whole, 0, 0), again(job, record(good[3]), 1, 1), again(job, record("{}", good[4]), 1, 0)])
    job.produce([again(job, record(good[5], "{}", good[6]), 2), again(job, whole, 2), again(job, record(), 3), again(job, "[]", 1, 1)])
    job.run_to_end()
    job.check()
    assert dead_of(job) == {
        (1, 0): ("missing-field", 1, False), (1, 1): ("wrong-type", 2, False),   # once it was not there, once the record was none
        (9, 1): ("missing-field", 0, False),                                   # the record is whole now, and one of its events is not
    }


@pytest.mark.parametrize("every", [40, 130])
def test_a_kill_at_random_keeps_the_set(make_kafka_job, every):
    job = make_kafka_job(checkpoints={"every": "10ms"}, delivery={"commit_every": "1ms"})
    bad = set(range(3, 2000, 11))
    sent, good = lines_with(2000, bad)
    where, end = {}, 0   # the offset of each line
    for begin in range(0, 2000, 500):
        where.update({begin + i: end + i for i in range(500)})
        tries = [again(job, good[at] if at % 2 else sent[at], where[at]) for at in sorted(bad) if at < begin + 400 and at % 3]
        block = sent[begin:begin + 500] + tries
        end += len(block)
        with job.running() as r:
            for at in range(0, len(block), every):
                job.produce(block[at:at + every])
            r.wait_for(lambda s: s["position"] >= end - every, "it to read")
            r.kill()
    job.run_to_end()
    expected = job.check()
    assert facts(job)["dead_letters"] == {"open": sum(not d.failed for d in expected.open_dead.values()), "failed": sum(d.failed for d in expected.open_dead.values())}
    driver.rewind("checkpoint", "check", "--scan", "--data", job.data, cwd=job.folder)


def test_states_that_differ_only_in_open_dead_letters_have_other_digests(make_kafka_job):
    """The same rows, counted apart: in one job the bad record came, in the other a good one that changes nothing."""
    digests = []
    for bad in ("{", "{}"):
        job = make_kafka_job()
        job.produce(list(orders(10)) + [bad])
        job.run_to_end()
        digests.append((driver.digest(job), job.expected().buckets()))
        job.check()
    assert digests[0][1] == digests[1][1] and digests[0][0] != digests[1][0]
