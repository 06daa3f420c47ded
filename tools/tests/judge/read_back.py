"""Reads every fragment of a stream with boto3: read_back.py ENDPOINT STREAM ACCESS_KEY SECRET_KEY FOLDER."""

import sys

import boto3
from botocore.config import Config

endpoint, stream, access_key, secret_key, folder = sys.argv[1:6]
session = boto3.Session(access_key, secret_key, region_name="us-west-2")
settings = {"endpoint_url": endpoint, "verify": sys.argv[6] if len(sys.argv) > 6 else None, "config": Config(proxies={})}
video = session.client("kinesisvideo", **settings)
where = {}
for api in ["LIST_FRAGMENTS", "GET_MEDIA_FOR_FRAGMENT_LIST"]:
    where[api] = video.get_data_endpoint(StreamName=stream, APIName=api)["DataEndpoint"]
media = session.client("kinesis-video-archived-media", **{**settings, "endpoint_url": where["LIST_FRAGMENTS"]})
pages = media.get_paginator("list_fragments").paginate(StreamName=stream)
fragments = [fragment["FragmentNumber"] for page in pages for fragment in page["Fragments"]]
media = session.client("kinesis-video-archived-media", **{**settings, "endpoint_url": where["GET_MEDIA_FOR_FRAGMENT_LIST"]})
for number in fragments:
    body = media.get_media_for_fragment_list(StreamName=stream, Fragments=[number])["Payload"].read()
    with open(f"{folder}/{number}.mkv", "wb") as file:
        file.write(body)
print(len(fragments))
