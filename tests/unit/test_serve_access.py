"""Who may: loopback names, a token, a trusted proxy, an account; the matrix of roles; and what every answer carries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request

from streams.errors import ConfigError
from streams.serve import assets
from streams.serve.access import Access, Refused, foreign
from streams.serve.accounts import Accounts
from streams.serve.assets import known, load_assets
from streams.serve.headers import CSP
from streams.serve.language import language_of
from streams.serve.roles import MATRIX, ROLES, Caller
from streams.settings_files import Proxy

TOKEN = {"STREAMS_SERVE_TOKEN": "a-long-enough-token-0123"}
PAGE = Path(assets.__file__).parent / "page"


async def asked(access: Access, headers: Mapping[str, str], peer: str = "127.0.0.1") -> Caller | int:
    """Who such a request comes from; the status when it is not answered. None of these gets as far as a session."""
    sessions: Any = None
    try:
        return await access.caller(Headers(headers), peer, sessions)
    except Refused as why:
        return why.status


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_without_anybody_to_sign_in_it_listens_on_this_machine_only(host: str) -> None:
    with pytest.raises(ConfigError, match="streams user add"):
        Access.of(host, {})
    assert Access.of(host, TOKEN).signed_in_only
    assert Access.of(host, {}, link=True).signed_in_only


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert not Access.of(host, {}).signed_in_only


def test_a_short_token_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError) as wrong:
        Access.of("127.0.0.1", {"STREAMS_SERVE_TOKEN": "hunter2"})
    assert "hunter2" not in str(wrong.value)


def test_a_users_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`streams user add NAME` makes it"):
        Access.of("127.0.0.1", {"STREAMS_USERS": str(tmp_path / "users.yaml")})


async def test_the_token_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a-long-enough-token-0123\n")
    access = Access.of("0.0.0.0", {"STREAMS_SERVE_TOKEN_FILE": str(file)})
    assert isinstance(await asked(access, {"authorization": "Bearer a-long-enough-token-0123"}), Caller)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "LOCALHOST"])
async def test_a_loopback_name_is_answered_and_may_do_everything(host: str) -> None:
    assert await asked(Access(), {"host": host}) == Caller("local", frozenset(ROLES), "local", "")


@pytest.mark.parametrize("host", ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "[::1"])
async def test_a_foreign_name_that_points_here_is_not(host: str) -> None:
    """DNS rebinding: the browser thinks that the foreign page and this server are one site."""
    assert await asked(Access(), {"host": host}) == 421


async def test_with_a_token_a_bearer_is_asked_for_whatever_the_name() -> None:
    access = Access.of("127.0.0.1", TOKEN)
    headers = {"host": "any.example", "authorization": f"Bearer {TOKEN['STREAMS_SERVE_TOKEN']}"}
    assert await asked(access, headers) == Caller("token", frozenset(ROLES), "token", "")
    assert await asked(access, {"host": "127.0.0.1", "authorization": "Bearer a-long-enough-token-0124"}) == 401
    assert await asked(access, {"host": "127.0.0.1"}) == 401


PROXIED = Access(proxy=Proxy(addresses=("10.0.0.0/8",)))
SAYS = {"x-forwarded-user": "ada", "x-forwarded-groups": "operator, staff"}


async def test_a_trusted_proxy_says_who_it_is_and_what_they_may_do() -> None:
    caller = await asked(PROXIED, SAYS, peer="10.1.2.3")
    assert isinstance(caller, Caller)
    assert (caller.name, caller.roles, caller.via, caller.csrf != "") == ("ada", {"viewer", "operator"}, "proxy", True)


@pytest.mark.parametrize("peer", ["127.0.0.1", "11.0.0.1", "::ffff:10.0.0.1x", ""])
async def test_nobody_else_is_believed(peer: str) -> None:
    assert await asked(PROXIED, SAYS, peer=peer) == 401


async def test_the_address_of_a_try_is_the_one_that_the_proxy_saw() -> None:
    """Those before it in the list anybody can write."""
    forwarded = Headers({"x-forwarded-for": "1.1.1.1, 203.0.113.9"})
    assert PROXIED.from_where(forwarded, "10.0.0.1") == "203.0.113.9"
    # A proxy may also append a line of its own to the one that the client has sent.
    two = Headers(raw=[(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-for", b"203.0.113.9")])
    assert PROXIED.from_where(two, "10.0.0.1") == "203.0.113.9"
    assert PROXIED.from_where(forwarded, "198.51.100.7") == "198.51.100.7"


@pytest.mark.parametrize(
    ("headers", "other"),
    [
        ({}, False),
        ({"origin": "http://127.0.0.1:8080"}, False),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8080"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
    ],
)
def test_a_request_of_another_site_is_known(headers: Mapping[str, str], other: bool) -> None:
    assert foreign(Headers({"host": "127.0.0.1:8080", **headers})) is other


def test_an_account_is_found_by_its_password_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "users.yaml"
    accounts = Accounts(file)
    accounts.put("ada", ["operator", "viewer"], "correct horse battery")
    assert accounts.verify("ada", "correct horse battery") == accounts.find("ada")
    assert accounts.verify("ada", "correct horse batterx") is None
    assert accounts.verify("bob", "correct horse battery") is None
    assert (accounts.all[0].roles, file.stat().st_mode & 0o777) == (("viewer", "operator"), 0o600)
    assert "correct" not in file.read_text()
    assert "$argon2id$" in file.read_text()


def test_another_process_sees_a_change_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "users.yaml"
    here, there = Accounts(file), Accounts(file)
    here.put("ada", ["viewer"], "correct horse battery")
    before = there.find("ada")
    here.put("ada", ["viewer"], "another good sentence")
    after = there.find("ada")
    assert before is not None
    assert after is not None
    assert before.mark != after.mark
    assert here.remove("ada")
    assert there.find("ada") is None
    assert not here.remove("ada")


@pytest.mark.parametrize(
    ("name", "roles", "password"),
    [
        ("", ["viewer"], 10 * "x"),
        ("a\nb", ["viewer"], 10 * "x"),
        ("ada", ["king"], 10 * "x"),
        ("ada", [], 10 * "x"),
        ("ada", ["viewer"], "short"),
    ],
)
def test_what_no_account_can_be_is_refused(tmp_path: Path, name: str, roles: list[str], password: str) -> None:
    with pytest.raises(ConfigError):
        Accounts(tmp_path / "users.yaml").put(name, roles, password)
    assert not (tmp_path / "users.yaml").exists()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("users: [{name: ada, roles: [king], password: $argon2id$x}]", "users[0]"),
        ("users: [{name: ada, roles: [viewer], password: plain}]", "users[0].password"),
        ("users: [{name: ada, roles: [viewer]}]", "users[0].password"),
        ("users: [{name: a, roles: [viewer], password: $argon2id$x}, {name: a, roles: [viewer], password: $argon2id$x}]", "users"),
    ],
)
def test_a_wrong_users_file_is_named_with_its_place(tmp_path: Path, text: str, path: str) -> None:
    file = tmp_path / "users.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as wrong:
        Accounts(file).find("ada")
    assert str(wrong.value).startswith(f"users.yaml: {path}: ")


def test_whatever_changes_something_asks_for_a_role() -> None:
    """Only signing in is open to somebody who is nobody yet."""
    assert {name for name, door in MATRIX.items() if door.changes and door.role is None} == {"POST /login"}
    assert {door.role for door in MATRIX.values()} <= {None, *ROLES}


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [
        ("", "", "en"),
        ("", "de-AT,de;q=0.9,en;q=0.5", "de"),
        ("", "fr,en;q=0.7,de;q=0.3", "en"),
        ("lang=de", "en", "de"),
        ("lang=xx", "de;q=x", "en"),
    ],
)
def test_the_language_is_the_one_asked_for_else_the_preferred(query: str, header: str, language: str) -> None:
    scope = {"type": "http", "query_string": query.encode(), "headers": [(b"accept-language", header.encode())]}
    assert language_of(Request(scope)) == language


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
