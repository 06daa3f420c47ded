"""The images of the last seconds as files: images.py STREAM SECONDS FOLDER"""
import base64, datetime, pathlib, sys, boto3

stream, seconds, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
now = datetime.datetime.now(datetime.timezone.utc)
start = now - datetime.timedelta(seconds=seconds)
kvs = boto3.client("kinesisvideo")

# Each data operation has an endpoint of its own.
endpoint = kvs.get_data_endpoint(StreamName=stream, APIName="LIST_FRAGMENTS")["DataEndpoint"]
archive = boto3.client("kinesis-video-archived-media", endpoint_url=endpoint)
selector = {"FragmentSelectorType": "PRODUCER_TIMESTAMP", "TimestampRange": {"StartTimestamp": start, "EndTimestamp": now}}
pages = archive.get_paginator("list_fragments").paginate(StreamName=stream, FragmentSelector=selector)
fragments = [fragment for page in pages for fragment in page["Fragments"]]
print(len(fragments), "fragments")

endpoint = kvs.get_data_endpoint(StreamName=stream, APIName="GET_IMAGES")["DataEndpoint"]
archive = boto3.client("kinesis-video-archived-media", endpoint_url=endpoint)
# Only fragments that begin in the range are found, so it begins at the first one.
first = min(fragment["ProducerTimestamp"] for fragment in fragments)
pages = archive.get_paginator("get_images").paginate(
    StreamName=stream, ImageSelectorType="PRODUCER_TIMESTAMP", StartTimestamp=first, EndTimestamp=now,
    SamplingInterval=1000, Format="JPEG", WidthPixels=320, HeightPixels=180)
for image in (image for page in pages for image in page["Images"]):
    if "ImageContent" in image:
        name = f"{round(image['TimeStamp'].timestamp() * 1000)}.jpg"
        (folder / name).write_bytes(base64.b64decode(image["ImageContent"]))
