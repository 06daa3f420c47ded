"""Types of arguments. Exceptions name the argument, which those of the compiled half do only from Python 3.11 on."""

from __future__ import annotations

import os
from numbers import Real
from typing import Optional, Union

Path = Union[str, "os.PathLike[str]"]


def path(name: str, value: Path) -> str:
    """Return a path as text."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path, not {type(value).__name__}")
    return os.fspath(value)


def text(name: str, value: Optional[str]) -> Optional[str]:
    """Return a text, or ``None``."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be str, not {type(value).__name__}")
    return value


def number(name: str, value: float) -> float:
    """Return a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    return float(value)
