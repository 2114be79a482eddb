"""The command line's part about records that were set aside: `streams dead` and `streams quarantine`."""

from typing import Annotated

import typer

from streams.cli_options import Json, Since, Until

__all__ = ["dead", "quarantine"]

dead = typer.Typer(no_args_is_help=True, help="Records that were refused: look, mend, send them again.")
quarantine = typer.Typer(no_args_is_help=True, help="Events that no person seems to have sent: look, and let them through.")

Reason = Annotated[str | None, typer.Option(help="Only letters refused for this reason, e.g. not_json, unknown_type, future.")]
Topic = Annotated[str | None, typer.Option(help="Only letters that came from this topic.")]
Suspicion = Annotated[str | None, typer.Option("--reason", help="Only those held back for this reason: robot or velocity.")]
User = Annotated[str | None, typer.Option(help="Only those of this user or anonymous id.")]
Limit = Annotated[int, typer.Option(min=1, help="The newest so many.")]
One = Annotated[str, typer.Argument(metavar="COORDINATES", help="topic/partition/offset, as `list` prints them.")]
Many = Annotated[list[str] | None, typer.Argument(metavar="COORDINATES", help="Which ones; without any, all that the filters choose.")]
Raw = Annotated[bool, typer.Option("--raw", help="The original bytes and nothing else, for a pipe or a file.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")]


@dead.command("list")
def dead_list(
    reason: Reason = None, topic: Topic = None, since: Since = None, until: Until = None, limit: Limit = 50, json: Json = False
) -> None:
    """Which records were refused, and why. Each is named by where it was first appended: topic/partition/offset."""
    from streams.commands import aside

    chosen = aside.Chosen(reason=reason, topic=topic, since=since, until=until)
    raise typer.Exit(aside.show_list(aside.DEAD, chosen, limit=limit, as_json=json))


@dead.command("show")
def dead_show(coordinates: One, raw: Raw = False, json: Json = False) -> None:
    """One refused record: its headers and its original bytes.

    Control characters are spelled out, so that they cannot harm a terminal.
    """
    from streams.commands import aside

    raise typer.Exit(aside.show(aside.DEAD, coordinates, raw=raw, as_json=json))


@dead.command("replay")
def dead_replay(
    coordinates: Many = None,
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Send refused records once more, once the cause is mended.

    Doing it twice changes nothing: each record is counted at most once.

    What is refused again comes back as a letter under the same coordinates.

    Example: [bold]streams dead replay --reason unknown_type --since 2d[/bold]
    """
    from streams.commands import aside

    chosen = aside.Chosen(reason=reason, topic=topic, since=since, until=until)
    raise typer.Exit(aside.replay(aside.DEAD, coordinates or [], chosen, dry_run=dry_run, as_json=json))


@quarantine.command("list")
def quarantine_list(
    reason: Suspicion = None, user: User = None, since: Since = None, until: Until = None, limit: Limit = 50, json: Json = False
) -> None:
    """Which events the collector held back, whose they are, and why: a robot's, or more than a person can do."""
    from streams.commands import aside

    chosen = aside.Chosen(reason=reason, user=user, since=since, until=until)
    raise typer.Exit(aside.show_list(aside.QUARANTINE, chosen, limit=limit, as_json=json))


@quarantine.command("show")
def quarantine_show(coordinates: One, raw: Raw = False, json: Json = False) -> None:
    """One event that was held back: its headers and its original bytes."""
    from streams.commands import aside

    raise typer.Exit(aside.show(aside.QUARANTINE, coordinates, raw=raw, as_json=json))


@quarantine.command("release")
def quarantine_release(
    coordinates: Many = None,
    reason: Suspicion = None,
    user: User = None,
    since: Since = None,
    until: Until = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Count events after all: it was a person, or a robot that is welcome.

    Each counts as of when it was sent, and once, however often it is released.

    So that it does not happen again: `robots: true` for the key in keys.yaml, or `collect.velocity_per_min` in streams.yaml.

    Example: [bold]streams quarantine release --user user-42 --since 2d[/bold]
    """
    from streams.commands import aside

    chosen = aside.Chosen(reason=reason, user=user, since=since, until=until)
    raise typer.Exit(aside.replay(aside.QUARANTINE, coordinates or [], chosen, dry_run=dry_run, as_json=json))
