import pytest

from infra.cron import meet, oos_expression
from infra.problems import SettingsError
from infra.settings import Settings
from tests.configs import config


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 20 * * *", "0 0 20 ? * *"),
        ("30 7 * * 1-5", "0 30 7 ? * MON,TUE,WED,THU,FRI"),
        ("5 0 * * 0,6", "0 5 0 ? * SUN,SAT"),
        ("5 0 * * 5-7", "0 5 0 ? * FRI,SAT,SUN"),
        ("5 0 * * 0,7", "0 5 0 ? * SUN"),
        ("0 8 1,15-17 3-4 *", "0 0 8 1,15,16,17 3,4 ?"),
        ("0 8 29 2 *", "0 0 8 29 2 ?"),  # in leap years
        ("0 8 31 1-2 *", "0 0 8 31 1,2 ?"),
        ("0 8 31 * *", "0 0 8 31 * ?"),
    ],
)
def test_a_time_is_written_as_the_cloud_reads_it(text, expected):
    assert oos_expression(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("60 8 * * *", "minute 60 is not within 0 to 59"),
        ("0 24 * * *", "hour 24"),
        ("0 8 0 * *", "day 0"),
        ("0 8 * 13 *", "month 13"),
        ("0 8 * * 8", "weekday 8"),
        ("0 8 * * 5-1", "weekday 5-1"),
        ("0 20 31 2 *", "it never comes: none of the months 2 has a day 31"),
        ("0 20 31 4,6,9,11 *", "none of the months 4,6,9,11 has a day 31"),
        ("0 20 30-31 2 *", "none of the months 2 has a day 30"),
        ("0 8 1 * 1", "a day or a weekday, not both"),
        ("0 8 1, * *", "'' is neither a day"),
        ("0 8 1-2-3 * *", "'1-2-3' is neither a day"),
        ("0 8 - * *", "'-' is neither a day"),
        ("0 8 3- * *", "'3-' is neither a day"),
    ],
)
def test_a_time_that_never_comes_or_that_the_cloud_cannot_keep_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        oos_expression(text)


def test_the_settings_refuse_such_a_time_with_its_key():
    schedule = {"stop": "0 20 * * 1-5", "start": "0 25 * * 1-5"}
    with pytest.raises(SettingsError) as refused:
        Settings.parse("open-webui", "test", config(schedule=schedule))
    assert "open-webui:schedule.start" in str(refused.value)
    assert "hour 25 is not within 0 to 23" in str(refused.value)
    assert "schedule.stop" not in str(refused.value)


@pytest.mark.parametrize(
    ("stop", "start", "same"),
    [
        ("0 20 * * *", "0 20 * * *", True),
        ("0 20 * * *", "00 20 * * 1-5", True),
        ("0 20 * * 0", "0 20 * * 7", True),
        ("0 20 1 * *", "0 20 * * 1", True),  # in some month the first is a Monday
        ("0 20 31 1,2 *", "0 20 31 2,3 *", False),  # both in February only, which has none
        ("0 20 * * *", "1 20 * * *", False),
        ("0 20 * * 1-5", "0 20 * * 0,6", False),
        ("0 8 1 * *", "0 8 2 * *", False),
        ("0 8 1 3 *", "0 8 1 4 *", False),
    ],
)
def test_two_times_meet_where_a_minute_has_both(stop, start, same):
    assert meet(stop, start) is meet(start, stop) is same


def test_a_stop_that_comes_with_the_start_is_refused():
    schedule = {"stop": "0 20 * * 1-5", "start": "0 20 * * *"}
    with pytest.raises(SettingsError) as refused:
        Settings.parse("open-webui", "test", config(schedule=schedule))
    said = str(refused.value)
    assert 'open-webui:schedule.start = "0 20 * * *"' in said
    assert "schedule.stop (0 20 * * 1-5) comes at the same minute" in said
    assert "fix: give them different times" in said
