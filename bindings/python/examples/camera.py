"""Encodes pictures and sends them, with an image for each motion: python camera.py STREAM"""

import io
import sys
import threading
import time

import av
import numpy
import kvs

RATE = 25


def pictures():
    """Five seconds of a camera; take yours from OpenCV, picamera2 or a detector."""
    for n in range(5 * RATE):
        picture = numpy.zeros((240, 320, 3), dtype=numpy.uint8)
        picture[:, n : n + 40] = (0, 200, 0)
        yield picture, n == 60
        time.sleep(1 / RATE)


def watch(producer):
    """Acks and losses come as events; a thread of its own waits for them."""
    for event in producer.events():
        if event.kind in ("lost", "rejected", "retrying", "halted"):
            print(event.message, file=sys.stderr)


encoder = av.open(io.BytesIO(), "w", format="matroska").add_stream("libx264", rate=RATE)
encoder.width, encoder.height, encoder.pix_fmt = 320, 240, "yuv420p"
# A fragment begins at each key frame: one a second, and no B-frames, which would delay.
encoder.options = {"g": str(RATE), "bf": "0", "tune": "zerolatency"}

with kvs.Producer(sys.argv[1], encoder, create_stream=True, start_at="now", image_every=60.0) as producer:
    threading.Thread(target=watch, args=(producer,), daemon=True).start()
    for n, (picture, moves) in enumerate(pictures()):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = n
        for packet in encoder.encode(frame):
            producer.put_packet(packet)
        if moves:
            producer.put_event(image="motion", notify=True, pairs={"camera": "yard"})
    for packet in encoder.encode(None):
        producer.put_packet(packet)
    report = producer.stop()
print(f"{report.persisted_frames} of {report.submitted_frames} frames are persisted")
