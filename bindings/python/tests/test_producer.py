import io
import os
import time
from datetime import datetime, timezone

import pytest
from conftest import alaw, encoded, judge, put_silence, read_back, split, units

import kvs


def test_what_is_put_is_what_boto3_reads_back(local_kvs):
    payloads = [bytes([n % 256]) * 160 for n in range(300)]
    start = time.time() - 60
    with alaw(local_kvs) as producer:
        for n, payload in enumerate(payloads):
            producer.put_frame(payload, pts=datetime.fromtimestamp(start + n * 0.02, timezone.utc))
        report = producer.stop()
    assert report.complete and report.persisted_frames == len(payloads)
    frames = [frame for fragment in read_back(local_kvs, "door") for frame in fragment.frames]
    assert [frame.data for frame in frames] == payloads
    assert abs(frames[0].pts - start) < 0.002


def test_packets_of_pyav_are_read_back_byte_for_byte(local_kvs):
    stream, packets = encoded()
    with kvs.Producer("video", stream, create_stream=True, start_at="now", **local_kvs.connection) as producer:
        for packet in packets:
            producer.put_packet(packet)
        producer.put_event(image=True, notify=True)
    fragments = read_back(local_kvs, "video")
    frames = [frame for fragment in fragments for frame in fragment.frames]
    assert [units(frame.data) for frame in frames] == [split(bytes(packet)) for packet in packets]
    assert [frame.keyframe for frame in frames] == [packet.is_keyframe for packet in packets]
    assert fragments[0].tracks[0][1] == "V_MPEG4/ISO/AVC" and fragments[0].tracks[0][2][:1] == b"\1"


def test_video_and_sound_of_pyav_are_two_tracks(local_kvs):
    av, np = judge("av"), judge("numpy")
    video, pictures = encoded()
    output = av.open(io.BytesIO(), "w", format="matroska")
    audio = output.add_stream("aac", rate=16000, layout="mono")
    sounds = []
    for n in range(46):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, n * 1024
        sounds += audio.encode(frame)
    # The first packets of AAC are priming, before the time zero.
    assert sounds[0].pts < 0
    at = lambda packet: packet.pts * packet.time_base
    with kvs.Producer("both", video, audio, create_stream=True, start_at="now", **local_kvs.connection) as producer:
        for packet in sorted(pictures + sounds, key=at):
            producer.put_packet(packet)
        report = producer.stop()
    assert report.complete, report
    fragments = read_back(local_kvs, "both")
    frames = [frame for fragment in fragments for frame in fragment.frames]
    assert [f.data for f in frames if f.track == 2] == [bytes(sound) for sound in sounds]
    assert len([f for f in frames if f.track == 1]) == len(pictures)
    assert fragments[0].tracks[1][1] == "A_AAC" and fragments[0].tracks[1][2] == bytes(audio.codec_context.extradata)


def test_key_frames_are_found(local_kvs):
    stream, packets = encoded(frames=40)
    with kvs.Producer("video", "h264", create_stream=True, **local_kvs.connection) as producer:
        start = time.time()
        for n, packet in enumerate(packets):
            # A demuxer of Matroska gives lengths, an encoder start codes and parameter sets in its first packet.
            private = stream.codec_context.extradata or b""
            data = bytes(packet) if n else private + bytes(packet)
            producer.put_frame(data, pts=start + n * 0.05)
    frames = [frame for fragment in read_back(local_kvs, "video") for frame in fragment.frames]
    assert [frame.keyframe for frame in frames] == [packet.is_keyframe for packet in packets]


def test_acks_and_persisted_fragments_are_events(local_kvs):
    producer = alaw(local_kvs)
    put_silence(producer, 250)
    producer.stop()
    events = list(producer.events())
    kinds = {event.kind for event in events}
    assert {"ready", "opened", "ack", "persisted", "finished"} <= kinds
    assert {event.ack_type for event in events if event.kind == "ack"} >= {"RECEIVED", "PERSISTED"}
    assert sum(event.frames for event in events if event.kind == "persisted") == 250
    assert all(event.start.tzinfo is not None for event in events if event.kind == "persisted")


def test_losses_are_events_with_their_reason(local_kvs):
    producer = alaw(local_kvs, buffer_bytes=64 << 10)
    now = time.time()
    # Far more than the buffer holds, while the service cannot answer: the program is stopped.
    local_kvs.stop()
    for n in range(2000):
        producer.put_frame(b"\xd5" * 160, pts=now + n * 0.02)
    report = producer.stop(1)
    assert not report.complete
    assert report.persisted_frames + report.lost_frames == report.submitted_frames == 2000
    lost = [event for event in producer.events() if event.kind == "lost"]
    assert sum(event.frames for event in lost) == report.lost_frames and lost[0].reason in report.lost_by_reason


def test_times_before_zero_count_from_the_first_frame(local_kvs):
    start = int(time.time()) - 60
    with alaw(local_kvs, start_at=start) as producer:
        for n in range(10):
            producer.put_frame(b"\xd5" * 160, pts=(n - 5) * 0.02)
        with pytest.raises(kvs.InvalidValueError, match="at least -131072"):
            producer.put_frame(b"\xd5" * 160, pts=-1e9)
        assert producer.stop().complete
    frames = [frame for fragment in read_back(local_kvs, "door") for frame in fragment.frames]
    assert [round(frame.pts - start, 3) for frame in frames] == [round(n * 0.02, 3) for n in range(10)]


def test_a_full_buffer_waits_while_the_sound_is_awaited(local_kvs):
    """The pictures of 2 s fill the buffer, and their sound is never put."""
    stream, packets = encoded(frames=40, size=(640, 480))
    tracks = [stream, kvs.Track("alaw")]
    settings = {"create_stream": True, "start_at": "now", "wait_when_full": True, "buffer_bytes": 64 << 10}
    with kvs.Producer("video", *tracks, **settings, **local_kvs.connection) as producer:
        for n in range(10):
            for packet in packets:
                producer.put_frame(bytes(packet), pts=n * 2 + float(packet.pts * packet.time_base), timeout=20)
        assert producer.stop(20).persisted_frames == 400


def test_a_track_that_comes_too_late_is_refused_and_not_lost(local_kvs):
    tracks = [kvs.Track("alaw", name="left"), kvs.Track("alaw", name="right")]
    settings = {"create_stream": True, "start_at": time.time() - 60, "wait_when_full": True}
    with kvs.Producer("both", *tracks, **settings, **local_kvs.connection) as producer:
        put_silence(producer, 500, start=0)
        with pytest.raises(kvs.FrameRefusedError, match="put the tracks in the order of their times"):
            producer.put_frame(b"\xd5" * 160, pts=0.0, track=2)
        report = producer.stop()
    assert report.complete and report.persisted_frames == 500


def test_a_spool_keeps_what_was_not_sent(local_kvs, tmp_path):
    spool = {"spool_dir": str(tmp_path / "spool")}
    producer = alaw(local_kvs, **spool)
    other = kvs.LocalKvs()
    local_kvs.stop()
    put_silence(producer, 200)
    report = producer.stop(1)
    assert report.lost_frames == 0 and report.persisted_frames + report.spooled_frames == 200 and report.spooled_frames > 0
    with other, alaw(other, **spool) as successor:
        put_silence(successor, 50)
        assert successor.stop(20).persisted_frames == report.spooled_frames + 50


def test_a_forked_process_needs_a_producer_of_its_own(local_kvs):
    producer = alaw(local_kvs)
    child = os.fork()
    if child == 0:
        try:
            put_silence(producer, 1)
        except kvs.ProducerClosedError:
            with alaw(local_kvs, name="child") as own:
                put_silence(own, 50)
                os._exit(0 if own.stop().complete else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert producer.stop().complete


def test_a_producer_that_was_not_stopped_warns(local_kvs):
    producer = alaw(local_kvs)
    with pytest.warns(ResourceWarning, match="not stopped"):
        del producer
