#!/usr/bin/env python3
"""Compares what clocks show with Python's zoneinfo, which reads the same data with other code: random times, and those around every change.

    zone_oracle.py PROGRAM      runs zone_rows

REWIND_TEST_LONG: all zones that there are, not a sample of them. Exit code 0: every distance is the same.
"""
import datetime
import os
import random
import subprocess
import sys
import zoneinfo

EPOCH = datetime.datetime(1970, 1, 1)
ALWAYS = ["Europe/Berlin", "America/New_York", "Europe/Dublin", "Africa/Casablanca", "America/Sao_Paulo", "America/Havana", "Asia/Kolkata", "Australia/Lord_Howe",
          "Pacific/Apia", "America/St_Johns", "Asia/Tehran", "Antarctica/Troll", "America/Nuuk", "Asia/Gaza", "UTC", "Etc/GMT+5", "Africa/Monrovia", "Europe/Amsterdam",
          "EST5EDT", "America/Godthab", "Pacific/Kwajalein", "Asia/Manila"]
LAST = int((datetime.datetime(9999, 12, 30) - EPOCH).total_seconds())
FIRST = int((datetime.datetime(1, 1, 3) - EPOCH).total_seconds())


def moment(seconds):
    return EPOCH + datetime.timedelta(seconds=seconds)


def changes(zone):
    """Moments of UTC at which the distance changes, found by halving days."""
    def at(seconds):
        return moment(seconds).replace(tzinfo=datetime.timezone.utc).astimezone(zone).utcoffset()

    day = 86400 * 5
    for low in range(int((datetime.datetime(1880, 1, 1) - EPOCH).total_seconds()), int((datetime.datetime(2105, 1, 1) - EPOCH).total_seconds()), day):
        high = low + day
        if at(low) == at(high):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if at(middle) == at(low) else (low, middle)
        yield high


def questions(pick, name, zone):
    times = [pick.randrange(FIRST, LAST) for _ in range(300)] + [pick.randrange(-(2**31), 2**32) for _ in range(300)]
    for t in times:
        yield "u", t
        yield "l", t
    for t in changes(zone):
        for around in (-1, 0, 1):
            yield "u", t + around
        for shift in range(-14, 15):
            for around in (-1, 0, 1, 1800):
                yield "l", t + shift * 3600 + around


def expected(kind, seconds, zone):
    if kind == "u":
        return moment(seconds).replace(tzinfo=datetime.timezone.utc).astimezone(zone).utcoffset()
    return moment(seconds).replace(tzinfo=zone).utcoffset()


def main():
    names = sorted(zoneinfo.available_timezones())
    if not os.environ.get("REWIND_TEST_LONG"):
        names = [n for n in ALWAYS if n in names] + random.Random(4).sample(names, 20)
    pick = random.Random(3)
    asked = [(name, *question) for name in names for question in questions(pick, name, zoneinfo.ZoneInfo(name))]
    text = "".join(f"{n}\t{k}\t{t}\n" for n, k, t in asked)
    answered = subprocess.run([sys.argv[1]], input=text, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(answered) == len(asked) > 10000, len(answered)
    wrong = 0
    for (name, kind, seconds), line in zip(asked, answered):
        want = int(expected(kind, seconds, zoneinfo.ZoneInfo(name)).total_seconds())
        if int(line.split("\t")[3]) != want:
            wrong += 1
            if wrong < 20:
                print(f"{line}: expected {want}, at {moment(seconds)}")
    print(f"{len(asked)} times in {len(names)} zones, {wrong} wrong")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
