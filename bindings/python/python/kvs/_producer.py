"""The producer."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Type, Union

from . import _kvs
from ._checks import Path, number, path
from ._session import Credentials, Verify, connect
from ._time import Time, seconds
from ._tracks import Track, track_of
from .errors import FrameRefusedError, InvalidValueError, KvsError


@dataclass(frozen=True)
class StopReport:
    """The outcome of all media: ``submitted + recovered = persisted + lost + spooled``."""

    complete: bool
    submitted_frames: int
    #: Frames that an earlier producer left in the spool.
    recovered_frames: int
    persisted_frames: int
    lost_frames: int
    spooled_frames: int
    lost_by_reason: Dict[str, int]
    halted: Optional[str]


@dataclass(frozen=True)
class _Settings:
    stream: str
    tracks: List[Track]
    create_stream: bool
    retention_hours: int
    start_at: Optional[float]
    start_now: bool
    buffer_bytes: int
    buffer_time: float
    wait_when_full: bool
    image_every: Optional[float]
    notify_every_fragments: Optional[int]
    spool_dir: Optional[str]
    spool_bytes: int


class Producer:
    """Sends one stream with PutMedia. Nothing is lost silently: each frame is persisted or reported as lost.

    Use it in a ``with`` block, which ends with :meth:`stop` and raises :class:`KvsError` if media was lost. All methods may be called
    from any thread, Ctrl-C ends those that wait, and every exception is a :class:`KvsError` or a :class:`TypeError`.

    - ``tracks``: :class:`Track`, names of codecs (``"h264"``, ``"h265"``, ``"aac"``, ``"alaw"``, ``"mulaw"``), or streams of PyAV.
    - ``session`` (a ``boto3.Session``) or ``credentials`` (``(key, secret)`` or ``(key, secret, token)``); without both boto3's default
      session, or the environment. Those of a session are asked again before they expire.
    - ``region_name``, ``endpoint_url``, ``verify`` (the file of an authority): as in boto3, with the same variables, also ``HTTPS_PROXY``.
    - ``create_stream``: create the stream, with ``retention_hours``, if it does not exist. Otherwise it must exist.
    - ``start_at``: ``"now"``, or the time of a recording, for the first frame; ``pts`` then counts from anything. Without it ``pts`` counts
      from the Unix epoch.
    - ``buffer_bytes``, ``buffer_time`` (seconds): what is kept until it is persisted. If it is full, the oldest fragment is lost, and an
      event says so; with ``wait_when_full`` the put waits instead, for recordings.
    - ``image_every`` (seconds), ``notify_every_fragments``: request an image, or a notification, at this interval.
    - ``spool_dir``, ``spool_bytes``: a folder for what does not fit or is left at the end; the next producer with it sends it.
    - ``open_timeout``, ``stop_timeout``: seconds to find the stream, and to wait for the last acks.

    >>> import kvs, time
    >>> silence = bytes([0xD5]) * 160
    >>> with kvs.LocalKvs() as local:
    ...     with kvs.Producer("intercom", "alaw", create_stream=True, **local.connection) as producer:
    ...         start = time.time()
    ...         for n in range(200):
    ...             producer.put_frame(silence, pts=start + n * 0.02)
    ...         report = producer.stop()
    >>> report.complete, report.persisted_frames
    (True, 200)
    """

    def __init__(
        self,
        stream_name: str,
        *tracks: Any,
        session: Any = None,
        credentials: Optional[Credentials] = None,
        region_name: Optional[str] = None,
        endpoint_url: Optional[str] = None,
        verify: Verify = None,
        create_stream: bool = False,
        retention_hours: int = 24,
        start_at: Union[None, str, Time] = None,
        buffer_bytes: int = 32 << 20,
        buffer_time: float = 120.0,
        wait_when_full: bool = False,
        image_every: Optional[float] = None,
        notify_every_fragments: Optional[int] = None,
        spool_dir: Optional[Path] = None,
        spool_bytes: int = 1 << 30,
        open_timeout: float = 30.0,
        stop_timeout: float = 10.0,
    ) -> None:
        self._stopped = True
        if not isinstance(stream_name, str):
            raise TypeError(f"stream_name must be str, not {type(stream_name).__name__}")
        numbered = [_numbered(track_of(track), at) for at, track in enumerate(tracks, 1)]
        if isinstance(start_at, str) and start_at != "now":
            raise InvalidValueError(f"start_at {start_at!r}, it must be 'now' or a time")
        settings = _Settings(
            stream=stream_name,
            tracks=numbered,
            create_stream=create_stream,
            retention_hours=retention_hours,
            start_at=None if start_at is None or isinstance(start_at, str) else seconds(start_at),
            start_now=start_at == "now",
            buffer_bytes=buffer_bytes,
            buffer_time=buffer_time,
            wait_when_full=wait_when_full,
            image_every=image_every,
            notify_every_fragments=notify_every_fragments,
            spool_dir=None if spool_dir is None else path("spool_dir", spool_dir),
            spool_bytes=spool_bytes,
        )
        self._tracks = numbered
        self._stop_timeout = number("stop_timeout", stop_timeout)
        client = connect(session, credentials, region_name, endpoint_url, verify)
        self._core = _kvs.Producer(client, settings, number("open_timeout", open_timeout))
        self._put = self._core.put_frame
        self._stopped = False

    def put_frame(
        self,
        data: Any,
        pts: Time,
        dts: Optional[Time] = None,
        keyframe: Optional[bool] = None,
        track: int = 1,
        timeout: Optional[float] = None,
    ) -> None:
        """Put an access unit (with start codes or lengths), an AAC frame, or samples of A-law or mu-law.

        ``data`` is any buffer: ``bytes`` are shared, anything else is copied and may be used again at once. ``pts`` is an aware datetime
        or seconds. Frames of a track are put in the order of decoding, tracks in the order of their times; Matroska stores no ``dts``, so
        it is not used. Without ``keyframe`` the producer looks for a key frame in the data. ``track`` is the place of the track, from 1.
        With ``wait_when_full`` the call waits for room, at most ``timeout`` seconds.

        Raises :class:`FrameRefusedError` if the frame is not what its track says or comes too late, :class:`BufferFullError` at the
        timeout, :class:`ProducerClosedError` after :meth:`stop`. The producer continues after the first two.
        """
        self._put(data, pts, keyframe, track, timeout)

    def put_packet(self, packet: Any, track: Optional[int] = None) -> None:
        """Put a packet of PyAV, from an encoder or a demuxer. A packet without data, which ends a demuxer's packets, is skipped.

        Its track is the first one of its kind, video or audio, unless ``track`` says it. With ``wait_when_full`` the call waits for room.
        """
        if not packet.size:
            return
        if packet.pts is None or packet.time_base is None:
            raise FrameRefusedError("the packet has no pts or no time_base")
        number = self._track_of(packet) if track is None else track
        self._put(packet, float(packet.pts * packet.time_base), bool(packet.is_keyframe), number, None)

    def put_event(
        self,
        image: Union[None, bool, str] = None,
        notify: bool = False,
        pairs: Optional[Mapping[str, str]] = None,
    ) -> None:
        """Request images (``image=True``, or the prefix of their keys) or a notification for the fragment of the last frame."""
        if not image and not notify:
            raise InvalidValueError("put_event needs image or notify")
        custom: List[Tuple[str, str]] = list((pairs or {}).items())
        if image:
            self._core.put_image_event(image if isinstance(image, str) else None, custom)
        if notify:
            self._core.put_notification_event(custom)

    def put_tag(self, name: str, value: str, persistent: bool = False) -> None:
        """Put a tag on the fragment of the last frame; a persistent one also on all later fragments."""
        self._core.put_tag(name, value, persistent)

    def end_fragment(self) -> None:
        """End the fragment after the last frame, so that the service stores it now."""
        self._core.end_fragment()

    def next_event(self, timeout: Optional[float] = None) -> Optional[_kvs.Event]:
        """Return the next event; ``None`` after ``timeout`` seconds, and after the last one."""
        return self._core.next_event(None if timeout is None else number("timeout", timeout))

    def events(self) -> Iterator[_kvs.Event]:
        """Iterate over the events, such as acks and losses, until the producer is stopped; :attr:`Event.kind` says what each is.

        Each event is delivered once, also if several threads ask. The oldest of more than 4,096 that wait are dropped.
        """
        while (event := self._core.next_event(None)) is not None:
            yield event

    def stats(self) -> Dict[str, Any]:
        """Return the statistics: frames and bytes by outcome, sessions, reconnects."""
        return self._core.stats()

    def stop(self, timeout: Optional[float] = None) -> StopReport:
        """Send what is buffered, wait at most ``timeout`` seconds for the acks, and return the outcome. May be called again."""
        stats, complete, halted = self._core.stop(self._stop_timeout if timeout is None else number("timeout", timeout))
        self._stopped = True
        names = ("submitted_frames", "recovered_frames", "persisted_frames", "lost_frames", "spooled_frames", "lost_by_reason")
        return StopReport(complete=complete, halted=halted, **{name: stats[name] for name in names})

    def _track_of(self, packet: Any) -> int:
        kind = packet.stream.type if packet.stream is not None else None
        for track in self._tracks:
            if kind == ("video" if track.codec in ("h264", "h265") else "audio"):
                return track.number
        raise InvalidValueError(f"the producer has no track for a packet of kind {kind!r}: pass track")

    def __enter__(self) -> "Producer":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._stopped:
            return
        report = self.stop()
        if kind is None and not report.complete and not report.spooled_frames:
            raise KvsError(f"{report.lost_frames} of {report.submitted_frames} frames were lost: {report.lost_by_reason}")

    def __del__(self) -> None:
        if not getattr(self, "_stopped", True):
            warnings.warn("a kvs.Producer was not stopped: what was not persisted is lost", ResourceWarning, stacklevel=2)


def _numbered(track: Track, at: int) -> Track:
    return track if track.number else replace(track, number=at)
