"""Images of a time range."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Iterator, NamedTuple, Optional, Tuple, Union

from . import _kvs
from ._session import Credentials, Verify, connect
from ._time import Time, seconds
from .errors import InvalidValueError, KvsError


class ImageResult(NamedTuple):
    """The image at a time: the file, or the exception that says why there is none."""

    time: datetime
    content: Union[bytes, KvsError]

    @property
    def ok(self) -> bool:
        """Whether there is an image."""
        return isinstance(self.content, bytes)

    def to_pil(self) -> Any:
        """Return the image of Pillow. Raises the exception if there is no image."""
        if isinstance(self.content, KvsError):
            raise self.content
        from PIL import Image

        return Image.open(BytesIO(self.content))


class Images(Iterator[ImageResult]):
    """The images of a range, exactly one item for each timestamp; ``len`` is their number."""

    def __init__(self, core: _kvs.ImageIterator) -> None:
        self._core = core

    def __iter__(self) -> "Images":
        return self

    def __len__(self) -> int:
        return self._core.count

    def __next__(self) -> ImageResult:
        item = self._core.next()
        if item is None:
            raise StopIteration
        time, content, error = item
        result = content if error is None else error
        assert result is not None
        return ImageResult(time, result)


@dataclass(frozen=True)
class _Settings:
    stream: str
    start: float
    end: float
    interval_ms: int
    format: str
    quality: Optional[int]
    size: Optional[Tuple[int, int]]
    selector: str


def images(
    stream_name: str,
    start_timestamp: Time,
    end_timestamp: Time,
    *,
    sampling_interval: int = 3000,
    format: str = "JPEG",
    jpeg_quality: Optional[int] = None,
    width_pixels: Optional[int] = None,
    height_pixels: Optional[int] = None,
    image_selector_type: str = "PRODUCER_TIMESTAMP",
    session: Any = None,
    credentials: Optional[Credentials] = None,
    region_name: Optional[str] = None,
    endpoint_url: Optional[str] = None,
    verify: Verify = None,
) -> Images:
    """Iterate over the images of a time range of any length, with the words of boto3's ``get_images``.

    ``sampling_interval`` is in milliseconds, at least 200. Each item has a time and the file, or the exception for this time.

    >>> import kvs
    >>> with kvs.LocalKvs() as local:
    ...     created = local.client("kinesisvideo").create_stream(StreamName="door", DataRetentionInHours=1)
    ...     for time, content in kvs.images("door", 1700000000, 1700000001, sampling_interval=500, **local.connection):
    ...         print(time.isoformat(), type(content).__name__)
    2023-11-14T22:13:20+00:00 NoMediaError
    2023-11-14T22:13:20.500000+00:00 NoMediaError
    """
    if (width_pixels is None) != (height_pixels is None):
        raise InvalidValueError("width_pixels and height_pixels must both be given, or none")
    size = None if width_pixels is None or height_pixels is None else (width_pixels, height_pixels)
    start, end = seconds(start_timestamp), seconds(end_timestamp)
    settings = _Settings(stream_name, start, end, sampling_interval, format, jpeg_quality, size, image_selector_type)
    return Images(_kvs.ImageIterator(connect(session, credentials, region_name, endpoint_url, verify), settings))
