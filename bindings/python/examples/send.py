"""Sends a recording and writes an image of each second: python send.py FILE STREAM FOLDER"""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import av
import kvs

file, stream_name, folder = sys.argv[1:]
start = datetime.now(timezone.utc) - timedelta(minutes=10)

with av.open(file) as recording:
    tracks = [*recording.streams.video[:1], *recording.streams.audio[:1]]
    # A recording can wait: put_packet then waits while the buffer is full, and nothing is dropped.
    settings = {"create_stream": True, "start_at": start, "wait_when_full": True}
    with kvs.Producer(stream_name, *tracks, **settings) as producer:
        for packet in recording.demux(*tracks):
            producer.put_packet(packet)
        producer.put_event(notify=True, pairs={"file": Path(file).name})
        report = producer.stop(timeout=60)
print(f"{report.persisted_frames} of {report.submitted_frames} frames are persisted")

for image in kvs.images(stream_name, start, start + timedelta(seconds=10), sampling_interval=1000):
    if image.ok:
        Path(folder, f"{image.time:%H-%M-%S}.jpg").write_bytes(image.content)
    else:
        print(f"{image.time:%H:%M:%S}: {image.content}")
