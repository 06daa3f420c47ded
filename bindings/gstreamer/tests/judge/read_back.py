"""Reads all media of a stream with boto3 and writes it to a file: read_back.py ENDPOINT STREAM FILE

KVS_REGION is the Region of the service.
"""

import os
import sys

import boto3

endpoint, stream, path = sys.argv[1:]
keys = {"aws_access_key_id": "kvs-local", "aws_secret_access_key": "kvs-local-secret", "region_name": os.environ.get("KVS_REGION", "us-west-2")}
control = boto3.client("kinesisvideo", endpoint_url=endpoint, **keys)


def client(name, api):
    data = control.get_data_endpoint(StreamName=stream, APIName=api)["DataEndpoint"]
    return boto3.client(name, endpoint_url=data, **keys)


archived = client("kinesis-video-archived-media", "LIST_FRAGMENTS")
fragments = []
for page in archived.get_paginator("list_fragments").paginate(StreamName=stream):
    fragments += page["Fragments"]
fragments.sort(key=lambda fragment: fragment["ProducerTimestamp"])
numbers = [fragment["FragmentNumber"] for fragment in fragments]
if not numbers:
    sys.exit(f"stream {stream} has no fragments")
media = client("kinesis-video-archived-media", "GET_MEDIA_FOR_FRAGMENT_LIST")
with open(path, "wb") as out:
    body = media.get_media_for_fragment_list(StreamName=stream, Fragments=numbers)["Payload"]
    while piece := body.read(1 << 20):
        out.write(piece)
print(len(numbers), fragments[0]["ProducerTimestamp"].timestamp())
