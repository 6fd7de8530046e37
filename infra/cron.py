"""Times of the schedule: five fields as cron writes them, six as CloudOps Orchestration Service (OOS) reads them."""

from collections.abc import Sequence

WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def oos_expression(text: str) -> str:
    """`30 7 * * 1-5` becomes `0 30 7 ? * MON,TUE,WED,THU,FRI`.

    OOS counts Sunday as 1, takes lists but no ranges of weekdays, and wants `?` for the day or the weekday (help page
    "Configure CRON expressions", 2024-06). Raises ValueError saying what is wrong.
    """
    minute, hour, day, month, weekday = text.split()
    minutes, hours = _numbers("minute", minute, 0, 59), _numbers("hour", hour, 0, 23)
    days, months = _numbers("day", day, 1, 31), _numbers("month", month, 1, 12)
    weekdays = [WEEKDAYS[number % 7] for number in _numbers("weekday", weekday, 0, 7)]
    if days and weekdays:
        raise ValueError("the cloud takes a day or a weekday, not both")
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
