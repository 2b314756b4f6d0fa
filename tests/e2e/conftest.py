"""Set-up of the end-to-end tests: the program that was built, --long, and where helpers are found."""
import itertools
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import rewind as driver  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="the release-sized versions")


def pytest_configure(config):
    config.addinivalue_line("markers", "xdist_group(name): tests that share one worker")
    if not os.access(driver.PROGRAM, os.X_OK):
        raise pytest.UsageError(f"{driver.PROGRAM} is not there; build it with: ./tests/run --only e2e")


@pytest.fixture(scope="session")
def long(request):
    return request.config.getoption("--long")


@pytest.fixture
def make_job(tmp_path):
    """Makes jobs, each in its own folder."""
    made = []

    def make(lines=None, name="orders", **sections):
        made.append(driver.Job(tmp_path / f"job{len(made)}", lines, name, **sections))
        return made[-1]

    return make


numbers = itertools.count()   # of jobs whose topics are on one broker


brokers = []   # the one of this worker, once a test needed it


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """One real broker for all tests of a worker; topics and groups are named after the test."""
    import broker as support

    brokers.append(support.Broker(tmp_path_factory.mktemp("broker")))
    yield brokers[0]
    brokers.pop().close()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem):
    """Clients that nothing asks for minutes may take the process with them (see Broker.end_clients): they end with the tests that use them."""
    if brokers and not (nextitem and "broker" in nextitem.fixturenames):
        brokers[0].end_clients()


@pytest.fixture
def make_kafka_job(tmp_path, broker, request):
    """Makes jobs from topics to topics, each in its own folder, with topics and a group of its own."""
    import kafka_job

    made = []

    def make(name=None, **sections):
        test = "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]
        made.append(kafka_job.KafkaJob(tmp_path / f"job{len(made)}", broker, name or f"{test}-{next(numbers)}", **sections))
        return made[-1]

    return make
