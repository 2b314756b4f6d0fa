"""Plugins: the documented example builds in one command and its answers are those of a second implementation; what crashes, loops or lies ends with a message that
names it, and the state is as after any crash."""
import json
import random
import re
import shutil
import subprocess

import pytest

import rewind as driver
from rewind import ROOT, Running, rewind, rewind_json

EXAMPLE = ROOT / "deploy" / "examples" / "plugin"
HEADER = ROOT / "operator" / "plugin"
EXIT_PLUGIN = 12


# ------------------------------------------------------------------------------------------------ the example
def one_command(source):
    """The command that the comment of a source file gives."""
    return re.search(r"^ \*     (cc .*)$", source.read_text(), re.M)[1]


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The example folder, built as its files say."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(EXAMPLE, tree / "deploy" / "examples" / "plugin")
    shutil.copytree(HEADER, tree / "operator" / "plugin")
    folder = tree / "deploy" / "examples" / "plugin"
    for name in ("shop.c", "template.c"):
        subprocess.run(one_command(folder / name).split() + ["-Wall", "-Wextra", "-pedantic", "-Werror"], cwd=folder, check=True)
    return folder


def lines(count, seed, bad_every=0):
    pick = random.Random(seed)
    for i in range(count):
        note = pick.choice(["", "x", "two words", "größer", "zz", "za", "a" * pick.randrange(1, 40)])
        line = f'customer=c{pick.randrange(50)} amount={pick.randrange(-500, 9999) / 100:.2f} qty={pick.randrange(-5, 12)} note="{note}"'
        if bad_every and i % bad_every == bad_every - 1:
            line = [line[:-1], line.replace("qty=", "qty=x"), "nothing", line.replace("customer=", "who="), line.replace("amount=", "amount=1.234")][(i // bad_every) % 5]
        yield line


def parse(line):
    """The second implementation of logfmt: the fields, or None where the line or a field is at fault."""
    pairs = re.fullmatch(r' *(?:[^= ]+=(?:"[^"]*"|[^" ]*)(?: +|$))*', line)
    found = dict(re.findall(r'([^= ]+)=("[^"]*"|[^" ]*)', line)) if pairs else {}
    found = {k: v[1:-1] if v.startswith('"') else v for k, v in found.items()}
    if not {"customer", "amount", "qty", "note"} <= set(found) or not re.fullmatch(r"-?\d+", found["qty"]) or not re.fullmatch(r"-?\d+(\.\d{0,2})?", found["amount"]):
        return None
    return found


def money(cents):
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def vat(cents, percent):
    return (1 if cents >= 0 else -1) * ((abs(cents) * percent + 50) // 100)


def expected_rows(all_lines):
    rows = {}
    for found in filter(None, map(parse, all_lines)):
        rows.setdefault(found["customer"], []).append(found)
    result = {}
    for customer, events in rows.items():
        quantities = [int(e["qty"]) for e in events]
        notes = sorted({e["note"].encode() for e in events}, key=lambda n: (-len(n), n))
        cents = sum(round(float(e["amount"]) * 100) for e in events)
        tax = sum(vat(round(float(e["amount"]) * 100), 19) for e in events)
        result[customer] = {"customer": customer, "tax": money(tax), "orders": len(events), "revenue": money(cents),
                            "spread": max(quantities) - min(quantities), "large": sum(q > 2.5 for q in quantities), "note": notes[0].decode()}
    return result


def shop(make_job, built, all_lines, **more):
    import yaml
    given = yaml.safe_load((EXAMPLE / "shop.yaml").read_text())
    job = make_job(name="shop", **{k: v for k, v in given.items() if k != "job"}, **{"state": {"path": "data"}, **more})
    job.input = job.folder / "shop.log"
    shutil.copy(built / "shop.so", job.folder)
    job.write(all_lines)
    return job


def rows_of(job):
    out = rewind("export", "--data", job.data, "--format", "json").out
    rows = [json.loads(line, parse_float=str) for line in out.splitlines()]
    return {row["customer"]: row for row in rows}


def test_the_example_keeps_its_promises(built):
    done = rewind("plugin", "check", built / "shop.so")
    assert done.out.count(": good\n") == 5 and "shop.vat(decimal, int): good" in done.out
    assert "decoder shop.logfmt" in done.out
    assert rewind("plugin", "check", "./mine.so", cwd=built).out.count(": good\n") == 1


def test_answers_are_those_of_a_second_implementation(built, make_job):
    made = list(lines(3000, 1, bad_every=50))
    job = shop(make_job, built, made)
    job.run()
    assert rows_of(job) == expected_rows(made)
    assert [d[0] for d in driver.dead_letters(job.dead)] == [i for i, line in enumerate(made) if parse(line) is None]
    digest = driver.digest(job)
    (job.folder / "shop.so").unlink()
    assert rows_of(job) == expected_rows(made), "the data directory has a copy of the plugin"
    assert driver.digest(job) == digest


def test_a_killed_job_comes_to_the_same_state(built, make_job):
    made = list(lines(20000, 2))
    calm, job = shop(make_job, built, made), shop(make_job, built, made, checkpoints={"every": "30ms"}, delivery={"commit_every": "5ms"})
    calm.run()
    job.given["source"]["file"]["follow"] = True
    job.set()
    job.write(made[:12000])
    with Running(job) as running:
        running.committed(5000)
        running.kill()
    with Running(job) as running:
        running.committed(12000)
        job.append("".join(line + "\n" for line in made[12000:]))
        running.committed(15000)
        running.kill()
    job.given["source"]["file"]["follow"] = False
    job.set()
    job.run()
    assert driver.digest(job) == driver.digest(calm)
    assert rows_of(job) == expected_rows(made)


def test_another_plugin_is_other_logic(built, make_job):
    job = shop(make_job, built, lines(10, 3))
    job.run()
    with open(job.folder / "shop.so", "ab") as file:
        file.write(b"\0")
    done = job.run(expect=7)
    assert "fingerprint" in done.err and "plugin" in done.err


def test_status_names_plugin_and_hash(built, make_job):
    job = shop(make_job, built, lines(10, 3))
    job.given["source"]["file"]["follow"] = True
    job.set()
    told = re.search(r"hash (\w+)", rewind("plugin", "check", built / "shop.so").out)[1]
    with Running(job) as running:
        assert running.committed(10)["plugins"] == {"shop": told}
        running.stop()


def test_the_running_job_keeps_the_code_that_it_was_started_with(built, make_job):
    made = list(lines(100, 4))
    job = shop(make_job, built, made[:50])
    job.given["source"]["file"]["follow"] = True
    job.set()
    with Running(job) as running:
        running.committed(50)
        (job.folder / "shop.so").write_bytes(b"\0" * 20000)   # in place: what is mapped from the file would be gone
        job.append("".join(line + "\n" for line in made[50:]))
        running.committed(100)
        running.stop()
    assert rows_of(job) == expected_rows(made)


# ------------------------------------------------------------------------------------------------ plugins that go wrong
BAD = r"""
#include "rewind_plugin.h"
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static int deep(volatile int n) {
    volatile char page[4096];
    page[0] = (char)n;
    return deep(n + 1) + page[0];
}
static int32_t decode(void *state, const rewind_record *record, rewind_event *out) {
    static int calls;
    (void)state, (void)calls;
    rewind_set_bytes(&out->values[0], record->value, record->value_size);
    if (record->offset == 3) { %(decode)s }
    return REWIND_OK;
}
static int32_t update(const rewind_call *call, rewind_cell *cell, const rewind_value *value, const rewind_moment *when) {
    (void)call, (void)value;
    cell->bytes[0]++;
    if (when->offset == 3) { %(update)s }
    return REWIND_OK;
}
static int32_t merge(const rewind_call *call, rewind_cell *cell, const rewind_bytes *other) {
    (void)call;
    cell->bytes[0] = (uint8_t)(cell->bytes[0] + other->bytes[0]);
    %(merge)s
    return REWIND_OK;
}
static void read_cell(const rewind_call *call, const rewind_bytes *cell, rewind_value *out) {
    (void)call;
    rewind_set_int(out, cell->bytes[0]);
    if (cell->bytes[0] == 4) { %(read)s }
}
const rewind_plugin *rewind_plugin_v1(void) {
    static const rewind_decoder line = {sizeof line, "line", "", NULL, NULL, decode};
    static const rewind_aggregate n = {.size = sizeof n, .types = 1, .order_free = 1, .cell_size = 8, .result = REWIND_INT, .name = "n", .update = update,
                                       .merge = merge, .read = read_cell};
    static const rewind_decoder *const decoders[] = {&line, NULL};
    static const rewind_aggregate *const aggregates[] = {&n, NULL};
    static const rewind_plugin plugin = {sizeof plugin, 0, "bad", "", NULL, decoders, aggregates};
    return &plugin;
}
"""


def compile_plugin(folder, source, name="bad"):
    (folder / f"{name}.c").write_text(source)
    subprocess.run(["cc", "-std=gnu99", "-O1", "-w", "-fPIC", "-shared", f"-I{HEADER}", "-o", f"{name}.so", f"{name}.c"], cwd=folder, check=True)


def bad_job(make_job, timeout="10s", **bodies):
    job = make_job([f"k{i % 1}" for i in range(8)], name="bad", source={"file": {"path": "orders.jsonl"}, "format": "plugin", "plugin": {"decoder": "bad.line"}},
                   plugins={"files": ["./bad.so"], "timeout": timeout}, event={"fields": {"key": "string"}},
                   tables={"t": {"key": "key", "aggregates": {"n": "bad.n(key)"}}}, sinks=[{"file": {"path": "out/rows.jsonl"}, "emit": "update"}])
    compile_plugin(job.folder, BAD % {"decode": "", "update": "", "merge": "", "read": "", **bodies})
    return job


@pytest.mark.parametrize("function", ["decode", "update", "read"])
@pytest.mark.parametrize("how, body", [
    ("crashed with SIGSEGV", "*(volatile int *)8 = 1;"),
    ("crashed with SIGABRT", "abort();"),
    ("crashed with SIGFPE", "raise(SIGFPE);"),
    ("crashed with SIGILL", "__builtin_trap();"),
    ("crashed with SIGSEGV", "exit(deep(0));"),
    ("did not return within 300ms", "for (;;) __asm__ volatile(\"\");"),
])
def test_what_crashes_or_loops_is_named(function, how, body, make_job):
    job = bad_job(make_job, "300ms" if "for (;;)" in body else "10s", **{function: body})   # where it crashes, how long that takes is no matter
    done = job.run(expect=EXIT_PLUGIN)
    name = "bad.line.decode" if function == "decode" else f"bad.n.{function}"
    assert f"plugin bad (./bad.so): {name}() {how}" in done.err, done.err
    if function != "read":
        assert ", at offset 3" in done.err


@pytest.mark.parametrize("function, told, body", [
    ("update", "wrote outside the room of its cell", "cell->bytes[8] = 1;"),
    ("update", "wrote outside the room of its cell", "cell->bytes[-1] = 1;"),
    ("update", "changed the size of a fixed cell", "cell->size = 9;"),
    ("update", "returned a code that is none of its own", "return 17;"),
    ("read", "changed the type of its answer", "out->type = REWIND_STRING;"),
    ("decode", "wrote behind the last value", "out->values[1].type = 7;"),
    ("decode", "changed the type of a field", "out->values[0].type = REWIND_INT;"),
    ("decode", "gave a text that is larger than REWIND_TEXT_MAX", "out->values[0].byte_count = UINT64_MAX;"),
    ("decode", "crashed with SIGSEGV", "out->values[0].bytes = (void *)16;"),
    ("decode", "wrote behind its room for a reason", "memset(out->reason, 'x', 201);"),
    ("decode", "gave a reason without an end", "memset(out->reason, 'x', 200);"),
    ("decode", "returned a code that is none of its own", "return REWIND_OVERFLOW;"),
])
def test_what_lies_is_named(function, told, body, make_job):
    done = bad_job(make_job, **{function: body}).run(expect=EXIT_PLUGIN)
    assert f"plugin bad (./bad.so): bad.{'line' if function == 'decode' else 'n'}.{function}() {told}" in done.err, done.err


def test_a_crash_loses_nothing(make_job):
    job = bad_job(make_job, decode='if (getenv("CRASH_NOW")) abort();')
    calm = job.copy(job.folder.parent / "calm")
    job.run(expect=EXIT_PLUGIN, CRASH_NOW=1)
    job.run()
    calm.run()
    assert driver.digest(job) == driver.digest(calm)
    assert [r.split(b'"_offset"')[0] for r in driver.outputs(job)["rows.jsonl"].splitlines()] == \
        [r.split(b'"_offset"')[0] for r in driver.outputs(calm)["rows.jsonl"].splitlines()]


def test_a_passing_fault_is_tried_again(make_job):
    job = bad_job(make_job, decode='if (calls++ < 3) return rewind_because(REWIND_RETRY, out->reason, "the table is away");')
    job.run()
    assert driver.newest(job)["counts"]["applied"] == 8


def test_a_passing_fault_that_stays_stops_the_job(make_job):
    job = bad_job(make_job, decode='return rewind_because(REWIND_RETRY, out->reason, "the table is away");')
    job.given["errors"]["retries"] = 1
    job.set()
    done = job.run(expect=EXIT_PLUGIN)
    assert "offset 3" in done.err and "the table is away" in done.err and "1 retries" in done.err
    assert not job.dead.exists() or not job.dead.read_bytes(), "it may be a good record"


def test_texts_that_are_not_utf8_are_the_events_fault(make_job):
    job = bad_job(make_job, decode=r'rewind_set_bytes(&out->values[0], "\xff", 1);')
    job.run()
    assert [d[:3] for d in driver.dead_letters(job.dead)] == [(3, "wrong-type", "key")]


@pytest.mark.parametrize("claim, bodies", [
    ("order_free: values split over two cells and merged give other bytes", {"merge": "if (other->bytes[0] && cell->bytes[0] != other->bytes[0]) cell->bytes[0]--;"}),
    ("merging an empty cell changes the cell", {"merge": "cell->bytes[0] += 2;"}),
    ("merging into an empty cell gives other bytes", {"merge": "if (other->bytes[0] > 3) cell->bytes[0] = 3;"}),
    ("", {"more": "static int seen; if (seen++ % 3 == 0) cell->bytes[0]++;"}),
    ("order_free: another order of the values gives other bytes", {"more": "if (value->byte_count > 0) cell->bytes[1] = value->bytes[0];",
                                                                   "merge": "if (other->bytes[1]) cell->bytes[1] = other->bytes[1];"}),
])
def test_check_finds_broken_promises(claim, bodies, tmp_path):
    source = BAD % {"decode": "", "update": "", "merge": bodies.get("merge", ""), "read": ""}
    source = source.replace("    cell->bytes[0]++;\n", f"    cell->bytes[0]++;\n    {bodies.get('more', '')}\n")
    compile_plugin(tmp_path, source)
    found = [rewind("plugin", "check", "./bad.so", "--seed", seed, cwd=tmp_path, expect=1).out for seed in (1, 2)]
    assert all(f"bad.n(FIELD): broken: {claim}; argument of type string" in out for out in found) if claim else all("broken: " in out for out in found), found


# ------------------------------------------------------------------------------------------------ job files
@pytest.mark.parametrize("change, told", [
    ({"source": {"file": {"path": "shop.log"}, "format": "plugin", "plugin": {"decoder": "shop.logfm"}}}, 'unknown decoder "shop.logfm"; did you mean "shop.logfmt"?'),
    ({"source": {"file": {"path": "shop.log"}, "format": "plugin"}}, "source.plugin is missing; for example plugin: {decoder: shop.order}"),
    ({"plugins": {"files": ["./none.so"]}}, "plugins.files: there is no such file: ./none.so"),
    ({"plugins": {"files": ["./shop.log"]}}, "./shop.log is no plugin that can be loaded here"),
    ({"plugins": {"files": ["./shop.so", "./again.so"]}}, "./shop.so and ./again.so are both named shop"),
    ({"plugins": {"files": ["./shop.so", "empty.so"]}}, "empty.so is no plugin of Rewind: it does not export rewind_plugin_v1"),
    ({"tables": {"t": {"key": "customer", "aggregates": {"x": "shop.rang(quantity)"}}}}, 'unknown aggregate "shop.rang"; did you mean "shop.range"?'),
    ({"tables": {"t": {"key": "customer", "aggregates": {"x": "shop.range(note)"}}}}, "shop.range() does not take a string; it takes: int"),
    ({"tables": {"t": {"key": "customer", "aggregates": {"x": "shop.above(quantity)"}}}}, "shop.above() is written shop.above(FIELD, BOUND)"),
    ({"sinks": [{"file": {"path": "out/x"}, "format": "plugin"}]}, "sinks[0].format"),
])
def test_mistakes_are_told_with_their_place(change, told, built, make_job):
    job = shop(make_job, built, [])
    shutil.copy(built / "shop.so", job.folder / "again.so")
    compile_plugin(job.folder, "int nothing;", "empty")
    job.set(**change)
    done = rewind("config", "check", job.file, cwd=job.folder, expect=2)
    assert told in done.err
    assert re.search(r"shop.yaml:\d+:\d+: ", done.err)


def test_what_config_print_says_is_the_same_job(built, make_job):
    job = shop(make_job, built, [])
    was = rewind_json("config", "check", job.file, cwd=job.folder)["fingerprint"]
    printed = rewind("config", "print", job.file, cwd=job.folder).out
    (job.folder / "again.yaml").write_text(printed)
    assert rewind_json("config", "check", "again.yaml", cwd=job.folder)["fingerprint"] == was
    (job.folder / "below").mkdir()
    (job.folder / "shop.so").rename(job.folder / "below" / "shop.so")
    assert rewind_json("config", "check", job.file, "--set", "plugins.folder=below", cwd=job.folder)["fingerprint"] == was


# ------------------------------------------------------------------------------------------------ functions
def test_functions_stand_in_any_expression(built, make_job):
    """In a key, a condition, an argument, a derived column and a sink's condition; a null argument gives null, and what a function refuses is a dead letter."""
    fields = {"customer": "string", "amount": {"type": "decimal(2)", "optional": True}, "rate": "int", "note": {"type": "string", "optional": True}}
    table = {"key": {"who": "shop.initials(customer)"}, "where": "coalesce(shop.vat(5000, rate) >= 0, false)",
             "aggregates": {"n": "count()", "tax": "sum(shop.vat(amount, rate))", "large": 'count() where shop.initials(note) in ("a", "bc")'},
             "derived": {"tenth": "shop.vat(tax, 10)"}}
    pick = random.Random(4)
    made, want, dead = [], {}, []
    for i in range(2000):
        customer = pick.choice(["ann boe", "Cid", "7 x", "Ünal d", "..."])
        amount = None if pick.randrange(5) == 0 else pick.randrange(-99999, 99999)
        rate = pick.choice([0, 7, 19, 100, 101 if i % 50 == 0 else 7])
        note = pick.choice([None, "alpha", "big car", "no"])
        made.append(json.dumps({"customer": customer, "amount": None if amount is None else float(f"{amount / 100:.2f}"), "rate": rate, "note": note}))
        if rate > 100:
            dead.append(i)
            continue
        key = "".join(word[0] for word in customer.split(" ") if word and word[0].isascii() and word[0].isalpha()) or None
        row = want.setdefault(key, {"who": key, "n": 0, "tax": None, "large": 0})
        row["n"] += 1
        if amount is not None:
            row["tax"] = (row["tax"] or 0) + vat(amount, rate)
        row["large"] += note in ("alpha", "big car")
    job = make_job(name="functions", plugins={"files": ["./shop.so"]}, event={"fields": fields}, tables={"t": table},
                   sinks=[{"file": {"path": "out/t.jsonl"}, "where": "shop.vat(tax, 100) > 0"}])
    shutil.copy(built / "shop.so", job.folder)
    job.write(made)
    job.run()
    rows = {row["who"]: row for row in (json.loads(line, parse_float=str) for line in rewind("export", "--data", job.data, "--format", "json").out.splitlines())}
    for row in want.values():
        row["tenth"] = None if row["tax"] is None else money(vat(row["tax"], 10))
        row["tax"] = None if row["tax"] is None else money(row["tax"])
    assert rows == want and len(dead) > 5
    assert [(d[0], d[1]) for d in driver.dead_letters(job.dead)] == [(i, "wrong-type") for i in dead]


@pytest.mark.parametrize("text, message", [
    ("sum(shop.vat(amount))", "shop.vat has 1 argument here; it takes 2"),
    ("sum(shop.vat(note, 7))", "argument 1 of shop.vat is a decimal(2), this is"),
    ("sum(shop.vat(exact, 7))", "round(x, N) gives it fewer digits"),
    ("sum(shop.tax(amount, 7))", "there is no function 'shop.tax'"),
    ("sum(shop.vat)", "a name that holds a point stands in backticks"),
])
def test_mistakes_in_calls_are_named_with_their_place(built, make_job, text, message):
    fields = {"customer": "string", "amount": "decimal(2)", "exact": "decimal(4)", "note": "string"}
    job = make_job(name="functions", plugins={"files": ["./shop.so"]}, event={"fields": fields}, tables={"t": {"key": "customer", "aggregates": {"a": text}}}, sinks=[])
    shutil.copy(built / "shop.so", job.folder)
    done = rewind("config", "check", job.file, cwd=job.folder, expect=2)
    assert message in done.err and "functions.yaml:16:" in done.err


BAD_FUNCTION = """
#include "rewind_plugin.h"
static int32_t call(const rewind_value *args, uint32_t count, rewind_room *room, rewind_value *out) {
    volatile int64_t zero = 0;
    (void)count, (void)room, (void)zero;
    rewind_set_int(out, args[0].integer);
    %s
    return REWIND_OK;
}
const rewind_plugin *rewind_plugin_v1(void) {
    static const rewind_function bad = {.size = sizeof(rewind_function), .arg_count = 1, .types = {REWIND_INT}, .result = %s, .name = "bad", .call = call};
    static const rewind_function *const functions[] = {&bad, NULL};
    static const rewind_plugin plugin = {.size = sizeof(rewind_plugin), .name = "ill", .functions = functions};
    return &plugin;
}
"""


@pytest.mark.parametrize("body, result, message", [
    ("if (args[0].integer == 3) *(volatile int *)1 = 1;", "REWIND_INT", "crash"),
    ("if (args[0].integer == 3) for (;;) zero++;", "REWIND_INT", "did not return within"),
    ("if (args[0].integer == 3) room->bytes[room->size] = 1;", "REWIND_INT", "outside"),
    ("if (args[0].integer == 3) return 77;", "REWIND_INT", "a code that is none of its own"),
    ("if (args[0].integer == 3) out->type = REWIND_FLOAT;", "REWIND_INT", "changed the type of its answer"),
    ("if (args[0].integer == 3) rewind_set_int(out, 2);", "REWIND_BOOL", "an answer that is none of its type"),
])
def test_a_function_that_goes_wrong_is_named(built, make_job, body, result, message):
    job = make_job(name="ill", plugins={"files": ["./ill.so"], "timeout": "300ms" if "for (;;)" in body else "10s"}, event={"fields": {"key": "string", "v": "int"}},
                   tables={"t": {"key": "key", "aggregates": {"n": "count() where ill.bad(v) is not null"}}}, sinks=[])
    (job.folder / "ill.c").write_text(BAD_FUNCTION % (body, result))
    subprocess.run(["cc", "-std=c99", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", f"-I{HEADER}", "-o", "ill.so", "ill.c"], cwd=job.folder, check=True)
    job.write([json.dumps({"key": "a", "v": v}) for v in (0, 1, 3)])
    done = job.run(expect=EXIT_PLUGIN)
    assert "ill.bad" in done.err and message in done.err, done.err
