"""Reads all fragments of a stream with boto3 and lists their frames with ffprobe.

usage: spool_read_back.py ENDPOINT STREAM ACCESS_KEY SECRET_KEY

Prints one JSON object: the producer time of each fragment in ms, with its frames as [track, time in the fragment in ms,
SHA-256 of the payload]. A fragment that is stored twice must be the same both times.
"""

import json
import subprocess
import sys

import boto3

endpoint, stream, access, secret = sys.argv[1:]
keys = dict(region_name="us-west-2", aws_access_key_id=access, aws_secret_access_key=secret)


def media_client(service, api):
    control = boto3.client("kinesisvideo", endpoint_url=endpoint, **keys)
    data = control.get_data_endpoint(StreamName=stream, APIName=api)["DataEndpoint"]
    return boto3.client(service, endpoint_url=data, **keys)


def frames(matroska):
    command = ["ffprobe", "-v", "error", "-show_packets", "-show_data_hash", "sha256", "-of", "json", "-"]
    shown = subprocess.run(command, input=matroska, stdout=subprocess.PIPE, check=True).stdout
    packets = json.loads(shown)["packets"]
    times = [round(float(packet["pts_time"]) * 1000) for packet in packets]
    return [[p["stream_index"], at - min(times), p["data_hash"]] for p, at in zip(packets, times)]


listing = media_client("kinesis-video-archived-media", "LIST_FRAGMENTS")
media = media_client("kinesis-video-archived-media", "GET_MEDIA_FOR_FRAGMENT_LIST")
fragments = []
for page in listing.get_paginator("list_fragments").paginate(StreamName=stream, MaxResults=1000):
    fragments += page["Fragments"]
found = {}
for fragment in fragments:
    at = round(fragment["ProducerTimestamp"].timestamp() * 1000)
    answer = media.get_media_for_fragment_list(StreamName=stream, Fragments=[fragment["FragmentNumber"]])
    whole = frames(answer["Payload"].read())
    assert found.setdefault(str(at), whole) == whole, f"fragment at {at} is stored twice and differs"
print(json.dumps({"stored": len(fragments), "fragments": found}))
