"""Features, order days, stage and streaks of one user, and their words."""

from array import array

import pytest

from streams.core.profile import Profile
from tests.histories import make_rules


def fresh() -> Profile:
    return Profile(make_rules())


def reloaded(profile: Profile) -> Profile:
    """The profile, read from its words."""
    image = array("Q", bytes(8 * 256))
    reals = memoryview(image).cast("B").cast("d")
    end = profile.write(image, reals, 7)
    assert end == 7 + profile.size()
    after = fresh()
    assert after.read(image, reals, 7, end) == end
    return after


def test_a_profile_of_nothing_is_one_word() -> None:
    assert fresh().size() == 1


def test_everything_comes_back() -> None:
    profile = fresh()
    profile.order(100)
    profile.order(130)
    profile.use(7, 120)
    profile.match(3, 99)
    profile.match(3, 100)
    profile.match(250, 100)
    profile.came(140, 100)
    profile.score_moved(0.0, 90.0)
    profile.zone = 0xFFFFFFFF
    after = reloaded(profile)
    assert (after.order_first, after.order_last, after.order_days, after.order_sum) == (100, 130, 2, 2 ** (-30 / 60) + 1)
    assert after.feature_days() == {7: 120}
    assert (after.streak(3), after.streak(250), after.streak(1)) == ((100, 2, 2), (100, 1, 1), (0, 0, 0))
    assert (after.returned, after.power, after.zone) == (140, True, 0xFFFFFFFF)


@pytest.mark.parametrize("end", [7, 8, 10])
def test_words_that_are_no_profile_are_told(end: int) -> None:
    profile = fresh()
    for number in range(4):
        profile.use(number, 100)
    image = array("Q", bytes(8 * 64))
    reals = memoryview(image).cast("B").cast("d")
    profile.write(image, reals, 7)
    assert fresh().read(image, reals, 7, end) == -1


def test_a_feature_counts_on_the_last_day_of_its_use() -> None:
    profile = fresh()
    for feature, day in ((1, 100), (2, 105), (1, 103), (1, 101)):
        profile.use(feature, day)
    assert [profile.used_since(day) for day in (100, 104, 106)] == [2, 1, 0]


def test_of_many_features_the_one_unused_longest_gives_way() -> None:
    profile = fresh()
    for number in range(64):
        profile.use(number, 200 + number)
    profile.use(0, 300)
    profile.use(99, 299)
    days = profile.feature_days()
    assert (len(days), 1 in days, days[0], days[99]) == (64, False, 300, 299)
    profile.use(98, 100)
    assert 98 not in profile.feature_days()


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([10], (10, 1, 1)),
        ([10, 10, 10], (10, 1, 1)),
        ([10, 11, 12], (12, 3, 3)),
        ([10, 11, 13], (13, 1, 2)),
        ([10, 12, 11], (12, 3, 3)),
        ([12, 11, 10], (12, 3, 3)),
        (list(range(100)), (99, 100, 100)),
        ([*range(50), *range(60, 70)], (69, 10, 50)),
        ([*range(40), 80], (80, 1, 40)),
        ([*range(40), 73], (73, 1, 40)),
        ([5, 40], (40, 1, 1)),
        ([100, 68], (100, 1, 1)),
        ([*range(30), *range(31, 60), 30], (59, 60, 60)),
    ],
)
def test_a_streak_is_the_run_of_days_that_ends_with_the_last(days: list[int], expected: tuple[int, int, int]) -> None:
    """Last day, days in a row, longest ever; a late day of the last 32 fills its gap."""
    profile = fresh()
    for day in days:
        profile.match(1, 20_000 + day)
    last, run, longest = profile.streak(1)
    assert (last - 20_000, run, longest) == expected


def test_a_fifth_streak_has_no_room() -> None:
    profile = fresh()
    for rule in range(5):
        profile.match(rule, 100)
    assert (profile.streaks, profile.streak(4)) == (4, (0, 0, 0))


def test_power_has_two_thresholds() -> None:
    """From 80 on, until an event finds the score below 70."""
    profile = fresh()
    seen = []
    for before, after in ((0.0, 79.9), (79.9, 80.0), (75.0, 76.0), (70.0, 71.0), (69.9, 79.0), (79.0, 80.0)):
        profile.score_moved(before, after)
        seen.append(profile.power)
    assert seen == [False, True, True, True, False, True]


def test_a_return_is_a_visit_after_thirty_days() -> None:
    profile = fresh()
    profile.came(129, 100)
    assert profile.returned == 0
    profile.came(159, 129)
    assert profile.returned == 159


def test_a_merged_profile_is_that_of_one_person() -> None:
    """Orders of a common day count once, streaks of one rule are one, and the zone is that of the newer id."""
    mine, other = fresh(), fresh()
    for day in (100, 101):
        mine.match(3, day)
    for day in (102, 103):
        other.match(3, day)
    other.match(250, 103)
    mine.order(100)
    mine.order(110)
    other.order(110)
    mine.use(7, 100)
    other.use(7, 105)
    other.use(8, 103)
    other.zone = 5
    mine.merge(other, [110], later=False)
    assert (mine.streak(3), mine.streak(250)) == ((103, 4, 4), (103, 1, 1))
    assert (mine.order_first, mine.order_last, mine.order_days) == (100, 110, 2)
    assert mine.order_sum == pytest.approx(2 ** (-10 / 60) + 1)
    assert (mine.feature_days(), mine.zone) == ({7: 105, 8: 103}, 5)
