"""Every aggregate: rows of random events against a second implementation, to the byte; and a job that has them all, through kills."""
import decimal
import json
import pathlib
import random
import signal
import struct
import subprocess

import aggregates
import oracle
import pytest
import rewind as driver
from rewind import rewind

# ------------------------------------------------------------------------------------------------ cells
ROWS = pathlib.Path(driver.PROGRAM).parent / "tests" / "aggregate_rows"   # tests/property/aggregate_rows.c says what it prints
ROUNDED = ("sum", "mean", "variance", "stddev", "variance_pop", "stddev_pop")


def value_of(text, column):
    if text == "-":
        return None
    if text.startswith("="):
        found = bytes.fromhex(text[1:])
        return found.decode() if column.arg == "string" else found
    if column.arg == "float":
        return struct.unpack(">d", bytes.fromhex(text))[0]
    if column.arg == "decimal":
        return decimal.Decimal(int(text)).scaleb(-column.arg_scale)
    return text == "1" if column.arg == "bool" else int(text)


def column_of(text):
    name, kind, scale, given = text.split(":")
    made = aggregates.make(name, kind, int(scale), given.split(",") if given else [])
    made.name = name
    return made


class Twin:
    """Follows one table of the program's output."""

    def __init__(self, columns):
        self.columns, self.states, self.refused = columns, [c.empty for c in columns], False

    def event(self, cells):
        """None, or the fault that the program must report."""
        offset, time, ordinal = map(int, cells[:3])
        new = []
        for at, (column, state, text) in enumerate(zip(self.columns, self.states, cells[3:])):
            try:
                new.append(column.update(state, value_of(text, column), (time, offset, ordinal)))
            except aggregates.Fault as fault:
                self.refused = True
                return [str(fault), str(at)]
        self.states = new
        return None

    def row(self):
        return aggregates.row_bytes(list(zip(self.columns, self.states))).hex()

    def answers(self):
        return [oracle.value_json(c.answer(s), c.kind, c.scale) for c, s in zip(self.columns, self.states)]

    def merges_to_the_same(self):
        """Not sums of floats, nor counters that had to be given up, nor what is cut where an event is refused."""
        return not self.refused and not any(c.arg == "float" and c.name in ROUNDED or c.name == "topk" and len(s) >= c.counters
                                            for c, s in zip(self.columns, self.states))


def test_bytes_and_answers_of_random_events_are_those_of_a_second_implementation():
    twin, fault, rows, faults, merged = None, None, 0, 0, 0
    for line in subprocess.run([ROWS], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        word, *cells = line.split("\t")
        names = [c.name for c in twin.columns] if twin else None
        assert fault is None or word == "fault", f"{names}: the event should have been refused: {fault}"
        if word == "table":
            twin = Twin([column_of(c) for c in cells])
        elif word == "event":
            fault = twin.event(cells)
        elif word == "fault":
            assert cells == fault, names
            fault, faults = None, faults + 1
        elif word == "row":
            assert cells == [twin.row()], names
            rows += 1
        elif word == "answer":
            assert [bytes.fromhex(c).decode() for c in cells] == twin.answers(), names
        elif word == "merged" and twin.merges_to_the_same():
            assert cells == [twin.row()], names
            merged += 1
    assert rows > 5000 and merged > 150 and faults > 100, (rows, merged, faults)


# ------------------------------------------------------------------------------------------------ a job
FIELDS = {
    "key": "string", "price": "decimal(2)", "number": "int", "level": "float", "word": "string", "data": "bytes", "flag": "bool",
    "ts": {"type": "time", "format": "epoch-ms"},
}
KINDS = {"price": "decimal", "number": "int", "level": "float", "word": "string", "data": "bytes", "flag": "bool", "ts": "time"}
NUMBERS = ("price", "number", "level")


def every_aggregate():
    """Each of them, of each type that it takes."""
    columns = {"n": "count()"}
    for field in KINDS:
        for name in ("min", "max", "first", "last", "distinct"):
            columns[f"{name}_{field}"] = f"{name}({field})"
        columns[f"topk_{field}"] = f"topk({field}, 3, 20)"
    for field in NUMBERS:
        for name in ("sum", "mean", "variance", "stddev", "variance_pop", "stddev_pop"):
            columns[f"{name}_{field}"] = f"{name}({field})"
        columns[f"p99_{field}"] = f"quantile({field}, 0.99)"
    names = list(columns)
    return [{n: columns[n] for n in names[i::2]} for i in (0, 1)]


TABLES = {
    "some": {"key": "key", "aggregates": every_aggregate()[0]},
    "others": {"key": "key", "aggregates": every_aggregate()[1]},
    "all": {"key": "flag", "aggregates": {"words": "distinct(word, 6)", "top": "topk(word, 5)", "deviation": "stddev(price, 2)", "median": "quantile(price, 0.5)",
                                          "mean": "mean(number, 0)", "newest": "last(word)"}},
}
SINKS = [
    {"table": "some", "file": {"path": "out/some.jsonl"}},
    {"table": "others", "file": {"path": "out/others.csv"}, "format": "csv"},
    {"table": "all", "file": {"path": "out/all.jsonl"}, "emit": "update"},
]


def events(count, seed=1):
    pick = random.Random(seed)
    words = ["".join(pick.choices("abcdé,\"\n", k=pick.randrange(30))) for _ in range(400)]
    for i in range(count):
        number = pick.randrange(-10**pick.randrange(1, 15), 10**pick.randrange(1, 15))
        if i % 500 == 499:
            number = 2**63 - 1  # its variance has no room
        yield json.dumps({
            "key": f"key-{pick.randrange(25)}", "price": f"{pick.randrange(-10**6, 10**8) / 100:.2f}", "number": number, "level": pick.uniform(-1, 1) * 10**pick.randrange(-5, 9),
            "word": pick.choice(words[:1 + i]), "data": "AAEC"[:pick.choice([0, 4])], "flag": pick.random() < 0.5, "ts": 1700000000000 + pick.randrange(10**6) // 100,
        })


@pytest.fixture(scope="module")
def lines():
    return list(events(2000))


def make(make_job, lines, **sections):
    return make_job(lines, event={"fields": FIELDS, "time": {"field": "ts"}}, tables=TABLES, sinks=SINKS,
                    **{"delivery": {"commit_at": {"offset_multiple": 250}}, **sections})


def test_a_job_with_every_aggregate_gives_what_the_oracle_does(make_job, lines):
    job = make(make_job, lines)
    job.run()
    expected = job.expected()
    assert {d.code for d in expected.dead} == {"overflow"}
    driver.check_against(expected, job)


def test_kills_change_no_aggregate(make_job, lines):
    job = make(make_job, lines, checkpoints={"every": "50ms", "keep": {"last": 3}})
    for point in ("publish-before-hash:2", "publish-before-hash:3", "commit-after-append:3"):
        name = point.split(":")[0]
        if name not in driver.crash_points():
            continue
        assert job.run(expect=None, REWIND_CRASH_POINT=point).returncode in (0, -signal.SIGKILL)
    job.run()
    driver.check_against(job.expected(), job)


def test_lists_are_shown_by_every_command(make_job, lines):
    job = make(make_job, lines[:50])
    job.run()
    expected = job.expected()
    answers = {key: row[1] for key, row in expected.tables["all"].items()}
    found = [json.loads(line) for line in rewind("state", "scan", "--table", "all", "-o", "json", "--data", job.data).out.splitlines()]
    assert {(row["flag"],): row["top"] for row in found} == {key: json.loads(top) for key, top in answers.items()}
    table = rewind("state", "scan", "--table", "all", "--data", job.data).out
    assert all(top[:20] in table for top in answers.values())


@pytest.mark.parametrize("call, message", [
    ("quantile(price)", "quantile() is written quantile(FIELD, Q)"),
    ("quantile(price, 1.5)", "q of quantile() is a number from 0.000000 to 1.000000, found \"1.5\""),
    ("topk(word, 0)", "k of topk() is a number from 1 to 100, found \"0\""),
    ("mean(price, 2, 3)", "mean() is written mean(FIELD[, SCALE])"),
    ("mean(word)", "mean() does not take a string; it takes: int, decimal, float"),
    ("sum(price, 2)", "sum() is written sum(FIELD)"),
])
def test_a_wrong_literal_is_told_with_what_is_right(make_job, lines, call, message):
    job = make(make_job, lines[:1])
    job.set(tables={"t": {"key": "key", "aggregates": {"x": call}}}, sinks=[])
    assert message in rewind("config", "check", job.file, expect=None).err
