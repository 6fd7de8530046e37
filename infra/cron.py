"""Times of the schedule: five fields as cron writes them, six as CloudOps Orchestration Service (OOS) reads them."""

from collections.abc import Sequence

_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # days of each month, January first
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def oos_expression(text: str) -> str:
    """`30 7 * * 1-5` becomes `0 30 7 ? * MON,TUE,WED,THU,FRI`.

    OOS counts Sunday as 1, takes lists but no ranges of weekdays, and wants `?` for the day or the weekday (help page
    "Configure CRON expressions", 2024-06). Raises ValueError saying what is wrong.
    """
    minutes, hours, days, months, weekday_numbers = _fields(text)
    weekdays = [WEEKDAYS[number] for number in weekday_numbers]
    if days and weekdays:
        raise ValueError("the cloud takes a day or a weekday, not both")
    if not _comes(days, months):
        raise ValueError(f"it never comes: none of the months {_listed(months)} has a day {min(days)}")
    return " ".join(
        (
            "0",
            _listed(minutes),
            _listed(hours),
            _listed(days) if days else "?",
            _listed(months) or "*",
            "?" if days else _listed(list(dict.fromkeys(weekdays))) or "*",
        )
    )


def meet(one: str, other: str) -> bool:
    """Whether both come at the same minute of some day. Each is one that `oos_expression` takes."""
    common: list[list[int]] = []
    for first, second in zip(_fields(one), _fields(other), strict=True):
        both = {*first} & {*second} if first and second else {*first, *second}
        if first and second and not both:
            return False
        common.append(sorted(both))
    _, _, days, months, _ = common
    return _comes(days, months)


def _fields(text: str) -> tuple[list[int], ...]:
    """Minutes, hours, days, months and weekdays (Sunday is 0); none for `*`."""
    minute, hour, day, month, weekday = text.split()
    return (
        _numbers("minute", minute, 0, 59),
        _numbers("hour", hour, 0, 23),
        _numbers("day", day, 1, 31),
        _numbers("month", month, 1, 12),
        [number % 7 for number in _numbers("weekday", weekday, 0, 7)],
    )


def _comes(days: Sequence[int], months: Sequence[int]) -> bool:
    """Whether one of the months has one of the days, in a leap year; none of either stands for all."""
    return not days or any(min(days) <= _LONGEST[month - 1] for month in months or range(1, 13))


def _numbers(field: str, text: str, low: int, high: int) -> list[int]:
    """The numbers of one field, none for `*`."""
    if text == "*":
        return []
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or ("-" in part and not last.isdigit()):
            raise ValueError(f"{part!r} is neither a {field} nor a range of them")
        start, end = int(first), int(last or first)
        if not low <= start <= end <= high:
            raise ValueError(f"{field} {part} is not within {low} to {high}")
        found += range(start, end + 1)
    return found


def _listed(values: Sequence[int | str]) -> str:
    return ",".join(map(str, values))
