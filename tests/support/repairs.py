"""An input in which things went wrong, the true events behind it, and the amendments that lead from one to the other.

    faults = Faults(600)
    faults.wrong       the lines that were read: a wrong price in a window, a lost event, one that came twice, one that cannot be read
    faults.true        the lines that should have been
    faults.amendments  lines of an --amend file
"""
import json

import oracle
import rewind as driver
from rewind import rewind, rewind_json

WINDOW = range(200, 260)
LOST, TWICE, BROKEN = 300, 350, 400


def wrong_price(line):
    event = json.loads(line, parse_float=str)
    return line.replace(f'"amount": {event["amount"]}', f'"amount": {event["amount"]}0' if "." not in str(event["amount"]) else f'"amount": {str(event["amount"]).replace(".", "")}.00')


class Faults:
    def __init__(self, count=600, **more):
        self.true = list(driver.orders(count, keys=40, **more))
        self.wrong, self.amendments = [], []
        for i, line in enumerate(self.true):
            at = len(self.wrong)
            if i == LOST:
                self.amend(insert=at, value=line, reason="lost on the way")
                continue
            if i in WINDOW:
                self.amend(replace=at, value=line)
                line = wrong_price(line)
            if i == BROKEN:
                self.amend(replace=at, value=line)
                line = line[:-5]
            self.wrong.append(line)
            if i == TWICE:
                self.wrong.append(line)
                self.amend(skip=at + 1, reason="came twice")

    def amend(self, **words):
        self.amendments.append(json.dumps(words, ensure_ascii=False))

    def more(self, lines):
        """Both inputs go on."""
        lines = list(lines)
        self.true += lines
        self.wrong += lines
        return "".join(line + "\n" for line in lines)

    def copy(self):
        other = Faults.__new__(Faults)
        other.true, other.wrong, other.amendments = list(self.true), list(self.wrong), list(self.amendments)
        return other

    def file(self, job):
        path = job.folder / "amend.jsonl"
        path.write_text("".join(line + "\n" for line in self.amendments), encoding="utf-8")
        return path.name

    def expected(self, job, true):
        path = job.folder / "expected.jsonl"
        path.write_text("".join(line + "\n" for line in (self.true if true else self.wrong)), encoding="utf-8")
        return oracle.run(oracle.Job(job.file), path.read_bytes())


def plan(job, *words, **more):
    """Makes a plan; answers what it says."""
    out = rewind("repair", "plan", job.file, *words, "-o", "json", cwd=job.folder, **more).out
    return json.loads(out.splitlines()[0])["plan"]


def apply(job, repair="latest", *words, why="as the drill has it", **more):
    return rewind("repair", "apply", job.file, repair, "--reason", why, "--yes", *words, cwd=job.folder, **more)


def undo(job, *words, why="it was right before", **more):
    return rewind("repair", "undo", job.file, *words, "--reason", why, "--yes", cwd=job.folder, **more)


def repairs(job):
    """Oldest first."""
    return list(reversed(rewind_json("repair", "list", "--data", job.data)))


def corrections(job, name):
    """Those of an output file of JSON, as they are."""
    rows = [json.loads(line, parse_float=str, parse_int=str) for line in (job.out / name).read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if "_repair" in row]
