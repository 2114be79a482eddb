"""The report of an evaluation, as Markdown: what was measured, how, and what was to be reached."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.evaluate.datasets import Protocol, Target
from tests.evaluate.drops import SeriesResult, median_hours
from tests.evaluate.judge import AlertFigures, Verdicts
from tests.evaluate.metrics import Interval
from tests.evaluate.plots import Panel, svg
from tests.evaluate.shop import Compared

__all__ = ["Churn", "Drops", "churn_plot", "drop_plot", "missed", "render"]


class Churn(NamedTuple):
    """One set, measured.

    false_drops  h -> share of regular users that a drop of h was reached in, by 90 days, although they came back
    """

    protocol: Protocol
    users: int
    events: int
    verdicts: Verdicts
    alerts: list[AlertFigures]
    false_drops: Mapping[float, float]


class Drops(NamedTuple):
    """The site-drop detector, measured: as it starts, and with a threshold per series that allows one false episode in 14 days."""

    start: list[SeriesResult]
    calibrated: list[SeriesResult]
    holidays: dict[str, bool]


_HEAD = """# How well the alerts foretell

Written by `make evaluate`; what is here is what it measured last. The sets are real and are not part of the project: they are looked for in
`../shared/data`, or where `STREAMS_EVALUATION_DATA` says. CDNOW is a file inside the wheel Lifetimes, which the extra `evaluate` installs
(`pip install 'streams[evaluate]'`); the package itself is never imported.

The product's own core replays each set day by day: the same user state, the same probability, the same alerts as in a worker. On each cut
day every eligible user gets a forecast from what has happened up to that day, and the next H days tell whether it was right.

- **prior** is the closed form p0, which has learned from nobody.
- **online** is the correction, frozen on the first cut day: every label it has learned from was known by then.
- **live** goes on learning from cut to cut, as a running system does.
- **boosting** is gradient boosting over the same features and labels, all at once: what a batch job would get out of them.
- **recency** ranks by days since the last activity: what one does without any of this.

"""

_BY_EVENTS = """
The targets themselves fit users with so many *events*: the closed form then gives MathOverflow's .80 to the digit. Who has as many active
days has been there longer, and is harder to tell apart. The same model, frozen on the same day, over everybody with so many events:

"""

_ALERT_TEXT = """
## The alerts that really fired

For churn risk only engaged users are alerted (at least 8 active days, usual gap at most H/4), for an engagement drop those with 15 active
days. An alert was right when the user then had no active day for H days. *Lead* is how many days earlier it came than the news that a user
has been silent for H days; it is negative where the alert waits longer than that. Intervals are 95 %, from users drawn anew. A *user-month*
is 30 days of one user with an active day in them. *Engaged, any day* is the share that churns among engaged users on the cut days, alerted
or not. To beat it is the least: an alert comes after a silence, and who is silent churns more often.

"""

_DROP_TEXT = """
## Drop of a whole site

Seven hourly series of real counts. A drop takes half of every hour for two days; one is tried every eleventh hour, after four weeks. An
alarm in the untouched series counts as false, although some of them have a cause that nobody has labelled. The calibrated threshold is the
least, in steps of a twentieth, that allows one false episode in 14 days; it is chosen on the series it is then measured on, so a new series
does somewhat worse. The spans and weights of the detector were chosen on the first 60 % of each series; on the other 40 % alone, 84 % are
found in 24 hours and 92 % in 48. Hours are those of the drops found in 48 hours; in the last line, the median of the series' medians.

"""


_SHOP_TEXT = """
## Business figures of a real shop

The invoice lines of Online Retail, read as `streams replay` reads them and counted by the product, against a recount of the same lines with
pandas: orders, refunds, sales, returns, revenue, average order, active users, new and returning ones, buyers, repeat buyers, stickiness,
churn by silence and retention, of every day, of 7 and 30 days, and of every month.

Of {figures:,} figures {differ} differ, money to the cent.
"""


def missed(name: str, verdicts: Verdicts, target: Target) -> list[str]:
    """What was to be reached and was not, one line each."""
    figures = verdicts.figures
    short = [
        f"{name}: {what} {figures[what]:.4f}, to reach: {wanted:.2f}"
        for what, wanted in (("auc_prior", target.auc_prior), ("auc_online", target.auc_online))
        if figures[what] < wanted
    ]
    if target.ece is not None and figures["ece"] > target.ece:
        short.append(f"{name}: ece {figures['ece']:.4f}, to stay below: {target.ece:.2f}")
    return short


def render(churn: Sequence[Churn], drops: Drops, shop: Compared) -> str:
    """The whole report."""
    return "".join(
        [
            _HEAD,
            _protocols(churn),
            _forecasts(churn),
            _targets(churn),
            _by_events(churn),
            _plots(churn),
            _ALERT_TEXT,
            _alerts(churn),
            _false_drops(churn),
            _drops(drops),
            _SHOP_TEXT.format(figures=shop.figures, differ=len(shop.differences)),
        ]
    )


def _by_events(churn: Sequence[Churn]) -> str:
    """How much of the AUC is a question of who is forecast."""
    rows = []
    for each in churn:
        figures, target = each.verdicts.figures, each.protocol.target
        prior, online = (f"{figures[f'auc_{name}_by_events']:.4f}" for name in ("prior", "online"))
        least, n = str(each.protocol.active_days), f"{each.verdicts.by_events:,}"
        rows.append([each.protocol.title, least, n, prior, f"{target.auc_prior:.2f}", online, f"{target.auc_online:.2f}"])
    return _BY_EVENTS + _table(["set", "events from", "forecasts", "AUC prior", "to reach", "AUC online", "to reach"], rows)


def _false_drops(churn: Sequence[Churn]) -> str:
    """Which threshold of the drop alert gives how many errors."""
    heights = sorted({h for each in churn for h in each.false_drops})
    if not heights:
        return ""
    rows = [[f"{h:g}", *(f"{100 * each.false_drops[h]:.1f} %" for each in churn)] for h in heights]
    text = (
        "\nUsers with 15 active days: of the periods of 90 days in which one came back, the share in which a drop of `h` had been reached "
        "in a silence\nof at most H days. That is what `h_on` costs; `streams quality` gives the least to reckon with among your users.\n\n"
    )
    return text + _table(["h", *(each.protocol.title for each in churn)], rows)


def churn_plot(each: Churn) -> str:
    """Calibration and ROC of a set."""
    calibration = {name: [(b.forecast, b.came_true) for b in found] for name, found in each.verdicts.calibration.items()}
    title = each.protocol.title
    return svg(
        [
            Panel(f"{title}: calibration", "churn probability forecast", "share that churned", calibration, dots=True),
            Panel(f"{title}: ROC", "false alarms among who stays", "found among who churns", each.verdicts.curves),
        ]
    )


def drop_plot(drops: Drops) -> str:
    """Share of the injected drops found within so many hours."""
    panels = []
    for title, results in (("theta as it starts", drops.start), ("theta calibrated", drops.calibrated)):
        lines = {result.name: [(float(h), result.found(h)) for h in range(49)] for result in results}
        panels.append(Panel(f"Half of the traffic gone: {title}", "hours", "share of drops found", lines, x_max=48.0, diagonal=False))
    return svg(panels)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


def _protocols(churn: Sequence[Churn]) -> str:
    head = ["set", "users", "events", "H days", "A days", "active days from", "cut days", "labels learned", "forecasts", "churned"]
    rows = []
    for each in churn:
        p, verdicts = each.protocol, each.verdicts
        cuts = f"{p.cuts[0]} to {p.cuts[-1]}, every {p.cuts.step}"
        days = [str(p.horizon_days), str(p.silence_days), str(p.active_days)]
        sizes = [f"{verdicts.labels:,}", f"{verdicts.tested:,}", f"{100 * verdicts.figures['churned']:.0f} %"]
        rows.append([p.title, f"{each.users:,}", f"{each.events:,}", *days, cuts, *sizes])
    return "## Churn\n\nEligible is who was last active at most A days ago.\n\n" + _table(head, rows) + "\n"


def _forecasts(churn: Sequence[Churn]) -> str:
    names = {
        "AUC prior": "auc_prior",
        "AUC online": "auc_online",
        "AUC live": "auc_live",
        "AUC boosting": "auc_boosting",
        "AUC recency": "auc_recency",
        "PR-AUC": "pr_auc",
        "Brier": "brier",
        "ECE": "ece",
        "ECE prior": "ece_prior",
        "ECE live": "ece_live",
        "precision, top decile": "precision_top_decile",
    }
    rows = []
    for title, name in names.items():
        rows.append([title, *(f"{each.verdicts.figures[name]:.3f}" if name in each.verdicts.figures else "-" for each in churn)])
    text = "\nPR-AUC, Brier, ECE (ten bins of equal width) and precision are of *online*. All cut days are judged together.\n"
    return _table(["", *(each.protocol.title for each in churn)], rows) + text


def _targets(churn: Sequence[Churn]) -> str:
    lines = [line for each in churn for line in missed(each.protocol.title, each.verdicts, each.protocol.target)]
    if not lines:
        return "\nAll targets are reached.\n"
    return "\nTargets missed by users with so many active days:\n\n" + "".join(f"- {line}\n" for line in lines)


def _plots(churn: Sequence[Churn]) -> str:
    return (
        "\n" + "".join(f"![{each.protocol.title}: calibration and ROC]({each.protocol.name}.svg)\n\n" for each in churn).rstrip("\n") + "\n"
    )


def _alerts(churn: Sequence[Churn]) -> str:
    head = ["set", "alert", "judged", "per user-month", "precision", "engaged, any day", "lead, days"]
    rows = []
    for each in churn:
        base = f"{each.verdicts.figures['churned_engaged']:.2f} (of {each.verdicts.engaged:,})" if each.verdicts.engaged else "-"
        for a in each.alerts:
            figures = [f"{a.judged:,}", f"{a.per_user_month:.4f}", _precision(a), base, _spoken(a.lead_days, 1)]
            rows.append([each.protocol.title, f"`{a.rule}`", *figures])
    return _table(head, rows)


def _precision(alerts: AlertFigures) -> str:
    return f"{alerts.right} of {alerts.judged}" if alerts.precision is None else _spoken(alerts.precision, 2)


def _spoken(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return "-"
    value, low, high = (f"{number:.{digits}f}" for number in interval)
    return f"{value} ({low} to {high})"


def _drops(drops: Drops) -> str:
    head = [
        "series",
        "theta",
        "false per 14 d",
        "found in 24 h",
        "found in 48 h",
        "median hours",
        "theta",
        "false",
        "24 h",
        "48 h",
        "median",
    ]
    rows = []
    for one, two in zip(drops.start, drops.calibrated, strict=True):
        rows.append([one.name, *_drop_row([one]), *_drop_row([two])])
    rows.append(["all, mean of series", *_drop_row(drops.start), *_drop_row(drops.calibrated)])
    found = ", ".join(f"{name}: {'found' if yes else 'missed'}" for name, yes in drops.holidays.items())
    taxi = f"\nThe four labelled drops of the taxi series, at its calibrated threshold: {found}.\n"
    return _DROP_TEXT + _table(head, rows) + taxi + "\n![Share of drops found by hours](drops.svg)\n"


def _drop_row(results: Sequence[SeriesResult]) -> list[str]:
    n = len(results)
    theta = f"{results[0].theta:.2f}" if n == 1 else ""
    shares = [f"{100 * sum(result.found(hours) for result in results) / n:.0f} %" for hours in (24, 48)]
    hours = f"{median_hours(results, 48):g}" if any(result.delays_h for result in results) else "-"
    return [theta, f"{sum(result.false_per_14d for result in results) / n:.2f}", *shares, hours]
