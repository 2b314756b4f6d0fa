"""What a person sees of a job: an error once, a pause that holds."""
import os
import pty
import subprocess

from rewind import PATIENCE, PROGRAM, environment, orders


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
