"""Ctrl-C ends each call that waits, and Python goes on."""

import json
import os
import signal
import socket
import threading
import time
from contextlib import contextmanager

import pytest
from conftest import alaw, put_silence

import kvs

#: Far longer than a test may take.
LONG = 60.0


@contextmanager
def misbehaving(tmp_path, operation, **fault):
    """A service that does not answer in time."""
    script = tmp_path / "faults.json"
    script.write_text(json.dumps([{"on": operation, "do": fault}]))
    with kvs.LocalKvs(options=["--faults", str(script)]) as local:
        yield local
        # At its end it would wait for the requests that it delays.
        local._process.kill()


def interrupted(call):
    """Assert that Ctrl-C half a second after its begin ends a call at once."""
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
        took = time.monotonic() - began
    finally:
        timer.cancel()
        timer.join()
    assert 0.4 < took < 2.0, f"{took:.2f} s"


@pytest.mark.parametrize("timeout", [None, LONG])
def test_next_event(local_kvs, timeout):
    producer = alaw(local_kvs)
    while producer.next_event(1) is not None:
        pass
    interrupted(lambda: producer.next_event(timeout))
    put_silence(producer, 50)
    assert producer.stop().complete


def test_the_iterator_of_events(local_kvs):
    producer = alaw(local_kvs)
    interrupted(lambda: list(producer.events()))
    assert producer.stop().complete


@pytest.mark.parametrize("timeout", [None, LONG])
def test_put_frame_with_a_full_buffer(tmp_path, timeout):
    with misbehaving(tmp_path, "putMedia", stall_after={"bytes": 1000, "ms": 600_000}) as local:
        producer, put = alaw(local, buffer_bytes=64 << 10, wait_when_full=True), []

        def fill():
            for n in range(10_000):
                producer.put_frame(b"\xd5" * 4000, 1700000000 + n * 0.5, timeout=timeout)
                put.append(n)

        interrupted(fill)
        # The frame whose wait was interrupted was not put.
        assert 0 < len(put) == producer.stats()["submitted_frames"] < 100
        producer.stop(0)


def test_stop(tmp_path):
    with misbehaving(tmp_path, "putMedia", lose_acks={"event": "PERSISTED"}) as local:
        producer = alaw(local)
        put_silence(producer, 50)
        interrupted(lambda: producer.stop(LONG))
        # The stop goes on, and may be waited for again.
        report = producer.stop(0.5)
        assert report.submitted_frames == 50 == report.persisted_frames + report.lost_frames


def test_opening(local_kvs):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        interrupted(lambda: alaw(local_kvs, endpoint_url=url, open_timeout=LONG))


def test_images(tmp_path):
    with misbehaving(tmp_path, "getImages", delay={"ms": 600_000}) as local:
        local.client().create_stream(StreamName="door", DataRetentionInHours=1)
        images = kvs.images("door", 1700000000, 1700000010, **local.connection)
        interrupted(lambda: next(images))


def test_the_end_of_a_block(tmp_path):
    def block(local):
        with alaw(local, stop_timeout=LONG) as producer:
            put_silence(producer, 50)

    with misbehaving(tmp_path, "putMedia", lose_acks={"event": "PERSISTED"}) as local:
        interrupted(lambda: block(local))
