"""Times, ids and headers of what leaves."""

from streams.core.envelope import Envelope, rfc3339, stable_id


def test_times_are_rfc3339_in_utc_with_milliseconds() -> None:
    assert rfc3339(1_769_846_400_007) == "2026-01-31T08:00:00.007Z"
    assert rfc3339(-1) == "1969-12-31T23:59:59.999Z"


def test_an_id_is_the_same_for_ever() -> None:
    assert stable_id("engagement", "ann", "churn_risk", "engagement.clickstream.v1/0/7") == "4d99f219-3cf3-50e0-b03d-3719b00d025c"


def test_headers_are_cloudevents_binary_mode() -> None:
    assert dict(Envelope("engagement.score.v1", "/engagement").headers("i", b"ann", b"1970-01-01T00:00:00.000Z")) == {
        "ce_specversion": b"1.0",
        "ce_id": b"i",
        "ce_type": b"engagement.score.v1",
        "ce_source": b"/engagement",
        "ce_time": b"1970-01-01T00:00:00.000Z",
        "ce_subject": b"ann",
        "content-type": b"application/json",
    }
