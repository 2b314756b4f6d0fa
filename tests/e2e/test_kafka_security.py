"""TLS, SASL and permissions, against a broker that asks for them: what is right works end to end, what is wrong is named, and no secret is written anywhere."""
import concurrent.futures

import pytest

import rewind as driver
from rewind import PATIENCE, orders, rewind

pytestmark = pytest.mark.xdist_group("wire")

PASSWORD, KEY_PASSWORD = "open-sesame-4711", "friend-and-enter-4712"
USERS = ["rewind", "leaver", "no-topic", "no-read", "no-write", "no-dead-letter", "no-group", "no-group-read", "no-id", "no-id-write"]
REFUSED = 3
SASL = {"PLAIN": ("SASL", "PLAIN"), "SCRAM": ("SASL", "SCRAM-SHA-512"), "TLS-PLAIN": ("SASLTLS", "PLAIN"), "TLS-SCRAM": ("SASLTLS", "SCRAM-SHA-512")}


@pytest.fixture(scope="module")
def wire(tmp_path_factory):
    """Of Kafka 3.9: librdkafka before 2.6.1 cannot do SCRAM with Kafka 4."""
    import broker
    import wire as support

    made = support.Wire(tmp_path_factory.mktemp("wire"), {name: PASSWORD for name in USERS}, version=broker.OLDER)
    yield made
    made.close()


@pytest.fixture(scope="module")
def newest_wire(tmp_path_factory):
    import wire as support

    made = support.Wire(tmp_path_factory.mktemp("newest-wire"), {name: PASSWORD for name in USERS})
    yield made
    made.close()


@pytest.fixture
def secret(tmp_path):
    """Where passwords come from: NAME_FILE."""
    files = {"KAFKA_PASSWORD_FILE": tmp_path / "password", "KEY_PASSWORD_FILE": tmp_path / "key-password"}
    files["KAFKA_PASSWORD_FILE"].write_text(PASSWORD + "\n")
    files["KEY_PASSWORD_FILE"].write_text(KEY_PASSWORD + "\n")
    return files


@pytest.fixture
def make_wire_job(tmp_path, wire):
    import kafka_job

    def make(name, listener, properties, broker=wire, **sections):
        job = kafka_job.KafkaJob(tmp_path / name, broker, name, **sections)
        job.given["source"]["kafka"].update({"brokers": broker.listener(listener), "properties": properties})
        return job.set()

    return make


def needed(job):
    """All that a job needs to be permitted."""
    return [("TOPIC", job.source_topic, "READ"), *[("TOPIC", name, "WRITE") for name in job.output_topics], ("GROUP", job.group, "READ"),
            ("TRANSACTIONAL_ID", f"rewind/{job.group}/{job.source_topic}/0", "WRITE")]


def way(wire, name):
    """(listener, properties, principal)."""
    if name == "TLS":
        return "TLS", wire.tls(), "User:ANONYMOUS"
    if name == "MTLS":
        certificate = wire.authority.certificate("rewind", password=KEY_PASSWORD)
        return "MTLS", {**wire.tls(certificate), "ssl.key.password": "${KEY_PASSWORD}"}, "User:CN=rewind"
    listener, mechanism = SASL[name]
    return listener, wire.sasl(mechanism, "rewind", "${KAFKA_PASSWORD}", tls=listener == "SASLTLS"), "User:rewind"


def assert_silent(texts):
    for where, text in texts:
        for word in (PASSWORD, KEY_PASSWORD):
            assert word.encode() not in text, where


@pytest.mark.parametrize("name", ["TLS", "MTLS", *SASL])
def test_a_job_works_over_it_and_writes_no_secret(name, wire, make_wire_job, secret):
    listener, properties, principal = way(wire, name)
    port = driver_port()
    job = make_wire_job(f"way-{name.lower()}", listener, {**properties, "debug": "all"}, http={"listen": f"127.0.0.1:{port}"})
    wire.allow(principal, *needed(job))
    job.produce(orders(400, bad_every=97))
    with job.running("--log-level", "debug", **secret) as r:
        r.committed(job.end())
        pages = [(page, driver.get(f"http://127.0.0.1:{port}{page}")[1].encode()) for page in ("/status", "/metrics", "/readyz")]
        asked = rewind("status", "--data", job.data, "-o", "json")
        assert r.stop() == 0, r.stderr
    job.run_to_end(**secret)
    job.check()
    commands = [rewind(*words, job.file, cwd=job.folder, **secret) for words in (("config", "print"), ("config", "check"))]
    assert_silent([*pages, *[(done.args, done.stdout + done.stderr) for done in [asked, *commands]]])
    assert_silent((path, path.read_bytes()) for path in job.folder.rglob("*") if path.is_file())
    assert_silent((topic, (m.key() or b"") + (m.value() or b"") + repr(m.headers()).encode()) for topic in job.output_topics for m in wire.read(topic))
    assert "SASL" in r.stderr or "ssl" in r.stderr.lower(), "the debugging lines that might have shown a secret are not there"


@pytest.mark.parametrize("name", ["MTLS", "TLS-PLAIN"])
def test_a_job_works_over_it_with_the_newest_broker(name, newest_wire, make_wire_job, secret):
    listener, properties, principal = way(newest_wire, name)
    job = make_wire_job(f"newest-{name.lower()}", listener, properties, broker=newest_wire)
    newest_wire.allow(principal, *needed(job))
    job.produce(orders(400, bad_every=97))
    job.run_to_end(**secret)
    job.check()


def test_a_library_that_cannot_do_scram_with_the_newest_broker_is_named(newest_wire, make_wire_job, secret):
    listener, properties, principal = way(newest_wire, "TLS-SCRAM")
    job = make_wire_job("newest-scram", listener, properties, broker=newest_wire)
    newest_wire.allow(principal, *needed(job))
    job.produce(orders(100))
    (code, said), = run_all({"job": job}, **secret).values()
    assert code == REFUSED and "cannot do SCRAM with brokers of Kafka 4" in said.splitlines()[-1], said


def driver_port():
    import broker as support
    return support.free_port()


def at_once(what, jobs):
    """what(job) of each, since each waits before it gives up: name -> result."""
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        return dict(zip(jobs, pool.map(what, jobs.values())))


def run_all(jobs, **env):
    """name -> (exit code, what it said)."""
    ended = at_once(lambda job: job.run(expect=None, **env), jobs)
    return {name: (done.returncode, done.err) for name, done in ended.items()}


def refused_connections(wire):
    """name -> (listener, properties, words of the message, words of what to do)."""
    old, strange = wire.authority.certificate("old", first_day=-20, last_day=-1), wire.stranger.certificate("strange")
    return {
        "a password that is wrong, PLAIN": ("SASL", wire.sasl("PLAIN", "rewind", "${WRONG}"), "user name or the password", "sasl.password"),
        "a password that is wrong, SCRAM": ("SASLTLS", wire.sasl("SCRAM-SHA-512", "rewind", "${WRONG}", tls=True), "user name or the password", "sasl.password"),
        "a user that does not exist": ("SASL", wire.sasl("SCRAM-SHA-512", "nobody", "${KAFKA_PASSWORD}"), "user name or the password", "sasl.username"),
        "a mechanism that is not offered": ("SASL", wire.sasl("SCRAM-SHA-256", "rewind", "${KAFKA_PASSWORD}"), "does not offer this SASL mechanism", "sasl.mechanism"),
        "the broker's certificate has expired": ("EXPIRED", wire.tls(), "the broker's certificate has expired; it is valid from", "clock"),
        "the broker's certificate is for another name": ("OTHER", wire.tls(), "the broker's certificate is for another", "advertised.listeners"),
        "the broker's CA is not known": ("TLS", wire.tls(authority=wire.stranger), "not signed by a CA that this client trusts", "ssl.ca.location"),
        "our certificate has expired": ("MTLS", wire.tls(old), "refuses this client's certificate: it has expired; it was valid until", "renew the certificate"),
        "our CA is not known": ("MTLS", wire.tls(strange), "refuses this client's certificate (", "truststore"),
        "no certificate of ours": ("MTLS", wire.tls(), "wants a certificate of this client", "ssl.certificate.location"),
        "plain text on a port for TLS": ("TLS", {"security.protocol": "plaintext"}, "ends each connection at the first request", "security.protocol (ssl or sasl_ssl)"),
        "plain text on a port for SASL": ("SASL", {"security.protocol": "plaintext"}, "ends each connection at the second request", "SASL"),
        "TLS on a plain port": ("PLAINTEXT", wire.tls(), "the connection ends in the TLS handshake", "security.protocol and the port"),
        "SASL on a plain port": ("PLAINTEXT", wire.sasl("PLAIN", "rewind", "${KAFKA_PASSWORD}"), "does not use SASL", "security.protocol and the port"),
    }


def test_each_reason_why_a_connection_is_refused_is_named_and_stops_the_job(wire, make_wire_job, secret):
    cases = refused_connections(wire)
    jobs = {name: make_wire_job(f"refused-{i}", listener, properties, topics=False) for i, (name, (listener, properties, *_)) in enumerate(cases.items())}
    for name, (code, said) in run_all(jobs, WRONG="not-the-password-4713", **secret).items():
        _, _, message, advice = cases[name]
        last = said.splitlines()[-1]
        assert code == REFUSED and message in last and advice in last, f"{name}: exit code {code}\n{said}"
        assert_silent([(name, said.encode())])
        assert "4713" not in said


def lacking(job, case):
    """What is granted in a case, and what its message must name."""
    grants = needed(job)
    source, customers, _, dead, group, identity = [g[1] for g in grants]
    by_name = {g[1]: g for g in grants}
    describe = {source: ("TOPIC", source, "DESCRIBE"), customers: ("TOPIC", customers, "DESCRIBE"), dead: ("TOPIC", dead, "DESCRIBE"),
                group: ("GROUP", group, "DESCRIBE"), identity: ("TRANSACTIONAL_ID", identity, "DESCRIBE")}
    name, described, words = {
        "no-topic": (source, False, f"READ topic {source}"),
        "no-read": (source, True, f"READ topic {source}"),
        "no-write": (customers, True, f"WRITE topic {customers}"),
        "no-dead-letter": (dead, True, f"WRITE topic {dead}"),
        "no-group": (group, False, f"READ consumer group {group}"),
        "no-group-read": (group, True, f"READ consumer group {group}"),
        "no-id": (identity, False, f"WRITE transactional id {identity}"),
        "no-id-write": (identity, True, f"WRITE transactional id {identity}"),
    }[case]
    del by_name[name]
    return [*by_name.values(), *([describe[name]] if described else [])], words, name


def test_each_missing_permission_is_named_with_the_command_that_grants_it(wire, make_wire_job, secret):
    jobs, wanted = {}, {}
    for user in USERS[2:]:
        jobs[user] = job = make_wire_job(f"acl-{user}", "SASL", wire.sasl("PLAIN", user, "${KAFKA_PASSWORD}"))
        grants, *wanted[user] = lacking(job, user)
        wire.allow(f"User:{user}", *grants)
        job.produce(orders(100, bad_every=25))
    for user, (code, said) in run_all(jobs, **secret).items():
        words, resource = wanted[user]
        last = said.splitlines()[-1]
        assert code == REFUSED and f"permission to {words} is missing" in last, f"{user}: exit code {code}\n{said}"
        option = {"topic": "--topic", "consumer": "--group", "transactional": "--transactional-id"}[words.split()[1]]
        assert f"kafka-acls --bootstrap-server {wire.listener('SASL')} --add --allow-principal User:{user} --operation {words.split()[0]} {option} {resource}" in last
    for user, job in jobs.items():   # the rest as the messages say, and it runs
        wire.allow(f"User:{user}", *needed(job))
    at_once(lambda job: (job.run_to_end(**secret), job.check()), jobs)


@pytest.mark.parametrize("which", ["source", "output"])
def test_a_permission_that_is_taken_away_stops_a_running_job_which_goes_on_when_it_is_back(which, wire, make_wire_job, secret):
    job = make_wire_job(f"revoked-{which}", "SASLTLS", wire.sasl("SCRAM-SHA-512", "rewind", "${KAFKA_PASSWORD}", tls=True))
    wire.allow("User:rewind", *needed(job))
    taken = needed(job)[0 if which == "source" else 1]
    job.produce(orders(300, bad_every=97))
    with job.running(**secret) as r:
        r.committed(300)
        wire.forbid("User:rewind", taken)
        wire.allow("User:rewind", ("TOPIC", taken[1], "DESCRIBE"))
        job.produce(orders(300, first=300, seed=2))
        assert r.wait() == REFUSED, r.stderr
        assert f"permission to {taken[2]} topic {taken[1]} is missing" in r.stderr.splitlines()[-1]
    wire.allow("User:rewind", taken)
    job.run_to_end(**secret)
    job.check()


def test_at_least_once_needs_no_permission_on_a_transactional_id(wire, make_wire_job, secret):
    job = make_wire_job("least", "SASLTLS", wire.sasl("SCRAM-SHA-512", "rewind", "${KAFKA_PASSWORD}", tls=True), delivery={"mode": "at-least-once", "commit_every": "20ms"})
    grants = needed(job)[:-1]
    wire.allow("User:rewind", *grants)
    job.produce(orders(300, bad_every=97))
    for denied, words in ((grants[1], f"WRITE topic {grants[1][1]}"), (grants[4], f"READ consumer group {job.group}")):
        with job.running(**secret) as r:
            r.committed(job.end())
            wire.forbid("User:rewind", denied)
            wire.allow("User:rewind", (*denied[:2], "DESCRIBE"))
            job.produce(orders(100, first=job.end()))
            assert r.wait() == REFUSED, r.stderr
            assert f"permission to {words} is missing" in r.stderr.splitlines()[-1]
        wire.allow("User:rewind", denied)
    job.run_to_end(**secret)
    job.check_at_least_once()


def test_a_broker_that_restarts_is_waited_for_and_a_user_that_is_gone_afterwards_is_not(wire, make_wire_job, secret):
    import confluent_kafka.admin as admin

    job = make_wire_job("restarts", "SASLTLS", wire.sasl("SCRAM-SHA-512", "leaver", "${KAFKA_PASSWORD}", tls=True))
    wire.allow("User:leaver", *needed(job))
    with job.running(**secret) as r:
        for part in range(3):
            job.produce(orders(200, first=part * 200, seed=part))
            r.committed(part * 200 + 200)
            if part < 2:
                wire.kill()
                wire.start()
        change = admin.UserScramCredentialDeletion("leaver", admin.ScramMechanism.SCRAM_SHA_512)
        client = wire.admin()
        client.alter_user_scram_credentials([change])["leaver"].result(PATIENCE)
        wire.kill()
        wire.start()
        assert r.wait() == REFUSED, r.stderr
        assert "user name or the password" in r.stderr.splitlines()[-1]
    job.check()
