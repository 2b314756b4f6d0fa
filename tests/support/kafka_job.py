"""A job whose input and outputs are topics of a real broker, and what must stand in them.

    job = KafkaJob(folder, broker, "orders")
    job.produce(orders(1000))
    job.run_to_end()        in the background until all that is there is committed, then SIGTERM
    job.check()             state, input digest, outputs and dead letters are what the oracle says
"""
import oracle
import rewind as driver


class KafkaJob(driver.Job):
    def __init__(self, folder, broker, name, topics=True, **sections):
        self.broker = broker
        self.source_topic = f"{name}-in"
        given = {
            "source": {"kafka": {"brokers": broker.address, "topic": self.source_topic, "partition": 0}, "format": "json"},
            "sinks": [
                {"table": "customers", "kafka": {"topic": f"{name}-customers"}},
                {"table": "countries", "kafka": {"topic": f"{name}-countries"}, "format": "csv", "emit": "update"},
            ],
            "errors": {"dead_letter": {"kafka": {"topic": f"{name}-dead"}}},
            "checkpoints": {"every": "100ms"},
            "delivery": {"commit_every": "20ms"},
        }
        super().__init__(folder, None, name, **{**given, **sections})
        if topics:
            broker.topics([self.source_topic, *self.output_topics], retention_ms=-1)   # whatever times the records have

    @property
    def output_topics(self):
        dead = self.given.get("errors", {}).get("dead_letter", {}).get("kafka", {}).get("topic")
        return [s["kafka"]["topic"] for s in self.given["sinks"] if "kafka" in s] + ([dead] if dead else [])

    @property
    def group(self):
        return self.given.get("group", self.name)

    def produce(self, lines, **more):
        self.broker.produce(self.source_topic, lines, **more)

    def end(self):
        """Behind the last committed record."""
        messages = self.broker.read(self.source_topic)
        return messages[-1].offset() + 1 if messages else 0

    def running(self, *words, **env):
        return driver.Running(self, *words, **env)

    def run_to_end(self, **env):
        with self.running(**env) as r:
            r.committed(self.end())
            assert r.stop() == 0, r.stderr

    def c(self):
        """(offset, metadata) that the group has."""
        return self.broker.committed(self.group, self.source_topic)

    def expected(self, until=None):
        return oracle.run_messages(oracle.Job(self.file), self.broker.read(self.source_topic), until)

    # -------------------------------------------------------------------------------------------- what stands in the topics
    def rows(self, topic):
        """(key, value, offset of the record that it includes) of each, in order."""
        return [(m.key(), m.value(), int(dict(m.headers())["rewind-offset"])) for m in self.broker.read(topic)]

    def check_outputs(self, expected):
        for sink in expected.job.sinks:
            rows = self.rows(sink.topic)
            if sink.emit == "update":
                assert rows == [(key_of(sink, key), value_of(sink, key, row), offset) for offset, key, row in expected.events[sink.table.name]]
                continue
            last = {}
            for key, _, offset in rows:
                assert offset > last.get(key, -1), f"{key}: published at offset {last[key]} and again at {offset}"
                last[key] = offset
            view = {key: value for key, value, _ in rows}
            assert view == {key_of(sink, key): value_of(sink, key, row) for key, row in expected.tables[sink.table.name].items()}

    def check_dead(self, expected, topic):
        found = []
        for m in self.broker.read(topic):
            headers = {name: value.decode() for name, value in m.headers()}
            assert headers["rewind-source"] == f"{self.source_topic}/0"
            found.append((int(headers["rewind-offset"]), headers["rewind-reason"], headers.get("rewind-field"), m.value()))
        assert found == driver.expected_dead(expected)

    def check(self):
        """Of a job that was stopped after it had read everything."""
        expected = self.expected()
        newest = driver.newest(self)
        assert driver.digest(self) == expected.digest()
        assert newest["input_digest"] == expected.input_hash
        assert newest["next_offset"] == self.end() == self.c()[0]
        self.check_outputs(expected)
        self.check_dead(expected, self.given["errors"]["dead_letter"]["kafka"]["topic"])
        return expected


def key_of(sink, key):
    parts = list(zip(sink.table.key, key))
    if len(parts) == 1:
        return oracle.value_text(key[0], parts[0][0].kind, parts[0][0].scale).encode()
    return ("[" + ",".join(oracle.value_json(v, f.kind, f.scale) for f, v in parts) + "]").encode()


def value_of(sink, key, row):
    write = oracle.row_csv if sink.format == "csv" else oracle.row_json
    return write(sink.table, sink.columns, key, row)[:-1]
