"""The broker that the other tests stand on: it keeps what it acknowledged, transactions included, through kill -9 and being stopped."""
import confluent_kafka
import pytest

pytestmark = pytest.mark.xdist_group("kafka")


def test_it_keeps_records_and_hides_those_of_aborted_transactions(broker):
    topic = broker.topic("broker-basic")
    broker.produce(topic, [b"one", b"two"])
    broker.produce_transaction(topic, [b"never"], commit=False)
    broker.produce_transaction(topic, [b"three"])
    assert [m.value() for m in broker.read(topic)] == [b"one", b"two", b"three"]
    assert broker.bounds(topic) == (0, 6)   # two transaction markers


def test_it_keeps_them_through_a_kill(broker):
    topic = broker.topic("broker-kill")
    broker.produce(topic, [f"{i}" for i in range(1000)])
    broker.commit("broker-kill-group", topic, 7, metadata="what it means")
    broker.kill()
    broker.start()
    assert [m.value() for m in broker.read(topic)] == [str(i).encode() for i in range(1000)]
    assert broker.committed("broker-kill-group", topic) == (7, "what it means")


def test_it_answers_again_after_being_stopped_for_a_while(broker):
    topic = broker.topic("broker-freeze")
    broker.freeze()
    try:
        with pytest.raises(confluent_kafka.KafkaException):
            broker.admin().list_topics(timeout=1)
    finally:
        broker.thaw()
    broker.produce(topic, [b"still here"])
    assert len(broker.read(topic)) == 1
