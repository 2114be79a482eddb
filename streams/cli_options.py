"""Options that several commands have, in the same words."""

from typing import Annotated

import typer

__all__ = ["Json", "Since", "Until"]

Json = Annotated[bool, typer.Option("--json", help="One line of JSON in place of text for people.")]
Since = Annotated[
    str | None, typer.Option(help="Only those from then on: a time (2026-01-31T08:00Z) or a span back from now (15m, 6h, 2d).")
]
Until = Annotated[str | None, typer.Option(help="Only those before then: like --since.")]
