"""How it is kept running: alarms, schedule, release."""

from typing import Annotated

from pydantic import Field

from infra import fields
from infra.sections.section import OnceEach, Section


class Alarms(Section):
    """Who is told when something breaks."""

    contacts: Annotated[tuple[fields.Email, ...], Field(min_length=1, max_length=10), OnceEach] = Field(
        description="e-mail addresses, as in [ops@example.com]"
    )


class Schedule(Section):
    """Stop at night, start in the morning."""

    stop: fields.Cron = Field(description="when to stop: minute hour day month weekday, as in 0 20 * * 1-5")
    start: fields.Cron = Field(description="when to start, as in 30 7 * * 1-5")
    time_zone: fields.TimeZone = Field("UTC", description="an IANA time zone, as in Asia/Shanghai")


class Release(Section):
    """How a change is put on the running box."""

    timeout_minutes: int = Field(45, ge=5, le=240, description="minutes until the box must answer, 5 to 240")
