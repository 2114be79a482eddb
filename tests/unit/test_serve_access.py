"""Who may read: loopback names without a token; with one, a bearer or a session; and what every answer carries."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from streams.errors import ConfigError
from streams.serve import assets
from streams.serve.access import COOKIE, Access, foreign
from streams.serve.assets import known, load_assets
from streams.serve.headers import CSP

TOKEN = {"STREAMS_SERVE_TOKEN": "a-long-enough-token-0123"}
PAGE = Path(assets.__file__).parent / "page"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_without_a_token_it_listens_on_this_machine_only(host: str) -> None:
    with pytest.raises(ConfigError, match="STREAMS_SERVE_TOKEN"):
        Access.of(host, {})
    assert Access.of(host, TOKEN).signed_in_only


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert not Access.of(host, {}).signed_in_only


def test_a_short_token_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError) as wrong:
        Access.of("127.0.0.1", {"STREAMS_SERVE_TOKEN": "hunter2"})
    assert "hunter2" not in str(wrong.value)


def test_the_token_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a-long-enough-token-0123\n")
    assert Access.of("0.0.0.0", {"STREAMS_SERVE_TOKEN_FILE": str(file)}).knows("a-long-enough-token-0123")


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "LOCALHOST"])
def test_a_loopback_name_is_answered(host: str) -> None:
    assert Access(None).refusal(Headers({"host": host})) is None


@pytest.mark.parametrize("host", ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "[::1"])
def test_a_foreign_name_that_points_here_is_not(host: str) -> None:
    """DNS rebinding: the browser thinks that the foreign page and this server are one site."""
    assert Access(None).refusal(Headers({"host": host})) is not None


def asked(access: Access, headers: Mapping[str, str]) -> bool:
    """Whether such a request is answered."""
    return access.refusal(Headers(headers)) is None


def test_with_a_token_a_bearer_is_asked_for_whatever_the_name() -> None:
    access = Access.of("127.0.0.1", TOKEN)
    assert asked(access, {"host": "any.example", "authorization": f"Bearer {TOKEN['STREAMS_SERVE_TOKEN']}"})
    assert not asked(access, {"host": "127.0.0.1", "authorization": "Bearer a-long-enough-token-0124"})
    assert not asked(access, {"host": "127.0.0.1"})


def test_a_session_is_good_for_every_replica_with_the_token_and_for_nobody_else() -> None:
    one, other = Access.of("::", TOKEN), Access.of("::", {"STREAMS_SERVE_TOKEN": "another-long-token-012345"})
    cookie = {"cookie": f"{COOKIE}={one.session()}"}
    assert asked(Access.of("::", TOKEN), cookie)
    assert not asked(other, cookie)


@pytest.mark.parametrize("session", ["", ".", "9999999999.", "9999999999.00", "x.y", "1.{mark}"])
def test_a_made_up_session_is_refused(session: str) -> None:
    access = Access.of("::", TOKEN)
    mark = access.session().partition(".")[2]
    assert not asked(access, {"cookie": f"{COOKIE}={session.format(mark=mark)}"})


def test_a_session_that_is_over_is_refused() -> None:
    access = Access.of("::", TOKEN)
    assert not asked(access, {"cookie": f"{COOKIE}=1000.{access._mark('1000')}"})


@pytest.mark.parametrize(
    ("origin", "other"), [(None, False), ("http://127.0.0.1:8080", False), ("https://evil.example", True), ("null", True)]
)
def test_a_request_of_another_site_is_known_by_its_origin(origin: str | None, other: bool) -> None:
    headers = {"host": "127.0.0.1:8080"} | ({} if origin is None else {"origin": origin})
    assert foreign(Headers(headers)) is other


def test_the_policy_is_the_one_that_was_measured() -> None:
    assert CSP == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )


def test_the_chart_library_is_the_file_we_know() -> None:
    """Apache ECharts 6.1.0 as the wheel has it; another file stops the start."""
    echarts = load_assets()["echarts.js"]
    assert len(echarts.plain) == 1_121_654
    assert len(echarts.packed) < 400_000


def test_another_chart_library_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="pip install --force-reinstall"):
        known(b"console.log('not ECharts')")


def test_the_page_sets_text_and_never_markup() -> None:
    """User ids come from trackers: nothing of the page may read them as HTML or as code."""
    for file in PAGE.glob("*.js"):
        source = file.read_text()
        assert not [
            word for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "new Function", "document.write") if word in source
        ]


def test_the_page_asks_nobody_else() -> None:
    for file in (*PAGE.glob("*.js"), *PAGE.glob("*.html"), *PAGE.glob("*.css")):
        assert "http://" not in file.read_text(), file.name
        assert "https://" not in file.read_text(), file.name
