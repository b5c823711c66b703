"""The window of a night, whatever clocks do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_render.errors import UsageError
from wan_render.night.night_hours import hours_of

BERLIN = "Europe/Berlin"


def window(start: str, until: str, now: str, zone: str = BERLIN) -> tuple[str, str | None]:
    """Both ends in UTC. now: in UTC."""
    found = hours_of(start, until, zone, datetime.fromisoformat(f"{now}Z"))
    return told(found.start), None if found.until is None else told(found.until)


def told(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%d %H:%M")


@pytest.mark.parametrize(
    ("now", "start", "until"),
    [
        ("2026-11-27 12:00", "27 21:00", "28 06:00"),  # in the afternoon: waits
        ("2026-11-27 21:00", "27 21:00", "28 06:00"),  # at the start
        ("2026-11-27 23:30", "27 23:30", "28 06:00"),  # after midnight there: has begun
        ("2026-11-28 05:59", "28 05:59", "28 06:00"),
        ("2026-11-28 06:00", "28 21:00", "29 06:00"),  # at the end: the next night
    ],
)
def test_between_start_and_until_it_begins_now(now: str, start: str, until: str) -> None:
    assert window("22:00", "07:00", now) == (start, until)


def test_a_window_within_a_day() -> None:
    assert window("09:00", "17:00", "2026-11-27 07:00") == ("27 08:00", "27 16:00")
    assert window("09:00", "17:00", "2026-11-27 12:00") == ("27 12:00", "27 16:00")
    assert window("09:00", "17:00", "2026-11-27 16:30") == ("28 08:00", "28 16:00")


def test_midnight() -> None:
    assert window("22:00", "00:00", "2026-11-27 22:59") == ("27 22:59", "27 23:00")
    assert window("00:00", "07:00", "2026-11-27 22:59") == ("27 23:00", "28 06:00")
    assert window("00:00", "07:00", "2026-11-27 23:00") == ("27 23:00", "28 06:00")
    assert window("", "0:00", "2026-11-27 23:00") == ("27 23:00", "28 23:00")


def test_without_a_start_it_begins_now_and_without_an_end_it_has_none() -> None:
    assert window("", "07:00", "2026-11-27 12:00") == ("27 12:00", "28 06:00")
    assert window("", "", "2026-11-27 12:00") == ("27 12:00", None)
    assert window("22:00", "", "2026-11-27 12:00") == ("27 21:00", None)
    assert window("22:00", "", "2026-11-27 21:00") == ("27 21:00", None)
    assert window("22:00", "", "2026-11-27 21:01") == ("28 21:00", None)


@pytest.mark.parametrize(
    ("zone", "start", "until"),
    [
        ("Asia/Shanghai", "27 14:00", "27 23:00"),
        ("America/Los_Angeles", "27 12:00", "27 15:00"),
        ("UTC", "27 22:00", "28 07:00"),
    ],
)
def test_zones_ahead_and_behind(zone: str, start: str, until: str) -> None:
    assert window("22:00", "07:00", "2026-11-27 12:00", zone) == (start, until)


def test_a_time_that_does_not_exist_moves_forward() -> None:
    """On 29 March 2026 clocks in Berlin go from 02:00 to 03:00, which is 01:00 UTC."""
    assert window("", "02:30", "2026-03-28 21:00") == ("28 21:00", "29 01:30")
    assert window("02:00", "07:00", "2026-03-28 21:00") == ("29 01:00", "29 05:00")
    assert hours_of("", "02:30", BERLIN, datetime(2026, 3, 28, 21, tzinfo=UTC)).until.strftime("%H:%M") == "03:30"  # type: ignore[union-attr]


def test_a_time_that_occurs_twice_is_the_first() -> None:
    """On 25 October 2026 clocks in Berlin go from 03:00 back to 02:00, which is 01:00 UTC."""
    assert window("", "02:30", "2026-10-24 21:00") == ("24 21:00", "25 00:30")
    assert window("02:30", "07:00", "2026-10-24 21:00") == ("25 00:30", "25 06:00")
    assert window("", "02:30", "2026-10-25 01:00") == ("25 01:00", "26 01:30")  # it shows 02:00 for the second time


def test_a_night_with_a_change_of_clocks_has_its_real_length() -> None:
    for day, hours in ((datetime(2026, 3, 28, 12, tzinfo=UTC), 8), (datetime(2026, 10, 24, 12, tzinfo=UTC), 10)):
        found = hours_of("22:00", "07:00", BERLIN, day)
        assert found.seconds == hours * 3600
    assert found.seconds_to_start(datetime(2026, 10, 24, 19, tzinfo=UTC)) == 3600
    assert hours_of("", "", BERLIN, day).seconds is None


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    st.times(), st.times(), st.sampled_from([BERLIN, "Asia/Shanghai", "America/New_York", "Pacific/Auckland", "UTC"]),
)  # fmt: skip
def test_a_window_is_never_over_and_never_longer_than_a_day(
    now: datetime, start: object, until: object, zone: str
) -> None:
    texts = str(start)[:5], str(until)[:5]
    if texts[0] == texts[1]:
        return
    found = hours_of(*texts, zone, now)
    assert found.until is not None
    assert found.start.timestamp() >= now.timestamp()
    assert 0 < (found.seconds or 0) < 25 * 3600
    assert found.seconds_to_start(now) < 25 * 3600


@pytest.mark.parametrize(
    ("start", "until", "zone", "found"),
    [
        ("24:00", "", "", "--start: invalid time '24:00'; hours and minutes of the day, as 22:00"),
        ("", "7", "", "--until: invalid time '7'"),
        ("", "٠٧:٠٠", "", "--until: invalid time"),
        ("", "07:00\n", "", "--until: invalid time"),
        ("", "", "Europe/Berln", "--timezone: unknown time zone 'Europe/Berln'; a name such as Europe/Berlin"),
        ("", "", "../../etc/passwd", "--timezone: unknown time zone"),
        ("22:00", "22:00", "", "--until: is the same as --start, '22:00'; another time of day"),
    ],
)
def test_mistakes(start: str, until: str, zone: str, found: str) -> None:
    with pytest.raises(UsageError) as error:
        hours_of(start, until, zone, datetime(2026, 11, 27, tzinfo=UTC))
    assert str(error.value).startswith(found)
