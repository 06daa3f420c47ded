"""The fixture ``local_kvs``: the service on this machine, a new one for each test."""

from __future__ import annotations

from typing import Iterator

import pytest

from ._local import LocalKvs


@pytest.fixture
def local_kvs() -> Iterator[LocalKvs]:
    """A running :class:`kvs.LocalKvs`, without any stream."""
    with LocalKvs() as local:
        yield local
