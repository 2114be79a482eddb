"""How Faust is told to speak to Kafka: the same answers that aiokafka's own clients get, as its credentials."""

from collections.abc import Mapping
from typing import Any

from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import CredentialsT

__all__ = ["faust_credentials"]


def faust_credentials(client: Mapping[str, Any]) -> CredentialsT | None:
    """Credentials for `client`, the keyword arguments of an aiokafka client; None for a broker that asks for nothing."""
    context = client.get("ssl_context")
    if "sasl_mechanism" in client:
        return SASLCredentials(
            username=client["sasl_plain_username"],
            password=client["sasl_plain_password"],
            mechanism=client["sasl_mechanism"],
            ssl_context=context,
        )
    return SSLCredentials(context) if context is not None else None
