"""The command line: what the commands are called, what they take, and how they end.

Each command lives in its own module under `streams.commands` and is imported when it is called, so `streams --help` answers at once.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from streams import __version__
from streams.errors import StreamsError

__all__ = ["app", "main"]

# Typer keeps the line breaks of a paragraph, so each paragraph is one line here (`\` joins), and every line of a list fits in 80 columns.
_ABOUT = """Live engagement scores and churn-risk alerts from event streams.

Reads engagement events from Kafka, counts each one exactly once into a state per user (in Redis), \
and tells scores and alerts on output topics.

[bold]Where things are[/bold] comes from the environment:

  STREAMS_BROKER     Kafka, host:port list   [dim](127.0.0.1:9092)[/dim]
  STREAMS_REDIS      Redis, a URL            [dim](redis://127.0.0.1:6379/0)[/dim]
  STREAMS_CONFIG     folder of rule files    [dim](./config, else built-in)[/dim]
  STREAMS_INSTANCE   name of this worker     [dim](the host name)[/dim]
"""

_EPILOG = """[bold]Examples[/bold]

  streams demo                        see it work, nothing to install
  streams check                       is everything set up right?
  streams topics create               make the topics that are missing
  streams worker                      count events until told to stop
  streams serve                       the live page and the API
  streams explain user-42             why does this user have this score?
  streams dead list --since 2d        which records were refused?
  streams stats --json                how is it going? (for machines)

[bold]Exit codes[/bold]

  0 done   1 a bug   2 wrong configuration or flag
  3 Kafka or Redis is away   4 the log no longer holds what is needed
"""

app = typer.Typer(
    name="streams",
    help=_ABOUT,
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
topics = typer.Typer(no_args_is_help=True, help="The Kafka topics: make those that are missing.")
dead = typer.Typer(no_args_is_help=True, help="Records that were refused: look, mend, send them again.")
app.add_typer(topics, name="topics")
app.add_typer(dead, name="dead")

Json = Annotated[bool, typer.Option("--json", help="One line of JSON in place of text for people.")]
Reason = Annotated[str | None, typer.Option(help="Only letters refused for this reason, e.g. not_json, unknown_type, future.")]
Topic = Annotated[str | None, typer.Option(help="Only letters that came from this topic.")]
Since = Annotated[
    str | None, typer.Option(help="Only letters from then on: a time (2026-01-31T08:00Z) or a span back from now (15m, 6h, 2d).")
]
Until = Annotated[str | None, typer.Option(help="Only letters before then: like --since.")]


@app.callback(invoke_without_command=True)
def _streams(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="The version, and nothing else.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def worker() -> None:
    """Count events until told to stop.

    Ctrl-C or SIGTERM: it finishes the step it is in, and ends.

    Start as many as you like: they share the partitions. While Kafka or Redis is away a worker waits, and goes on by itself.
    """
    from streams.commands import worker as command

    raise typer.Exit(command.run())


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on. Other machines can reach it only with STREAMS_SERVE_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = 8080,
) -> None:
    """The page, the API and the live stream.

    Reads and never writes: start as many as you like. What it serves is described in /openapi.json.

    Comes with: [bold]pip install 'streams\\[serve]'[/bold]
    """
    from streams.commands import serve as command

    raise typer.Exit(command.run(host=host, port=port))


@app.command()
def demo(
    seconds: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many seconds of live events.", show_default="until Ctrl-C")
    ] = None,
    users: Annotated[int, typer.Option(min=50, max=100_000, help="How many people the simulated shop has.")] = 2000,
    rate: Annotated[float, typer.Option(min=1, max=20_000, help="Live events per second.")] = 200.0,
    seed: Annotated[int, typer.Option(help="Another seed is another shop.")] = 7,
    plain: Annotated[bool, typer.Option("--plain", help="A line every few seconds in place of the live view.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Only the last line: the totals as JSON.")] = False,
) -> None:
    """A simulated shop, live, with nothing to install.

    90 days of history are counted first, then events, scores and alerts as they happen.

    The address of its page comes first, where [bold]streams\\[serve][/bold] is installed.

    It brings a small Kafka-compatible broker and a Redis-compatible store, and takes everything away when it ends.

    Example: [bold]streams demo --seconds 60[/bold]
    """
    from streams.commands import demo as command

    raise typer.Exit(command.run(seconds=seconds, users=users, rate=rate, seed=seed, plain=plain, as_json=json))


@app.command()
def check(
    offline: Annotated[bool, typer.Option("--offline", help="Only the configuration: do not look at Kafka and Redis.")] = False,
    json: Json = False,
) -> None:
    """Is everything set up right?

    Reads the configuration, runs its worked examples, compares the topics and looks at Redis.
    Ends with 2 when something is wrong, and with 3 when Kafka or Redis does not answer.
    """
    from streams.commands import check as command

    raise typer.Exit(command.run(offline=offline, as_json=json))


@topics.command("create")
def topics_create(json: Json = False) -> None:
    """Make the topics of topics.yaml that are missing.

    Topics that exist are never changed; `streams check` says where they differ.
    """
    from streams.commands import topics as command

    raise typer.Exit(command.create(as_json=json))


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="JSON lines, CSV or Parquet, also .gz; in order of time.", metavar="FILE...")],
    mapping: Annotated[
        Path | None, typer.Option(help="Which column is the user, the time, the event: a YAML file, see config/examples.")
    ] = None,
    keep_event_clock: Annotated[
        bool, typer.Option("--keep-event-clock", help="More files follow: stay in the time of the events.")
    ] = False,
    straight: Annotated[bool, typer.Option("--straight", help="No Kafka, no Redis: straight through the rules to a report.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that cannot be read, in place of stopping there.")] = False,
    json: Json = False,
) -> None:
    """Send old events through, in the time they happened.

    The scores and alerts are those that would have been told then.

    Example: [bold]streams replay events.csv --mapping config/examples/online_retail.yaml --straight[/bold]
    """
    from streams.commands import replay as command

    raise typer.Exit(
        command.run(files, mapping=mapping, keep_event_clock=keep_event_clock, straight=straight, skip_bad=skip_bad, as_json=json)
    )


@app.command()
def explain(
    user: Annotated[str, typer.Argument(metavar="USER", help="A user id; for somebody who never signed in, anon: and the anonymous id.")],
    at: Annotated[
        str | None, typer.Option(help="As it will be then, if nothing happens: a time (2026-01-31T08:00Z) or a span ahead (3d, 12h).")
    ] = None,
    json: Json = False,
) -> None:
    """Everything that is known of one user, in words.

    Activity, score and what it is made of, churn risk and why, alerts and what would clear them, and what happens next.
    A user that nobody has seen is an answer, not an error: it says so and ends with 0.
    """
    from streams.commands import explain as command

    raise typer.Exit(command.run(user, at=at, as_json=json))


@app.command()
def stats(json: Json = False) -> None:
    """How it goes: records and fates, lag, owners, trouble.

    Ends with 3 when neither Kafka nor Redis can be reached.
    """
    from streams.commands import stats as command

    raise typer.Exit(command.run(as_json=json))


@dead.command("list")
def dead_list(
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    json: Json = False,
) -> None:
    """Which records were refused, and why. Each is named by where it was first appended: topic/partition/offset."""
    from streams.commands import dead as command

    raise typer.Exit(command.show_list(reason=reason, topic=topic, since=since, until=until, limit=limit, as_json=json))


@dead.command("show")
def dead_show(
    coordinates: Annotated[str, typer.Argument(metavar="COORDINATES", help="topic/partition/offset, as `streams dead list` prints them.")],
    raw: Annotated[bool, typer.Option("--raw", help="The original bytes and nothing else, for a pipe or a file.")] = False,
    json: Json = False,
) -> None:
    """One refused record: its headers and its original bytes.

    Control characters are spelled out, so that they cannot harm a terminal.
    """
    from streams.commands import dead as command

    raise typer.Exit(command.show(coordinates, raw=raw, as_json=json))


@dead.command("replay")
def dead_replay(
    coordinates: Annotated[
        list[str] | None, typer.Argument(metavar="COORDINATES", help="Which letters; without any, all that the filters choose.")
    ] = None,
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    json: Json = False,
) -> None:
    """Send refused records once more, once the cause is mended.

    Doing it twice changes nothing: each record is counted at most once.

    What is refused again comes back as a letter under the same coordinates.

    Example: [bold]streams dead replay --reason unknown_type --since 2d[/bold]
    """
    from streams.commands import dead as command

    raise typer.Exit(command.replay(coordinates or [], reason=reason, topic=topic, since=since, until=until, dry_run=dry_run, as_json=json))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process with its exit code; an error is one line on standard error, never a traceback (unless
    STREAMS_DEBUG=1)."""
    debug = os.environ.get("STREAMS_DEBUG") == "1"
    try:
        app(args=None if arguments is None else list(arguments), prog_name="streams")
    except StreamsError as problem:
        if debug:
            raise
        _end(str(problem), problem.exit_code)
    except Exception as problem:  # the outermost place: whatever gets here is a bug, and people get one line of it
        if debug:
            raise
        _end(f"a bug: {type(problem).__name__}: {problem} (STREAMS_DEBUG=1 shows where)", 1)


def _end(message: str, code: int) -> None:
    line = " ".join(message.split())
    sys.stderr.write(f"error: {''.join(c if c.isprintable() else repr(c)[1:-1] for c in line)}\n")
    sys.exit(code)
