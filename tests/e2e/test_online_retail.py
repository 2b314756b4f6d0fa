"""The example job over the Online Retail rows, every number beside what SQLite makes of the same rows, in whole thousandths of a pound."""
import csv
import datetime
import decimal
import gzip
import json
import sqlite3

import pytest

from rewind import ROOT, dead_letters, rewind, rewind_json

ROWS = ROOT.parent / "shared" / "data" / "online-retail-2010-12_2011-05.csv.gz"
EXAMPLE = ROOT / "deploy" / "examples" / "online-retail.yaml"
SUMS = """COUNT(*), SUM(quantity), SUM(quantity * mills), MIN(mills), MAX(mills), MIN(CASE WHEN quantity > 0 THEN at END), MAX(CASE WHEN quantity > 0 THEN at END),
    SUM(invoice LIKE 'C%')"""
KEYS = {"customers": "customer", "countries": "country", "days": "'GBP', SUBSTR(at, 1, 10) || 'T00:00:00Z', DATE(at, '+1 day') || 'T00:00:00Z'"}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """(the CSV file, its rows as dicts)"""
    if not ROWS.exists():
        pytest.skip(f"the Online Retail rows are not on this machine ({ROWS.name} in ../shared/data)")
    path = tmp_path_factory.mktemp("rows") / "online-retail.csv"
    with gzip.open(ROWS) as packed:
        path.write_bytes(packed.read())
    with open(path, encoding="utf-8", newline="") as file:
        return path, list(csv.DictReader(file))


@pytest.fixture(scope="module")
def base(rows):
    """The rows in SQLite."""
    made = sqlite3.connect(":memory:")
    made.execute("CREATE TABLE lines (invoice TEXT, at TEXT, quantity INTEGER, mills INTEGER, customer INTEGER, country TEXT)")
    made.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?)", (
        (row["InvoiceNo"], row["InvoiceDate"].replace(" ", "T") + "Z", int(row["Quantity"]), int(decimal.Decimal(row["UnitPrice"]) * 1000),
         int(decimal.Decimal(row["CustomerID"])) if row["CustomerID"] else None, row["Country"]) for row in rows[1]))
    return made


class Run:
    """A run of the example over the rows, with parts of its text replaced."""

    def __init__(self, folder, source, **replaced):
        text = EXAMPLE.read_text()
        for old, new in replaced.values():
            assert old in text
            text = text.replace(old, new)
        self.folder, self.file = folder, folder / EXAMPLE.name
        self.file.write_text(text)
        self.data = folder / "out" / "rewind-data" / "online-retail" / "0"
        rewind("run", self.file, cwd=folder, ONLINE_RETAIL_CSV=source, REWIND_HTTP_LISTEN="off")

    def table(self, name):
        """Rows of the state, as texts."""
        done = rewind("export", "--data", self.data, "--table", name, "--format", "csv", cwd=self.folder)
        return list(csv.reader(done.out.splitlines()))[1:]

    def dead(self):
        return dead_letters(self.folder / "out" / "online-retail-dead.jsonl")

    def counts(self):
        return rewind_json("checkpoint", "show", "latest", "--data", self.data)["counts"]


@pytest.fixture(scope="module")
def retail(rows, tmp_path_factory):
    """The example as it stands."""
    return Run(tmp_path_factory.mktemp("retail"), rows[0])


def calculated(base, table, where):
    """{key as texts: the eight columns as texts} as `export` writes them."""
    keys = 3 if table == "days" else 1
    made = {}
    for row in base.execute(f"SELECT {KEYS[table]}, {SUMS} FROM lines WHERE {where} GROUP BY {', '.join(map(str, range(1, keys + 1)))}"):
        lines, units, revenue, least, greatest, first, last, cancelled = row[keys:]
        money = [f"{decimal.Decimal(mills) / 1000:.3f}" for mills in (revenue, least, greatest)]
        made[tuple(map(str, row[:keys]))] = (str(lines), str(units), *money, first or "", last or "", str(cancelled))
    return made


def found(rows, table):
    keys = 3 if table == "days" else 1
    made = {tuple(row[:keys]): tuple(row[keys:keys + 8]) for row in rows}
    assert len(made) == len(rows)
    return made


@pytest.mark.parametrize("table, least", [("customers", 1000), ("countries", 20), ("days", 100)])
def test_every_number_of_each_table_is_right(retail, base, table, least):
    wanted = calculated(base, table, "customer IS NOT NULL")
    assert len(wanted) > least
    assert found(retail.table(table), table) == wanted


def test_outputs_hold_what_the_state_does(retail, base):
    rewind("checkpoint", "check", "latest", "--scan", "--data", retail.data)
    customers = {}
    for line in (retail.folder / "out" / "customers.jsonl").read_text().splitlines():   # the newest row of a key is last
        row = json.loads(line, parse_int=str, parse_float=str)
        customers[(row["CustomerID"],)] = tuple("" if value is None else value for value in list(row.values())[1:9])
    assert customers == calculated(base, "customers", "customer IS NOT NULL")
    for table in ("countries", "days"):
        with open(retail.folder / "out" / f"{table}.csv", encoding="utf-8", newline="") as file:
            written = list(csv.reader(file))[1:]
        wanted = calculated(base, table, "customer IS NOT NULL")
        if table == "days":
            del wanted[max(wanted)]   # the last day is still open
            assert found(written, table) == wanted
        else:
            assert {(row[0],): tuple(row[1:9]) for row in written} == wanted


def test_rows_without_a_customer_are_dead_letters_with_their_bytes(retail, rows):
    raw = rows[0].read_bytes().splitlines()[1:]
    assert len(raw) == len(rows[1]), "no row of this file has a line break inside"
    missing = [i for i, row in enumerate(rows[1]) if not row["CustomerID"]]
    assert len(missing) > 50000
    assert retail.dead() == [(i, "missing-field", "CustomerID", raw[i]) for i in missing]
    counts = retail.counts()
    assert (counts["read"], counts["applied"], counts["dead_letters"]) == (len(raw), len(raw) - len(missing), len(missing))


def test_rows_without_a_customer_count_where_the_job_says_so(rows, base, tmp_path):
    run = Run(tmp_path, rows[0], optional=("CustomerID: int  ", "CustomerID: {type: int, optional: true}  "),
              condition=("key: CustomerID\n", "key: CustomerID\n    where: CustomerID is not null\n"))
    assert found(run.table("customers"), "customers") == calculated(base, "customers", "customer IS NOT NULL")
    for table in ("countries", "days"):
        assert found(run.table(table), table) == calculated(base, table, "TRUE")
    assert run.counts()["applied"] == len(rows[1]) and run.counts()["dead_letters"] == 0


def test_a_scale_that_is_too_small_refuses_a_price_and_rounds_none(rows, base, tmp_path):
    run = Run(tmp_path, rows[0], scale=("decimal(3)", "decimal(2)"))
    refused = [i for i, row in enumerate(rows[1]) if row["CustomerID"] and decimal.Decimal(row["UnitPrice"]) * 100 % 1]
    assert [(offset, reason, field) for offset, reason, field, _ in run.dead() if field != "CustomerID"] == [(i, "out-of-range", "UnitPrice") for i in refused] != []
    wanted = calculated(base, "countries", "customer IS NOT NULL AND mills % 10 = 0")
    assert {key: (*row[:2], *(f"{decimal.Decimal(price):.3f}" for price in row[2:5]), *row[5:]) for key, row in found(run.table("countries"), "countries").items()} == wanted


def test_days_begin_and_end_at_midnight(retail):
    for _, begins, ends, *_ in retail.table("days"):
        begins, ends = (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (begins, ends))
        assert ends - begins == datetime.timedelta(days=1) and begins.time() == datetime.time(0)
