"""What an error of Kafka means for what was to be sent: it heals, it may heal for a while, or no waiting will help."""

from typing import Final

import aiokafka.errors as kafka

__all__ = ["FINAL", "TOO_LARGE", "may_heal", "words"]

#: A broker that says this would say it again.
FINAL: Final = (
    kafka.AuthenticationFailedError,
    kafka.AuthenticationMethodNotSupported,
    kafka.ClusterAuthorizationFailedError,
    kafka.InvalidTopicError,
    kafka.PolicyViolationError,
    kafka.SaslAuthenticationFailed,
    kafka.TopicAuthorizationFailedError,
    kafka.UnsupportedForMessageFormatError,
    kafka.UnsupportedSaslMechanismError,
    kafka.UnsupportedVersionError,
)

#: The topic takes smaller batches only.
TOO_LARGE: Final = (kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError)

#: The broker has lost track of our producer: a new one is all it takes.
_STALE: Final = (
    kafka.DuplicateSequenceNumber,
    kafka.InvalidProducerEpoch,
    kafka.InvalidProducerIdMapping,
    kafka.OutOfOrderSequenceNumber,
    kafka.ProducerClosed,
    kafka.ProducerFenced,
    kafka.UnknownProducerId,
)

_OUTAGES: Final = (OSError, kafka.KafkaTimeoutError, kafka.KafkaUnavailableError)


def may_heal(error: Exception) -> bool:
    """Whether the error tells of an outage, or of a broker that has lost track of our producer: waited for without end.

    The others are waited for a while only. A topic that the broker does not know is one of them, as brokers say that while they start, too.
    """
    if isinstance(error, kafka.UnknownTopicOrPartitionError):
        return False
    return bool(getattr(error, "retriable", False)) or isinstance(error, (*_OUTAGES, *_STALE, *TOO_LARGE))


def words(error: Exception) -> str:
    """One line for a log. Its first word is the kind of trouble; silence is one kind, whoever noticed it."""
    name, text = type(error).__name__, str(error)
    if isinstance(error, kafka.KafkaTimeoutError | kafka.ProducerClosed):
        return "no acknowledgement"
    if not text or text.startswith("[Error"):  # "[Error 3] UnknownTopicOrPartitionError"
        return name
    return text if text.startswith(name) else f"{name}: {text}"
