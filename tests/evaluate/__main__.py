"""Measures how well the alerts foretell: `python -m tests.evaluate [SET ...]`, one line `bench NAME VALUE UNIT` per figure.

Sets: mathoverflow, retail, cdnow, drops, and shop: the business figures of Online Retail against a recount. All of them without a name.
What is not on this machine is skipped with a word. The report in docs/evaluation is written when everything was there and nothing was
left out. Exit code 1 when a business figure differs: that is an error, where a forecast that misses is a measurement.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from streams.core.falsealarm import HEIGHTS
from streams.core.rules import Rules
from streams.settings import load
from tests.evaluate import drops as site
from tests.evaluate.datasets import SETS, Absent, Protocol
from tests.evaluate.judge import AlertFigures, judge, judge_alerts
from tests.evaluate.metrics import Interval, median
from tests.evaluate.replay import Replay
from tests.evaluate.report import Churn, Drops, churn_plot, drop_plot, missed, render
from tests.evaluate.shop import Compared, compare_shop

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "evaluation"
NAMES = (*(protocol.name for protocol in SETS), "drops", "shop")


def bench(name: str, value: float, unit: str) -> None:
    print(f"bench {name} {value:.4f} {unit}", flush=True)


def bench_interval(name: str, interval: Interval | None, unit: str) -> None:
    if interval is not None:
        for suffix, value in zip(("", "_low", "_high"), interval, strict=True):
            bench(name + suffix, value, unit)


def measure_churn(protocol: Protocol, rules: Rules, folder: Path) -> Churn:
    """One set, replayed and judged, and its figures printed."""
    replay = Replay(rules, protocol).run(protocol.read(folder))
    verdicts, alerts = judge(replay), judge_alerts(replay)
    for name, value in verdicts.figures.items():
        bench(f"{protocol.name}_{name}", value, "share")
    bench(f"{protocol.name}_labels", verdicts.labels, "n")
    bench(f"{protocol.name}_forecasts", verdicts.tested, "n")
    bench(f"{protocol.name}_forecasts_by_events", verdicts.by_events, "n")
    for each in alerts:
        _bench_alerts(f"{protocol.name}_{each.rule}", each)
    for line in missed(protocol.name, verdicts, protocol.target):
        print(f"# missed: {line}")
    false_drops = {h: replay.false_drops(h) for h in HEIGHTS}
    for h, share in false_drops.items():
        bench(f"{protocol.name}_false_drops_h{round(10 * h)}", share, "share_of_90_days")
    if "auc_boosting" not in verdicts.figures:
        print("# boosting skipped: scikit-learn is needed: pip install 'streams[evaluate]'")
    return Churn(protocol, replay.users, replay.events, verdicts, alerts, false_drops)


def _bench_alerts(name: str, figures: AlertFigures) -> None:
    bench(f"{name}_alerts", figures.judged, "n")
    bench(f"{name}_right", figures.right, "n")
    bench(f"{name}_per_user_month", figures.per_user_month, "alerts")
    bench_interval(f"{name}_precision", figures.precision, "share")
    bench_interval(f"{name}_lead", figures.lead_days, "days")


def measure_drops(folder: Path) -> Drops:
    """The site-drop detector on every series, and its figures printed."""
    series = site.read(folder)
    start = [site.evaluate(name, ticks, theta=2.0) for name, ticks in series.items()]
    calibrated = [site.evaluate(name, ticks, site.calibrate(ticks)) for name, ticks in series.items()]
    taxi = next(result for result in calibrated if result.name == "nyc_taxi")
    for suffix, results in (("", calibrated), ("_start", start)):
        n = len(results)
        bench(f"drop50{suffix}_found", sum(result.found(24) for result in results) / n, "share")
        bench(f"drop50{suffix}_found_48h", sum(result.found(48) for result in results) / n, "share")
        bench(f"drop50{suffix}_median_hours", site.median_hours(results, 24), "hours")
        bench(f"drop50{suffix}_median_hours_pooled", median([delay for each in results for delay in each.delays_h if delay <= 24]), "hours")
        bench(f"drop50{suffix}_false_per_14d", sum(result.false_per_14d for result in results) / n, "episodes")
    holidays = site.found_holidays(series["nyc_taxi"], taxi.theta)
    bench("drop_taxi_labelled_found", sum(holidays.values()), f"of_{len(holidays)}")
    return Drops(start, calibrated, holidays)


def measure_shop(folder: Path) -> Compared:
    """Business figures of Online Retail, by the product and by its lines; the differences are printed."""
    compared = compare_shop(folder)
    bench("retail_figures_compared", compared.figures, "count")
    bench("retail_figures_differ", len(compared.differences), "count")
    for line in compared.differences[:20]:
        print(f"# differs: {line}")
    return compared


def main(names: Sequence[str]) -> int:
    """Measures; returns the exit code."""
    unknown = set(names) - set(NAMES)
    if unknown:
        raise SystemExit(f"no such set: {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
    wanted = names or NAMES
    folder = Path(os.environ.get("STREAMS_EVALUATION_DATA") or ROOT.parent / "shared" / "data")
    rules = load(None, {}).rules
    churn: list[Churn] = []
    drops: Drops | None = None
    shop: Compared | None = None
    for protocol in SETS:
        if protocol.name in wanted:
            try:
                churn.append(measure_churn(protocol, rules, folder))
            except Absent as why:
                print(f"# {protocol.name} skipped: {why}")
    if "drops" in wanted:
        try:
            drops = measure_drops(folder)
        except Absent as why:
            print(f"# drops skipped: {why}")
    if "shop" in wanted:
        try:
            shop = measure_shop(folder)
        except Absent as why:
            print(f"# shop skipped: {why}")
    code = 1 if shop is not None and shop.differences else 0
    if shop is None or drops is None or len(churn) < len(SETS) or not all("auc_boosting" in each.verdicts.figures for each in churn):
        print("# the report was left as it is: not everything was measured")
        return code
    REPORT.mkdir(parents=True, exist_ok=True)
    for each in churn:
        (REPORT / f"{each.protocol.name}.svg").write_text(churn_plot(each))
    (REPORT / "drops.svg").write_text(drop_plot(drops))
    (REPORT / "README.md").write_text(render(churn, drops, shop))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
