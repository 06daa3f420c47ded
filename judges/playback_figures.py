"""Measures playback of a running kvs-local: a playlist of 1,000 fragments, and media fragments of 2 MB.

Arguments: PID ENDPOINT ACCESS_KEY SECRET_KEY REGION. Processor time is that of the process PID, of many requests, so that the client is
not counted.
"""

import http.client
import os
import pathlib
import sys
import time
import urllib.parse

PID = sys.argv.pop(1)
sys.argv.append("unused")
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "kvs-local" / "tests" / "boto3"))

import playback
from suite import ARCHIVED, CONTROL, delete_if_exists

NAME = "figures"
LATER = playback.START + 10_000_000


def processor_seconds():
    fields = pathlib.Path(f"/proc/{PID}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def session(start, end):
    selector = {"FragmentSelectorType": "PRODUCER_TIMESTAMP",
                "TimestampRange": {"StartTimestamp": start / 1000, "EndTimestamp": end / 1000}}
    return urllib.parse.urlsplit(ARCHIVED.get_hls_streaming_session_url(
        StreamName=NAME, PlaybackMode="ON_DEMAND", HLSFragmentSelector=selector)["HLSStreamingSessionURL"])


def get(connection, path):
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, (response.status, body)
    return body


def measured(requests):
    """Returns the bytes, processor time and wall time of requests."""
    processor, wall = processor_seconds(), time.monotonic()
    size = sum(len(request()) for request in requests)
    return size, processor_seconds() - processor, time.monotonic() - wall


delete_if_exists(NAME)
CONTROL.create_stream(StreamName=NAME, DataRetentionInHours=24)
video = ("-c:v", "libx264", "-preset", "ultrafast", "-g", str(playback.FPS), "-x264-params", "scenecut=0")
hundred = playback.recording(video=video, seconds=100)
for part in range(10):
    playback.put(NAME, hundred, playback.START + part * 100_000)
noise = playback.run(
    "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "nullsrc=s=1280x720:r=25:d=8,geq=random(1)*255:128:128", "-c:v", "libx264",
    "-preset", "ultrafast", "-g", "50", "-b:v", "8M", "-maxrate", "8M", "-bufsize", "8M", "-pix_fmt", "yuv420p", "-f", "matroska",
    "-cluster_time_limit", "30000", "-cluster_size_limit", "100M", "-live", "1", "-")
playback.put(NAME, noise, LATER)

url = session(playback.START, LATER - 1000)
connection = http.client.HTTPConnection(url.netloc)
playlist = f"/hls/v1/getHLSMediaPlaylist.m3u8?{url.query}&TrackNumber=1"
fragments = get(connection, playlist).count(b"#EXTINF")
size, processor, wall = measured([lambda: get(connection, playlist)] * 300)
print(f"playlist of {fragments} fragments, {size // 300} bytes: {processor / 300 * 1000:.2f} ms processor, {wall / 300 * 1000:.2f} ms wall")

url = session(LATER, LATER + 60_000)
text = get(connection, f"/hls/v1/getHLSMediaPlaylist.m3u8?{url.query}&TrackNumber=1").decode()
media = ["/hls/v1/" + line for line in text.splitlines() if line.startswith("getMP4MediaFragment")]
size, processor, wall = measured([lambda at=at: get(connection, media[at % len(media)]) for at in range(200)])
print(f"media fragments of {size / 200 / 1e6:.2f} MB: {size / processor / 1e9:.2f} GB/s of processor time, {wall / 200 * 1000:.2f} ms wall")
