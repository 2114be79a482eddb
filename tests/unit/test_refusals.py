"""Which errors of Kafka are waited out, and for how long."""

import aiokafka.errors as kafka
import pytest

from streams.shell.refusals import FINAL, may_heal, words


@pytest.mark.parametrize(
    "error",
    [
        kafka.KafkaConnectionError("gone"),
        kafka.KafkaTimeoutError(),
        kafka.RequestTimedOutError(),
        kafka.NotLeaderForPartitionError(),
        kafka.NotEnoughReplicasError(),
        kafka.OutOfOrderSequenceNumber(),
        kafka.UnknownProducerId(),
        kafka.ProducerFenced(),
        kafka.MessageSizeTooLargeError(),
        TimeoutError(),
        ConnectionResetError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_outages_and_forgotten_producers_are_waited_for_without_end(error: Exception) -> None:
    assert may_heal(error)
    assert not isinstance(error, FINAL)


@pytest.mark.parametrize("error", [kafka.UnknownTopicOrPartitionError(), kafka.UnknownError(), AssertionError("Unrecognized partition")])
def test_what_may_be_a_mistake_is_waited_for_a_while(error: Exception) -> None:
    assert not may_heal(error)
    assert not isinstance(error, FINAL)


@pytest.mark.parametrize("error", [kafka.TopicAuthorizationFailedError(), kafka.InvalidTopicError(), kafka.SaslAuthenticationFailed()])
def test_what_a_broker_would_say_again_is_final(error: Exception) -> None:
    assert isinstance(error, FINAL)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (kafka.UnknownTopicOrPartitionError(), "UnknownTopicOrPartitionError"),
        (kafka.KafkaConnectionError("Unable to bootstrap"), "KafkaConnectionError: Unable to bootstrap"),
        (kafka.KafkaTimeoutError("no answer"), "no acknowledgement"),
        (kafka.ProducerClosed(), "no acknowledgement"),
        (OSError("broken"), "OSError: broken"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_is_one_line_that_begins_with_its_kind(error: Exception, line: str) -> None:
    assert words(error) == line
