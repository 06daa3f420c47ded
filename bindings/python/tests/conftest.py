"""What several tests need: a recording that PyAV encodes, and the fragments that boto3 reads back."""

import importlib
import io
import os
import struct
import time

import pytest

import kvs


def judge(name):
    """Return a foreign module. Without it the test is skipped, or fails if KVS_REQUIRE_JUDGES is set."""
    return importlib.import_module(name) if os.environ.get("KVS_REQUIRE_JUDGES") else pytest.importorskip(name)


def encoded(codec="libx264", frames=60, size=(160, 120), rate=20):
    """Return an encoder's stream and its packets."""
    av = judge("av")
    np = judge("numpy")
    container = av.open(io.BytesIO(), "w", format="matroska")
    stream = container.add_stream(codec, rate=rate, options={"g": str(rate), "bf": "0", "preset": "ultrafast"})
    stream.width, stream.height, stream.pix_fmt = (*size, "yuv420p")
    packets = []
    for n in range(frames):
        picture = np.full((size[1], size[0], 3), (n * 4) % 256, dtype=np.uint8)
        picture[: n + 1, : n + 1] = 255
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = n
        packets += stream.encode(frame)
    packets += stream.encode(None)
    return stream, packets


def read_back(local, stream_name):
    """Return the fragments that boto3's GetMediaForFragmentList returns, in the order of time."""
    archived = local.client("kinesis-video-archived-media", stream_name, "LIST_FRAGMENTS")
    listed = archived.list_fragments(StreamName=stream_name)["Fragments"]
    numbers = [item["FragmentNumber"] for item in sorted(listed, key=lambda item: item["ProducerTimestamp"])]
    media = local.client("kinesis-video-archived-media", stream_name, "GET_MEDIA_FOR_FRAGMENT_LIST")
    payload = media.get_media_for_fragment_list(StreamName=stream_name, Fragments=numbers)["Payload"]
    return list(kvs.fragments(payload))


def split(data):
    """NAL units of an access unit with start codes, as the encoder wrote it."""
    return [part.rstrip(b"\0") for part in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if part]


def units(data):
    """NAL units of a payload with four-byte lengths, as the service stores it."""
    found = []
    while data:
        (length,) = struct.unpack(">I", data[:4])
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


def alaw(local, name="door", **options):
    return kvs.Producer(name, "alaw", **{"create_stream": True, **local.connection, **options})


def put_silence(producer, frames, start=None, payload=b"\xd5" * 160, track=1):
    start = time.time() if start is None else start
    for n in range(frames):
        producer.put_frame(payload, pts=start + n * 0.02, track=track)
