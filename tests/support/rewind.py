"""Drives the program: job files, runs to the end, runs in the background, kills, questions, and a look into data directories.

    job = Job(tmp_path, orders(1000))       a job file, its input and where its results go
    job.run()                               to the end
    with Running(job) as r: r.committed(9)  in the background
"""
import base64
import csv
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

import yaml

import oracle

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("REWIND_PROGRAM", str(ROOT / "build" / "release" / "rewind"))
PATIENCE = 120   # seconds until a test gives up on the program: far more than it takes


def environment(**more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("REWIND_")}
    return {**clean, "LC_ALL": "C.UTF-8", **{k: str(v) for k, v in more.items()}}


def rewind(*words, expect=0, cwd=None, user=None, program=PROGRAM, **env):
    """Runs the program to its end and returns it; `expect` is the exit code it must have (None: any)."""
    done = subprocess.run([program, *map(str, words)], cwd=cwd, user=user, group=user, env=environment(**env), stdin=subprocess.DEVNULL, timeout=PATIENCE * 2,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    done.out, done.err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    shown = " ".join(["rewind", *map(str, words)])
    assert expect is None or done.returncode == expect, f"{shown}\nexit code {done.returncode}, not {expect}\n{done.out}\n{done.err}"
    return done


def rewind_json(*words, **more):
    return json.loads(rewind(*words, "-o", "json", **more).out)


def memory_bound(memory):
    """The most that a process may have resident with this `state.memory`: a tenth more, and a constant."""
    return memory * 11 // 10 + (48 << 20)


# ------------------------------------------------------------------------------------------------ jobs
FIELDS = {
    "customer": "string",
    "country": "string",
    "amount": "decimal(2)",
    "quantity": "int",
    "ts": {"type": "time", "format": "epoch-ms"},
}
TABLES = {
    "customers": {
        "key": "customer",
        "aggregates": {"orders": "count()", "revenue": "sum(amount)", "least": "min(amount)", "most": "max(amount)", "last_seen": "max(ts)"},
    },
    "countries": {"key": ["country", "quantity"], "aggregates": {"orders": "count()", "units": "sum(quantity)"}},
}


def orders(count, keys=300, seed=1, bad_every=0, first=0):
    """Lines of JSON; with `bad_every`, every so many is an event that fails, each in another way."""
    pick = random.Random(seed)
    for i in range(first, first + count):
        event = {
            "customer": f"customer-{pick.randrange(keys)}",
            "country": pick.choice(["Norway", "Türkiye", "a \"quoted\", place", "日本", ""]),
            "amount": 0,
            "quantity": pick.randrange(-3, 8),
            "ts": 1700000000000 + i * 250 + pick.randrange(100000),
        }
        line = json.dumps(event, ensure_ascii=False).replace('"amount": 0', f'"amount": {pick.randrange(-500, 99999) / 100:.2f}')
        if bad_every and i % bad_every == bad_every - 1:
            line = [
                line[:-7], line.replace('"quantity": ', '"quantity": "x", "was": '), line.replace('"ts"', '"when"'), "[1, 2]",
                line.replace('"amount": ', '"amount": 1e60, "was": '), line.replace('"amount": ', '"amount": 0.001, "was": '),
            ][(i // bad_every) % 6]
        yield line


class Job:
    """A job file in a folder of its own, where it also runs: all its paths are relative. Words given replace whole sections of it."""

    def __init__(self, folder, lines=None, name="orders", **sections):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.file = self.folder / f"{name}.yaml"
        self.input = self.folder / "orders.jsonl"
        self.out = self.folder / "out"
        self.out.mkdir(exist_ok=True)
        self.given = {
            "job": name,
            "source": {"file": {"path": self.input.name}, "format": "json"},
            "event": {"fields": FIELDS},
            "tables": TABLES,
            "sinks": [
                {"table": "customers", "file": {"path": "out/customers.jsonl"}},
                {"table": "countries", "file": {"path": "out/countries.csv"}, "format": "csv", "emit": "update"},
            ],
            "state": {"path": "data"},
            "errors": {"dead_letter": {"file": {"path": "out/dead.jsonl"}}},
            "http": {"listen": "off"},
        }
        self.set(**sections)
        if lines is not None:
            self.write(lines)

    def set(self, **sections):
        for section, value in sections.items():
            if value is None:
                self.given.pop(section, None)
            else:
                self.given[section] = value
        self.given = json.loads(json.dumps(self.given))   # a copy: no two jobs share a part
        self.file.write_text(yaml.safe_dump(self.given, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return self

    def write(self, lines):
        self.input.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))

    def append(self, data):
        with open(self.input, "ab") as f:
            f.write(data if isinstance(data, bytes) else data.encode())

    @property
    def data(self):
        return self.folder / "data" / self.name / "0"

    @property
    def checkpoints(self):
        return self.data / "checkpoints"

    @property
    def dead(self):
        return self.folder / self.given["errors"]["dead_letter"]["file"]["path"]

    def copy(self, folder):
        """The same job, input and everything it has made so far, in another folder. Links between files stay."""
        subprocess.run(["cp", "-a", str(self.folder), str(folder)], check=True)
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.folder = pathlib.Path(folder)
        other.file, other.input, other.out = other.folder / self.file.name, other.folder / self.input.name, other.folder / "out"
        other.given = json.loads(json.dumps(self.given))
        return other

    def run(self, *words, expect=0, **more):
        """`rewind run`, to the end."""
        return rewind("run", self.file, *words, expect=expect, cwd=self.folder, **more)

    def expected(self, until=None):
        return oracle.run(oracle.Job(self.file), self.input, until)

    def restart(self):
        """Removes all that runs have made."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        shutil.rmtree(self.out)
        self.out.mkdir()


# ------------------------------------------------------------------------------------------------ what a job has made
def dead_letters(path):
    """(offset, reason, field, raw bytes) of each line, and behind them the place among the events of its record, where it says one."""
    letters = []
    for line in pathlib.Path(path).read_bytes().splitlines():
        found = json.loads(line)
        letters.append((found["offset"], found["reason"], found["field"], base64.b64decode(found["value"], validate=True)) +
                       ((found["ordinal"],) if "ordinal" in found else ()))
        assert found["size"] == len(letters[-1][3])
        if "text" in found:
            assert found["text"].encode() == letters[-1][3]
    return letters


def expected_dead(expected):
    return [(d.offset, d.code, d.field, d.value) + (() if d.ordinal is None else (d.ordinal,)) for d in expected.dead]


def checkpoints(job, *, pruned=False):
    """What `checkpoint list` says, newest first; those of which only the manifest is left only if asked for."""
    return [c for c in rewind_json("checkpoint", "list", "--data", job.data, *(["--all"] if pruned else [])) if pruned or c["state"] != "pruned"]


def newest(job):
    return rewind_json("checkpoint", "show", "latest", "--data", job.data)


def digest(job):
    """State digest of the newest checkpoint: as published, found equal to the one computed from all of its rows."""
    rewind("checkpoint", "check", "latest", "--scan", "--data", job.data)
    return newest(job)["digest"]


def view(job, sink):
    """What a reader of a whole output ends up with: the newest row of each key, as texts."""
    rows = {}
    parts, first = len(sink.table.key), len(sink.table.key) + bool(sink.table.window)
    with open(job.folder / sink.path, encoding="utf-8", newline="") as f:
        if sink.format == "csv":
            rows_of_file = csv.reader(f)
            next(rows_of_file)
            for row in rows_of_file:
                rows[tuple(row[:parts])] = tuple(row[first:-3])
                if row[-1] == "true":
                    del rows[tuple(row[:parts])]
        else:
            for line in f:
                found = json.loads(line, parse_float=str, parse_int=str)
                row = [text_of(v) for name, v in found.items() if not name.startswith("_")]   # nor what corrections say of themselves
                rows[tuple(row[:parts])] = tuple(row[first:])
                if "deleted" in found:
                    del rows[tuple(row[:parts])]
    return rows


def text_of(value):
    if isinstance(value, list):
        return json.dumps(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value


def without_layout(view):
    """A view whose lists, which are JSON in every format, have one layout."""
    def one(text):
        return json.dumps(json.loads(text, parse_float=str, parse_int=str)) if text.startswith('[{"value":') else text

    return {key: tuple(map(one, row)) for key, row in view.items()}


def outputs(job):
    """All output files of a job, by name."""
    return {path.name: path.read_bytes() for path in sorted(job.out.iterdir()) if not path.name.endswith(".commits")}


def check_against(expected, job):
    """State, dead letters and outputs of a job that came to its end are what the oracle says."""
    assert digest(job) == expected.digest()
    assert newest(job)["input_digest"] == expected.input_hash
    assert dead_letters(job.dead) == expected_dead(expected)
    lineage = newest(job)["lineage"]
    for sink in expected.job.sinks:
        if sink.emit in ("update", "close") or expected.job.offset_multiple:
            assert (job.folder / sink.path).read_bytes() == expected.output(sink, lineage)
        assert without_layout(view(job, sink)) == without_layout(expected.view(sink))


def flip(path, at):
    """Turns one bit over, in place: what else links to the file sees it, too."""
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 0x10]))


def crash_points():
    """Names in the program's own table."""
    text = (ROOT / "operator" / "base" / "crash_point.h").read_text()
    return re.findall(r'X\(\w+, "([a-z0-9-]+)",', text)


# ------------------------------------------------------------------------------------------------ in the background
class Running:
    """`rewind run` in the background. Leaving the block kills it, if it still runs."""

    def __init__(self, job, *words, **env):
        self.job = job
        self.log = open(job.folder / "stderr.log", "ab+")
        self.log_begin = self.log.tell()
        self.process = subprocess.Popen([PROGRAM, "run", str(job.file), *map(str, words)], cwd=job.folder, env=environment(**env), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=self.log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()

    @property
    def stderr(self):
        return (self.job.folder / "stderr.log").read_bytes()[self.log_begin:].decode(errors="replace")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        return self.process.wait(PATIENCE)

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        return self.process.wait(PATIENCE)

    def most_resident(self):
        """Bytes of memory that the process has ever had resident."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def status(self):
        done = rewind("status", "--data", self.job.data, "-o", "json", expect=None)
        return json.loads(done.out) if done.returncode == 0 else None

    def wait_for(self, condition, what="the program to get there"):
        """Until condition(status) is true; returns that status."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the program ended with {self.process.returncode} instead:\n{self.stderr}"
            status = self.status()
            if status and condition(status):
                return status
            time.sleep(0.02)
        raise AssertionError(f"waited in vain for {what}; status: {status}\n{self.stderr}")

    def committed(self, offset):
        return self.wait_for(lambda s: s["committed"] >= offset, f"offset {offset} to be committed")


def get(url):
    """(status, text) of a page."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
