"""What boto3 sends, what botocore's model lets the service answer, and whether a signature is right.

boto3_judge.py calls URL   makes each call of the list once
boto3_judge.py shapes      prints, for each call, answers that the model allows: {"Operation": [body, ...]}
boto3_judge.py verify      reads signed requests as JSON lines and checks their signatures, without botocore
"""

import datetime
import hashlib
import hmac
import json
import sys

import boto3
import botocore.config
import botocore.session

NAME = {"StreamName": "front-door"}
ARN = {"StreamARN": "arn:aws:kinesisvideo:eu-west-1:111122223333:stream/front-door/1700000000000"}
START = datetime.datetime.fromtimestamp(1700000000, datetime.timezone.utc)
END = datetime.datetime.fromtimestamp(1700000060, datetime.timezone.utc)
RANGE = {"StartTimestamp": START, "EndTimestamp": END}
IMAGES = {
    "Status": "ENABLED",
    "ImageSelectorType": "PRODUCER_TIMESTAMP",
    "DestinationConfig": {"Uri": "s3://my-bucket/door", "DestinationRegion": "eu-west-1"},
    "SamplingInterval": 200,
    "Format": "JPEG",
    "FormatConfig": {"JPEGQuality": "80"},
    "WidthPixels": 320,
    "HeightPixels": 240,
}
NOTIFY = {"Status": "DISABLED", "DestinationConfig": {"Uri": "arn:aws:sns:eu-west-1:111122223333:cameras"}}
CONTROL, ARCHIVED, MEDIA = "kinesisvideo", "kinesis-video-archived-media", "kinesis-video-media"

CALLS = [
    (CONTROL, "create_stream", {**NAME, "DeviceName": "cam-1", "MediaType": "video/h264,audio/aac", "KmsKeyId": "alias/k",
                                "DataRetentionInHours": 24, "Tags": {"place": "door"},
                                "StreamStorageConfiguration": {"DefaultStorageTier": "WARM"}}),
    (CONTROL, "describe_stream", NAME),
    (CONTROL, "list_streams", {"MaxResults": 7, "NextToken": "abc=",
                               "StreamNameCondition": {"ComparisonOperator": "BEGINS_WITH", "ComparisonValue": "fr"}}),
    (CONTROL, "delete_stream", {**ARN, "CurrentVersion": "v1"}),
    (CONTROL, "update_stream", {**NAME, "CurrentVersion": "v1", "DeviceName": "cam-2", "MediaType": "video/h265"}),
    (CONTROL, "update_data_retention", {**ARN, "CurrentVersion": "v1", "Operation": "INCREASE_DATA_RETENTION",
                                        "DataRetentionChangeInHours": 3}),
    (CONTROL, "tag_stream", {**NAME, "Tags": {"place": "door", "floor": "1"}}),
    (CONTROL, "untag_stream", {**NAME, "TagKeyList": ["place", "floor"]}),
    (CONTROL, "list_tags_for_stream", {**NAME, "NextToken": "abc"}),
    (CONTROL, "get_data_endpoint", {**NAME, "APIName": "GET_IMAGES"}),
    (CONTROL, "update_stream_storage_configuration", {**NAME, "CurrentVersion": "v1",
                                                      "StreamStorageConfiguration": {"DefaultStorageTier": "HOT"}}),
    (CONTROL, "describe_stream_storage_configuration", ARN),
    (CONTROL, "update_image_generation_configuration", {**NAME, "ImageGenerationConfiguration": IMAGES}),
    (CONTROL, "describe_image_generation_configuration", NAME),
    (CONTROL, "update_notification_configuration", {**NAME, "NotificationConfiguration": NOTIFY}),
    (CONTROL, "describe_notification_configuration", NAME),
    (ARCHIVED, "get_images", {**NAME, **RANGE, "ImageSelectorType": "SERVER_TIMESTAMP", "SamplingInterval": 3000,
                              "Format": "JPEG", "FormatConfig": {"JPEGQuality": "70"}, "WidthPixels": 640,
                              "HeightPixels": 360, "MaxResults": 25, "NextToken": "abc"}),
    (ARCHIVED, "list_fragments", {**NAME, "MaxResults": 100, "FragmentSelector":
                                  {"FragmentSelectorType": "PRODUCER_TIMESTAMP", "TimestampRange": RANGE}}),
    (ARCHIVED, "get_media_for_fragment_list", {**NAME, "Fragments": ["91343852333181432392682062607743920146159169392"]}),
    (ARCHIVED, "get_clip", {**NAME, "ClipFragmentSelector": {"FragmentSelectorType": "SERVER_TIMESTAMP",
                                                             "TimestampRange": RANGE}}),
    (ARCHIVED, "get_hls_streaming_session_url",
     {**NAME, "PlaybackMode": "ON_DEMAND", "Expires": 600, "MaxMediaPlaylistFragmentResults": 50,
      "HLSFragmentSelector": {"FragmentSelectorType": "PRODUCER_TIMESTAMP", "TimestampRange": RANGE},
      "ContainerFormat": "MPEG_TS", "DiscontinuityMode": "ON_DISCONTINUITY", "DisplayFragmentTimestamp": "ALWAYS"}),
    (ARCHIVED, "get_dash_streaming_session_url",
     {**NAME, "PlaybackMode": "LIVE_REPLAY", "Expires": 600, "MaxManifestFragmentResults": 50,
      "DASHFragmentSelector": {"FragmentSelectorType": "SERVER_TIMESTAMP", "TimestampRange": {"StartTimestamp": START}},
      "DisplayFragmentTimestamp": "ALWAYS", "DisplayFragmentNumber": "NEVER"}),
    (MEDIA, "get_media", {**NAME, "StartSelector": {"StartSelectorType": "FRAGMENT_NUMBER",
                                                    "AfterFragmentNumber": "91343852333181432392"}}),
]


def client(service, url):
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    return boto3.client(service, endpoint_url=url, region_name="eu-west-1", aws_access_key_id="AKIDEXAMPLE",
                        aws_secret_access_key="secret", config=config)


def calls(url):
    for service, method, arguments in CALLS:
        getattr(client(service, url), method)(**arguments)


def sample(shape, fill):
    """A value of a shape: every member set ("all"), every member null ("null")."""
    kind = shape.type_name
    if kind == "structure":
        return {name: (None if fill == "null" else sample(member, fill)) for name, member in shape.members.items()
                if member.serialization.get("location") is None}
    if kind == "list":
        return [sample(shape.member, fill), sample(shape.member, fill)]
    if kind == "map":
        return {sample(shape.key, fill): sample(shape.value, fill)}
    if kind == "timestamp":
        return 1.705489836421e9
    if kind in ("integer", "long"):
        return max(1, int(shape.metadata.get("min", 1)))
    if kind == "boolean":
        return True
    if kind == "string":
        if shape.enum:
            return shape.enum[0]
        known = {"ResourceARN": ARN["StreamARN"], "StreamARN": ARN["StreamARN"], "DataEndpoint": "https://s-1.example",
                 "ImageContent": "aGVsbG8=", "JPEGQuality": "80",
                 # The model's pattern is ^[0-9]+$.
                 "FragmentNumberString": "91343852333181432392682062607743920146159169392"}
        return known.get(shape.name, "a" * max(1, int(shape.metadata.get("min", 1))))
    raise ValueError(kind)


def shapes():
    session = botocore.session.get_session()
    answers = {}
    for service, method, _ in CALLS:
        model = session.get_service_model(service)
        name = client(service, "http://127.0.0.1:1").meta.method_to_api_mapping[method]
        output = model.operation_model(name).output_shape
        streaming = output is not None and output.serialization.get("payload")
        if output is None or not output.members or streaming:
            answers[name] = []
        else:
            answers[name] = [json.dumps(sample(output, fill)) for fill in ("all", "null")]
            # The service prints scientific notation; and sends members that no model has.
            answers[name].append(answers[name][0].replace("1705489836.421", "1.705489836421E9"))
            answers[name].append(answers[name][0][:-1] + ', "Unheard": {"of": [1]}}')
    print(json.dumps(answers))


def verify():
    for line in sys.stdin:
        request = json.loads(line)
        headers = {name.lower(): value for name, value in request["headers"]}
        fields = dict(part.strip().split("=", 1) for part in headers["authorization"].split(" ", 1)[1].split(","))
        _, day, region, service, end = fields["Credential"].split("/")
        assert (region, service, end) == ("eu-west-1", "kinesisvideo", "aws4_request"), fields
        signed = fields["SignedHeaders"].split(";")
        assert {"host", "x-amz-date"} <= set(signed), signed
        payload = headers.get("x-amz-content-sha256", hashlib.sha256(request["body"].encode()).hexdigest())
        lines = [f"{name}:{' '.join(headers[name].split())}" for name in signed]
        canonical = "\n".join(["POST", request["path"], "", *lines, "", ";".join(signed), payload])
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], f"{day}/{region}/{service}/{end}", digest])
        key = ("AWS4" + request["secret"]).encode()
        for part in (day, region, service, end):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        assert expected == fields["Signature"], request["path"]
    print("ok")


if __name__ == "__main__":
    {"calls": lambda: calls(sys.argv[2]), "shapes": shapes, "verify": verify}[sys.argv[1]]()
