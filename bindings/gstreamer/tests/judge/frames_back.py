"""Reads all media of a stream with boto3 and PyAV: frames_back.py ENDPOINT STREAM [FILE]

Prints "back TRACK MD5 BYTES" for each frame of each fragment, in the order of the fragments' times, and "picture MD5" for each decoded
picture. With FILE, a recording, prints only the pictures in it.
"""
import hashlib
import io
import sys

import av
import boto3


def pictures(container, packets):
    for packet in packets:
        try:
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    yield hashlib.md5(frame.to_ndarray().tobytes()).hexdigest()
        except av.FFmpegError:
            pass


def of_file(path):
    with av.open(path) as container:
        for digest in pictures(container, container.demux()):
            print("picture", digest)


def fragments(endpoint, stream):
    keys = {"aws_access_key_id": "kvs-local", "aws_secret_access_key": "kvs-local-secret", "region_name": "us-west-2"}
    control = boto3.client("kinesisvideo", endpoint_url=endpoint, **keys)
    if not any(one["StreamName"] == stream for one in control.list_streams()["StreamInfoList"]):
        return
    data = control.get_data_endpoint(StreamName=stream, APIName="LIST_FRAGMENTS")["DataEndpoint"]
    archived = boto3.client("kinesis-video-archived-media", endpoint_url=data, **keys)
    found = []
    for page in archived.get_paginator("list_fragments").paginate(StreamName=stream):
        found += page["Fragments"]
    found.sort(key=lambda one: (one["ProducerTimestamp"], one["FragmentNumber"]))
    for one in found:
        answer = archived.get_media_for_fragment_list(StreamName=stream, Fragments=[one["FragmentNumber"]])
        yield answer["Payload"].read()


def of_stream(endpoint, stream):
    for media in fragments(endpoint, stream):
        with av.open(io.BytesIO(media)) as container:
            packets = [packet for packet in container.demux() if packet.size]
        for packet in packets:
            print("back", packet.stream_index, hashlib.md5(bytes(packet)).hexdigest(), packet.size)
        with av.open(io.BytesIO(media)) as container:
            for digest in pictures(container, container.demux()):
                print("picture", digest)


if len(sys.argv) > 3:
    of_file(sys.argv[3])
else:
    of_stream(*sys.argv[1:3])
