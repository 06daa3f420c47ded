"""Tracks of a producer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from .errors import InvalidValueError

#: The names that FFmpeg and PyAV use.
_CODECS = {
    "h264": "h264", "libx264": "h264", "hevc": "h265", "h265": "h265", "libx265": "h265", "aac": "aac", "pcm_alaw": "alaw",
    "alaw": "alaw", "pcm_mulaw": "mulaw", "mulaw": "mulaw",
}


@dataclass(frozen=True)
class Track:
    """What a track holds: codec ``h264``, ``h265``, ``aac``, ``alaw`` or ``mulaw``.

    ``codec_private`` is what a decoder needs before the first frame; for H.264 and H.265 it may be avcC, hvcC or parameter sets with
    start codes, and without it the producer takes it from the first key frame. ``number`` 0 means the place among the tracks.
    """

    codec: str
    codec_private: bytes = b""
    width: int = 0
    height: int = 0
    sample_rate: int = 8000
    channels: int = 1
    number: int = 0
    name: Optional[str] = None

    @classmethod
    def from_stream(cls, stream: Any) -> "Track":
        """Return the track of a stream of PyAV, of an input or an output. An encoder is opened, because it writes its extradata then."""
        context = getattr(stream, "codec_context", stream)
        codec = _CODECS.get(getattr(context, "name", None) or "")
        if codec is None:
            raise InvalidValueError(f"codec {getattr(context, 'name', None)!r} of the stream is not one that the service takes")
        if getattr(context, "is_encoder", False) and not context.is_open:
            context.open()
        private = bytes(context.extradata or b"")
        if codec in ("h264", "h265"):
            return cls(codec, private, context.width or 0, context.height or 0)
        channels = getattr(context, "channels", None) or len(context.layout.channels)
        return cls(codec, private if codec == "aac" else b"", sample_rate=context.sample_rate, channels=channels)


def track_of(value: Any) -> Track:
    """Return a track for a track, the name of a codec, or a stream of PyAV."""
    if isinstance(value, Track):
        return value
    if isinstance(value, str):
        codec = _CODECS.get(value)
        if codec is None:
            raise InvalidValueError(f"unknown codec {value!r}, it must be h264, h265, aac, alaw or mulaw")
        return Track(codec)
    if hasattr(value, "codec_context") or hasattr(value, "extradata"):
        return Track.from_stream(value)
    raise TypeError(f"a track must be a kvs.Track, the name of a codec or a stream of PyAV, not {type(value).__name__}")
