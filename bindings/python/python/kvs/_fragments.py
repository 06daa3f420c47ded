"""Fragments of a GetMedia body."""

from __future__ import annotations

from typing import Any, Callable, Iterator

from . import _kvs

#: How much is read at once.
_PIECE = 64 << 10


def fragments(body: Any) -> Iterator[_kvs.Fragment]:
    """Iterate over the fragments of ``get_media(...)["Payload"]``, of an open file, or of bytes.

    A fragment is returned as soon as it is complete. The error that the service writes into a body is ``Fragment.error``.
    """
    reader = _kvs.FragmentReader()
    for piece in _pieces(body):
        reader.push(piece)
        while (fragment := reader.next_fragment()) is not None:
            yield fragment
    while (fragment := reader.finish()) is not None:
        yield fragment


def _pieces(body: Any) -> Iterator[Any]:
    if isinstance(body, (bytes, bytearray, memoryview)):
        yield body
        return
    read = _reader(body)
    while piece := read(_PIECE):
        yield piece


def _reader(body: Any) -> Callable[[int], bytes]:
    """A live body sends less than a piece for seconds: ``read1`` returns what is there, ``read`` would wait for the whole piece."""
    raw: Any = getattr(body, "_raw_stream", None)
    for source in (body, raw):
        if hasattr(source, "read1"):
            return source.read1
    if not hasattr(body, "read"):
        raise TypeError(f"body must be bytes or have read(), not {type(body).__name__}")
    return body.read
