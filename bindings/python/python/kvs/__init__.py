"""Amazon Kinesis Video Streams for Python.

boto3 has no PutMedia. This package sends video with :class:`Producer`, reads images with :func:`images`, fragments with
:func:`fragments` and notifications with :func:`decode`. :class:`LocalKvs` is the service on your own machine.

>>> import kvs
>>> with kvs.LocalKvs() as local:
...     client = local.client("kinesisvideo")
...     created = client.create_stream(StreamName="door", DataRetentionInHours=1)
...     [stream["StreamName"] for stream in client.list_streams()["StreamInfoList"]]
['door']
"""

from ._kvs import Event, Fragment, Frame
from ._fragments import fragments
from ._images import ImageResult, Images, images
from ._local import LocalKvs
from ._notify import (
    Confirmation,
    FragmentNotification,
    ImageKey,
    ImageMetadata,
    ObjectEvent,
    Refused,
    TestEvent,
    decode,
    image_metadata,
    parse_image_key,
)
from ._producer import Producer, StopReport
from ._tracks import Track
from .errors import (
    AccessDeniedException,
    BufferFullError,
    ClientLimitExceededException,
    CredentialsError,
    DecodeError,
    FrameRefusedError,
    FragmentError,
    ImageError,
    InvalidValueError,
    KvsError,
    MediaError,
    NoMediaError,
    ProducerClosedError,
    ResourceNotFoundException,
    SpoolError,
    TransportError,
)

__version__ = "0.1.0"

__all__ = [
    "AccessDeniedException", "BufferFullError", "ClientLimitExceededException", "Confirmation", "CredentialsError", "DecodeError",
    "Event", "Fragment", "FragmentError", "FragmentNotification", "Frame", "FrameRefusedError", "ImageError", "ImageKey",
    "ImageMetadata", "ImageResult", "Images", "InvalidValueError", "KvsError", "LocalKvs", "MediaError", "NoMediaError",
    "ObjectEvent", "Producer", "ProducerClosedError", "Refused", "ResourceNotFoundException", "SpoolError", "StopReport",
    "TestEvent", "Track", "TransportError", "decode", "fragments", "image_metadata", "images", "parse_image_key",
]
