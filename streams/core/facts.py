"""What a score or an alert rests on, laid open: for reasons, for `explain`, for tests."""

from typing import NamedTuple

from streams.core.rhythm import Rhythm

__all__ = ["Facts", "facts_of"]


class Facts(NamedTuple):
    """Everything a score or an alert rests on, at one instant, under the names of docs/scoring.md.

    p      churn probability as it is published: p0, or the corrected one
    S, E   decayed and possible active days for the half-lives H/4, H, 2H, 4H, at that instant
    ratio  (S/E at H/4) / (S/E at 4H): recent against usual activity. The documented figure has half-lives of 14 and 112 days; these are the
           shortest and the longest that are kept, 7.5 and 120 days at H = 30
    """

    first_day: int
    last_day: int
    x: int
    m: float
    lam: float
    r_days: float
    tenure_days: float
    S: tuple[float, float, float, float]
    E: tuple[float, float, float, float]
    p0: float
    p: float
    drop: float
    pc: float
    cus: float
    ratio: float
    P: float
    A: float
    lifetime: dict[int, int]


def facts_of(rhythm: Rhythm, p: float, horizon_days: float, at_ms: int, lifetime: dict[int, int]) -> Facts:
    """The facts of a user with this rhythm, published probability and lifetime counts, as of `at_ms`."""
    r = rhythm.silence(at_ms)
    tenure = rhythm.tenure(r)
    half_lives = (horizon_days / 4, horizon_days, 2 * horizon_days, 4 * horizon_days)
    sums = (rhythm.s_q, rhythm.s_h, rhythm.s_2h, rhythm.s_4h)
    s_q, s_h, s_2h, s_4h = [s * 2.0 ** (-r / h) for s, h in zip(sums, half_lives, strict=True)]
    e_q, e_h, e_2h, e_4h = [rhythm.exposure(h, tenure) for h in half_lives]
    return Facts(
        first_day=rhythm.first_day,
        last_day=rhythm.last_day,
        x=rhythm.x,
        m=rhythm.gap_days(),
        lam=rhythm.rate(),
        r_days=r,
        tenure_days=tenure,
        S=(s_q, s_h, s_2h, s_4h),
        E=(e_q, e_h, e_2h, e_4h),
        p0=rhythm.churn(r),
        p=p,
        drop=rhythm.drop(r),
        pc=rhythm.pc,
        cus=rhythm.cus,
        ratio=(s_q / e_q) / (s_4h / e_4h) if s_4h > 0.0 else 0.0,
        P=rhythm.points,
        A=rhythm.decayed(at_ms),
        lifetime=lifetime,
    )
