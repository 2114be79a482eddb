"""Trackers as their makers ship them; each sends events and ends when it was heard: `python -m tests.clients.senders NAME URL KEY`.

Every one sends EVENTS events of USERS users. Nothing of a library is replaced; only the numbers that it lets everybody set are.
"""

import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

EVENTS: Final = 24
USERS: Final = 4
#: A library that gives up earlier than the outage ends would be right to: ours last for a second or two.
RETRIES: Final = 20


def user(number: int) -> str:
    return f"user-{number % USERS}"


def segment(url: str, key: str, *, gzip: bool = False) -> None:
    from segment.analytics.client import Client

    client = Client(key, host=url, gzip=gzip, max_retries=RETRIES, upload_size=10, upload_interval=0.05)
    for number in range(EVENTS):
        client.track(user(number), "Product Viewed", {"n": number})
    client.flush()
    client.shutdown()


def segment_gzip(url: str, key: str) -> None:
    segment(url, key, gzip=True)


def rudder(url: str, key: str) -> None:
    from rudderstack.analytics.client import Client

    client = Client(key, host=url, max_retries=RETRIES, upload_size=10, upload_interval=0.05)
    for number in range(EVENTS):
        client.track(user(number), "Product Viewed", {"n": number})
    client.flush()
    client.shutdown()


def posthog(url: str, key: str) -> None:
    from posthog import Posthog

    client = Posthog(key, host=url, max_retries=RETRIES, flush_at=10, flush_interval=0.05, gzip=True)
    for number in range(EVENTS):
        client.capture("Product Viewed", distinct_id=user(number), properties={"n": number})
    client.flush()
    client.shutdown()


def snowplow(url: str, key: str, *, method: Any = "post") -> None:
    from snowplow_tracker import Emitter, PageView, SelfDescribing, SelfDescribingJson, StructuredEvent, Subject, Tracker

    heard = [0]

    def success(events: Any) -> None:
        heard[0] += len(events)

    emitter = Emitter(url, method=method, batch_size=8, on_success=success, max_retry_delay_seconds=1)
    tracker = Tracker("tests", emitter, app_id=key)
    for number in range(EVENTS):
        subject = Subject().set_user_id(user(number))
        kinds = (
            PageView("https://shop.example/p/1", "A page", event_subject=subject),
            StructuredEvent("shop", "Product Viewed", property_="n", value=float(number), event_subject=subject),
            SelfDescribing(SelfDescribingJson("iglu:com.shop/product_viewed/jsonschema/1-0-0", {"n": number}), event_subject=subject),
        )
        tracker.track(kinds[number % 3])
    tracker.flush()
    while heard[0] < EVENTS:  # it tries again by timers of its own
        time.sleep(0.5)
        emitter.flush()


def snowplow_get(url: str, key: str) -> None:
    snowplow(url, key, method="get")


def until_heard(send: Callable[[], Any]) -> None:
    """What a caller of plain HTTP does: again after a 503, as the answer says."""
    while True:
        answer = send()
        if answer.status_code == 503:
            time.sleep(float(answer.headers["retry-after"]) / 4)
            continue
        answer.raise_for_status()
        return


def ga4(url: str, key: str) -> None:
    import httpx

    with httpx.Client(params={"measurement_id": "G-TEST", "api_secret": key}) as client:
        for start in range(0, EVENTS, USERS):
            for number in range(start, start + USERS):
                body = {
                    "client_id": f"{number}.{start}",
                    "user_id": user(number),
                    "timestamp_micros": time.time_ns() // 1000,
                    "events": [{"name": "view_item", "params": {"n": number}}],
                }
                until_heard(lambda body=body: client.post(f"{url}/mp/collect", json=body))  # type: ignore[misc]


def cloudevents(url: str, key: str) -> None:
    import httpx
    from cloudevents.core.bindings.http import to_binary_event, to_structured_event
    from cloudevents.core.v1.event import CloudEvent

    with httpx.Client(auth=(key, "")) as client:
        for number in range(EVENTS):
            attributes = {
                "id": str(uuid.uuid4()),
                "source": "https://shop.example/orders",
                "type": "com.shop.product_viewed",
                "subject": user(number),
                "time": datetime.now(UTC),
                "datacontenttype": "application/json",
                "specversion": "1.0",
            }
            message = (to_binary_event, to_structured_event)[number % 2](CloudEvent(attributes, {"n": number}))
            until_heard(lambda message=message: client.post(f"{url}/cloudevents", content=message.body, headers=message.headers))  # type: ignore[misc]


SENDERS: Final[dict[str, Callable[[str, str], None]]] = {
    "segment": segment,
    "segment-gzip": segment_gzip,
    "rudder": rudder,
    "posthog": posthog,
    "snowplow": snowplow,
    "snowplow-get": snowplow_get,
    "ga4": ga4,
    "cloudevents": cloudevents,
}

if __name__ == "__main__":
    SENDERS[sys.argv[1]](sys.argv[2], sys.argv[3])
