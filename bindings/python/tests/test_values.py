"""Buffers and times as Python programs have them."""

import array
import gc
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import pytest
from conftest import alaw, judge, read_back

import kvs

NAIVE = datetime(2026, 1, 1)
AWARE = NAIVE.replace(tzinfo=timezone.utc)


def stored(local):
    return [frame.data for fragment in read_back(local, "door") for frame in fragment.frames]


@pytest.mark.parametrize("size", [160, 5000, 100_000])
def test_a_buffer_may_change_as_soon_as_it_was_put(local_kvs, size):
    """The buffer is filled for the next frame before the one before was sent."""
    np = judge("numpy")
    mutable = [bytearray(size), np.zeros(size, dtype=np.uint8), array.array("B", bytes(size)), memoryview(bytearray(size))]
    with alaw(local_kvs) as producer:
        start, wanted = time.time() - 30, []
        for n in range(40):
            buffer = mutable[n % len(mutable)]
            memoryview(buffer)[:] = bytes([n]) * size
            producer.put_frame(buffer, start + n * 0.1)
            wanted.append(bytes([n]) * size)
            # Also if it was freed.
            del buffer
        for buffer in mutable:
            memoryview(buffer)[:] = b"\xff" * size
        del mutable, buffer
        gc.collect()
        assert producer.stop().complete
    assert stored(local_kvs) == wanted


def test_every_kind_of_buffer_is_put_as_its_bytes(local_kvs):
    np = judge("numpy")
    samples = np.arange(1000, dtype=np.int16)
    buffers = [
        b"bytes" * 100,
        memoryview(b"slice of bytes" * 100)[7:77],
        # Every second byte: the elements do not lie side by side.
        memoryview(bytes(range(200)))[::2],
        samples,
        samples.reshape(10, 100).T,
        array.array("h", range(100)),
    ]
    with alaw(local_kvs) as producer:
        for n, buffer in enumerate(buffers):
            producer.put_frame(buffer, time.time() - 10 + n * 0.1)
        assert producer.stop().complete
    assert stored(local_kvs) == [memoryview(buffer).tobytes() for buffer in buffers]


def test_times_of_every_kind_are_the_same_time(local_kvs):
    np = judge("numpy")
    elsewhere = AWARE.astimezone(timezone(timedelta(hours=9)))
    at = AWARE.timestamp()
    kinds = [AWARE, elsewhere, at, int(at), Fraction(int(at)), np.float64(at), timedelta(seconds=at)]
    with alaw(local_kvs) as producer:
        for pts in kinds:
            producer.put_frame(b"\xd5" * 160, pts)
        assert producer.stop().complete
    frames = [frame for fragment in read_back(local_kvs, "door") for frame in fragment.frames]
    assert len(frames) == len(kinds) and all(abs(frame.pts - at) < 0.001 for frame in frames)


@pytest.mark.parametrize(
    "call",
    [
        lambda local: alaw(local, start_at=NAIVE),
        lambda local: kvs.images("door", NAIVE, AWARE, **local.connection),
        lambda local: kvs.images("door", AWARE, NAIVE, **local.connection),
    ],
)
def test_a_datetime_without_a_time_zone_is_refused_everywhere(local_kvs, call):
    with pytest.raises(kvs.InvalidValueError, match="without a time zone is ambiguous: add tzinfo"):
        call(local_kvs)


@pytest.mark.parametrize("value", ["2026-01-01", None, True, b"5", object(), Decimal(5), float("inf")])
def test_a_time_of_a_wrong_type_is_refused_everywhere(local_kvs, value):
    with pytest.raises((TypeError, ValueError), match="time must be|out of range"):
        kvs.images("door", value, AWARE, **local_kvs.connection)
    with alaw(local_kvs) as producer:
        with pytest.raises((TypeError, ValueError), match="time must be|out of range"):
            producer.put_frame(b"x", value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"retention_hours": "24"}, "retention_hours"),
        ({"buffer_time": None}, "buffer_time"),
        ({"image_every": "5"}, "image_every"),
        ({"notify_every_fragments": 1.5}, "notify_every_fragments"),
        ({"spool_dir": 5}, "spool_dir"),
        ({"spool_bytes": -1}, "spool_bytes"),
        ({"open_timeout": "soon"}, "open_timeout"),
        ({"stop_timeout": None}, "stop_timeout"),
        ({"region_name": 5}, "region_name"),
        ({"endpoint_url": 5}, "endpoint_url"),
        ({"start_at": "yesterday"}, "start_at"),
        ({"retention_hours": -1}, "retention"),
        ({"open_timeout": -1.0}, "open_timeout"),
        ({"buffer_time": float("nan")}, "buffer_time"),
        ({"notify_every_fragments": 0}, "notify_every"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(local_kvs, change, words):
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        alaw(local_kvs, **change)
    assert "\n" not in str(caught.value)


def test_a_path_may_be_a_path_object(local_kvs, tmp_path):
    with alaw(local_kvs, spool_dir=tmp_path / "spool") as producer:
        producer.put_frame(b"\xd5" * 160, time.time())
    with kvs.LocalKvs(data_dir=tmp_path / "data") as local:
        assert local.log_file.parent == tmp_path / "data"
