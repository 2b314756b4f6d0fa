"""The example job over the Online Retail rows, every number beside an independent calculation."""
import collections
import csv
import decimal
import gzip

import pytest

import rewind as driver
from rewind import ROOT, dead_letters, rewind

ROWS = ROOT.parent / "shared" / "data" / "online-retail-2010-12_2011-05.csv.gz"
EXAMPLE = ROOT / "deploy" / "examples" / "online-retail.yaml"


@pytest.fixture(scope="module")
def retail(tmp_path_factory):
    """The example as it stands, run over the rows; and the rows."""
    if not ROWS.exists():
        pytest.skip(f"the Online Retail rows are not on this machine ({ROWS.name} in ../shared/data)")
    job = driver.Job(tmp_path_factory.mktemp("retail"), name="online-retail")
    job.input = job.folder / "online-retail.csv"
    with gzip.open(ROWS) as packed:
        job.input.write_bytes(packed.read())
    job.given = driver.yaml.safe_load(EXAMPLE.read_text())
    job.file.write_text(EXAMPLE.read_text())
    job.run("--set", "http.listen=off")
    with open(job.input, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    return job, rows


def calculate(rows, key):
    """lines, units, smallest and biggest price of each key, straight from the rows."""
    made = collections.OrderedDict()
    for row in rows:
        units, price = int(row["Quantity"]), decimal.Decimal(row["UnitPrice"])
        old = made.get(row[key], (0, 0, price, price))
        made[row[key]] = (old[0] + 1, old[1] + units, min(old[2], price), max(old[3], price))
    return made


def exported(job, table):
    done = rewind("export", "--data", job.data, "--table", table, "--format", "csv", cwd=job.folder)
    return list(csv.reader(done.out.splitlines()))[1:]


def test_every_number_of_both_tables_is_right(retail):
    job, rows = retail
    good = [row for row in rows if row["CustomerID"]]
    countries, customers = calculate(good, "Country"), calculate(good, "CustomerID")
    assert len(good) > 100000 and len(countries) > 20 and len(customers) > 1000
    customers = {str(int(decimal.Decimal(key))): row for key, row in customers.items()}
    for table, wanted in (("countries", countries), ("customers", customers)):
        found = exported(job, table)
        assert {row[0]: (int(row[1]), int(row[2]), decimal.Decimal(row[3]), decimal.Decimal(row[4])) for row in found} == wanted


def test_rows_without_a_customer_are_dead_letters_with_their_bytes(retail):
    job, rows = retail
    raw = job.input.read_bytes().splitlines()[1:]
    assert len(raw) == len(rows), "no row of this file has a line break inside"
    missing = [i for i, row in enumerate(rows) if not row["CustomerID"]]
    assert dead_letters(job.dead) == [(i, "missing-field", "CustomerID", raw[i]) for i in missing]


def test_digest_counts_and_outputs_are_the_oracles(retail):
    job, rows = retail
    expected = job.expected()
    shown = driver.newest(job)
    assert driver.digest(job) == expected.digest()
    assert shown["input_digest"] == expected.input_hash
    assert (shown["counts"]["read"], shown["counts"]["applied"], shown["counts"]["dead_letters"]) == (expected.read, expected.applied, len(expected.dead))
    assert expected.read == len(rows)
    for sink in expected.job.sinks:
        assert driver.view(job, sink) == expected.view(sink)
