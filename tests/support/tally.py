#!/usr/bin/env python3
"""Adds up JUnit files: names what failed and what was skipped, and ends with the line 'N passed, N failed'.

A C test program counts with every cmocka test in it. Usage: tally.py FOLDER. Exit code 1 if anything failed, or nothing ran.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

CMOCKA = re.compile(r"^\[ +(OK|FAILED|SKIPPED|ERROR) +\] (\w+)", re.MULTILINE)


def cases(path):
    """(name, outcome, why) of every test in one file; outcome: passed, failed, skipped."""
    for case in xml.parse(path).iter("testcase"):
        name = case.get("name")
        inner = {test: word for word, test in CMOCKA.findall(case.findtext("system-out") or "")}
        bad = case.find("failure") is not None or case.find("error") is not None
        skipped = case.find("skipped")
        for test, word in inner.items():
            outcome = {"OK": "passed", "SKIPPED": "skipped"}.get(word, "failed")
            yield f"{name}: {test}", outcome, "said so itself"
        if bad and not any(word in ("FAILED", "ERROR") for word in inner.values()):
            yield name, "failed", "ended badly"
        elif not inner:
            yield name, "skipped" if skipped is not None else "passed", skipped.get("message") if skipped is not None else ""


def main(folder):
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for path in sorted(pathlib.Path(folder).glob("*.xml")):
        for name, outcome, why in cases(path):
            count[outcome] += 1
            if outcome != "passed":
                print(f"{outcome} in {path.stem}: {name}" + (f" ({why})" if outcome == "skipped" else ""))
    if count["skipped"]:
        print(f"{count['skipped']} skipped")
    print(f"{count['passed']} passed, {count['failed']} failed")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
