"""What an error of Kafka means for what was to be sent: it heals, it may heal for a while, or no waiting will help;
and whether a broker lets us in at all.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiokafka.errors as kafka
from aiokafka.conn import create_conn

from streams.errors import ConfigError

__all__ = ["FINAL", "GREETING_S", "STALE", "TOO_LARGE", "may_heal", "require_welcome", "turned_away", "words"]

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
STALE: Final = (
    kafka.DuplicateSequenceNumber,
    kafka.InvalidProducerEpoch,
    kafka.InvalidProducerIdMapping,
    kafka.OutOfOrderSequenceNumber,
    kafka.ProducerClosed,
    kafka.ProducerFenced,
    kafka.UnknownProducerId,
)

#: Long enough for a TLS handshake over a slow line, short enough that nobody wonders whether a command hangs.
GREETING_S: Final = 2.5

_OUTAGES: Final = (OSError, kafka.KafkaTimeoutError, kafka.KafkaUnavailableError)


def may_heal(error: Exception) -> bool:
    """Whether the error tells of an outage, or of a broker that has lost track of our producer: waited for without end.

    The others are waited for a while only. A topic that the broker does not know is one of them, as brokers say that while they start, too.
    """
    if isinstance(error, kafka.UnknownTopicOrPartitionError):
        return False
    return bool(getattr(error, "retriable", False)) or isinstance(error, (*_OUTAGES, *STALE, *TOO_LARGE))


def words(error: Exception) -> str:
    """One line for a log. Its first word is the kind of trouble; silence is one kind, whoever noticed it."""
    name, text = type(error).__name__, str(error)
    if isinstance(error, kafka.KafkaTimeoutError | kafka.ProducerClosed | kafka.RequestTimedOutError):
        return "no answer"
    if not text or text.startswith("[Error"):  # "[Error 3] UnknownTopicOrPartitionError"
        return name
    return text if text.startswith(name) else f"{name}: {text}"


async def turned_away(addresses: Sequence[str], client: Mapping[str, Any]) -> str | None:
    """Why a broker that answers does not let us in, in words; None when one does, or none answers.

    aiokafka's clients say of either only that they could not connect. `client` are the arguments of one, beside the addresses.
    """
    why: str | None = None
    for address in addresses:
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(GREETING_S):
                greeted = await create_conn(host.strip("[]"), int(port), request_timeout_ms=round(1000 * GREETING_S), **client)
            greeted.close()
            return None
        except kafka.SaslAuthenticationFailed:
            why = f"it does not know the user {client.get('sasl_plain_username')}, or the password is another one"
        except FINAL as error:
            why = words(error)
        except ssl.SSLError as error:
            why = f"TLS: {error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason or error}"
        except (kafka.KafkaError, OSError, TimeoutError):
            if client.get("ssl_context") is None and await _speaks_tls(host.strip("[]"), int(port)):
                why = "it speaks TLS, which security_protocol does not say"
    return why


async def _speaks_tls(host: str, port: int) -> bool:
    """Whether who listens there greets in TLS, whoever it is: a broker that expects it says nothing at all to those who do not."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE  # nothing is sent
    try:
        async with asyncio.timeout(GREETING_S):
            _, writer = await asyncio.open_connection(host, port, ssl=anybody)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def require_welcome(addresses: Sequence[str], client: Mapping[str, Any]) -> None:
    """Raises `ConfigError` when `turned_away`: no waiting changes a password."""
    if (why := await turned_away(addresses, client)) is not None:
        raise ConfigError(
            f"{', '.join(addresses)} does not let us in ({why}): see STREAMS_KAFKA_PASSWORD, and `kafka` in streams.yaml", file="Kafka"
        )
