"""What an error of Kafka means, and what a listener that is no use to us is told apart by."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiokafka.errors as kafka
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from streams.errors import ConfigError
from streams.shell.refusals import may_heal, require_welcome, turned_away, words


@pytest.mark.parametrize(
    ("error", "heals"),
    [
        (kafka.KafkaConnectionError(), True),
        (kafka.RequestTimedOutError(), True),
        (kafka.OutOfOrderSequenceNumber(), True),
        (kafka.NotLeaderForPartitionError(), True),
        (ConnectionResetError(), True),
        (kafka.UnknownTopicOrPartitionError(), False),
        (kafka.InvalidTopicError(), False),
    ],
)
def test_what_is_waited_for_without_end(error: Exception, heals: bool) -> None:
    assert may_heal(error) is heals


def test_silence_is_one_kind_of_trouble_whoever_noticed_it() -> None:
    assert words(kafka.RequestTimedOutError()) == words(kafka.KafkaTimeoutError()) == words(kafka.ProducerClosed()) == "no answer"


@pytest.fixture
async def tls_listener(tmp_path: Path) -> AsyncIterator[str]:
    """Where somebody greets in TLS, as a broker's SSL listener does."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    began = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    certificate = builder.not_valid_before(began).not_valid_after(began + datetime.timedelta(days=2)).sign(key, hashes.SHA256())
    pem = tmp_path / "broker.pem"
    plain = serialization.NoEncryption()
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_listener_that_speaks_tls_is_told_from_one_that_is_away(tls_listener: str) -> None:
    plain = {"security_protocol": "PLAINTEXT"}
    assert await turned_away(["127.0.0.1:1"], plain) is None
    assert await turned_away(["127.0.0.1:1", tls_listener], plain) == "it speaks TLS, which security_protocol does not say"
    with pytest.raises(ConfigError, match=r"it speaks TLS.*see.*`kafka` in streams\.yaml"):
        await require_welcome([tls_listener], plain)


async def test_a_listener_whose_certificate_nobody_vouches_for_is_said_to_be_one(tls_listener: str) -> None:
    trusting = {"security_protocol": "SSL", "ssl_context": ssl.create_default_context()}
    why = await turned_away([tls_listener], trusting)
    assert why is not None
    assert why.startswith("TLS: ")
