"""What a replay is worth: the closed form, its correction, the baselines and the alerts, as figures."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from math import log
from typing import NamedTuple

from streams.core.churnmodel import ChurnModel, corrected, learn, start
from streams.core.rules import DAY_MS
from tests.evaluate.metrics import Bin, Interval, auc, average_precision, bins, bootstrap, brier, ece, median, roc, top_precision
from tests.evaluate.replay import Alert, Judged, Lesson, Replay

__all__ = ["AlertFigures", "Verdicts", "judge", "judge_alerts", "taught"]

#: Alerts from which an interval says something.
INTERVAL_FROM = 20
_ALERT_RULES = ("churn_risk", "engagement_drop")


class Verdicts(NamedTuple):
    """A set, judged. Curves by name: `prior`, `online`, `recency`, and `boosting` where scikit-learn is there."""

    figures: dict[str, float]
    calibration: dict[str, list[Bin]]
    curves: dict[str, list[tuple[float, float]]]
    labels: int
    tested: int
    engaged: int
    by_events: int


class AlertFigures(NamedTuple):
    """Alerts of one rule. Intervals by users drawn anew; None below `INTERVAL_FROM` alerts: too few to say more than how many were right.

    judged, right   alerts whose outcome is known; those after which the user had no active day for H days
    precision   right / judged
    lead_days   of those that were right: days between the alert and the day on which H days of silence would have shown it
    """

    rule: str
    judged: int
    right: int
    per_user_month: float
    precision: Interval | None
    lead_days: Interval | None


def taught(replay: Replay, by_day: int) -> ChurnModel:
    """The correction as it stands on a day: it has learned from every outcome known by then."""
    model = start(replay.protocol.horizon_days)
    for each in replay.learned:
        if each.ripe_day <= by_day:
            model = learn(model, each.label)
    return model


def judge(replay: Replay) -> Verdicts:
    """The figures of a set: correction and boosting have learned from outcomes known before the first cut, and stand still from then on.
    `live` goes on learning from cut to cut, as the product does."""
    tested, first = replay.tested, replay.protocol.cuts[0]
    model = taught(replay, first)
    truths = [each.label.churned for each in tested]
    scores = {
        "prior": [each.label.p0 for each in tested],
        "online": [corrected(model, each.label.p0, each.label.x) for each in tested],
        "recency": [each.silence_days for each in tested],
    }
    boosted = _boosting([each for each in replay.learned if each.ripe_day <= first], tested)
    if boosted is not None:
        scores["boosting"] = boosted
    online, live = scores["online"], list(_live(replay))
    engaged = [each for each in tested if _is_engaged(each)]
    figures = {f"auc_{name}": auc(values, truths) for name, values in scores.items()} | {
        "auc_live": auc(live, truths),
        "pr_auc": average_precision(online, truths),
        "brier": brier(online, truths),
        "ece": ece(online, truths),
        "ece_prior": ece(scores["prior"], truths),
        "ece_live": ece(live, truths),
        "precision_top_decile": top_precision(online, truths),
        "churned": sum(truths) / len(truths),
        "churned_engaged": sum(each.label.churned for each in engaged) / max(1, len(engaged)),
    }
    calibration = {name: bins(scores[name], truths) for name in ("prior", "online")}
    curves = {name: roc(values, truths) for name, values in scores.items()}
    others = [each.label.churned for each in replay.by_events]
    figures["auc_prior_by_events"] = auc([each.label.p0 for each in replay.by_events], others)
    figures["auc_online_by_events"] = auc([corrected(model, each.label.p0, each.label.x) for each in replay.by_events], others)
    return Verdicts(figures, calibration, curves, model.labels, len(tested), len(engaged), len(replay.by_events))


def judge_alerts(replay: Replay) -> list[AlertFigures]:
    """The figures of the alerts that really fired, over the whole set: p0 and the drop statistic learn from nobody."""
    horizon_ms = replay.protocol.horizon_days * DAY_MS
    end_ms = (replay.last_day + 1) * DAY_MS
    made = []
    for rule in _ALERT_RULES:
        fired = [alert for alert in replay.alerts if alert.rule == rule]
        known = [alert for alert in fired if alert.at_ms + horizon_ms <= end_ms]
        precision = _interval(known, lambda alerts: sum(_was_right(alert, horizon_ms) for alert in alerts) / len(alerts))
        right = [alert for alert in known if _was_right(alert, horizon_ms)]
        lead = _interval(right, lambda alerts: median([_lead_days(alert, horizon_ms) for alert in alerts]))
        made.append(AlertFigures(rule, len(known), len(right), len(fired) / replay.active_months, precision, lead))
    return made


def _was_right(alert: Alert, horizon_ms: int) -> bool:
    return alert.returned_ms is None or alert.returned_ms > alert.at_ms + horizon_ms


def _lead_days(alert: Alert, horizon_ms: int) -> float:
    return (alert.last_day * DAY_MS + horizon_ms - alert.at_ms) / DAY_MS


def _interval(alerts: Sequence[Alert], statistic: Callable[[list[Alert]], float]) -> Interval | None:
    by_user: dict[str, list[Alert]] = defaultdict(list)
    for alert in alerts:
        by_user[alert.user].append(alert)
    return bootstrap(list(by_user.values()), statistic) if len(alerts) >= INTERVAL_FROM else None


def _live(replay: Replay) -> Iterator[float]:
    """What the correction would have said on each cut day, with all that was known by then."""
    model, at = start(replay.protocol.horizon_days), 0
    for each in sorted(replay.tested, key=lambda each: each.day):
        while at < len(replay.learned) and replay.learned[at].ripe_day <= each.day:
            model, at = learn(model, replay.learned[at].label), at + 1
        yield corrected(model, each.label.p0, each.label.x)


def _is_engaged(each: Judged) -> bool:
    """m <= H/4 and x >= 8, read from the features: who is alerted by default."""
    return each.label.x[2] <= log(0.25) and each.label.x[6] >= log(9.0) - 1e-9


def _boosting(known: Sequence[Lesson], tested: Sequence[Judged]) -> list[float] | None:
    """Gradient boosting on p0 and the same features, learned from the same labels at once; None without scikit-learn."""
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError:
        return None
    trees = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=50, early_stopping=False, random_state=0
    )
    trees.fit([[each.label.p0, *each.label.x] for each in known], [each.label.churned for each in known])
    return [float(p) for p in trees.predict_proba([[each.label.p0, *each.label.x] for each in tested])[:, 1]]
