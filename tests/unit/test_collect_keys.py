"""Write keys: who may send, from where, how much, and what a changed file does."""

import logging
import os
from pathlib import Path

import pytest
import yaml

from streams.collect.keys import Keyring, load_keys
from streams.collect.limits import Bucket, Velocity
from streams.collect.robots import Robots
from streams.errors import ConfigError

KEY = "wk_shop_0001"


def write(file: Path, *specs: dict[str, object]) -> Path:
    file.write_text(yaml.safe_dump({"keys": list(specs)}))
    return file


def name_of(ring: Keyring, key: str | None, origin: str = "", host: str = "shop.example") -> str | None:
    source = ring.find(key, origin, host)
    return source.name if source else None


def test_a_key_stands_for_a_source(tmp_path: Path) -> None:
    ring = Keyring(write(tmp_path / "keys.yaml", {"key": KEY, "source": "shop"}), loopback=False)
    assert [name_of(ring, key) for key in (KEY, KEY[:-1], "", None)] == ["shop", None, None, None]


@pytest.mark.parametrize(
    ("specs", "error"),
    [
        ([{"key": "short", "source": "s"}], "keys.yaml: keys[0].key: must be 8 to 200 letters, digits and signs, no space and no colon"),
        (
            [{"key": "with:colon1", "source": "s"}],
            "keys.yaml: keys[0].key: must be 8 to 200 letters, digits and signs, no space and no colon",
        ),
        ([{"key": KEY, "source": "a"}, {"key": KEY, "source": "b"}], "keys.yaml: keys[1].key: stands here twice"),
        ([{"key": KEY, "source": ""}], "keys.yaml: keys[0].source: must be a name of at most 100 characters"),
        ([{"key": KEY}], "keys.yaml: keys[0].source: is missing"),
        ([{"key": KEY, "source": "s", "rate": 5.0}], "keys.yaml: keys[0].rate: is not a setting"),
        ([{"key": KEY, "source": "s", "rate_per_s": 0}], "keys.yaml: keys[0].rate_per_s: must be between 0.1 and 1000000, got 0"),
        (
            [{"key": KEY, "source": "s", "origins": ["shop.example"]}],
            "keys.yaml: keys[0].origins[0]: must be a page's origin such as https://shop.example, got shop.example",
        ),
    ],
)
def test_a_wrong_file_is_named_with_its_path(tmp_path: Path, specs: list[dict[str, object]], error: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_keys(write(tmp_path / "keys.yaml", *specs))
    assert str(raised.value) == error


def test_the_shipped_file_has_no_key() -> None:
    assert load_keys(Path("config/keys.yaml")) == ()


def test_a_saved_file_is_in_force_without_a_restart(tmp_path: Path) -> None:
    """New keys, and none of those that are gone. A key that stayed has not got a new allowance."""
    file = write(tmp_path / "keys.yaml", {"key": KEY, "source": "shop", "rate_per_s": 1})
    ring = Keyring(file, loopback=False)
    source = ring.find(KEY, "", "")
    assert source is not None
    source.take(1000)
    write(file, {"key": KEY, "source": "shop", "rate_per_s": 1}, {"key": "wk_new_0002", "source": "new"})
    ring.look()
    assert name_of(ring, "wk_new_0002") == "new"
    assert ring.find(KEY, "", "") is source
    write(file, {"key": "wk_new_0002", "source": "new"})
    ring.look()
    assert name_of(ring, KEY) is None


def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log says why, once; a key is never in it."""
    file = write(tmp_path / "keys.yaml", {"key": KEY, "source": "shop"})
    ring = Keyring(file, loopback=False)
    file.write_text(f"keys: [{{key: {KEY}, sauce: shop}}]")
    with caplog.at_level(logging.ERROR):
        ring.look()
        ring.look()
    assert name_of(ring, KEY) == "shop"
    assert caplog.messages == ["the write keys stay as they were: keys.yaml: keys[0].sauce: is not a setting, did you mean `source`?"]


def test_without_keys_other_machines_may_not_send(tmp_path: Path) -> None:
    """A collector that the world can reach takes nothing; one for this machine takes what this machine sends."""
    none = tmp_path / "keys.yaml"
    assert name_of(Keyring(none, loopback=False), None, host="127.0.0.1") is None
    ring = Keyring(none, loopback=True)
    assert name_of(ring, None, host="127.0.0.1:8081") == "local"
    assert name_of(ring, "any key at all", host="localhost:8081", origin="http://localhost:3000") == "local"
    assert name_of(ring, None, host="shop.example") is None
    assert name_of(ring, None, host="localhost:8081", origin="https://evil.example") is None
    assert name_of(ring, None, host="localhost:8081", origin="null") is None
    assert name_of(ring, None, host="localhost:8081", origin="http://[::1]:3000") == "local"
    assert name_of(ring, None, host="localhost:8081", origin="http://[::1") is None
    assert name_of(ring, None, host="[::1", origin="") is None


def test_the_first_key_closes_the_door(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    ring = Keyring(file, loopback=True)
    write(file, {"key": KEY, "source": "shop"})
    os.utime(file, ns=(1, 1))
    ring.look()
    assert name_of(ring, None, host="localhost") is None


def test_a_rate_is_held_on_average() -> None:
    """Five seconds' worth at once; a batch may overdraw, and is paid back."""
    bucket = Bucket(10.0, now_s=0.0)
    assert bucket.wait_s(0.0) == 0
    bucket.take(100)
    assert bucket.wait_s(0.0) == 6
    assert bucket.wait_s(5.0) == 1
    assert bucket.wait_s(5.2) == 0


def test_a_velocity_is_per_user_and_minute() -> None:
    velocity = Velocity(2)
    assert [velocity.exceeded("a", 0) for _ in range(3)] == [False, False, True]
    assert not velocity.exceeded("b", 0)
    assert not velocity.exceeded("a", 60_000)


def test_a_velocity_counts_a_bounded_number_of_users() -> None:
    velocity = Velocity(1, most_users=2)
    assert not any(velocity.exceeded(user, 0) for user in "abc")
    assert [velocity.exceeded(user, 0) for user in "abc"] == [True, True, False]


@pytest.mark.parametrize(
    ("agent", "robot"),
    [
        ("", False),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0", False),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/604.1",
            False,
        ),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/139.0.0.0 Safari/537.36", True),
        ("x" * 1_000_000, False),
    ],
)
def test_robots(agent: str, robot: bool) -> None:
    assert Robots().sent(agent) is robot
