"""The schema, the examples and the job file's own printing agree."""
import json
import re

import jsonschema
import pytest
import yaml

from rewind import ROOT, orders, rewind
import rewind as driver

EXAMPLES = sorted((ROOT / "deploy" / "examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def schema():
    found = json.loads(rewind("config", "schema").out)
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.name)
def test_an_example_is_valid_by_the_schema_and_by_the_program(example, schema, tmp_path):
    schema.validate(yaml.safe_load(example.read_text()))
    rewind("config", "check", example, cwd=tmp_path)
    printed = rewind("config", "print", example, cwd=tmp_path).out
    schema.validate(yaml.safe_load(printed))
    again = tmp_path / "again.yaml"
    again.write_text(printed)
    assert rewind("config", "print", again, cwd=tmp_path).out == printed
    assert json.loads(rewind("config", "print", example, "-o", "json", cwd=tmp_path).out) == yaml.safe_load(printed)


@pytest.mark.parametrize("break_it", [
    lambda job: job.update(sinkz=[]),
    lambda job: job["event"]["fields"].update(customer="strnig"),
    lambda job: job.pop("tables"),
    lambda job: job["source"].update(format="xml"),
    lambda job: job["sinks"][0].update(emit="sometimes"),
    lambda job: job["state"].update(memory=["64MiB"]),
], ids=["unknown-key", "unknown-type", "no-tables", "unknown-format", "unknown-emit", "a-list-for-a-size"])
def test_what_the_program_refuses_the_schema_refuses_too(break_it, schema, make_job):
    job = make_job(orders(1))
    schema.validate(job.given)
    break_it(job.given)
    job.set()
    rewind("config", "check", job.file, cwd=job.folder, expect=2)
    assert list(schema.iter_errors(job.given))


def test_flags_win_over_the_environment_and_that_over_the_file(make_job):
    job = make_job(orders(1), checkpoints={"every": "11s"})

    def every(*words, **env):
        return json.loads(rewind("config", "print", job.file, "-o", "json", *words, cwd=job.folder, **env).out)["checkpoints"]["every"]

    assert every() == "11s"
    assert every(REWIND_CHECKPOINTS_EVERY="12s") == "12s"
    assert every("--set", "checkpoints.every=13s", REWIND_CHECKPOINTS_EVERY="12s") == "13s"


def test_every_command_has_help_and_the_manual_is_what_the_program_prints():
    for page in sorted((ROOT / "deploy" / "docs" / "reference").glob("*.md")):
        assert rewind("docs", page.stem).out == page.read_text(), f"deploy/docs/reference/{page.name} is not what `rewind docs {page.stem}` prints"
    shown = rewind("help").out
    for word in ("run", "status", "restore", "checkpoint", "state", "export", "config", "doctor", "demo", "generate", "version"):
        assert word in shown
        rewind("help", word, expect=None)


def test_generate_gives_the_same_bytes_for_the_same_seed():
    words = ["generate", "orders", "--records", "500", "--seed", "7"]
    first = rewind(*words).stdout
    assert rewind(*words).stdout == first
    assert rewind("generate", "orders", "--records", "100", "--seed", "7").stdout == first[: len(rewind("generate", "orders", "--records", "100", "--seed", "7").stdout)]
    assert rewind("generate", "orders", "--records", "500", "--seed", "8").stdout != first
    assert first.count(b"\n") == 500


def test_doctor_says_what_is_and_what_is_wrong(make_job):
    job = make_job(orders(1))
    found = driver.rewind_json("doctor", job.file, cwd=job.folder)
    assert found
    assert rewind("version").out.strip()


def test_the_demonstration_proves_the_digest(tmp_path):
    done = rewind("demo", "--records", "100000", cwd=tmp_path, TMPDIR=tmp_path)
    digests = re.findall(r"digest of the .*?run.*? +([0-9a-f]{32})", done.out)
    assert len(digests) == 2 and digests[0] == digests[1] and "Equal: neither the kill nor the faults left a trace." in done.out
    shown = re.findall(r"^\S+\$ rewind (\w+(?: plan| apply)?)", done.out, re.M)
    assert {"generate", "run", "status", "bisect", "repair plan", "repair apply", "diff"} <= set(shown) and "kill -9" in done.out
    assert not list(tmp_path.iterdir()), "the folder is removed at the end"
