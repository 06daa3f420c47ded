"""Points in time: aware datetimes, or seconds as numbers."""

from __future__ import annotations

from datetime import datetime, timedelta
from numbers import Real
from typing import Union

from .errors import InvalidValueError

Time = Union[datetime, timedelta, float]


def seconds(value: Time) -> float:
    """Return seconds since the Unix epoch, or of a duration. A datetime without a time zone is refused: it would be guessed."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidValueError("a datetime without a time zone is ambiguous: add tzinfo, such as datetime.timezone.utc")
        return value.timestamp()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    raise TypeError(f"a time must be an aware datetime, a timedelta or seconds, not {type(value).__name__}")
