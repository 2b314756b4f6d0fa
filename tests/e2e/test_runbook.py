"""The runbook, word for word: every command on the page is run, in its order, on the job that the page speaks of."""
import re
import shlex

import rewind as driver
from rewind import Running, orders, rewind
from test_restore import FOLLOW, QUIET, TIMED, text

PAGE = driver.ROOT / "deploy" / "runbooks" / "restore.md"


def sections():
    """[(title, commands)] of the page."""
    parts = re.split(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
    found = []
    for title, body in zip(parts[::2], parts[1::2]):
        lines = [line for block in re.findall(r"```\n(.*?)```", body, re.S) for line in block.splitlines()]
        assert all(line.startswith("rewind ") for line in lines), title
        found.append((title, [shlex.split(line)[1:] for line in lines]))
    return found


def test_every_command_of_the_page_works_in_its_place(make_job):
    job = make_job(list(orders(200)), source=FOLLOW, checkpoints=QUIET, event=TIMED, delivery={"commit_every": "5ms"})
    page = sections()
    assert [len(commands) for _, commands in page] == [3, 2, 2, 3, 2, 0, 0]
    with Running(job) as r:
        r.committed(200)
        rewind("checkpoint", "create", "--data", job.data)
        job.append(text(orders(300, first=200, bad_every=37)))
        r.committed(500)
        for title, commands in page[:4]:
            for words in commands:
                done = rewind(*words, cwd=job.folder)
                assert done.out, (title, words)
                if words[0] == "restore" and "--yes" in words:
                    assert "the same state" in done.out
        assert r.stop() == 0
    before = driver.outputs(job)
    for _, commands in page[4:]:
        for words in commands:
            rewind(*words, cwd=job.folder)
    assert driver.outputs(job) == before
    assert [c["reason"] for c in driver.checkpoints(job)].count("restore") == 2
    driver.check_against(job.expected(), job)
