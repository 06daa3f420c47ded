"""What put_frame takes in Python and in Rust, in turn: put_frame.py PUT_FRAME_RUST [REPEATS]

PUT_FRAME_RUST is `cargo build --release --example put_frame`. Each process has a service of its own. The figures are those of BENCHMARKS.md.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from test_cost import AVCC, picture  # noqa: E402

import kvs  # noqa: E402

CASES = [("alaw", 160), ("alaw", 8_000), ("alaw", 100_000), ("h264", 8_000), ("h264", 100_000)]
ROUNDS, FRAMES = 20, 200


def in_python(local, codec, size, key):
    """Return the nanoseconds for a frame of each round. `key` is the argument keyframe: None lets the package look."""
    track = kvs.Track(codec, codec_private=AVCC) if codec == "h264" else codec
    settings = {"create_stream": True, "buffer_bytes": 1 << 30, "buffer_time": 3600.0, **local.connection}
    producer = kvs.Producer(f"python-{codec}-{size}-{key}", track, **settings)
    payload = picture(size) if codec == "h264" else b"\xd5" * size
    start, took = time.time() - 3000, []
    producer.put_frame(payload.replace(b"\x41", b"\x65", 1) if codec == "h264" else payload, start - 1)
    for turn in range(ROUNDS):
        times = [start + (turn * FRAMES + n) * 0.02 for n in range(FRAMES)]
        put, began = producer.put_frame, time.perf_counter_ns()
        for pts in times:
            put(payload, pts, keyframe=key)
        took.append((time.perf_counter_ns() - began) / FRAMES)
    producer.stop(0)
    return took


def in_rust(program, local, codec, size):
    command = [program, local.endpoint_url, codec, str(size), str(ROUNDS), str(FRAMES)]
    return [int(line) for line in subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split()]


def main():
    program, repeats = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    print(f"{'':16} {'Rust':>15} {'Python':>15} {'its part':>9} {'with keyframe=':>15}   us: least, median")
    for codec, size in CASES:
        found = {"rust": [], "python": [], "given": []}
        for _ in range(repeats):
            with kvs.LocalKvs() as local:
                found["rust"] += in_rust(program, local, codec, size)
            with kvs.LocalKvs() as local:
                found["python"] += in_python(local, codec, size, None)
            with kvs.LocalKvs() as local:
                found["given"] += in_python(local, codec, size, codec != "h264")
        least = {name: min(took) / 1000 for name, took in found.items()}
        both = {name: f"{least[name]:6.2f} {statistics.median(took) / 1000:8.2f}" for name, took in found.items()}
        part = least["python"] - least["rust"]
        print(f"{codec} {size:>7} B   {both['rust']} {both['python']} {part:9.2f} {both['given']}")


if __name__ == "__main__":
    main()
