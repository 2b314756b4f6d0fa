"""generate with faults: what is written, what is listed and what is true fit together, record by record."""
import collections
import json

import pytest

from rewind import Job, rewind

INJECT = "lost=2000,gap=400,duplicated=3000,late=900,malformed=1500,price=5000..6000"
BAD = ["missing", "type", "range", "utf8", "cut"]


def generate(folder, *words, records=20000, inject=INJECT, expect=0, csv=False):
    made = {name: folder / f"{name}.txt" for name in ("faults", "amendments", "truth", "orders")}
    for path in made.values():
        path.unlink(missing_ok=True)
    done = rewind("generate", "orders", "--records", records, "--keys", 500, *(["--inject", inject] if inject else []), "--faults", made["faults"], "--amendments", made["amendments"],
                  "--truth", made["truth"], "-f", made["orders"], *(["--format", "csv"] if csv else []), *words, expect=expect)
    if expect:
        return done
    found = {name: path.read_bytes().splitlines() for name, path in made.items()}
    if csv:
        assert found["orders"][0] == found["truth"][0]
        found["orders"], found["truth"] = found["orders"][1:], found["truth"][1:]
    found["faults"] = [json.loads(text) for text in found["faults"]]
    found["amendments"] = [json.loads(text) for text in found["amendments"]]
    return found


def amended(orders, amendments):
    """What a replay with the amendments reads (L6)."""
    inserts, others = collections.defaultdict(list), {}
    for a in amendments:
        if "insert" in a:
            inserts[a["insert"]].append(a["value"].encode())
        else:
            at = a.get("skip", a.get("replace"))
            assert at not in others, "an offset is skipped or replaced once"
            others[at] = a
    out = []
    for offset, text in enumerate(orders):
        out += inserts.pop(offset, [])
        if offset not in others:
            out.append(text)
        elif "replace" in others[offset]:
            out.append(others.pop(offset)["value"].encode())
        else:
            others.pop(offset)
    assert not inserts and not others, "all of them act"
    return out


@pytest.mark.parametrize("csv", [False, True])
def test_amendments_turn_what_is_written_into_the_truth(tmp_path, csv):
    made = generate(tmp_path, csv=csv)
    assert amended(made["orders"], made["amendments"]) == made["truth"]
    assert made["orders"] != made["truth"]
    plain = rewind("generate", "orders", "--records", 20000, "--keys", 500, *(["--format", "csv"] if csv else [])).stdout.splitlines()
    assert plain[csv:] == made["truth"], "the truth is what there is without faults"


def test_each_fault_is_listed_where_it_stands(tmp_path):
    made = generate(tmp_path)
    orders, truth, kinds = made["orders"], made["truth"], collections.Counter()
    listed = set()
    for fault in made["faults"]:
        offset, belongs, kind, i = fault["offset"], fault["belongs"], fault["fault"], fault["id"]
        kinds[kind] += 1
        if kind == "duplicated":
            assert (belongs, fault["truth"]) == (None, None) and orders[offset] == truth[i]
            assert orders.index(truth[i]) < offset
        else:
            assert fault["truth"].encode() == truth[i]
        if kind in ("lost", "gap"):
            assert offset is None and truth[i] not in set(orders[max(0, belongs - 200):belongs + 200])
        elif kind == "late":
            assert orders[offset] == truth[i] and 4000 < offset - belongs < 6000 or offset > len(orders) - 300
        elif kind == "price":
            assert 5000 <= i < 6000 and float(json.loads(orders[offset])["amount"]) == pytest.approx(10 * json.loads(truth[i])["amount"])
        elif kind == "malformed":
            assert orders[offset] != truth[i]
        if offset is not None:
            assert offset not in listed
            listed.add(offset)
    assert set(kinds) == {"lost", "gap", "duplicated", "late", "malformed", "price"} and min(kinds.values()) > 5
    wrong = {n for n, text in enumerate(orders) if n not in listed and text not in set(truth)}
    assert not wrong, "nothing is wrong that is not listed"


def test_gaps_are_ids_that_are_missing_in_a_row(tmp_path):
    made = generate(tmp_path, inject="gap=300")
    ids = [json.loads(text)["id"] for text in made["orders"]]
    missing = sorted(set(range(20000)) - set(ids))
    assert missing == [f["id"] for f in made["faults"]] and ids == sorted(ids)
    runs = [1]
    for a, b in zip(missing, missing[1:]):
        runs[-1:] = [runs[-1] + 1] if b == a + 1 else [runs[-1], 1]
    assert 2 <= max(runs) and len(runs) > 2


def test_it_is_the_same_for_the_same_seed(tmp_path):
    first = generate(tmp_path)
    assert generate(tmp_path) == first
    assert generate(tmp_path, "--seed", 2) != first


def test_a_slow_one_writes_the_same(tmp_path):
    first = generate(tmp_path, records=2000)
    assert generate(tmp_path, "--rate", 100000, records=2000) == first


def test_mistakes_are_said(tmp_path):
    for inject, text in [
        ("lst=5", "did you mean 'lost'?"), ("lost", "lost takes a number of records in a million"), ("lost=5;late=7", "lost takes"), ("price=7", "price takes two ids"),
        ("lost=400000,late=200000", "more than half"), ("price=9..3", "price takes two ids"),
    ]:
        assert text in generate(tmp_path, inject=inject, expect=2).err
    assert "--inject malformed=N instead" in generate(tmp_path, "--bad", 5, expect=2).err
    assert "is not given" in generate(tmp_path, inject=None, expect=2).err


def test_a_job_over_the_truth_and_one_over_what_was_written_differ_by_the_faults(tmp_path):
    made = generate(tmp_path, inject="lost=3000,malformed=2000", records=5000)
    fields = {"id": "int", "customer": "string", "country": "string", "quantity": "int", "amount": "decimal(2)"}
    job = Job(tmp_path / "job", None, event={"fields": fields}, tables={"all": {"key": "country", "aggregates": {"n": "count()"}}}, sinks=[{"file": {"path": "out/n.jsonl"}}])
    job.input.write_bytes(b"\n".join(made["orders"]) + b"\n")
    done = json.loads(job.run("-o", "json").out)
    bad = sum(f["fault"] == "malformed" for f in made["faults"])
    assert done["counts"]["dead_letters"] == bad and done["counts"]["read"] == 5000 - (len(made["faults"]) - bad)
