"""What a person sees of a job: an error once, a pause that holds."""
import os
import pty
import subprocess

import rewind as driver
from rewind import PATIENCE, PROGRAM, Running, check_against, environment, orders, rewind


def on_a_terminal(job):
    """What `rewind run` shows on a terminal, to its end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([PROGRAM, "run", str(job.file)], cwd=job.folder, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:   # the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    return process.wait(PATIENCE), shown.decode()


def test_an_error_that_ends_a_job_is_shown_once_on_a_terminal(make_job):
    job = make_job(["nonsense"], errors=None)
    code, shown = on_a_terminal(job)
    assert code == 2
    assert shown.count("not valid JSON") == 1, shown
    log = job.run(expect=2).err   # a log that is kept elsewhere has it too
    assert " error operator: " in log and "\nrewind: " in log, log


def test_a_file_job_pauses_and_goes_on(make_job):
    job = make_job(orders(500), source={"file": {"path": "orders.jsonl", "follow": True}, "format": "json"})
    with Running(job) as r:
        r.committed(500)
        rewind("pause", job.file, cwd=job.folder)
        job.append("".join(line + "\n" for line in orders(500, first=500)))
        assert r.wait_for(lambda s: s["phase"] == "paused")["position"] == 500
        assert "paused by uid" in r.status()["reason"]
        assert "resumed" in rewind("resume", job.file, cwd=job.folder).out
        r.committed(1000)
        assert r.stop() == 0
    check_against(job.expected(), job)
    assert driver.rewind("pause", job.file, cwd=job.folder, expect=10).err   # nobody runs
