"""The world is data: a broken `world.yaml` names file and path."""

from pathlib import Path

import pytest
import yaml

from streams.errors import ConfigError
from streams.sim.config import load_world

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "world.yaml"


def broken(tmp_path: Path, *path: str | int, to: object) -> str:
    """What is said of the shipped world with one value changed."""
    world = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    place = world
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    file = tmp_path / "world.yaml"
    file.write_text(yaml.safe_dump(world), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_world(file)
    return str(caught.value)


def test_the_shipped_world_loads() -> None:
    """The package's world and the file in config/ are one, and its personas are the ones the demo tells of."""
    names = [persona.name for persona in load_world().personas]
    assert names == ["browser", "buyer", "power user", "slipping", "dormant", "detractor"]
    assert load_world() == load_world(SHIPPED)


@pytest.mark.parametrize(
    ("path", "to", "said"),
    [
        (("time_zone",), "Middle/Earth", "world.yaml: time_zone: 'Middle/Earth' is no time zone"),
        (("seasons", "hours"), [1] * 23, "world.yaml: seasons.hours: "),
        (("seasons", "hours"), [0] * 24, "world.yaml: seasons: all weights are 0"),
        (("categories",), [], "world.yaml: categories: "),
        (("personas",), [], "world.yaml: personas: "),
        (("personas", 0, "share"), 1.5, "world.yaml: personas[0].share: "),
        (("personas", 0, "cart"), "often", "world.yaml: personas[0].cart: must be a number, got text"),
        (("personas", 1, "views"), [5, 2], "world.yaml: personas[1].views: from is above to"),
        (("personas", 1, "name"), "browser", "world.yaml: personas[1].name: 'browser' is there twice"),
        (("personas", 0, "visits"), 3, "world.yaml: personas[0].visits: is not a setting"),
        (("quality", "late"), -0.1, "world.yaml: quality.late: "),
        (("aim", "persona"), "ghost", "world.yaml: aim.persona: there is no persona 'ghost'"),
        (("aim", "every_s"), 0, "world.yaml: aim.every_s: "),
        (("aim", "return_after_s"), [60, 30], "world.yaml: aim.return_after_s: from is above to"),
        (("incidents", 0, "kind"), "flood", "world.yaml: incidents[0].kind: "),
        (("incidents", 1, "event"), "", "world.yaml: incidents[1].event: names the event that vanishes"),
    ],
)
def test_broken_worlds_name_the_place(tmp_path: Path, path: tuple[str | int, ...], to: object, said: str) -> None:
    """Each error says which file and which path."""
    assert broken(tmp_path, *path, to=to).startswith(said)


def test_no_shares_at_all(tmp_path: Path) -> None:
    """Somebody must be there."""
    world = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    for persona in world["personas"]:
        persona["share"] = 0
    file = tmp_path / "world.yaml"
    file.write_text(yaml.safe_dump(world), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"world\.yaml: personas: all shares are 0"):
        load_world(file)
