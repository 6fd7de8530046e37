import pytest

from infra.cron import oos_expression
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
