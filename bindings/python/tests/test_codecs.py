"""Each codec that PyAV encodes: what boto3 reads back is what the encoder wrote."""

import io
import struct
import time

import pytest
from conftest import encoded, judge, read_back, split, units

import kvs


def spoken(codec, frames=50):
    """Return an encoder's stream and its packets: a tone of 8 kHz, in packets of 20 ms."""
    av, np = judge("av"), judge("numpy")
    container = av.open(io.BytesIO(), "w", format="wav")
    stream = container.add_stream(codec, rate=8000, layout="mono")
    packets = []
    for n in range(frames):
        samples = np.sin(np.arange(n * 160, (n + 1) * 160) / 8) * 20_000
        frame = av.AudioFrame.from_ndarray(samples.astype(np.int16).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 8000, n * 160
        packets += stream.encode(frame)
    return stream, packets + stream.encode(None)


@pytest.mark.parametrize(("codec", "stored"), [("pcm_alaw", "A_MS/ACM"), ("pcm_mulaw", "A_MS/ACM")])
def test_sound_of_g711_is_read_back_byte_for_byte(local_kvs, codec, stored):
    stream, packets = spoken(codec)
    with kvs.Producer("intercom", stream, create_stream=True, start_at="now", **local_kvs.connection) as producer:
        for packet in packets:
            producer.put_packet(packet)
        assert producer.stop().complete
    fragments = read_back(local_kvs, "intercom")
    frames = [frame for fragment in fragments for frame in fragment.frames]
    assert [frame.data for frame in frames] == [bytes(packet) for packet in packets]
    number, name, private = fragments[0].tracks[0]
    assert (number, name) == (1, stored)
    # A WAVEFORMATEX: the format is 6 for A-law and 7 for mu-law.
    assert struct.unpack("<HHI", private[:8]) == ({"pcm_alaw": 6, "pcm_mulaw": 7}[codec], 1, 8000)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_clip_of_what_pyav_encoded_is_decoded_again(local_kvs, codec):
    av, np = judge("av"), judge("numpy")
    stream, packets = encoded(codec=codec)
    start = int(time.time()) - 30
    with kvs.Producer("video", stream, create_stream=True, start_at=start, **local_kvs.connection) as producer:
        for packet in packets:
            producer.put_packet(packet)
        assert producer.stop().complete
    fragments = read_back(local_kvs, "video")
    frames = [frame for fragment in fragments for frame in fragment.frames]
    assert [units(frame.data) for frame in frames] == [split(bytes(packet)) for packet in packets]
    assert [frame.keyframe for frame in frames] == [packet.is_keyframe for packet in packets]
    assert fragments[0].tracks[0][1] == {"libx264": "V_MPEG4/ISO/AVC", "libx265": "V_MPEGH/ISO/HEVC"}[codec]

    clip = local_kvs.client("kinesis-video-archived-media", "video", "GET_CLIP").get_clip(
        StreamName="video",
        ClipFragmentSelector={
            "FragmentSelectorType": "PRODUCER_TIMESTAMP",
            "TimestampRange": {"StartTimestamp": start - 1, "EndTimestamp": start + 10},
        },
    )
    with av.open(io.BytesIO(clip["Payload"].read())) as container:
        assert container.streams.video[0].codec_context.name == {"libx264": "h264", "libx265": "hevc"}[codec]
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == len(packets)
    # `encoded` paints picture n in the gray of n * 4.
    assert all(abs(int(np.median(picture)) - n * 4) < 8 for n, picture in enumerate(pictures))
