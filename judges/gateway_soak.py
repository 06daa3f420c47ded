"""Runs `kvs gateway` with many RTSP cameras against kvs-local, breaks what can break, and counts every frame.

    cargo build --release -p kvs-cli -p kvs-local --features kvs-local/cli
    python3 judges/gateway_soak.py --cameras 50 --seconds 600
    python3 judges/gateway_soak.py --cameras 8 --seconds 3600 --camera-kills 120 --service-kills 300 --link-resets 30
    python3 judges/gateway_soak.py --cameras 1 --mbit 4 --seconds 60 --tls --put
    python3 judges/gateway_soak.py --cameras 1 --mbit 4 --seconds 60 --gstreamer
    python3 judges/gateway_soak.py --cameras 4 --seconds 100 --camera-kills 8 --camera-away 5

The cameras and the link are this script's: an RTSP server over TCP, and a proxy in front of the service. Each frame carries a stamp
with its camera, number and time. Checked are, camera by camera: every frame that the gateway says it has received is in a file of
kvs-local, and each session is stored without a hole. Needs ffmpeg, with --gstreamer gst-launch-1.0, and nothing beside the standard
library.
"""

import argparse
import asyncio
import atexit
import json
import os
import random
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

MAGIC = b"KVSGATEWAYSTAMP1"
STAMP = re.compile(MAGIC + rb"c(\d{3})n(\d{9})t(\d{17})")
STAMP_BYTES = len(MAGIC) + 1 + 3 + 1 + 9 + 1 + 17
RTP_BYTES = 1400


def pictures(gop):
    """One group of pictures as lists of NAL units, and the parameter sets."""
    stream = subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25", "-frames:v", str(gop), "-c:v", "libx264",
         "-pix_fmt", "yuv420p", "-profile:v", "baseline", "-preset", "ultrafast", "-crf", "40", "-g", str(gop), "-sc_threshold", "0", "-f", "h264", "-"],
        check=True, capture_output=True).stdout
    sets, frames = [], []
    for unit in filter(None, (unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1"))):
        kind = unit[0] & 31
        if kind in (7, 8) and unit not in sets:
            sets.append(unit)
        elif kind in (1, 5):
            frames.append([unit])
    return sets, frames


class Media:
    """Frames of a size, each with its stamp."""

    def __init__(self, arguments):
        self.fps, self.gop = arguments.fps, arguments.gop
        self.sets, self.frames = pictures(self.gop)
        self.bytes = int(arguments.mbit * 1e6 / 8 / self.fps)

    def units(self, camera, number):
        slices = self.frames[number % self.gop]
        text = MAGIC + b"c%03dn%09dt%017d" % (camera, number, time.time_ns() // 1000)
        text += b"A" * max(0, self.bytes - sum(map(len, slices)) - len(text) - 30)
        stamp = b"\6\5" + b"\xff" * (len(text) // 255) + bytes([len(text) % 255]) + text + b"\x80"
        return (self.sets if number % self.gop == 0 else []) + [stamp] + slices

    def is_key(self, number):
        return number % self.gop == 0


def packets(units, sequence, rtp_time):
    """RTP packets of an access unit, interleaved on channel 0."""
    payloads = []
    for unit in units:
        if len(unit) <= RTP_BYTES:
            payloads.append(unit)
            continue
        head, kind, rest = unit[0] & 0xE0 | 28, unit[0] & 31, unit[1:]
        for at in range(0, len(rest), RTP_BYTES - 2):
            last = at + RTP_BYTES - 2 >= len(rest)
            flags = (0x80 if at == 0 else 0) | (0x40 if last else 0)
            payloads.append(bytes([head, flags | kind]) + rest[at:at + RTP_BYTES - 2])
    out = bytearray()
    for at, payload in enumerate(payloads):
        marker = 0x80 if at == len(payloads) - 1 else 0
        out += struct.pack(">cBHBBHII", b"$", 0, len(payload) + 12, 0x80, marker | 96, (sequence + at) & 0xFFFF, rtp_time & 0xFFFFFFFF, 7)
        out += payload
    return bytes(out), len(payloads)


class Cameras:
    """An RTSP server with a path for each camera: /0, /1 and so on."""

    def __init__(self, media, count):
        self.media, self.count = media, count
        self.sessions = [[] for _ in range(count)]  # of each camera: [first number, number behind the last]
        self.next = [0] * count
        self.writers = {}
        self.back = {}  # of a camera that was away: when it answers again
        self.begun = {}  # of the first frame behind an absence: when the camera was back, and when it was asked

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    def kill(self, camera, away):
        """Ends a session as a power failure does; the camera refuses connections for some seconds."""
        if away:
            self.back[camera] = time.time() + away
        for writer in [writer for writer, of in self.writers.items() if of == camera]:
            writer.transport.abort()

    async def serve(self, reader, writer):
        sending, asked = None, time.time()
        try:
            while True:
                head = await request(reader)
                method, url = head.split()[:2]
                camera = int(re.search(r"/(\d+)/?(t|$)", url).group(1))
                if self.back.get(camera, 0) > time.time():
                    writer.transport.abort()
                    break
                cseq = re.search(r"CSeq: *(\d+)", head).group(1)
                more, body = "Session: 7;timeout=60\r\n", ""
                if method == "DESCRIBE":
                    sets = ",".join(base64(unit) for unit in self.media.sets)
                    body = ("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=soak\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n"
                            f"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\na=control:t\r\n")
                    more = f"Content-Type: application/sdp\r\nContent-Base: {url}/\r\nContent-Length: {len(body)}\r\n"
                elif method == "OPTIONS":
                    more += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
                elif method == "SETUP":
                    more += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
                writer.write(f"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{more}\r\n{body}".encode())
                if method == "PLAY":
                    self.writers[writer] = camera
                    sending = asyncio.ensure_future(self.play(camera, writer, asked))
                if method == "TEARDOWN":
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.writers.pop(writer, None)
            if sending:
                sending.cancel()
            writer.close()

    async def play(self, camera, writer, asked):
        media = self.media
        number = -(-self.next[camera] // media.gop) * media.gop
        session = [number, number]
        self.sessions[camera].append(session)
        if camera in self.back:
            self.begun[camera, number] = (self.back.pop(camera), asked)
        begun, first, sequence = time.monotonic(), number, random.randrange(65536)
        base = random.randrange(1 << 32)
        while True:
            data, count = packets(media.units(camera, number), sequence, base + (number - first) * 90000 // media.fps)
            writer.write(data)
            await writer.drain()
            sequence += count
            number += 1
            session[1] = self.next[camera] = number
            await asyncio.sleep(max(0, begun + (number - first) / media.fps - time.monotonic()))


async def request(reader):
    """The next request; RTCP packets of the client before it are left out."""
    while (first := await reader.readexactly(1)) == b"$":
        head = await reader.readexactly(3)
        await reader.readexactly(int.from_bytes(head[1:], "big"))
    return (first + await reader.readuntil(b"\r\n\r\n")).decode()


def base64(data):
    import base64 as codec
    return codec.b64encode(data).decode()


class Link:
    """A proxy in front of the service, which notes when each stamp is first on the wire and resets connections."""

    def __init__(self, port, resets, begun):
        self.to, self.resets, self.latencies, self.reset_count, self.seen = port, resets, [], 0, set()
        self.begun, self.returns = begun, []

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            up, down = await asyncio.open_connection("127.0.0.1", self.to)
        except ConnectionError:
            writer.transport.abort()
            return
        tasks = [asyncio.ensure_future(self.pump(reader, down, True)), asyncio.ensure_future(self.pump(up, writer, False))]
        age = random.expovariate(1 / self.resets) if self.resets else None
        try:
            done, _ = await asyncio.wait(tasks, timeout=age, return_when=asyncio.ALL_COMPLETED)
            self.reset_count += len(done) < 2
        except asyncio.CancelledError:
            pass
        for task in tasks:
            task.cancel()
        writer.transport.abort()
        down.transport.abort()

    async def pump(self, reader, writer, is_media):
        tail = b""
        try:
            while data := await reader.read(65536):
                if is_media:
                    self.note(tail + data)
                    tail = data[-STAMP_BYTES + 1:]
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except (ConnectionError, OSError, RuntimeError):
            pass

    def note(self, data):
        now = time.time_ns() // 1000
        for camera, number, sent in STAMP.findall(data):
            key = (camera, number)
            if key not in self.seen:
                self.seen.add(key)
                self.latencies.append((now - int(sent)) / 1000)
                if times := self.begun.pop((int(camera), int(number)), None):
                    self.returns.append([now / 1e6 - one for one in times])


class Program:
    """A process with its processor time and memory."""

    def __init__(self, arguments, environment=None, stdin=None, stdout=subprocess.PIPE):
        # The service logs each reset that this script makes.
        self.process = subprocess.Popen(arguments, env=environment, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL,
                                        text=stdin is None)
        # Whatever ends this script ends its programs too.
        atexit.register(self.process.kill)

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, name="VmRSS"):
        return int(re.search(name + r":\s*(\d+)", open(f"/proc/{self.process.pid}/status").read()).group(1))


class Service:
    """kvs-local on one port, which can be killed and started again."""

    def __init__(self, arguments, folder):
        self.arguments, self.folder, self.port, self.kills = arguments, folder, 0, 0

    def start(self):
        command = [self.arguments.kvs_local, "--listen", f"127.0.0.1:{self.port}", "--one-port", "--data-dir", self.folder]
        self.program = Program(command + (["--tls"] if self.arguments.tls else []))
        while "listening" not in (line := self.program.process.stdout.readline()):
            if not line:
                sys.exit("kvs-local did not start")
        self.port = int(re.search(r":(\d+)\s*$", line).group(1))

    def kill(self):
        self.kills += 1
        self.program.process.kill()
        self.program.process.wait()


def health(address):
    with urllib.request.urlopen(f"http://{address}/health", timeout=60) as answer:
        return json.load(answer)


async def breaks(mean, action):
    """Does something at random times."""
    while mean:
        await asyncio.sleep(random.expovariate(1 / mean))
        await action()


def stored(folder):
    """The numbers of the frames of each camera in the files of the service."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(parent, name), "rb") as file:
                for camera, number, _ in STAMP.findall(file.read()):
                    found.setdefault(int(camera), set()).add(int(number))
    return found


async def run(arguments):
    random.seed(arguments.seed)
    folder = tempfile.mkdtemp(prefix="gateway_soak_")
    media = Media(arguments)
    cameras = Cameras(media, arguments.cameras + arguments.gstreamer)
    await cameras.start()
    service = Service(arguments, os.path.join(folder, "service"))
    service.start()
    link = Link(service.port, arguments.link_resets, cameras.begun)
    await link.start()
    # TLS hides the stamps, and its certificate names the service's own address.
    endpoint = f"https://127.0.0.1:{service.port}" if arguments.tls else f"http://127.0.0.1:{link.port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    if arguments.tls:
        environment["AWS_CA_BUNDLE"] = os.path.join(service.folder, "ca.pem")
    config = os.path.join(folder, "cameras.toml")
    with open(config, "w") as file:
        file.write(f'[gateway]\nlisten = "127.0.0.1:0"\nmemory = "{arguments.memory}"\n[aws]\nendpoint = "{endpoint}"\n')
        for camera in range(arguments.cameras):
            file.write(f'[camera.c{camera}]\nurl = "rtsp://127.0.0.1:{cameras.port}/{camera}"\nstream = "c{camera}"\n')
    log = open(os.path.join(folder, "log"), "w+")
    gateway = Program([arguments.kvs, "gateway", "--config", config, "--log-format", "json"], environment, stdout=log)
    begun, address = time.monotonic(), None
    while address is None:
        await asyncio.sleep(0.1)
        started = re.search(r'"listen":"([^"]+)"', open(log.name).read())
        address = started and started.group(1)
        if gateway.process.poll() is not None:
            sys.exit("the gateway did not start")

    async def kill_camera():
        cameras.kill(random.randrange(arguments.cameras), arguments.camera_away)

    async def kill_service():
        service.kill()
        await asyncio.sleep(random.uniform(0.5, 5))
        service.start()

    troubles = [asyncio.ensure_future(breaks(arguments.camera_kills, kill_camera)),
                asyncio.ensure_future(breaks(arguments.service_kills, kill_service))]
    piped = asyncio.ensure_future(put(arguments, media, endpoint, environment)) if arguments.put else None
    beside_it = GStreamer(cameras, folder) if arguments.gstreamer else None
    print("| s | RSS kB | buffers kB | CPU s | received | persisted | lost |\n|---|---|---|---|---|---|---|", flush=True)
    warm, beside, filled, answers = None, [], [], []
    while (elapsed := time.monotonic() - begun) < arguments.seconds:
        await asyncio.sleep(min(arguments.every, arguments.seconds - elapsed))
        asked = time.monotonic()
        now = await asyncio.to_thread(health, address)
        answers.append(1000 * (time.monotonic() - asked))
        total = lambda key: sum(camera[key] for camera in now["cameras"])
        row = (gateway.memory(), total("buffer_bytes") // 1000, gateway.cpu())
        beside.append(row[0] - row[1])
        filled.append(row[1])
        print(f"| {time.monotonic() - begun:.0f} | {row[0]} | {row[1]} | {row[2]:.2f} | {total('received_frames')} | "
              f"{total('persisted_frames')} | {total('lost_frames')} |", flush=True)
        if warm is None:
            warm = (time.monotonic(), row)
            if beside_it:
                beside_it.begin()
    for trouble in troubles:
        trouble.cancel()
    await asyncio.sleep(0)
    if service.program.process.poll() is not None:
        service.start()
    seconds, cpu = time.monotonic() - warm[0], gateway.cpu() - warm[1][2]
    if beside_it:
        gstreamer = beside_it.end()
    figures = {"cpu_percent_of_a_core": round(100 * cpu / seconds, 1) if seconds > 1 else None,
               "rss_peak_kb": gateway.memory("VmHWM"), "rss_growth_kb": gateway.memory() - warm[1][0],
               "rss_beside_buffers_kb_p50": round(statistics.median(beside)),
               "buffers_peak_kb": max(filled), "health_ms_p50": round(statistics.median(answers), 1),
               "health_ms_max": round(max(answers), 1)}
    last = await asyncio.to_thread(health, address)
    gateway.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(gateway.process.wait)
    figures |= {"exit_code": gateway.process.returncode, "camera_sessions": sum(map(len, cameras.sessions)),
                "service_kills": service.kills, "link_resets": link.reset_count}
    if link.latencies:
        figures["on_the_wire_ms_p50"] = round(statistics.median(link.latencies), 1)
        figures["on_the_wire_ms_p99"] = round(statistics.quantiles(link.latencies, n=100)[98], 1)
    if link.returns:
        figures["returns"] = len(link.returns)
        # From the gateway's connection on, the back-off is over.
        for name, seconds in zip(("back_to_wire_s", "asked_to_wire_s"), zip(*link.returns)):
            figures |= {f"{name}_p50": round(statistics.median(seconds), 2), f"{name}_max": round(max(seconds), 2)}
    if piped:
        figures["put_cpu_s_per_minute"] = await piped
        figures["gateway_cpu_s_per_minute"] = round(60 * cpu / seconds, 2)
    if beside_it:
        figures |= gstreamer | {"gateway_cpu_s_per_minute": round(60 * cpu / seconds, 2)}
    faults = check(arguments.cameras, cameras, last, stored(service.folder), open(log.name).read())
    service.kill()
    server = [cameras.server, link.server]
    for one in server:
        one.close()
    print(json.dumps(figures))
    for fault in faults:
        print("FAULT:", fault)
    if faults:
        print("kept:", folder)
        sys.exit(1)
    shutil.rmtree(folder)


def check(count, cameras, last, found, log):
    """What is missing, although it was received and not reported lost."""
    faults, lines = [], [json.loads(line) for line in log.splitlines()]
    for camera in range(count):
        name, numbers = f"c{camera}", found.get(camera, set())
        ended = [line for line in lines if line.get("camera") == name and line["event"] == "stopped"]
        if not ended:
            faults.append(f"{name} did not stop in order")
            continue
        lost = sum(line["frames"] for line in lines if line.get("camera") == name and line["event"] == "loss")
        persisted = ended[-1]["persisted_frames"]
        received = [one["received_frames"] for one in last["cameras"] if one["camera"] == name][0]
        if ended[-1]["lost_frames"] != lost:
            faults.append(f"{name}: {ended[-1]['lost_frames']} frames are lost, {lost} were told")
        if len(numbers) < persisted or persisted + lost < received:
            faults.append(f"{name}: {received} received, {persisted} persisted, {lost} lost, {len(numbers)} stored")
        for first, behind in cameras.sessions[camera]:
            stored_here = [number for number in range(first, behind) if number in numbers]
            # The end of a session that was reset may not have arrived; what is before the end must be there.
            if not lost and stored_here and stored_here != list(range(stored_here[0], stored_here[-1] + 1)):
                faults.append(f"{name}: a hole in the session from {first} to {behind}")
    return faults


class GStreamer:
    """A pipeline that writes one more camera into a file, over TCP and without waiting for late packets."""

    def __init__(self, cameras, folder):
        url, self.file = f"rtsp://127.0.0.1:{cameras.port}/{cameras.count - 1}", os.path.join(folder, "gstreamer.mkv")
        line = (f"rtspsrc location={url} protocols=tcp latency=0 ! rtph264depay ! h264parse ! matroskamux streamable=true "
                f"! filesink location={self.file}")
        self.program = Program(["gst-launch-1.0", "-q", "-e"] + line.split())

    def begin(self):
        self.begun, self.cpu, self.written = time.monotonic(), self.program.cpu(), os.path.getsize(self.file)

    def end(self):
        """Its processor seconds per minute. A pipeline that has written nothing is a fault."""
        seconds, cpu = time.monotonic() - self.begun, self.program.cpu() - self.cpu
        figures = {"gstreamer_cpu_s_per_minute": round(60 * cpu / seconds, 2), "gstreamer_rss_kb": self.program.memory(),
                   "gstreamer_mbit": round((os.path.getsize(self.file) - self.written) * 8 / 1e6 / seconds, 2)}
        self.program.process.kill()
        self.program.process.wait()
        return figures


async def put(arguments, media, endpoint, environment):
    """Sends the same media by `kvs put` from a pipe; returns its processor seconds per minute."""
    program = Program([arguments.kvs, "put", "piped", "-", "--quiet", "--endpoint", endpoint], environment, stdin=subprocess.PIPE)
    begun, number, warm = time.monotonic(), 0, None
    while time.monotonic() - begun < arguments.seconds - 1:
        data = b"".join(b"\0\0\0\1" + unit for unit in media.units(999, number))
        await asyncio.to_thread(program.process.stdin.write, data)
        program.process.stdin.flush()
        number += 1
        if warm is None and time.monotonic() - begun > arguments.every:
            warm = (time.monotonic(), program.cpu())
        await asyncio.sleep(max(0, begun + number / media.fps - time.monotonic()))
    cpu = 60 * (program.cpu() - warm[1]) / (time.monotonic() - warm[0])
    program.process.stdin.close()
    await asyncio.to_thread(program.process.wait)
    return round(cpu, 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kvs", default="target/release/kvs")
    parser.add_argument("--kvs-local", default="target/release/kvs-local")
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=float, default=10, help="seconds between two rows")
    parser.add_argument("--mbit", type=float, default=1)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--gop", type=int, default=50)
    parser.add_argument("--memory", default="256M")
    parser.add_argument("--camera-kills", type=float, default=0, metavar="S", help="mean seconds between two")
    parser.add_argument("--camera-away", type=float, default=0, metavar="S", help="a killed camera refuses connections for so long")
    parser.add_argument("--service-kills", type=float, default=0, metavar="S", help="mean seconds between two")
    parser.add_argument("--link-resets", type=float, default=0, metavar="S", help="mean age of a connection")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--put", action="store_true", help="send the same by kvs put too, and compare")
    parser.add_argument("--gstreamer", action="store_true", help="write one more camera into a file by GStreamer, and compare")
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
