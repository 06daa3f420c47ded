"""Notifications, events of S3, and image objects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Union

from . import _kvs


@dataclass(frozen=True)
class FragmentNotification:
    """A tagged fragment was persisted."""

    stream_arn: str
    stream_name: str
    fragment_number: str
    producer_timestamp: datetime
    server_timestamp: datetime
    notification_type: str
    payload: Dict[str, str]
    topic_arn: Optional[str]


@dataclass(frozen=True)
class ImageKey:
    """What the key of an image object says."""

    prefix: Optional[str]
    account: str
    stream_name: str
    time: datetime
    id: str
    format: str


@dataclass(frozen=True)
class ImageMetadata:
    """What the user metadata of an image object says."""

    fragment_number: str
    producer_timestamp: datetime
    server_timestamp: datetime
    pairs: Dict[str, str]


@dataclass(frozen=True)
class ObjectEvent:
    """An object was created or removed; ``image`` is set if its key is that of an image."""

    event_name: str
    bucket: str
    key: str
    size: Optional[int]
    time: Optional[datetime]
    image: Optional[ImageKey]


@dataclass(frozen=True)
class TestEvent:
    """The notifications of a bucket were configured."""

    __test__ = False
    bucket: str


@dataclass(frozen=True)
class Confirmation:
    """SNS asks to confirm a subscription of a topic."""

    topic_arn: Optional[str]


@dataclass(frozen=True)
class Refused:
    """One message of a batch could not be decoded."""

    message: str


Message = Union[FragmentNotification, ObjectEvent, TestEvent, Confirmation, Refused]


def decode(document: Union[bytes, bytearray, str, Mapping[str, Any], List[Any]]) -> List[Message]:
    """Decode a body of SNS, an event of Lambda, SQS, S3 or EventBridge; the form is recognized. At most 16 MiB.

    >>> import kvs
    >>> event = {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete",
    ...     "s3": {"bucket": {"name": "pictures"}, "object": {"key": "a.jpg"}}}]}
    >>> [message.key for message in kvs.decode(event)]
    ['a.jpg']
    """
    if isinstance(document, str):
        document = document.encode()
    elif not isinstance(document, (bytes, bytearray)):
        document = json.dumps(document).encode()
    return [_message(item) for item in json.loads(_kvs.decode(bytes(document)))]


def parse_image_key(key: str) -> ImageKey:
    """Read the key of an image object."""
    return _image_key(json.loads(_kvs.parse_image_key(key)))


def image_metadata(metadata: Mapping[str, str]) -> ImageMetadata:
    """Read the user metadata of an image object, as ``head_object(...)["Metadata"]`` has it."""
    item = json.loads(_kvs.image_metadata(list(metadata.items())))
    item["producer_timestamp"] = _time(item["producer_timestamp"])
    item["server_timestamp"] = _time(item["server_timestamp"])
    return ImageMetadata(**item)


def _message(item: Dict[str, Any]) -> Message:
    kind = item.pop("type")
    if kind == "fragment":
        item["producer_timestamp"] = _time(item["producer_timestamp"])
        item["server_timestamp"] = _time(item["server_timestamp"])
        return FragmentNotification(**item)
    if kind == "object":
        item["time"] = None if item["time"] is None else _time(item["time"])
        item["image"] = None if item["image"] is None else _image_key(item["image"])
        return ObjectEvent(**item)
    if kind == "test":
        return TestEvent(**item)
    return Confirmation(**item) if kind == "confirmation" else Refused(**item)


def _image_key(item: Dict[str, Any]) -> ImageKey:
    item["time"] = _time(item["time"])
    return ImageKey(**item)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
