"""A job whose input and outputs are topics of a real broker, and what must stand in them.

    job = KafkaJob(folder, broker, "orders")
    job.produce(orders(1000))
    job.run_to_end()        in the background until all that is there is committed, then SIGTERM
    job.check()             state, input digest, outputs and dead letters are what the oracle says
    job.check_at_least_once()   the same, but runs of outputs may stand there again

`topics` are made unless it is false; a dict of it is the configuration of the source's.
"""
import oracle
import rewind as driver


class KafkaJob(driver.Job):
    def __init__(self, folder, broker, name, topics=True, partitions=1, **sections):
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
            if self.output_topics:
                broker.topics(self.output_topics, retention_ms=-1)   # whatever times the records have
            broker.topics([self.source_topic], partitions, **{"retention_ms": -1, **(topics if isinstance(topics, dict) else {})})

    @property
    def output_topics(self):
        dead = self.given.get("errors", {}).get("dead_letter", {}).get("kafka", {}).get("topic")
        return [s["kafka"]["topic"] for s in self.given["sinks"] if "kafka" in s] + ([dead] if dead else [])

    @property
    def group(self):
        return self.given.get("group", self.name)

    @property
    def partition(self):
        return self.given["source"].get("kafka", {}).get("partition", 0)

    @property
    def data(self):
        return self.folder / "data" / self.name / str(self.partition)

    def produce(self, lines, **more):
        self.broker.produce(self.source_topic, lines, **more)

    def end(self):
        """Behind the last committed record."""
        messages = self.broker.read(self.source_topic, self.partition)
        return messages[-1].offset() + 1 if messages else 0

    def running(self, *words, **env):
        return driver.Running(self, *words, **env)

    def run_to_end(self, **env):
        with self.running(**env) as r:
            r.committed(self.end())
            assert r.stop() == 0, r.stderr

    def origin(self, *of):
        """What a redriven record's header begins with; with an offset (and an ordinal), all of it."""
        return "/".join(map(str, [self.broker.cluster, self.source_topic, self.partition, *of]))

    def c(self):
        """(offset, metadata) that the group has."""
        return self.broker.committed(self.group, self.source_topic, self.partition)

    def expected(self, until=None):
        return oracle.run_messages(oracle.Job(self.file), self.broker.read(self.source_topic, self.partition), until, self.origin())

    # -------------------------------------------------------------------------------------------- what stands in the topics
    def rows(self, topic):
        """(key, value, offset of the record that it includes, time) of each, in order."""
        return [(m.key(), m.value(), int(dict(m.headers())["rewind-offset"]), m.timestamp()[1]) for m in self.broker.read_all(topic)]

    def check_outputs(self, expected):
        """E1 and E2. With `emit: commit` each transaction has, in key order, all keys that were touched since the one before, as they are then."""
        inputs = {m.offset(): m.timestamp()[1] for m in self.broker.read(self.source_topic, self.partition)} if "kafka" in self.given["source"] else None
        for sink in expected.job.sinks:
            found = self.rows(sink.topic)
            wanted = [(key_of(sink, key), value_of(sink, key, row), offset) for offset, key, row in rows_of(expected, sink, [row[2] for row in found])]
            assert [row[:3] for row in found] == wanted, sink.topic
            if inputs:
                assert [row[3] for row in found] == [inputs[row[2]] for row in found], sink.topic

    def check_dead(self, expected, topic):
        inputs = {m.offset(): m for m in self.broker.read(self.source_topic, self.partition)}
        found = []
        for m in self.broker.read(topic):
            headers = {name: value.decode() for name, value in m.headers()}
            assert (headers["__streams.errors.topic"], headers["__streams.errors.partition"]) == (self.source_topic, str(self.partition))
            found.append((int(headers["__streams.errors.offset"]), headers["__streams.errors.exception"], headers.get("rewind-field"), m.value()) +
                         ((int(headers["rewind-ordinal"]),) if "rewind-ordinal" in headers else ()))
            cause = inputs[found[-1][0]]
            assert (m.key(), m.timestamp()[1]) == (cause.key(), cause.timestamp()[1])
        assert found == driver.expected_dead(expected)

    def check_state(self):
        expected = self.expected()
        newest = driver.newest(self)
        assert driver.digest(self) == expected.digest()
        assert newest["input_digest"] == expected.input_hash
        assert newest["next_offset"] == self.end() == self.c()[0]
        return expected

    def check_at_least_once(self):
        """As check, where delivery is at least once. Where commits are fixed to offsets, rows of `emit: commit` are compared one by one, else key by key."""
        expected = self.check_state()
        fixed = expected.job.offset_multiple
        for sink in expected.job.sinks:
            found = [row[:3] for row in self.rows(sink.topic)]
            if sink.emit == "commit" and not fixed:
                check_values(expected, sink, found)
                continue
            ends = [*range(fixed - 1, self.end(), fixed), self.end() - 1] if fixed else [self.end() - 1]
            check_repeated(found, [(key_of(sink, key), value_of(sink, key, row), offset) for offset, key, row in rows_of(expected, sink, ends)], sink.topic)
        dead = self.given["errors"]["dead_letter"]["kafka"]["topic"]
        found = [{name: value.decode() for name, value in m.headers()} for m in self.broker.read(dead)]
        check_repeated([(int(h["__streams.errors.offset"]), h["__streams.errors.exception"]) for h in found], [d[:2] for d in driver.expected_dead(expected)], dead)
        return expected

    def check(self):
        """Of a job that was stopped after it had read everything."""
        expected = self.check_state()
        self.check_outputs(expected)
        self.check_dead(expected, self.given["errors"]["dead_letter"]["kafka"]["topic"])
        return expected


def rows_of(expected, sink, offsets):
    """(offset, key, row) of each output row; with `emit: commit` of transactions that ended behind these offsets."""
    last = max(offsets, default=-1)
    rows = expected.published(sink, [end + 1 for end in sorted(set(offsets))] + [float("inf")])
    assert all(row[0] <= last for row in rows), f"nothing published behind offset {last}"
    return rows


def check_repeated(found, wanted, what):
    """All of `wanted` in its order; but at any place a run of it may begin again. So nothing is left out, and what stands last is the newest."""
    places = {row: i for i, row in enumerate(wanted)}
    assert len(places) == len(wanted)
    at = -1
    for row in found:
        assert row in places, f"{what}: {row} is no row of the uninterrupted run"
        assert places[row] <= at + 1, f"{what}: {wanted[at + 1]} is left out"
        at = places[row]
    assert at == len(wanted) - 1, f"{what}: {wanted[at + 1:][:3]} are missing"


def check_values(expected, sink, found):
    """Each row is its key's newest one at the offset that it names, and all keys end as they must."""
    histories = {}
    for offset, key, row in expected.events[sink.table.name]:
        histories.setdefault(key_of(sink, key), []).append((offset, value_of(sink, key, row)))
    for key, value, offset in found:
        assert [v for o, v in histories[key] if o <= offset][-1] == value, (sink.topic, key, offset)
    assert {key: value for key, value, _ in found} == {key: history[-1][1] for key, history in histories.items()}, sink.topic


def key_of(sink, key):
    parts = list(zip(sink.table.key, key))
    if len(parts) == 1:
        return oracle.value_text(key[0], parts[0][0].kind, parts[0][0].scale).encode()
    return ("[" + ",".join(oracle.value_json(v, f.kind, f.scale) for f, v in parts) + "]").encode()


def value_of(sink, key, row):
    if row is None:
        return None
    write = oracle.row_csv if sink.format == "csv" else oracle.row_json
    return write(sink.table, sink.columns, key, row)[:-1]
