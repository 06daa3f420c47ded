"""One producer, many threads."""

import threading
import time

from conftest import alaw, read_back

import kvs


def run(*calls, seconds=60):
    """Run calls in threads of their own, and raise the first error of one."""
    errors = []

    def guarded(call):
        try:
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.1, end - time.monotonic()))
    assert not any(thread.is_alive() for thread in threads), "a thread waits forever"
    if errors:
        raise errors[0]


def test_many_threads_put_frames_tags_and_read_events(local_kvs):
    """Three threads put 2,000 frames each, two read the events, one puts tags, one asks for statistics, and one ends fragments."""
    count, together = 2000, threading.Barrier(3)
    tracks = [kvs.Track("alaw", number=n, name=f"channel {n}") for n in (1, 2, 3)]
    producer = kvs.Producer("three", *tracks, create_stream=True, **local_kvs.connection)
    start, done, seen = time.time() - 60, threading.Event(), ([], [])

    def put(track):
        for n in range(count):
            # The tracks stay together, as those of one source do: the producer waits 5 s of media for a track that is late.
            if n % 50 == 0:
                together.wait(30)
            payload = bytes([track]) + n.to_bytes(4, "big") + b"\xd5" * 155
            producer.put_frame(payload, pts=start + n * 0.02, track=track)

    def read(events):
        for event in producer.events():
            events.append(event)

    def until_done(call):
        def loop():
            while not done.is_set():
                call()
                time.sleep(0.001)

        return loop

    def tag():
        try:
            producer.put_tag("camera", "north")
        except kvs.InvalidValueError:
            pass  # The fragment has nine tags already.

    def put_all_and_stop():
        try:
            run(*(lambda track=track: put(track) for track in (1, 2, 3)))
        finally:
            done.set()
            reports.append(producer.stop(30))

    reports = []
    others = [until_done(producer.stats), until_done(tag), until_done(producer.end_fragment)]
    run(put_all_and_stop, *others, lambda: read(seen[0]), lambda: read(seen[1]))

    assert reports[0].complete and reports[0].persisted_frames == 3 * count
    events = seen[0] + seen[1]
    # Each event was delivered once, to one of the readers.
    assert sum(event.frames for event in events if event.kind == "persisted") == 3 * count
    assert sum(event.kind == "finished" for event in events) == 1
    frames = [frame for fragment in read_back(local_kvs, "three") for frame in fragment.frames]
    for track in (1, 2, 3):
        numbers = [int.from_bytes(frame.data[1:5], "big") for frame in frames if frame.track == track]
        assert numbers == list(range(count)) and all(frame.data[0] == frame.track for frame in frames)


def test_one_thread_stops_while_others_put(local_kvs):
    producer, put, refused = alaw(local_kvs), [], []
    start, lock = time.time() - 60, threading.Lock()

    def keep_putting():
        while True:
            with lock:
                n = len(put)
                try:
                    producer.put_frame(b"\xd5" * 160, pts=start + n * 0.001)
                except kvs.ProducerClosedError:
                    refused.append(n)
                    return
                put.append(n)

    def stop():
        time.sleep(0.3)
        reports.append(producer.stop(20))

    reports = []
    run(keep_putting, keep_putting, stop)
    assert len(refused) == 2 and reports[0].complete and reports[0].persisted_frames == len(put) > 100


def test_many_producers_in_threads(local_kvs):
    """Ten streams at once, on the one thread of the package."""

    def send(name):
        with alaw(local_kvs, name=name) as producer:
            start = time.time() - 10
            for n in range(300):
                producer.put_frame(name.encode() * 10, pts=start + n * 0.02)
            assert producer.stop(30).persisted_frames == 300

    names = [f"stream-{n}" for n in range(10)]
    run(*(lambda name=name: send(name) for name in names))
    for name in names:
        frames = [frame for fragment in read_back(local_kvs, name) for frame in fragment.frames]
        assert len(frames) == 300 and all(frame.data == name.encode() * 10 for frame in frames)
