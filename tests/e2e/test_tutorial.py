"""The tutorial, typed as it stands; and its three jobs over more input, every number beside a calculation of its own (SQLite, datetime, fractions)."""
import csv
import datetime
import decimal
import fractions
import json
import os
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess

import pytest

import rewind as driver
from rewind import ROOT, rewind

PAGE = ROOT / "deploy" / "docs" / "tutorial.md"
EXAMPLES = ROOT / "deploy" / "examples"
UTC = datetime.timezone.utc


# ------------------------------------------------------------------------------------------------ the page
def blocks():
    """(command, what it prints or None) in the order of the page."""
    found = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    made = []
    for kind, text in found:
        if kind == "sh":
            made.append([text, None])
        elif kind == "text":
            made[-1][1] = text
    return made


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """A folder in which every command of the page was typed; and what each printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    shutil.copytree(EXAMPLES, folder / "deploy" / "examples")
    (folder / "bin").mkdir()
    (folder / "bin" / "rewind").symlink_to(pathlib.Path(driver.PROGRAM).resolve())
    rows = ROOT.parent / "shared" / "data" / "online-retail-2010-12_2011-05.csv.gz"
    if rows.exists():
        with open(folder / "online-retail.csv", "wb") as out:
            subprocess.run(["gzip", "-dc", rows], stdout=out, check=True)
    printed = []
    for command, _ in blocks():
        if "online-retail" in command and not rows.exists():
            printed.append(None)
            continue
        environment = driver.environment(PATH=f"{folder / 'bin'}:{os.environ['PATH']}", REWIND_HTTP_LISTEN="off")
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=driver.PATIENCE)
        assert done.returncode == 0, f"{command}\n{done.stderr.decode()}"
        printed.append(done.stdout.decode())
    return folder, printed


def test_the_page_runs_every_example_and_shows_what_it_prints(typed):
    _, printed = typed
    page = blocks()
    for name in ("payments", "sensors", "logins", "online-retail"):
        assert any(f"rewind run deploy/examples/{name}.yaml" in command for command, _ in page), name
    shown = [(command, wanted, found) for (command, wanted), found in zip(page, printed) if wanted is not None and found is not None]
    assert len(shown) >= 6
    for command, wanted, found in shown:
        assert found == wanted, f"{command}\nprints\n{found}"


def run_example(folder, name, variable, lines):
    """An example as it stands over other input; returns the folder of its outputs."""
    source = folder / f"{name}-input"
    source.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    rewind("run", EXAMPLES / f"{name}.yaml", cwd=folder, REWIND_HTTP_LISTEN="off", REWIND_OUT=folder / "out", **{variable: source})
    return folder / "out"


def read_rows(path):
    """Rows of JSON Lines without what stands behind the table's columns; numbers as Decimal, once each."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
        rows.append({k: v for k, v in row.items() if not k.startswith("_")})
    return rows


def reasons(path):
    return [(offset, reason) for offset, reason, _, _ in driver.dead_letters(path)] if path.exists() else []


def text_of(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# ------------------------------------------------------------------------------------------------ payments
def payment_lines(count=4000, seed=3):
    pick = random.Random(seed)
    now = datetime.datetime(2026, 1, 30, 22, 0, tzinfo=UTC)
    lines = []
    for i in range(count):
        now += datetime.timedelta(seconds=pick.randrange(40))
        late = datetime.timedelta(seconds=pick.choice([0, 0, 0, 0, 100, 290, 4000]))
        if lines and pick.random() < 0.03:
            lines.append(pick.choice(lines[-200:]))
            continue
        amount = pick.choice(["0.01", "7", "1.005", "1e2", f"{pick.randrange(1, 10**8) / 100:.2f}"])
        lines.append(f'{{"id":"p-{i}","at":"{text_of(now - late)}","merchant":"M{pick.randrange(7)}","currency":"{pick.choice(["EUR", "USD", "JPY"])}",'
                     f'"kind":"{pick.choice(["payment", "payment", "payment", "refund", "chargeback"])}","amount":{amount}}}')
    return lines


def payments_by_sqlite(lines):
    """Rows of closed hours, and dead letters: the walk decides what is accepted, SQLite does the sums, in cents."""
    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE accepted (hour TEXT, merchant TEXT, currency TEXT, kind TEXT, cents INTEGER)")
    hour, grace, day = datetime.timedelta(hours=1), datetime.timedelta(minutes=5), datetime.timedelta(hours=24)
    stream, seen, dead = datetime.datetime.min.replace(tzinfo=UTC), {}, []
    for offset, line in enumerate(lines):
        event = json.loads(line, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
        at, cents = datetime.datetime.fromisoformat(event["at"].replace("Z", "+00:00")), event["amount"] * 100
        begins = at.replace(minute=0, second=0)
        if cents != int(cents):
            dead.append((offset, "out-of-range"))
            continue
        if event["id"] in seen and seen[event["id"]] + day > stream:
            continue
        if begins + hour + grace <= stream:
            dead.append((offset, "late"))
            continue
        stream = max(stream, at)
        seen[event["id"]] = stream
        base.execute("INSERT INTO accepted VALUES (?, ?, ?, ?, ?)", (text_of(begins), event["merchant"], event["currency"], event["kind"], int(cents)))
    found = base.execute("""SELECT merchant, currency, hour, SUM(kind = 'payment'), SUM(CASE kind WHEN 'payment' THEN cents ELSE 0 END), SUM(kind = 'refund'),
        SUM(CASE kind WHEN 'refund' THEN cents ELSE 0 END), MAX(CASE kind WHEN 'payment' THEN cents END) FROM accepted GROUP BY 1, 2, 3""")
    rows = {}
    for merchant, currency, begins, payments, charged, refunds, refunded, biggest in found:
        ends = datetime.datetime.fromisoformat(begins.replace("Z", "+00:00")) + hour
        if ends + grace > stream:
            continue
        money = [None if cents is None else decimal.Decimal(cents) / 100 for cents in (charged, refunded, biggest, charged - refunded)]
        rows[merchant, currency, begins] = {
            "merchant": merchant, "currency": currency, "window_start": begins, "window_end": text_of(ends), "payments": payments, "charged": money[0],
            "refunds": refunds, "refunded": money[1], "biggest": money[2], "net": money[3]}
    return rows, dead


def check_payments(lines, out):
    wanted, dead = payments_by_sqlite(lines)
    rows = read_rows(out / "payments.jsonl")
    found = {(row["merchant"], row["currency"], row["window_start"]): row for row in rows}
    assert len(found) == len(rows), "an hour is published once"
    assert found == wanted
    assert reasons(out / "payments-dead.jsonl") == dead
    return wanted, dead


def test_payments_of_the_tutorial_are_right(typed):
    wanted, dead = check_payments((EXAMPLES / "payments.jsonl").read_text().splitlines(), typed[0] / "out")
    assert {reason for _, reason in dead} == {"late", "out-of-range"} and any(row["net"] < 0 for row in wanted.values())


def test_payments_over_many_hours_are_right(tmp_path):
    lines = payment_lines()
    wanted, dead = check_payments(lines, run_example(tmp_path, "payments", "PAYMENTS", lines))
    assert len(wanted) > 300 and len(dead) > 100


# ------------------------------------------------------------------------------------------------ sensors
def sensor_lines(minutes=600, seed=4):
    pick = random.Random(seed)
    lines = []
    for minute in range(minutes):
        for device in range(12):
            if pick.random() < 0.1 or (device == 3 and minute % 50 > 30):
                continue
            ts = 1772442000 + 60 * minute + pick.randrange(60) - pick.choice([0, 0, 0, 0, 0, 20, 400])
            reading = pick.choice(["", ',"celsius":null'] + [f',"celsius":{pick.randrange(-300, 400) / 10:.1f}'] * 8)
            battery = pick.choice(["", f',"battery":{pick.randrange(101)}'])
            lines.append(f'{{"device":"d{device}","ts":{ts}{reading}{battery}}}')
    return lines


def half_even(exact, digits):
    """A fraction, rounded to that many digits behind the point."""
    return decimal.Decimal(round(exact * 10**digits)).scaleb(-digits)   # Python rounds fractions half to even


def sensors_by_fractions(lines):
    """Rows of closed windows, and how many events came late."""
    stream, late, windows = -1, 0, {}
    for offset, line in enumerate(lines):
        event = json.loads(line, parse_float=decimal.Decimal)
        begins = event["ts"] // 300 * 300
        if begins + 330 <= stream:
            late += 1
            continue
        stream = max(stream, event["ts"])
        windows.setdefault((event["device"], begins), []).append((event["ts"], offset, event.get("celsius"), event.get("battery", 100)))
    rows = {}
    for (device, begins), events in windows.items():
        if begins + 330 > stream:
            continue
        read = [decimal.Decimal(celsius) for *_, celsius, _ in events if celsius is not None]
        row = {"reports": len(events), "readings": len(read), "mean": None, "low": None, "high": None, "latest": None,
               "battery": min(battery for *_, battery in events), "missing": 5 - len(read), "spread": None}
        if read:
            latest = max(event[:3] for event in events if event[2] is not None)[2]
            row.update(mean=half_even(sum(map(fractions.Fraction, read)) / len(read), 2), low=min(read), high=max(read), latest=latest, spread=max(read) - min(read))
        rows[device, text_of(datetime.datetime.fromtimestamp(begins, UTC))] = row
    return rows, late


def check_sensors(lines, out):
    wanted, late = sensors_by_fractions(lines)
    with open(out / "sensors.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {}
    for row in rows:
        key = row.pop("device"), row.pop("window_start")
        assert key not in found, "a window is published once"
        found[key] = {name: decimal.Decimal(row[name]) if row[name] else None for name in wanted[key]}
    assert found == wanted
    assert not (out / "sensors-dead.jsonl").exists() or not (out / "sensors-dead.jsonl").read_bytes()
    return wanted, late


def test_sensors_of_the_tutorial_are_right(typed):
    wanted, late = check_sensors((EXAMPLES / "sensors.jsonl").read_text().splitlines(), typed[0] / "out")
    assert late == 1 and any(row["mean"] is None for row in wanted.values()) and any(row["missing"] == 0 for row in wanted.values())


def test_sensors_over_ten_hours_are_right(tmp_path):
    lines = sensor_lines()
    wanted, late = check_sensors(lines, run_example(tmp_path, "sensors", "SENSORS", lines))
    assert len(wanted) > 1000 and late > 100


# ------------------------------------------------------------------------------------------------ logins
def login_lines(count=5000, seed=5):
    pick = random.Random(seed)
    now = datetime.datetime(2026, 3, 1, 6, 0)
    lines = ["at,user,result,address"]
    for _ in range(count):
        now += datetime.timedelta(seconds=pick.randrange(20))
        at = now - datetime.timedelta(seconds=pick.choice([0, 0, 0, 30, 700, 2000]))
        user = pick.choice(["anna", "Anna", "ben", "BEN", "carl", "Øyvind", "øyvind"] + [f"user{pick.randrange(30)}"] * 3)
        lines.append(f'{at:%Y-%m-%d %H:%M:%S},{user},{pick.choice(["ok", "ok", "wrong password", "locked, call us"])},192.0.2.{pick.randrange(9)}'
                     .replace("locked, call us", '"locked, call us"'))
    return lines


def alerts_by_datetime(lines):
    """Every row of a window with five failures or more, in order of events; and the dead letters."""
    minute, epoch = datetime.timedelta(minutes=1), datetime.datetime(1970, 1, 1)
    stream, windows, rows, dead = datetime.datetime.min, {}, [], []
    for offset, event in enumerate(csv.DictReader(lines)):
        at = datetime.datetime.fromisoformat(event["at"])
        if event["result"] != "ok":
            newest = at - (at - epoch) % (5 * minute)
            open_ones = [begins for begins in (newest - 5 * minute, newest) if begins + 11 * minute > stream]
            if not open_ones:
                dead.append((offset, "late"))
                continue
            for begins in open_ones:
                failures = windows.setdefault((event["user"].lower(), begins), [])
                failures.append((at, offset, event["address"]))
                if len(failures) >= 5:
                    rows.append({"user": event["user"].lower(), "window_start": text_of(begins), "window_end": text_of(begins + 10 * minute), "failures": len(failures),
                                 "addresses": len({address for *_, address in failures}), "first": text_of(min(failures)[0]), "latest": text_of(max(failures)[0]),
                                 "last_address": max(failures)[2]})
        stream = max(stream, at)
    return rows, dead


def check_logins(lines, out):
    wanted, dead = alerts_by_datetime(lines)
    assert read_rows(out / "alerts.jsonl") == wanted
    assert reasons(out / "logins-dead.jsonl") == dead
    return wanted, dead


def test_alerts_of_the_tutorial_are_right(typed):
    wanted, dead = check_logins((EXAMPLES / "logins.csv").read_text().splitlines(), typed[0] / "out")
    assert {row["user"] for row in wanted} == {"mallory"} and not dead


def test_alerts_over_many_hours_are_right(tmp_path):
    lines = login_lines()
    wanted, dead = check_logins(lines, run_example(tmp_path, "logins", "LOGINS", lines))
    assert len(wanted) > 300 and len(dead) > 50
