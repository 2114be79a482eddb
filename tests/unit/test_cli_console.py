"""What commands print: foreign bytes cannot steer a terminal, and numbers read well."""

import pytest
from rich.console import Console

from streams.commands.console import ago, count, printable
from streams.commands.metrics import Compared, Reconciled, render_reconciled
from streams.stats import ranges


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("\x1b[2J\x1b[31mred", "\\x1b[2J\\x1b[31mred"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x9b31m", "\\x9b31m"),
        ("safe\u202egpj.exe", "safe\\u202egpj.exe"),
        ("\ud800", "\\ud800"),
        ("Zoë 你好 🙂", "Zoë 你好 🙂"),
    ],
)
def test_what_could_steer_a_terminal_is_spelled_out(foreign: str, shown: str) -> None:
    assert printable(foreign) == shown


@pytest.mark.parametrize(
    ("span_ms", "said"), [(0, "0 s"), (59_400, "59 s"), (180_000, "3 min"), (3_600_000, "1 hour"), (86_400_000 * 12, "12 days")]
)
def test_spans_are_said_in_the_largest_unit_that_fits(span_ms: int, said: str) -> None:
    assert ago(span_ms) == said


def test_numbers_have_groups_of_three() -> None:
    assert count(1234567) == "1,234,567"


def test_neighbouring_partitions_are_said_together() -> None:
    assert ranges((7, 0, 1, 2, 9, 10)) == "0-2, 7, 9-10"


def test_figures_that_differ_are_shown_side_by_side() -> None:
    """A recount that found something says what: both numbers of the figure, as stored and as counted again."""
    out = Console(width=80)
    differences = (Compared("dau/day", (3, None), (1234, None)), Compared("ctr/day", (1, 10), (2, 10)))
    with out.capture() as shown:
        render_reconciled(out, Reconciled("2026-01-31", 5000, 40, differences, ()))
    lines = [line.split() for line in shown.get().splitlines()]
    assert ["dau/day", "3", "/", "-", "1,234", "/", "-"] in lines
    assert ["ctr/day", "1", "/", "10", "2", "/", "10"] in lines
