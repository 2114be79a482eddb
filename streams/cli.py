"""The command line: what the commands are called, what they take, and how they end.

Each command lives in its own module under `streams.commands` and is imported when it is called, so `streams --help` answers at once.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from streams import __version__
from streams.cli_aside import dead, quarantine
from streams.cli_options import Json
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
  STREAMS_METRICS    /metrics, /ready here   [dim](nowhere)[/dim]
  STREAMS_USERS      who may sign in         [dim](nobody has to)[/dim]
"""

_EPILOG = """[bold]Examples[/bold]

  streams demo                        see it work, nothing to install
  streams check                       is everything set up right?
  streams topics create               make the topics that are missing
  streams catalogue                   which events are there?
  streams worker                      count events until told to stop
  streams serve                       the live page and the API
  streams explain user-42             why does this user have this score?
  streams dead list --since 2d        which records were refused?
  streams quarantine list             which events does no person seem to send?
  streams stats --json                how is it going? (for machines)
  streams metrics --window 30d        how is the business?

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
metrics = typer.Typer(help="The business metrics: conversion, churn, revenue, NPS ... `reconcile` counts a day again.")
app.add_typer(topics, name="topics")
app.add_typer(metrics, name="metrics")
app.add_typer(dead, name="dead")
app.add_typer(quarantine, name="quarantine")
user = typer.Typer(no_args_is_help=True, help="Those who may sign in to the page: add, list, take out, new passwords, links.")
app.add_typer(user, name="user")

LogFormat = Annotated[
    str | None,
    typer.Option(help="`text` for people, `json` for machines: one line for each event.", show_default="STREAMS_LOG_FORMAT, else text"),
]


@app.callback(invoke_without_command=True)
def _streams(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="The version, and nothing else.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def worker(log_format: LogFormat = None) -> None:
    """Count events until told to stop.

    Ctrl-C or SIGTERM: it finishes the step it is in, and ends.

    Start as many as you like: they share the partitions. While Kafka or Redis is away a worker waits, and goes on by itself.
    """
    from streams.commands import worker as command

    raise typer.Exit(command.run(log_format=log_format))


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on. Others than 127.0.0.1 only when people sign in: STREAMS_USERS, STREAMS_SERVE_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = 8080,
    collect_port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the collector; 0 takes a free one.")] = 8081,
    collect: Annotated[bool, typer.Option("--collect/--no-collect", help="With the collector, or without.")] = True,
    link: Annotated[bool, typer.Option("--link", help="Nobody gets in without a link that works once; the first one is printed.")] = False,
    log_format: LogFormat = None,
) -> None:
    """The page, the API and the live stream; and beside them the collector, which takes events (see `streams collect`).

    Start as many as you like. What it serves is described in /openapi.json.

    Without users (STREAMS_USERS, see `streams user`) and token it is for this machine alone.

    Comes with: [bold]pip install 'streams\\[serve]'[/bold]
    """
    from streams.commands import serve as command

    port_of_collector = collect_port if collect else None
    raise typer.Exit(command.run(host=host, port=port, collect_port=port_of_collector, link=link, log_format=log_format))


@app.command("collect")
def collect_events(
    host: Annotated[
        str, typer.Option(help="Address to listen on. From other machines it takes events only with a write key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = 8081,
    log_format: LogFormat = None,
) -> None:
    """Take events over HTTP, from the trackers that you have.

    Segment, RudderStack, PostHog, GA4, Snowplow and CloudEvents: change the address in your tracker. \
Answers 200 once Kafka has the events. Start as many as you like; `streams serve` has one inside.

    [bold]curl localhost:8081/v1/track -d '{"event": "Hello", "userId": "me"}'[/bold]

    Who may send is in [bold]keys.yaml[/bold]. Comes with: [bold]pip install 'streams\\[serve]'[/bold]
    """
    from streams.commands import collect as command

    raise typer.Exit(command.run(host=host, port=port, log_format=log_format))


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


@app.command()
def catalogue(
    python: Annotated[bool, typer.Option("--python", help="Write a typed client for Python in place of the list.")] = False,
    typescript: Annotated[bool, typer.Option("--typescript", help="Write a typed client for TypeScript in place of the list.")] = False,
    json: Json = False,
) -> None:
    """Which events there are, what they should carry, and typed clients for them.

    Reads catalogue.yaml and tracking_plan.yaml. A client has one function for each event, so that nobody can misspell one.

    Example: [bold]streams catalogue --python > events.py[/bold]
    """
    from streams.commands import catalogue as command

    if python + typescript + json > 1:
        raise typer.BadParameter("one of --python, --typescript and --json at a time")
    client: Literal["python", "typescript"] | None = "python" if python else "typescript" if typescript else None
    raise typer.Exit(command.run(client=client, as_json=json))


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
    part_days: Annotated[
        int | None,
        typer.Option(
            min=1, help="Send so many days, wait until the workers have counted them, and so on: a long history with logins needs it (15)."
        ),
    ] = None,
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
        command.run(
            files,
            mapping=mapping,
            keep_event_clock=keep_event_clock,
            part_days=part_days,
            straight=straight,
            skip_bad=skip_bad,
            as_json=json,
        )
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


@app.command()
def quality(days: Annotated[int, typer.Option(min=1, max=400, help="How far back.")] = 90, json: Json = False) -> None:
    """How good alerts and forecasts have been, and what other thresholds would cost."""
    from streams.commands import quality as command

    raise typer.Exit(command.run(days=days, as_json=json))


@metrics.callback(invoke_without_command=True)
def _metrics(
    context: typer.Context,
    window: Annotated[str, typer.Option(help="hour, day, 24h, 7d, 30d or month; it ends now, or with --day.")] = "7d",
    day: Annotated[str | None, typer.Option(help="The day that the window ends with: 2026-01-31.", show_default="today")] = None,
    metric: Annotated[str | None, typer.Option(help="Only this one, e.g. ctr.")] = None,
    segment: Annotated[
        str | None,
        typer.Option(help="By country, device, channel, category, campaign, survey, source or feature; or one of them: country=DE."),
    ] = None,
    json: Json = False,
) -> None:
    """The business metrics, exact, as they stand.

    Each is shown with how many it rests on; docs/scoring.md has every formula.

    Examples: [bold]streams metrics --window 30d[/bold], [bold]streams metrics --metric ctr --segment campaign[/bold]
    """
    if context.invoked_subcommand is not None:
        return
    from streams.commands import metrics as command

    raise typer.Exit(command.run(metric=metric, window=window, day=day, segment=segment, as_json=json))


@metrics.command("reconcile")
def metrics_reconcile(
    day: Annotated[str, typer.Argument(metavar="DAY", help="2026-01-31, UTC.")],
    json: Json = False,
) -> None:
    """Count a day again from the log, with other code, and show the difference.

    Ends with 0 when there is none and with 1 when there is one; with 4 when the log no longer holds the day.

    Workers may go on counting meanwhile. Everybody who ever came is kept in memory while it runs.
    """
    from streams.commands import metrics as command

    raise typer.Exit(command.reconcile(day, as_json=json))


@app.command()
def asyncapi() -> None:
    """All topics and their records as an AsyncAPI document (JSON).

    The same as /asyncapi.json of `streams serve`.
    """
    from streams.commands import asyncapi as command

    raise typer.Exit(command.run())


@user.command("add")
def user_add(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    role: Annotated[
        list[str] | None, typer.Option(help="viewer reads. operator also works on alerts and dead letters. privacy also exports.")
    ] = None,
) -> None:
    """One more may sign in.

    The file is named by STREAMS_USERS. The password is asked for; in scripts it is the first line of standard input.

    Example: [bold]streams user add ada --role operator --role privacy[/bold]
    """
    from streams.commands import user as command

    raise typer.Exit(command.add(name, role or ["viewer"]))


@user.command("list")
def user_list(json: Json = False) -> None:
    """Who may sign in, and as what."""
    from streams.commands import user as command

    raise typer.Exit(command.list_all(as_json=json))


@user.command("password")
def user_password(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Another password; sessions that were begun with the old one end."""
    from streams.commands import user as command

    raise typer.Exit(command.change_password(name))


@user.command("remove")
def user_remove(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """One less may sign in; sessions of theirs end."""
    from streams.commands import user as command

    raise typer.Exit(command.remove(name))


@user.command("link")
def user_link(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Whom it signs in. Without users: whoever opens it.")] = None,
    url: Annotated[str, typer.Option(help="Where the page is.")] = "http://127.0.0.1:8080/",
) -> None:
    """A link that signs in once, within five minutes."""
    from streams.commands import user as command

    raise typer.Exit(command.link(name, url))


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
    from streams.logs import last_word

    last_word("error", message, code)
    sys.exit(code)
