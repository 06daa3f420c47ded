import os
import subprocess
import sys
import threading
import time
from datetime import datetime

import pytest
from conftest import alaw, put_silence

import kvs

CLOSED = "producer finished"


class Broken:
    """A session whose credentials cannot be had."""

    region_name = "us-west-2"

    def get_credentials(self):
        return self

    def get_frozen_credentials(self):
        raise RuntimeError("the token server is down")


def test_a_setting_of_a_wrong_type_is_named(local_kvs):
    with pytest.raises(TypeError, match="^buffer_bytes: .*str"):
        alaw(local_kvs, buffer_bytes="much")
    with pytest.raises(TypeError, match="^channels: "):
        kvs.Producer("door", kvs.Track("alaw", channels=-1), **local_kvs.connection)


@pytest.mark.parametrize(
    ("put", "error", "words"),
    [
        (lambda p: p.put_frame("text", 1.0), TypeError, "bytes or a buffer, not str"),
        (lambda p: p.put_frame(5, 1.0), TypeError, "not int"),
        (lambda p: p.put_frame(None, 1.0), TypeError, "not NoneType"),
        (lambda p: p.put_frame(b"x", None), TypeError, "aware datetime"),
        (lambda p: p.put_frame(b"x", "now"), TypeError, "aware datetime"),
        (lambda p: p.put_frame(b"x", datetime(2026, 1, 1)), ValueError, "without a time zone"),
        (lambda p: p.put_frame(b"x", float("nan")), ValueError, "out of range"),
        (lambda p: p.put_frame(b"x", -1.0), ValueError, "out of range"),
        (lambda p: p.put_frame(b"x", time.time(), track=2), kvs.FrameRefusedError, "unknown track 2"),
        (lambda p: p.put_frame(b"x", time.time(), track=0), ValueError, "track number 0"),
        (lambda p: p.put_frame(b"", time.time()), kvs.FrameRefusedError, "without payload"),
        (lambda p: p.put_event(), ValueError, "needs image or notify"),
        (lambda p: p.put_tag("AWS_x", "1"), ValueError, "reserved"),
        (lambda p: p.put_tag("", "1"), ValueError, "tag"),
    ],
)
def test_a_wrong_argument_is_one_sentence(local_kvs, put, error, words):
    producer = alaw(local_kvs)
    try:
        with pytest.raises(error, match=words) as caught:
            put(producer)
        assert "\n" not in str(caught.value)
    finally:
        producer.stop()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"credentials": ("nobody", "wrong")}, kvs.AccessDeniedException),
        ({"credentials": ("kvs-local", "wrong")}, kvs.AccessDeniedException),
        ({"credentials": "key"}, TypeError),
        ({"endpoint_url": "not a url"}, kvs.InvalidValueError),
        ({"endpoint_url": "http://127.0.0.1:1", "open_timeout": 1.0}, kvs.TransportError),
        ({"create_stream": False}, kvs.ResourceNotFoundException),
        ({"buffer_bytes": 1}, kvs.InvalidValueError),
        ({"session": object(), "credentials": None}, TypeError),
        ({"session": Broken(), "credentials": None, "open_timeout": 1.0}, kvs.CredentialsError),
    ],
)
def test_a_wrong_setting_is_the_right_exception(local_kvs, change, error):
    with pytest.raises(error) as caught:
        alaw(local_kvs, **change)
    assert "\n" not in str(caught.value) and "wrong" not in str(caught.value)


def test_a_wrong_codec_is_refused(local_kvs):
    with pytest.raises(ValueError, match="unknown codec 'vp9'"):
        kvs.Producer("door", "vp9", **local_kvs.connection)
    with pytest.raises(ValueError, match="vp9"):
        kvs.Producer("door", kvs.Track("vp9"), **local_kvs.connection)
    with pytest.raises(ValueError, match="track"):
        kvs.Producer("door", **local_kvs.connection)
    with kvs.Producer("door", "h264", create_stream=True, **local_kvs.connection) as producer:
        with pytest.raises(kvs.FrameRefusedError, match="NAL units"):
            producer.put_frame(b"not a picture", time.time(), keyframe=True)


def test_a_stopped_producer_is_closed(local_kvs):
    producer = alaw(local_kvs)
    put_silence(producer, 50)
    assert producer.stop().complete and producer.stop().complete
    with pytest.raises(kvs.ProducerClosedError, match=CLOSED):
        put_silence(producer, 1)
    with pytest.raises(kvs.ProducerClosedError):
        producer.put_tag("a", "b")


def test_exceptions_have_the_response_of_boto3(local_kvs):
    with pytest.raises(kvs.KvsError) as caught:
        alaw(local_kvs, create_stream=False)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_other_threads_run_while_a_call_waits(local_kvs):
    producer = alaw(local_kvs)
    while producer.next_event(0.5) is not None:
        pass
    waiting = threading.Thread(target=producer.next_event, args=(1.0,))
    waiting.start()
    turns, end = 0, time.monotonic() + 0.5
    while time.monotonic() < end:
        turns += 1
    waiting.join()
    assert turns > 1000
    producer.stop()


def test_the_service_ends_when_python_is_killed():
    script = "import kvs, time; local = kvs.LocalKvs().start(); print(local._process.pid, local._folder, flush=True); time.sleep(60)"
    python = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid, folder = python.stdout.readline().split()
    python.kill()
    python.wait()
    end = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}")
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def test_a_service_that_does_not_start_says_why():
    with pytest.raises(kvs.KvsError, match="did not start: .*no-such-option"):
        kvs.LocalKvs(options=["--no-such-option"]).start()


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import metadata

    about = metadata("kvs-video")
    assert kvs.__version__ == about["Version"]
    assert about["Requires-Python"] == ">=3.9" and "Typing :: Typed" in about.get_all("Classifier")


def test_every_public_name_has_a_documentation():
    for name in kvs.__all__:
        assert (getattr(kvs, name).__doc__ or "").strip(), name
