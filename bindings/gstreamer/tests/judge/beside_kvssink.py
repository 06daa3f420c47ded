#!/usr/bin/python3
"""Sends the same lines with our element and with AWS's kvssink, and prints what each lost.

    beside_kvssink.py KVS_LOCAL OURS KVSSINK [--only WORD] [--keep FOLDER]

KVS_LOCAL is the program. OURS and KVSSINK are folders with one plugin each that registers the element `kvssink`: ours is built with the
feature `kvssink`, theirs with -DBUILD_GSTREAMER_PLUGIN=ON. Each line runs in a process of its own (one_line.py), and what the service has
is read back by boto3 and PyAV (frames_back.py, in the Python of KVS_PYTHON).

A frame is lost if its bytes entered the element and are not stored, "twice" if they are stored once more than they entered, and one of
the "others" if they never entered. Lines with start codes compare decoded pictures.
"""
import argparse
import collections
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).parent
PYTHON = os.environ.get("KVS_PYTHON", "python3")
VIDEO = "video/x-raw,format=I420,width=320,height=240,framerate=25/1"
LIVE = f"videotestsrc is-live=true num-buffers={{}} ! {VIDEO} ! x264enc tune=zerolatency bframes=0 key-int-max=50 ! h264parse"
FILE = f"videotestsrc num-buffers={{}} ! {VIDEO} ! x264enc bframes=0 key-int-max=50 ! h264parse"
AVC = "video/x-h264,stream-format=avc,alignment=au"
SOUND = "audiotestsrc is-live=true num-buffers={} samplesperbuffer=1024 ! audio/x-raw,rate=44100,channels=1 ! audioconvert"
AAC = "avenc_aac ! aacparse ! audio/mpeg,stream-format=raw ! queue"
H265 = f"videotestsrc is-live=true num-buffers=250 ! {VIDEO} ! x265enc speed-preset=ultrafast tune=zerolatency key-int-max=50 ! h265parse"
SINK = "kvssink name=sink stream-name={stream}"

# What, line, and how: the action of one_line.py, what happens to the service, or what is compared.
Line = collections.namedtuple("Line", "what line action service compared", defaults=("", "", "frames"))
LINES = [
    Line("no B-frames, live", f"{LIVE.format(250)} ! {AVC} ! {SINK}"),
    Line("each frame a key frame, live", f"{LIVE.format(250).replace('key-int-max=50', 'key-int-max=1')} ! {AVC} ! {SINK}"),
    Line("B-frames, live", f"{LIVE.format(250).replace('tune=zerolatency bframes=0', 'bframes=3 b-adapt=false')} ! {AVC} ! {SINK}"),
    Line("B-frames, not live", f"{FILE.format(250).replace('bframes=0', 'bframes=3 b-adapt=false')} ! {AVC} ! {SINK}"),
    Line("A-law alone", f"{SOUND.format(240).replace('44100', '8000')} ! alawenc ! {SINK}"),
    Line("AAC alone", f"{SOUND.format(430)} ! {AAC} ! {SINK}"),
    Line("video and AAC", f"{LIVE.format(250)} ! {AVC} ! {SINK} {SOUND.format(430)} ! {AAC} ! sink."),
    Line("the AAC ends after 2 s of 10", f"{LIVE.format(250)} ! {AVC} ! queue ! {SINK} {SOUND.format(86)} ! {AAC} ! sink."),
    Line("the video ends after 2 s of 10", f"{LIVE.format(50)} ! {AVC} ! queue ! {SINK} {SOUND.format(430)} ! {AAC} ! sink."),
    Line("end right after 30 frames, not live", f"{FILE.format(30)} ! {AVC} ! {SINK}"),
    Line("one frame", f"{FILE.format(1)} ! {AVC} ! {SINK}"),
    Line(
        "MP4 with AAC, offline",
        "filesrc location={mp4} ! qtdemux name=demux ! queue ! h264parse ! video/x-h264,stream-format=avc,alignment=au ! "
        f"{SINK} streaming-type=offline demux. ! queue ! aacparse ! sink.",
    ),
    Line("MP4 with AAC, realtime", "filesrc location={mp4} ! qtdemux name=demux ! queue ! h264parse ! "
         f"video/x-h264,stream-format=avc,alignment=au ! {SINK} demux. ! queue ! aacparse ! sink."),
    Line(
        "other size in mid-stream, live",
        f"concat name=c ! {AVC} ! {SINK} {LIVE.format(125)} ! {AVC} ! c. {LIVE.format(125).replace('width=320', 'width=640')} ! {AVC} ! c.",
    ),
    Line("flushing seek to the start", f"filesrc location={{mp4}} ! qtdemux ! h264parse ! {AVC} ! identity sync=true ! {SINK}", action="seek"),
    Line(
        "flushing seek to the start, video and AAC",
        f"filesrc location={{mp4}} ! qtdemux name=demux ! queue ! h264parse ! {AVC} ! identity sync=true ! {SINK} "
        "demux. ! queue ! aacparse ! identity sync=true ! sink.",
        action="seek",
    ),
    Line("pause of 2 s, live", f"{LIVE.format(250)} ! {AVC} ! {SINK}", action="pause"),
    Line("H.264 byte-stream", f"{LIVE.format(250)} ! video/x-h264,stream-format=byte-stream,alignment=au ! {SINK}", compared="pictures"),
    Line("H.265 hvc1", f"{H265} ! video/x-h265,stream-format=hvc1,alignment=au ! {SINK}"),
    Line("H.265 hev1", f"{H265} ! video/x-h265,stream-format=hev1,alignment=au ! {SINK}"),
    Line("H.265 byte-stream", f"{H265} ! video/x-h265,stream-format=byte-stream,alignment=au ! {SINK}", compared="pictures"),
    Line("network dead for 10 s of 25, live", f"{LIVE.format(625)} ! {AVC} ! {SINK}", service="stop"),
    Line("service killed, back after 3 s, live", f"{LIVE.format(500)} ! {AVC} ! {SINK}", service="kill"),
]
# How long a line may take, its drain included.
LIMIT = 75


class Service:
    """kvs-local, whose process can be stopped and replaced."""

    def __init__(self, program, folder):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        self.command = [program, "--listen", self.address, "--one-port", "--data-dir", str(folder), "--stop-at-eof"]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.process.stdout.readline()
        self.process.stdout.readline()

    def end(self):
        self.process.kill()
        self.process.wait()

    def disturb(self, how):
        time.sleep(8)
        if how == "stop":
            self.process.send_signal(signal.SIGSTOP)
            time.sleep(10)
            self.process.send_signal(signal.SIGCONT)
        else:
            self.end()
            time.sleep(3)
            self.start()


def run(line, text, plugin, service, folder):
    """The output of one_line.py, and what it says about its end."""
    environment = dict(
        os.environ, GST_PLUGIN_PATH=plugin, LD_LIBRARY_PATH=plugin, GST_REGISTRY=str(folder / "registry"),
        CONTROL_PLANE_URI=f"http://{service.address}", AWS_ACCESS_KEY_ID="kvs-local", AWS_SECRET_ACCESS_KEY="kvs-local-secret",
        AWS_DEFAULT_REGION="us-west-2",
    )
    disturbed = threading.Thread(target=service.disturb, args=[line.service]) if line.service else None
    if disturbed:
        disturbed.start()
    command = ["/usr/bin/python3", HERE / "one_line.py", text, str(LIMIT), folder, line.action]
    with open(folder / "log", "wb") as log:
        child = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        try:
            child.wait(LIMIT + 30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if disturbed:
        disturbed.join()
    words = [one.split(" ", 1) for one in (folder / "report").read_text().splitlines()]
    ends = [one[1] for one in words if one[0] == "end"]
    end = ends[0] if ends else "no word"
    if child.returncode:
        end += f", process ended by {child.returncode}" if ["stopped"] not in words else ""
    return [one[1].split() for one in words if one[0] == "in"], end


def back(*arguments):
    script = [PYTHON, HERE / "frames_back.py", *arguments]
    done = subprocess.run(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    if done.returncode:
        sys.exit(done.stderr)
    rows = [row.split() for row in done.stdout.splitlines()]
    return [row[2] for row in rows if row[0] == "back"], [row[1] for row in rows if row[0] == "picture"]


def count(sent, stored):
    """Sent, lost, stored twice, and stored but never sent."""
    sent, stored = collections.Counter(sent), collections.Counter(stored)
    strange = {digest: number for digest, number in stored.items() if digest not in sent}
    twice = stored - sent
    return sent.total(), (sent - stored).total(), twice.total() - sum(strange.values()), sum(strange.values())


def judge(line, plugin, service, folder, stream, names):
    sent, end = run(line, line.line.format(stream=stream, **names), plugin, service, folder)
    frames, pictures = back(f"http://{service.address}", stream)
    if line.compared == "pictures":
        expected = back("-", "-", str(folder / "copy"))[1] if sent else []
        return count(expected, pictures), end
    return count([row[1] for row in sent], frames), end


def cells(result):
    (sent, lost, twice, strange), end = result
    text = f"{lost} of {sent}" + (f", {twice} twice" if twice else "") + (f", {strange} others" if strange else "")
    return f"{text} | {end}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kvs_local")
    parser.add_argument("plugins", nargs="+")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", default="")
    options = parser.parse_args()
    root = pathlib.Path(options.keep or tempfile.mkdtemp())
    mp4 = root / "clip.mp4"
    root.mkdir(exist_ok=True, parents=True)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=10", "-f", "lavfi", "-i", "sine=d=10", "-c:v", "libx264",
         "-pix_fmt", "yuv420p", "-bf", "0", "-g", "50", "-c:a", "aac", str(mp4)], check=True)
    names = [pathlib.Path(plugin).name for plugin in options.plugins]
    print("| Line | " + " | ".join(f"{name}: lost | ended" for name in names) + " |")
    print("|---|" + "---|---|" * len(options.plugins), flush=True)
    for at, line in enumerate(LINES):
        if options.only not in line.what:
            continue
        row = []
        for number, plugin in enumerate(options.plugins):
            folder = root / f"{at}-{number}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            service = Service(options.kvs_local, folder / "data")
            try:
                row.append(cells(judge(line, plugin, service, folder, f"line-{at}", {"mp4": mp4})))
            finally:
                service.end()
        print(f"| {line.what} | " + " | ".join(row) + " |", flush=True)


main()
