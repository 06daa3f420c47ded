#!/usr/bin/python3
"""Runs a pipeline whose sink is named "sink", and reports each buffer that reaches it: one_line.py LINE SECONDS FOLDER [ACTION]

Writes "in PAD MD5 BYTES PTS" to FOLDER/report for each buffer with a time in its segment, at the end "end EOS", "end ERROR TEXT" or
"end none", and "stopped" when the pipeline is down; kvssink itself prints its log. The bytes of the buffers are appended to FOLDER/copy.
ACTION is "seek" (a flushing seek to the start) or "pause" (for two seconds), after 40 buffers.
"""
import hashlib
import os
import sys
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst

AFTER = 40

Gst.init(None)
line, seconds, folder = sys.argv[1], float(sys.argv[2]), sys.argv[3]
action = sys.argv[4] if len(sys.argv) > 4 else ""
copy = open(f"{folder}/copy", "wb", buffering=0)
report = open(f"{folder}/report", "w", buffering=1)
count = 0


def seen(pad, info):
    global count
    buffer = info.get_buffer()
    if Gst.CLOCK_TIME_NONE == buffer.pts == buffer.dts:
        return Gst.PadProbeReturn.OK
    # What is outside of its segment is not shown, such as the lead-in of AAC in MP4.
    segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment()
    length = 0 if buffer.duration == Gst.CLOCK_TIME_NONE else buffer.duration
    if buffer.pts != Gst.CLOCK_TIME_NONE and not segment.clip(Gst.Format.TIME, buffer.pts, buffer.pts + length)[0]:
        return Gst.PadProbeReturn.OK
    data = buffer.extract_dup(0, buffer.get_size())
    copy.write(data)
    count += 1
    print("in", pad.get_name(), hashlib.md5(data).hexdigest(), len(data), buffer.pts, file=report)
    return Gst.PadProbeReturn.OK


def watch(pad):
    pad.add_probe(Gst.PadProbeType.BUFFER, seen)


def act(pipeline):
    if action == "seek":
        return pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH | Gst.SeekFlags.KEY_UNIT, 0)
    pipeline.set_state(Gst.State.PAUSED)
    time.sleep(2)
    return pipeline.set_state(Gst.State.PLAYING) != Gst.StateChangeReturn.FAILURE


def run(pipeline, bus):
    global action
    refused = ""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if action and count >= AFTER:
            refused = "" if act(pipeline) else f", {action} refused"
            action = ""
        message = bus.timed_pop_filtered(50 * Gst.MSECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        if message and message.type == Gst.MessageType.EOS:
            return "EOS" + refused
        if message:
            return f"ERROR {message.src.get_name()}: {message.parse_error()[0].message}"
    return "none"


try:
    pipeline = Gst.parse_launch(line)
    sink = pipeline.get_by_name("sink")
    for pad in sink.sinkpads:
        watch(pad)
    sink.connect("pad-added", lambda _sink, pad: watch(pad))
    bus = pipeline.get_bus()
    pipeline.set_state(Gst.State.PLAYING)
    result = run(pipeline, bus)
except Exception as error:
    result = f"ERROR {error}"
    pipeline = None
print("end", result.replace("\n", " "), file=report)
if pipeline:
    pipeline.set_state(Gst.State.NULL)
print("stopped", file=report)
# Threads of a sink that cannot end must not hold the process.
os._exit(0)
