"""The io tiers: the same results on each, and a container's seccomp profile that refuses io_uring changes nothing but the tier."""
import shutil
import stat
import sys

import pytest

import rewind as driver
from rewind import PROGRAM, Job, Running, orders, rewind, rewind_json

TIERS = ["pread", "uring", "uring-registered"]
KEYS = 30000   # checkpoint files are larger than what one read takes

# Makes a system call fail with EPERM for this process and what it becomes, then becomes the program.
REFUSE = """#!{python}
import ctypes, os, struct, sys
code = [(0x20, 0, 0, 0), (0x15, 0, 1, {number}), (0x06, 0, 0, 0x00050000 | 1), (0x06, 0, 0, 0x7fff0000)]   # load nr; equal? errno EPERM : allow
filters = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *c) for c in code))
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0   # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, ctypes.byref(Program(len(code), ctypes.addressof(filters)))) == 0   # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
os.execv({program!r}, [{program!r}] + sys.argv[1:])
"""
SETUP, ENTER, REGISTER = 425, 426, 427   # of io_uring, on every architecture


@pytest.fixture
def refusing(tmp_path):
    """The program, with a system call refused."""
    def make(number):
        script = tmp_path / f"refuse-{number}"
        script.write_text(REFUSE.format(python=sys.executable, number=number, program=PROGRAM))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return str(script)
    return make


def need(tier):
    done = rewind("doctor", "--io", tier, expect=None)
    if done.returncode and "was asked for and does not work here" in done.out:
        pytest.skip(done.out)


def said_tier(log):
    return next(line.split("tier ", 1)[1] for line in log.splitlines() if " io" in line and "tier " in line)


@pytest.mark.parametrize("tier", TIERS)
def test_a_job_has_the_same_results_on_each_tier_and_finds_the_same_damage(tmp_path, tier):
    need(tier)
    lines = list(orders(40000, keys=KEYS))
    fixed = {"delivery": {"commit_at": {"offset_multiple": 5000}}}   # so that bytes can be compared
    truth = Job(tmp_path / "truth", lines, **fixed)
    truth.run("--io", "pread")
    job = Job(tmp_path / "job", lines, **fixed)
    job.run("--io", tier, expect=-9, REWIND_CRASH_POINT="manifest-renamed:2")
    log = job.run(REWIND_IO=tier).err
    assert said_tier(log) == f"{tier}, as asked for"
    assert driver.digest(job) == driver.digest(truth)
    assert driver.outputs(job) == driver.outputs(truth)
    rewind("checkpoint", "check", "latest", "--io", tier, "--data", job.data)
    victim = max((job.checkpoints / driver.newest(job)["id"]).rglob("*.sst"), key=lambda f: f.stat().st_size)
    assert victim.stat().st_size > 256 << 10
    data = bytearray(victim.read_bytes())
    data[len(data) * 3 // 4] ^= 1
    victim.write_bytes(data)
    done = rewind("checkpoint", "check", "latest", "--io", tier, "--data", job.data, expect=4)
    assert victim.name in done.out + done.err


@pytest.mark.parametrize("number", [SETUP, ENTER, REGISTER])
def test_a_refused_ring_is_told_with_its_reason_and_the_job_runs(tmp_path, refusing, number):
    need("uring-registered")
    job = Job(tmp_path / "job", orders(2000))
    program, wanted = refusing(number), "uring" if number == REGISTER else "pread"
    said = said_tier(job.run(program=program).err)
    assert said.startswith(f"{wanted} (uring-registered: ") and "Operation not permitted" in said
    checks = {c["check"]: c for c in rewind_json("doctor", "--data", job.data, program=program)}
    assert checks["io"]["verdict"] == "note" and f"tier {wanted} (" in checks["io"]["detail"]
    forced = job.run("--io", "uring-registered", program=program, expect=3)
    assert "uring-registered was asked for and does not work here" in forced.err and "Operation not permitted" in forced.err


def test_the_job_file_chooses_a_tier_and_status_shows_it(tmp_path):
    job = Job(tmp_path / "job", orders(500), source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"}, state={"path": "data", "io": "pread"})
    with Running(job) as running:
        running.committed(500)
        assert rewind_json("status", "--data", job.data)["io_tier"] == "pread"
    shutil.rmtree(job.folder / "data")
    wrong = Job(tmp_path / "wrong", orders(5), state={"path": "data", "io": "ring"}).run(expect=2)
    assert "state.io" in wrong.err and "uring" in wrong.err
