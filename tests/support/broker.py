"""A real broker for tests: Apache Kafka, one node in KRaft mode, in a process and a folder of its own.

    broker = Broker(folder)         formats its storage, starts it, and waits until it answers
    broker.topic("orders", partitions=2, **config)
    broker.kill(); broker.start()   kill -9, and the same data again
    broker.freeze(); broker.thaw()  SIGSTOP and SIGCONT
    broker.proxy()                  before the address broker.proxied: loses requests and answers (proxy.py)
    broker.close()

The jars come from Maven (tests/support/kafka/pom.xml) into build/kafka, once; REWIND_TEST_KAFKA_VERSION, or `version`, names another version than the pom's,
whose jars are kept beside. All that a machine needs is a JDK and Maven. Tests look at topics through
an independent client, confluent-kafka.
"""
import base64
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import uuid

import confluent_kafka
import confluent_kafka.admin

import proxy

ROOT = pathlib.Path(__file__).resolve().parents[2]
POM = ROOT / "tests" / "support" / "kafka" / "pom.xml"
JARS = pathlib.Path(os.environ.get("REWIND_TEST_KAFKA", ROOT / "build" / "kafka"))
OLDER = "3.9.1"   # the line before the pom's
VERSION = os.environ.get("REWIND_TEST_KAFKA_VERSION")
PACKAGES = {"java": "default-jre-headless", "mvn": "maven"}
PATIENCE = 120
HEAP = "-Xmx320m"

# Small and quick: one node, no replicas, groups and transactions without delays.
SERVER = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 1,
    "group.initial.rebalance.delay.ms": 0,
    "default.replication.factor": 1,
    "auto.create.topics.enable": "false",
    "log.cleaner.dedupe.buffer.size": 2000000,
    "log.cleaner.backoff.ms": 200,
    "log.retention.check.interval.ms": 500,
    "log.initial.task.delay.ms": 500,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
    "num.network.threads": 2,
    "num.io.threads": 2,
    "controlled.shutdown.enable": "false",
    "broker.heartbeat.interval.ms": 500,
    "broker.session.timeout.ms": 2500,   # how long a broker that was killed waits for its former self to be forgotten
}


def need(program):
    found = shutil.which(program)
    if not found:
        raise RuntimeError(f"{program} is missing; install it with: apt-get install -y {PACKAGES[program]}")
    return found


def jars(version=None):
    """The folder of jars, fetched if it is not there. Several test workers may ask at once."""
    folder = JARS.with_name(f"{JARS.name}-{version}") if version else JARS
    done = folder / "complete"
    wanted = POM.read_text()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / "kafka.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists() and done.read_text() == wanted:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        command = [need("mvn"), "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}", "-DincludeScope=runtime",
                   *([f"-Dkafka.version={version}"] if version else [])]
        fetched = subprocess.run(command, capture_output=True, text=True, timeout=900)
        if fetched.returncode:
            raise RuntimeError(f"Maven could not fetch the broker; try: {' '.join(command)}\n{fetched.stdout}{fetched.stderr}")
        done.write_text(wanted)
    return folder


def text(word):
    """As Kafka's protocol has it."""
    return struct.pack(">h", len(word)) + word.encode()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def java(main, *words, heap=HEAP, version=VERSION):
    return [need("java"), heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp", f"{jars(version)}/*", main, *map(str, words)]


class Broker:
    def __init__(self, folder, version=VERSION, **settings):
        self.version = version
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.controller, self.behind, self.front = free_port(), free_port(), free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.proxied = f"127.0.0.1:{self.front}"   # the same broker, for those who come through proxy()
        self.process = None
        self.clients, self.retired = {}, []
        self.reading = threading.Lock()   # one consumer reads for all threads of a test
        self.settings = {
            **SERVER,
            **self.addresses(),
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller}",
            "log.dirs": str(self.folder / "data"),
            **{name.replace("_", "."): value for name, value in settings.items()},
        }
        self.properties = self.folder / "server.properties"
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in self.settings.items()))
        cluster = base64.urlsafe_b64encode(b"\x69" + uuid.uuid4().bytes[1:]).decode().rstrip("=")  # no id begins with a dash
        self.cluster = cluster
        self.run("kafka.tools.StorageTool", "format", "-t", cluster, "-c", self.properties)
        self.start()

    def listeners(self):
        """Name -> (protocol, port) of each that clients may use."""
        return {"PLAINTEXT": ("PLAINTEXT", self.port), "PROXIED": ("PLAINTEXT", self.behind)}

    def addresses(self):
        named = self.listeners()
        clients = {name: f"{name}://127.0.0.1:{port}" for name, (_, port) in named.items()}
        return {
            "listeners": f"{','.join(clients.values())},CONTROLLER://127.0.0.1:{self.controller}",
            "advertised.listeners": ",".join({**clients, "PROXIED": f"PROXIED://{self.proxied}"}.values()),
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, (protocol, _) in named.items()) + ",CONTROLLER:PLAINTEXT",
        }

    def run(self, main, *words):
        done = subprocess.run(java(main, *words, version=self.version), capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, f"{main} failed:\n{done.stdout}{done.stderr}"
        return done.stdout

    # -------------------------------------------------------------------------------------------- its process
    def start(self, wait=True):
        assert self.process is None
        with open(self.folder / "broker.log", "ab") as log:
            self.process = subprocess.Popen(java("kafka.Kafka", self.properties, version=self.version), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        if wait:
            self.ready()

    def ready(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the broker ended:\n{self.log()}"
            try:
                if self.admin().list_topics(timeout=1).brokers:
                    return
            except confluent_kafka.KafkaException:
                pass
        raise AssertionError(f"the broker does not answer:\n{self.log()}")

    def log(self):
        return (self.folder / "broker.log").read_text(errors="replace")[-4000:]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process = None

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def proxy(self):
        """What stands before `proxied`, and can lose what passes."""
        return proxy.Proxy(self.front, self.behind)

    def close(self):
        if self.process:
            self.thaw()
            self.end_clients()
            self.kill()
        self.end_clients()
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def end_clients(self):
        """The clients go on in threads of their own, and may take the process with them when connections end: a broker that is gone for good, or one that ends what was
        idle for ten minutes (seen with librdkafka 2.6.1)."""
        for clients in (self.clients, *self.retired):
            for client in clients.values():
                if isinstance(client, confluent_kafka.Consumer):
                    client.close()
        self.clients, self.retired = {}, []   # the others end as they are forgotten

    # -------------------------------------------------------------------------------------------- its clients
    # Ending a client can take it a second, so those that are used all the time are made once and kept.
    def client(self, **more):
        quiet = {"bootstrap.servers": self.address, "log_level": 0, "reconnect.backoff.max.ms": 200}
        return {**quiet, **{name.replace("_", "."): value for name, value in more.items()}}

    def kept(self, make, **properties):
        """The client that `make` makes of these properties, the same one every time."""
        name = (make, tuple(sorted(properties.items())))
        if name not in self.clients:
            self.clients[name] = make(self.client(**properties))
            time.sleep(0.015)   # one that is asked something before may connect only a second later
            if make is not confluent_kafka.admin.AdminClient:
                self.clients[name].list_topics(timeout=PATIENCE)
        return self.clients[name]

    def admin(self):
        return self.kept(confluent_kafka.admin.AdminClient)

    def consumer(self, isolation="read_committed"):
        return self.kept(confluent_kafka.Consumer, group_id="test-read", isolation_level=isolation, enable_partition_eof=True, auto_offset_reset="earliest",
                         enable_auto_commit=False, fetch_wait_max_ms=10)

    def topic(self, name, partitions=1, **config):
        self.topics([name], partitions, **config)
        return name

    def topics(self, names, partitions=1, **config):
        config = {key.replace("_", "."): str(value) for key, value in config.items()}
        made = self.admin().create_topics([confluent_kafka.admin.NewTopic(name, partitions, 1, config=config) for name in names])
        for done in made.values():
            done.result(PATIENCE)
        self.see(lambda there: set(names) <= there)

    def set_topic(self, name, **config):
        """Changes settings of a topic."""
        admin = confluent_kafka.admin
        entries = [admin.ConfigEntry(key.replace("_", "."), str(value), incremental_operation=admin.AlterConfigOpType.SET) for key, value in config.items()]
        resource = admin.ConfigResource(admin.ConfigResource.Type.TOPIC, name, incremental_configs=entries)
        self.admin().incremental_alter_configs([resource])[resource].result(PATIENCE)

    def delete_topic(self, name):
        self.admin().delete_topics([name])[name].result(PATIENCE)
        self.see(lambda there: name not in there)
        self.retired.append(self.clients)   # they remember the topic; to end them takes time
        self.clients = {}

    def see(self, condition):
        """Until what the controller has done is known to the broker."""
        deadline = time.monotonic() + PATIENCE
        while not condition(set(self.admin().list_topics(timeout=PATIENCE).topics)):
            assert time.monotonic() < deadline, "the broker does not learn what its controller did"
            time.sleep(0.01)

    def delete_group(self, name):
        self.admin().delete_consumer_groups([name])[name].result(PATIENCE)

    def delete_records(self, topic, partition, before):
        for done in self.admin().delete_records([confluent_kafka.TopicPartition(topic, partition, before)]).values():
            done.result(PATIENCE)

    def produce(self, topic, values, partition=0, **properties):
        """Each value is bytes or text, or a dict of what Producer.produce takes. Partition None: where the client's partitioner puts it."""
        where = {} if partition is None else {"partition": partition}
        producer = self.kept(confluent_kafka.Producer, linger_ms=1, enable_idempotence=True, **properties)
        failures = []

        def told(error, _):
            if error:
                failures.append(error)

        for value in values:
            given = value if isinstance(value, dict) else {"value": value}
            while True:
                try:
                    producer.produce(topic, on_delivery=told, **where, **given)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        assert producer.flush(PATIENCE) == 0
        assert not failures, failures[:3]

    def transaction(self, **properties):
        """A producer in a transaction that has begun: one for these properties, which has one transaction at a time."""
        fresh = len(self.clients)
        producer = self.kept(confluent_kafka.Producer, transactional_id="test-" + "-".join(map(str, properties.values())), **properties)
        if len(self.clients) > fresh:
            producer.init_transactions(PATIENCE)
        producer.begin_transaction()
        return producer

    def produce_transaction(self, topic, values, partition=0, commit=True, **properties):
        producer = self.transaction(**properties)
        for value in values:
            given = value if isinstance(value, dict) else {"value": value}
            producer.produce(topic, partition=partition, **given)
        producer.flush(PATIENCE)
        producer.commit_transaction(PATIENCE) if commit else producer.abort_transaction(PATIENCE)

    def bounds(self, topic, partition=0):
        return self.consumer().get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=PATIENCE)

    def read(self, topic, partition=0, isolation="read_committed", offset=0):
        """All committed messages of a partition, in order, up to its end."""
        with self.reading:
            return self.read_with(self.consumer(isolation), topic, partition, offset)

    @staticmethod
    def read_with(consumer, topic, partition, offset):
        messages = []
        consumer.list_topics(topic, PATIENCE)   # one that it does not know it would ask for after a second
        try:
            consumer.assign([confluent_kafka.TopicPartition(topic, partition, offset)])
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                for message in consumer.consume(1000, 0.01):
                    if not message.error():
                        messages.append(message)
                    elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                        return messages
                    else:
                        raise AssertionError(message.error())
        finally:
            consumer.unassign()
        raise AssertionError(f"no end of {topic}/{partition}")

    def partitions(self, topic):
        return len(self.admin().list_topics(topic, timeout=PATIENCE).topics[topic].partitions)

    def raise_partitions(self, topic, count):
        admin = self.admin()
        admin.create_partitions([confluent_kafka.admin.NewPartitions(topic, count)])[topic].result(PATIENCE)

    def read_all(self, topic):
        """All partitions, one behind the other."""
        return [m for partition in range(self.partitions(topic)) for m in self.read(topic, partition)]

    # By hand, since the client adds a byte to metadata when it writes them and reads beyond their end.
    def ask(self, key, version, body):
        """One request of Kafka's protocol; what follows the answer's correlation id."""
        request = struct.pack(">hhi", key, version, 1) + text("test") + body
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as s:
            s.sendall(struct.pack(">i", len(request)) + request)
            answer = s.makefile("rb")
            return answer.read(struct.unpack(">i", answer.read(4))[0])[4:]

    def coordinated(self, ask):
        """Asks until the group's coordinator is there; `ask` gives (error code, answer)."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            code, answer = ask()
            if code not in (14, 15, 16):   # loading, not available, not this one
                return code, answer
            self.ask(10, 0, text("any"))   # FindCoordinator: makes its topic
            time.sleep(0.05)
        raise AssertionError(f"the group's coordinator does not answer: error {code}")

    def committed(self, group, topic, partition=0):
        """(offset, metadata) of the group, or None. OffsetFetch, version 1."""
        def ask():
            answer = self.ask(9, 1, text(group) + struct.pack(">i", 1) + text(topic) + struct.pack(">ii", 1, partition))
            at = 4 + len(text(topic)) + 4   # topics, the topic, partitions
            _, offset, size = struct.unpack_from(">iqh", answer, at)
            metadata = answer[at + 14:at + 14 + max(size, 0)].decode()
            return struct.unpack_from(">h", answer, at + 14 + max(size, 0))[0], None if offset < 0 else (offset, metadata)

        code, found = self.coordinated(ask)
        assert code == 0, f"the broker does not say what is committed: error {code}"
        return found

    def commit(self, group, topic, offset, partition=0, metadata=""):
        """A plain commit, as any client could make. OffsetCommit, version 2."""
        where = struct.pack(">i", 1) + text(topic) + struct.pack(">iiq", 1, partition, offset) + text(metadata)
        code, _ = self.coordinated(lambda: (struct.unpack(">h", self.ask(8, 2, text(group) + struct.pack(">i", -1) + text("") + struct.pack(">q", -1) + where)[-2:])[0],
                                            None))
        assert code == 0, f"the broker refused the commit: error {code}"
