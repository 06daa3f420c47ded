"""boto3, Pillow and ffmpeg as judges of kvs-local. The suite for the AWS CLI is cli.py.

Run by tests/boto3.rs:  suite.py ENDPOINT ACCESS_KEY SECRET_KEY REGION DATA_DIR
All operations use the serializers and parsers of botocore. PutMedia is not part of botocore; its requests are signed by
botocore and sent over a socket.
"""

import base64
import http.client
import io
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
from PIL import Image

ENDPOINT, ACCESS_KEY, SECRET_KEY, REGION, DATA_DIR = sys.argv[1:6]
del sys.argv[1:6]
SECONDS = 8
FRAGMENT = 2
CLUSTER = b"\x1f\x43\xb6\x75"


def client(service, **changes):
    settings = dict(
        endpoint_url=ENDPOINT,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=botocore.config.Config(retries={"max_attempts": 0}, inject_host_prefix=False),
    )
    settings.update(changes)
    return boto3.client(service, **settings)


CONTROL = client("kinesisvideo")


def data_endpoint(api):
    """Asks for a data endpoint. They are the same for all streams, so any stream will do."""
    name = "endpoints"
    try:
        CONTROL.create_stream(StreamName=name)
    except CONTROL.exceptions.ResourceInUseException:
        pass
    return CONTROL.get_data_endpoint(StreamName=name, APIName=api)["DataEndpoint"]


MEDIA_ENDPOINT = data_endpoint("PUT_MEDIA")
ARCHIVED_ENDPOINT = data_endpoint("GET_IMAGES")
CONTROL.delete_stream(StreamARN=CONTROL.describe_stream(StreamName="endpoints")["StreamInfo"]["StreamARN"])
HOST, PORT = MEDIA_ENDPOINT.split("//")[1].split(":")
ARCHIVED = client("kinesis-video-archived-media", endpoint_url=ARCHIVED_ENDPOINT)
MEDIA = client("kinesis-video-media", endpoint_url=MEDIA_ENDPOINT)


def delete_if_exists(name):
    try:
        arn = CONTROL.describe_stream(StreamName=name)["StreamInfo"]["StreamARN"]
        CONTROL.delete_stream(StreamARN=arn)
    except CONTROL.exceptions.ResourceNotFoundException:
        pass


def recording(start_ms):
    """Returns a live Matroska stream of a test picture with absolute timecodes and a cluster every two seconds."""
    made = subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=10:duration={SECONDS}",
         "-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", str(10 * FRAGMENT), "-sc_threshold", "0",
         "-pix_fmt", "yuv420p", "-f", "matroska", "-cluster_time_limit", "30000", "-cluster_size_limit", "100M", "-live", "1", "-"],
        check=True, stdout=subprocess.PIPE, timeout=60)
    return made.stdout


class Put:
    """A PutMedia connection, signed like the SDKs do: 'empty' (C), 'unsigned' (Java) or 'query' (Go)."""

    def __init__(self, stream, start_ms, way="unsigned", timecodes="RELATIVE", secret=SECRET_KEY, headers=()):
        url = f"{MEDIA_ENDPOINT}/putMedia"
        request = botocore.awsrequest.AWSRequest("POST", url, data=b"")
        request.headers["host"] = f"{HOST}:{PORT}" if way != "empty" else HOST
        request.headers["x-amzn-stream-name"] = stream
        request.headers["x-amzn-fragment-timecode-type"] = timecodes
        request.headers["x-amzn-producer-start-timestamp"] = f"{start_ms / 1000:.3f}"
        if way == "empty":
            request.headers["connection"] = "keep-alive"
            request.headers["transfer-encoding"] = "chunked"
            request.headers["user-agent"] = "AWS-SDK-KVS/3.0.0 Linux"
        for name, value in headers:
            request.headers[name] = value
        credentials = botocore.credentials.Credentials(ACCESS_KEY, secret)
        if way == "unsigned":
            request.headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
        signer = botocore.auth.SigV4QueryAuth if way == "query" else botocore.auth.SigV4Auth
        signer(credentials, "kinesisvideo", REGION).add_auth(request)
        target = urllib.parse.urlsplit(request.url)
        self.socket = socket.create_connection((HOST, int(PORT)), timeout=20)
        lines = [f"POST {target.path}{'?' + target.query if target.query else ''} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if way != "empty":
            lines.append("transfer-encoding: chunked")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.response = http.client.HTTPResponse(self.socket, method="POST")

    def begin(self):
        self.response.begin()
        return self.response.status

    def send(self, body):
        for at in range(0, len(body), 16384):
            piece = body[at:at + 16384]
            self.socket.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

    def finish(self, body):
        """Sends a body while reading the acks, and returns them."""
        sender = threading.Thread(target=lambda: (self.send(body), self.socket.sendall(b"0\r\n\r\n")))
        sender.start()
        text = self.response.read().decode()
        sender.join(20)
        self.socket.close()
        return [json.loads(line) for line in text.splitlines()]


def put(stream, start_ms, **how):
    session = Put(stream, start_ms, **how)
    status = session.begin()
    assert status == 200, (status, session.response.read())
    return session.finish(recording(start_ms))


class Judged(unittest.TestCase):
    maxDiff = None

    def assert_rejected(self, code, status, call, **arguments):
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            call(**arguments)
        response = raised.exception.response
        self.assertEqual(response["Error"]["Code"], code, response)
        self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], status)
        self.assertTrue(response["Error"]["Message"])
        self.assertTrue(response["ResponseMetadata"]["RequestId"])
        return response


class ControlPlane(Judged):
    def setUp(self):
        self.name = "control-" + self.id().rsplit(".")[-1]
        delete_if_exists(self.name)
        self.arn = CONTROL.create_stream(
            StreamName=self.name, DataRetentionInHours=24, DeviceName="cam", MediaType="video/h264,audio/aac",
            Tags={"a": "b"})["StreamARN"]

    def tearDown(self):
        delete_if_exists(self.name)

    def info(self):
        return CONTROL.describe_stream(StreamName=self.name)["StreamInfo"]

    def test_describe_stream_by_name_and_by_arn(self):
        info = self.info()
        self.assertEqual(info, CONTROL.describe_stream(StreamARN=self.arn)["StreamInfo"])
        self.assertEqual(info["Status"], "ACTIVE")
        self.assertEqual((info["DeviceName"], info["MediaType"]), ("cam", "video/h264,audio/aac"))
        self.assertEqual(info["DataRetentionInHours"], 24)
        self.assertEqual(int(self.arn.rsplit("/")[-1]), round(info["CreationTime"].timestamp() * 1000))
        self.assertEqual(len(info["Version"]), 20)
        self.assertTrue(info["KmsKeyId"].endswith("alias/aws/kinesisvideo"))

    def test_invalid_stream_references_are_rejected(self):
        describe = CONTROL.describe_stream
        self.assert_rejected("ResourceNotFoundException", 404, describe, StreamName="nobody")
        self.assert_rejected("InvalidArgumentException", 400, describe)
        self.assert_rejected("InvalidArgumentException", 400, describe, StreamName="other", StreamARN=self.arn)
        self.assert_rejected("ResourceNotFoundException", 404, describe, StreamARN=self.arn + "0")
        self.assert_rejected("ResourceNotFoundException", 404, describe,
                     StreamARN=self.arn.replace("111122223333", "444455556666"))
        for bad in ["a/b", "../../etc/passwd", "a b", "x" * 257, "nul\0", "ümlaut"]:
            self.assert_rejected("InvalidArgumentException", 400, describe, StreamName=bad)

    def test_create_stream_is_validated(self):
        create = CONTROL.create_stream
        self.assert_rejected("ResourceInUseException", 400, create, StreamName=self.name)
        self.assert_rejected("InvalidArgumentException", 400, create, StreamName="bad name")
        self.assert_rejected("InvalidArgumentException", 400, create, StreamName="new", DataRetentionInHours=87601)
        self.assert_rejected("InvalidArgumentException", 400, create, StreamName="new", MediaType="video")
        self.assert_rejected("InvalidArgumentException", 400, create, StreamName="new", DeviceName="a/b")
        self.assert_rejected("InvalidArgumentException", 400, create, StreamName="new", Tags={"aws:x": "y"})
        self.assert_rejected("TagsPerResourceExceededLimitException", 400, create, StreamName="new",
                     Tags={str(n): "" for n in range(51)})
        self.assert_rejected("InvalidArgumentException", 400, create, StreamName="new",
                     StreamStorageConfiguration={"DefaultStorageTier": "COLD"})

    def test_updates_require_and_change_the_version(self):
        version = self.info()["Version"]
        CONTROL.update_stream(StreamName=self.name, CurrentVersion=version, DeviceName="other")
        info = self.info()
        self.assertEqual((info["DeviceName"], info["MediaType"]), ("other", "video/h264,audio/aac"))
        self.assertNotEqual(info["Version"], version)
        self.assert_rejected("VersionMismatchException", 400, CONTROL.update_stream, StreamName=self.name,
                     CurrentVersion=version)
        self.assert_rejected("VersionMismatchException", 400, CONTROL.delete_stream, StreamARN=self.arn,
                     CurrentVersion=version)

    def test_retention_changes_within_limits(self):
        change = lambda way, hours: CONTROL.update_data_retention(
            StreamARN=self.arn, CurrentVersion=self.info()["Version"], Operation=way + "_DATA_RETENTION",
            DataRetentionChangeInHours=hours)
        change("INCREASE", 10)
        self.assertEqual(self.info()["DataRetentionInHours"], 34)
        change("DECREASE", 34)
        self.assertEqual(self.info()["DataRetentionInHours"], 0)
        self.assert_rejected("InvalidArgumentException", 400, change, way="DECREASE", hours=1)
        self.assert_rejected("InvalidArgumentException", 400, change, way="INCREASE", hours=87601)
        self.assert_rejected("InvalidArgumentException", 400, change, way="DOUBLE", hours=1)

    def test_tags_can_be_added_replaced_listed_and_removed(self):
        CONTROL.tag_stream(StreamName=self.name, Tags={"a": "c", "Größe 1": "x_.:/=+-@"})
        tags = lambda: CONTROL.list_tags_for_stream(StreamARN=self.arn)["Tags"]
        self.assertEqual(tags(), {"a": "c", "Größe 1": "x_.:/=+-@"})
        CONTROL.untag_stream(StreamARN=self.arn, TagKeyList=["a", "unknown"])
        self.assertEqual(tags(), {"Größe 1": "x_.:/=+-@"})
        CONTROL.tag_stream(StreamName=self.name, Tags={str(n): "" for n in range(49)})
        self.assert_rejected("TagsPerResourceExceededLimitException", 400, CONTROL.tag_stream, StreamName=self.name,
                     Tags={"51": ""})
        self.assert_rejected("InvalidArgumentException", 400, CONTROL.tag_stream, StreamName=self.name, Tags={"x": "v" * 257})
        self.assert_rejected("InvalidArgumentException", 400, CONTROL.tag_stream, StreamName=self.name, Tags={"semi;": ""})
        self.assert_rejected("InvalidResourceFormatException", 400, CONTROL.list_tags_for_stream, StreamARN="arn:aws:x")

    def test_list_streams_is_paged_and_filtered(self):
        names = [f"page-{n:02}" for n in range(7)]
        for name in names:
            delete_if_exists(name)
            CONTROL.create_stream(StreamName=name)
        condition = {"ComparisonOperator": "BEGINS_WITH", "ComparisonValue": "page-"}
        pages = CONTROL.get_paginator("list_streams").paginate(
            StreamNameCondition=condition, PaginationConfig={"PageSize": 3})
        pages = [[info["StreamName"] for info in page["StreamInfoList"]] for page in pages]
        self.assertEqual([len(page) for page in pages], [3, 3, 1])
        self.assertEqual(sum(pages, []), names)
        listing = CONTROL.list_streams(MaxResults=3, StreamNameCondition=condition)
        self.assert_rejected("InvalidArgumentException", 400, CONTROL.list_streams, NextToken=listing["NextToken"])
        self.assert_rejected("InvalidArgumentException", 400, CONTROL.list_streams, NextToken="AAAA")
        self.assert_rejected("InvalidArgumentException", 400, CONTROL.list_streams, MaxResults=10001)
        for name in names:
            delete_if_exists(name)

    IMAGES = {
        "Status": "ENABLED", "ImageSelectorType": "PRODUCER_TIMESTAMP", "SamplingInterval": 200, "Format": "JPEG",
        "DestinationConfig": {"Uri": "s3://judged/pre/fix", "DestinationRegion": REGION},
        "FormatConfig": {"JPEGQuality": "80"}, "WidthPixels": 320, "HeightPixels": 240,
    }

    def test_image_generation_configuration(self):
        update, show = CONTROL.update_image_generation_configuration, CONTROL.describe_image_generation_configuration
        self.assertNotIn("ImageGenerationConfiguration", show(StreamName=self.name))
        update(StreamName=self.name, ImageGenerationConfiguration=self.IMAGES)
        self.assertEqual(show(StreamARN=self.arn)["ImageGenerationConfiguration"], self.IMAGES)
        changed = lambda **changes: {
            key: value for key, value in {**self.IMAGES, **changes}.items() if value is not None}
        for bad in [
            changed(SamplingInterval=199), changed(SamplingInterval=-1), changed(Format="GIF"), changed(Status="ON"),
            changed(ImageSelectorType="NOW"), changed(FormatConfig={"JPEGQuality": "101"}),
            changed(FormatConfig={"Quality": "80"}), changed(WidthPixels=3841), changed(HeightPixels=2161),
            changed(DestinationConfig={"Uri": "s3://../x", "DestinationRegion": REGION}),
            changed(DestinationConfig={"Uri": "http://x", "DestinationRegion": REGION}),
            changed(DestinationConfig={"Uri": "s3://judged", "DestinationRegion": "eu-west-1"}),
        ]:
            self.assert_rejected("InvalidArgumentException", 400, update, StreamName=self.name,
                         ImageGenerationConfiguration=bad)
        update(StreamName=self.name)
        self.assertNotIn("ImageGenerationConfiguration", show(StreamName=self.name))

    def test_notification_configuration(self):
        update, show = CONTROL.update_notification_configuration, CONTROL.describe_notification_configuration
        topic = {"Status": "ENABLED", "DestinationConfig": {"Uri": f"arn:aws:sns:{REGION}:111122223333:judged"}}
        update(StreamName=self.name, NotificationConfiguration=topic)
        self.assertEqual(show(StreamName=self.name)["NotificationConfiguration"], topic)
        for bad in ["arn:aws:sns:us-west-2:111122223333:a.fifo", "arn:aws:sqs:us-west-2:111122223333:a", "s3://x",
                    "arn:aws:sns:us-west-2:111122223333:../../x"]:
            self.assert_rejected("InvalidArgumentException", 400, update, StreamName=self.name,
                         NotificationConfiguration={"Status": "ENABLED", "DestinationConfig": {"Uri": bad}})
        update(StreamName=self.name)
        self.assertNotIn("NotificationConfiguration", show(StreamName=self.name))

    def test_stream_without_retention_cannot_be_configured(self):
        delete_if_exists("no-retention")
        CONTROL.create_stream(StreamName="no-retention")
        self.assert_rejected("NoDataRetentionException", 400, CONTROL.update_image_generation_configuration,
                     StreamName="no-retention", ImageGenerationConfiguration=self.IMAGES)
        delete_if_exists("no-retention")

    def test_storage_configuration(self):
        show = lambda: CONTROL.describe_stream_storage_configuration(StreamName=self.name)
        self.assertEqual(show()["StreamStorageConfiguration"], {"DefaultStorageTier": "HOT"})
        CONTROL.update_stream_storage_configuration(
            StreamName=self.name, CurrentVersion=self.info()["Version"],
            StreamStorageConfiguration={"DefaultStorageTier": "WARM"})
        self.assertEqual(show()["StreamStorageConfiguration"], {"DefaultStorageTier": "WARM"})
        self.assertEqual(show()["StreamARN"], self.arn)

    def test_no_stream_is_mapped_to_a_channel(self):
        shown = CONTROL.describe_mapped_resource_configuration(StreamName=self.name)
        self.assertEqual(shown["MappedResourceConfigurationList"], [])

    def test_data_endpoints_are_addresses_of_their_own(self):
        endpoint = lambda api: CONTROL.get_data_endpoint(StreamName=self.name, APIName=api)["DataEndpoint"]
        for api in ["PUT_MEDIA", "GET_MEDIA"]:
            self.assertEqual(endpoint(api), MEDIA_ENDPOINT)
        for api in ["LIST_FRAGMENTS", "GET_MEDIA_FOR_FRAGMENT_LIST", "GET_HLS_STREAMING_SESSION_URL",
                    "GET_DASH_STREAMING_SESSION_URL", "GET_CLIP", "GET_IMAGES"]:
            self.assertEqual(endpoint(api), ARCHIVED_ENDPOINT)
        self.assertEqual(len({ENDPOINT, MEDIA_ENDPOINT, ARCHIVED_ENDPOINT}), 3)
        self.assert_rejected("InvalidArgumentException", 400, CONTROL.get_data_endpoint, StreamName=self.name, APIName="X")
        self.assert_rejected("ResourceNotFoundException", 404, CONTROL.get_data_endpoint, StreamName="nobody",
                     APIName="PUT_MEDIA")

    def test_call_to_another_endpoint_succeeds_without_a_result(self):
        # Reported by users of boto3 and of the SDKs for JavaScript: status 200, and a response without its members.
        for endpoint in [ENDPOINT, MEDIA_ENDPOINT]:
            wrong = client("kinesis-video-archived-media", endpoint_url=endpoint)
            listed = wrong.list_fragments(StreamName=self.name)
            self.assertEqual(listed["ResponseMetadata"]["HTTPStatusCode"], 200)
            self.assertNotIn("Fragments", listed)
            images = wrong.get_images(StreamName=self.name, ImageSelectorType="SERVER_TIMESTAMP", StartTimestamp=1,
                                      EndTimestamp=2, Format="JPEG")
            self.assertNotIn("Images", images)
        for endpoint in [MEDIA_ENDPOINT, ARCHIVED_ENDPOINT]:
            described = client("kinesisvideo", endpoint_url=endpoint).describe_stream(StreamName=self.name)
            self.assertNotIn("StreamInfo", described)

    def test_missing_operations_return_not_implemented(self):
        channel = "arn:aws:kinesisvideo:us-west-2:111122223333:channel/x/1"
        selector = {"FragmentSelectorType": "SERVER_TIMESTAMP", "TimestampRange": {"StartTimestamp": 1, "EndTimestamp": 2}}
        calls = [
            (CONTROL.list_signaling_channels, {}),
            (CONTROL.create_signaling_channel, {"ChannelName": "x"}),
            (CONTROL.describe_media_storage_configuration, {"ChannelARN": channel}),
            (CONTROL.tag_resource, {"ResourceARN": channel, "Tags": [{"Key": "a", "Value": "b"}]}),
            (CONTROL.list_tags_for_resource, {"ResourceARN": channel}),
            (CONTROL.untag_resource, {"ResourceARN": channel, "TagKeyList": ["a"]}),
            (CONTROL.describe_signaling_channel, {"ChannelName": "x"}),
            (CONTROL.update_signaling_channel, {"ChannelARN": channel, "CurrentVersion": "1"}),
            (CONTROL.delete_signaling_channel, {"ChannelARN": channel}),
            (CONTROL.get_signaling_channel_endpoint, {"ChannelARN": channel}),
            (CONTROL.update_media_storage_configuration,
             {"ChannelARN": channel, "MediaStorageConfiguration": {"Status": "DISABLED"}}),
            (CONTROL.describe_edge_configuration, {"StreamName": self.name}),
            (CONTROL.delete_edge_configuration, {"StreamName": self.name}),
            (CONTROL.start_edge_configuration_update, {"StreamName": self.name, "EdgeConfig": {
                "HubDeviceArn": "arn:aws:iot:us-west-2:111122223333:thing/x", "RecorderConfig": {"MediaSourceConfig": {
                    "MediaUriSecretArn": "arn:aws:secretsmanager:us-west-2:111122223333:secret:x",
                    "MediaUriType": "RTSP_URI"}}}}),
            (CONTROL.list_edge_agent_configurations, {"HubDeviceArn": "arn:aws:iot:us-west-2:111122223333:thing/x"}),
        ]
        for call, arguments in calls:
            response = self.assert_rejected("NotImplementedException", 501, call, **arguments)
            named = call.__name__.replace("_", "")
            self.assertIn(named, response["Error"]["Message"].lower().replace(" ", ""))

    def test_every_operation_of_botocore_is_implemented_or_reported_as_missing(self):
        answered, missing = set(), set()
        for known in [CONTROL, ARCHIVED, MEDIA]:
            for name in known.meta.service_model.operation_names:
                operation = known.meta.service_model.operation_model(name)
                request = botocore.awsrequest.AWSRequest(
                    operation.http["method"], known.meta.endpoint_url + operation.http["requestUri"], data=b"{}")
                credentials = botocore.credentials.Credentials(ACCESS_KEY, SECRET_KEY)
                botocore.auth.SigV4Auth(credentials, "kinesisvideo", REGION).add_auth(request)
                connection = http.client.HTTPConnection(known.meta.endpoint_url.split("//")[1], timeout=20)
                connection.request("POST", operation.http["requestUri"], b"{}", dict(request.headers))
                response = connection.getresponse()
                kind = response.headers.get("x-amzn-errortype", "").split(":")[0]
                response.read()
                connection.close()
                self.assertIn((response.status, kind), [
                    (200, ""), (400, "InvalidArgumentException"), (501, "NotImplementedException")], name)
                (missing if response.status == 501 else answered).add(name)
        self.assertEqual((len(answered), len(missing)), (24, 15), (answered, missing))

    def test_deleted_streams_do_not_exist(self):
        CONTROL.delete_stream(StreamARN=self.arn, CurrentVersion=self.info()["Version"])
        self.assert_rejected("ResourceNotFoundException", 404, CONTROL.describe_stream, StreamName=self.name)
        self.assert_rejected("ResourceNotFoundException", 404, CONTROL.delete_stream, StreamARN=self.arn)


class Signatures(Judged):
    def test_forged_and_foreign_signatures_are_rejected(self):
        for code, changes in [
            ("InvalidSignatureException", {"aws_secret_access_key": "wrong"}),
            ("UnrecognizedClientException", {"aws_access_key_id": "AKIDNOBODY"}),
            ("InvalidSignatureException", {"region_name": "eu-west-1"}),
        ]:
            self.assert_rejected(code, 403, client("kinesisvideo", **changes).list_streams)
        unsigned = client("kinesisvideo", config=botocore.config.Config(
            signature_version=botocore.UNSIGNED, retries={"max_attempts": 0}))
        self.assert_rejected("MissingAuthenticationTokenException", 403, unsigned.list_streams)

    def test_session_tokens_are_accepted(self):
        client("kinesisvideo", aws_session_token="tok/en+=").list_streams()

    def test_put_media_with_wrong_secret_returns_a_readable_error(self):
        for way in ["unsigned", "empty", "query"]:
            session = Put("nobody", 0, way=way, secret="wrong")
            self.assertEqual(session.begin(), 403)
            self.assertIn("signature we calculated", json.loads(session.response.read())["message"])
            session.socket.close()

    def test_unknown_paths_are_not_operations(self):
        connection = http.client.HTTPConnection(HOST, int(PORT), timeout=20)
        for method, path in [("POST", "/CreateStream"), ("POST", "/../describeStream"), ("GET", "/describeStream")]:
            connection.request(method, path, b"{}")
            response = connection.getresponse()
            self.assertEqual((response.status, response.headers["x-amzn-errortype"].split(":")[0]),
                             (404, "UnknownOperationException"))
            response.read()
        connection.close()


class Media(Judged):
    @classmethod
    def setUpClass(cls):
        cls.name = "media"
        delete_if_exists(cls.name)
        CONTROL.create_stream(StreamName=cls.name, DataRetentionInHours=24)
        cls.start = int(time.time() * 1000) - 3600_000
        cls.body = recording(cls.start)
        session = Put(cls.name, cls.start)
        assert session.begin() == 200
        assert session.response.headers["content-type"] == "application/json"
        cls.acks = session.finish(cls.body)

    def test_acks_of_each_fragment_are_in_order(self):
        self.assertEqual([ack for ack in self.acks if ack["EventType"] == "ERROR"], [])
        numbers = list(dict.fromkeys(ack["FragmentNumber"] for ack in self.acks))
        self.assertEqual(len(numbers), SECONDS // FRAGMENT)
        self.assertEqual(numbers, sorted(numbers, key=int))
        for at, number in enumerate(numbers):
            own = [ack for ack in self.acks if ack["FragmentNumber"] == number]
            self.assertEqual([ack["EventType"] for ack in own], ["BUFFERING", "RECEIVED", "PERSISTED"])
            self.assertEqual({ack["FragmentTimecode"] for ack in own}, {at * FRAGMENT * 1000})

    def test_all_signatures_of_put_media_are_accepted(self):
        delete_if_exists("ways")
        CONTROL.create_stream(StreamName="ways", DataRetentionInHours=1)
        for n, way in enumerate(["unsigned", "empty", "query"]):
            acks = put("ways", self.start + n * 60_000, way=way)
            self.assertEqual(sum(ack["EventType"] == "PERSISTED" for ack in acks), SECONDS // FRAGMENT, way)
        delete_if_exists("ways")

    def fragments(self, **how):
        pages = ARCHIVED.get_paginator("list_fragments").paginate(StreamName=self.name, **how)
        return [fragment for page in pages for fragment in page["Fragments"]]

    def test_list_fragments_by_page_and_by_time(self):
        all = sorted(self.fragments(PaginationConfig={"PageSize": 3}), key=lambda one: int(one["FragmentNumber"]))
        self.assertEqual([round(one["ProducerTimestamp"].timestamp() * 1000) for one in all],
                         [self.start + at * FRAGMENT * 1000 for at in range(SECONDS // FRAGMENT)])
        # From the first to the last frame, at 10 frames per second.
        self.assertEqual({one["FragmentLengthInMilliseconds"] for one in all}, {FRAGMENT * 1000 - 100})
        within = self.fragments(FragmentSelector={
            "FragmentSelectorType": "PRODUCER_TIMESTAMP",
            "TimestampRange": {"StartTimestamp": self.start / 1000 + 1, "EndTimestamp": self.start / 1000 + 4}})
        self.assertEqual(sorted(one["FragmentNumber"] for one in within), [one["FragmentNumber"] for one in all[1:3]])
        listed = [one["FragmentNumber"] for one in self.fragments()]
        self.assertNotEqual(listed, sorted(listed), "the service promises no order")
        self.assert_rejected("InvalidArgumentException", 400, ARCHIVED.list_fragments, StreamName=self.name, MaxResults=1001)
        self.assert_rejected("InvalidArgumentException", 400, ARCHIVED.list_fragments, StreamName=self.name, NextToken="AAAA")

    def frames(self, media):
        made = subprocess.run(["ffmpeg", "-v", "error", "-i", "-", "-map", "0:v", "-f", "framemd5", "-"], input=media,
                              check=True, stdout=subprocess.PIPE, timeout=60)
        return [line.split(b",")[-1].strip() for line in made.stdout.splitlines() if not line.startswith(b"#")]

    def clusters(self, media):
        """Returns the bytes of each cluster in a live stream, up to the next known level 1 element."""
        ends = [b"\x1f\x43\xb6\x75", b"\x12\x54\xc3\x67", b"\x1a\x45\xdf\xa3"]
        found, at = [], media.find(ends[0])
        while at >= 0:
            stops = [stop for stop in (media.find(end, at + 4) for end in ends) if stop > 0]
            stop = min(stops, default=len(media))
            found.append(media[at:stop])
            at = media.find(ends[0], stop)
        return found

    def test_media_is_returned_unchanged_and_decodes_to_the_same_frames(self):
        numbers = sorted(one["FragmentNumber"] for one in self.fragments())
        listed = ARCHIVED.get_media_for_fragment_list(StreamName=self.name, Fragments=numbers)
        self.assertEqual(listed["ContentType"], "video/webm")
        listed = listed["Payload"].read()
        live = MEDIA.get_media(StreamName=self.name, StartSelector={"StartSelectorType": "EARLIEST"})
        self.assertEqual(live["ContentType"], "video/webm")
        live = live["Payload"].read()
        original = self.clusters(self.body)
        self.assertEqual(self.clusters(listed), original)
        self.assertEqual(self.clusters(live), original)
        documents = [b"\x1a\x45\xdf\xa3" + part for part in live.split(b"\x1a\x45\xdf\xa3")[1:]]
        self.assertEqual(sum((self.frames(document) for document in documents), []), self.frames(self.body))
        self.assertIn(b"AWS_KINESISVIDEO_CONTINUATION_TOKEN", live)
        self.assertNotIn(b"AWS_KINESISVIDEO_CONTINUATION_TOKEN", listed)

    def test_unknown_fragment_is_an_error_within_the_media(self):
        # A number of this stream's time whose low bits no fragment has.
        missing = str(int(self.fragments()[0]["FragmentNumber"]) ^ 1)
        media = ARCHIVED.get_media_for_fragment_list(StreamName=self.name, Fragments=[missing])["Payload"].read()
        self.assertIn(b"FRAGMENT_NOT_FOUND", media)
        for foreign in ["12345", "91343852333181432392682062607743920146159169392"]:
            refused = self.assert_rejected("InvalidArgumentException", 400, ARCHIVED.get_media_for_fragment_list,
                                           StreamName=self.name, Fragments=[foreign])
            self.assertIn("Fragment numbers are invalid :", refused["Error"]["Message"])
        for selector in [{"StartSelectorType": "FRAGMENT_NUMBER", "AfterFragmentNumber": missing},
                         {"StartSelectorType": "CONTINUATION_TOKEN", "ContinuationToken": missing}]:
            media = MEDIA.get_media(StreamName=self.name, StartSelector=selector)["Payload"].read()
            self.assertIn(b"AWS_KINESISVIDEO_ERROR_ID", media)
            self.assertIn(b"4000", media)
        self.assert_rejected("InvalidArgumentException", 400, ARCHIVED.get_media_for_fragment_list, StreamName=self.name,
                     Fragments=["x"])

    def test_get_media_follows_the_live_edge(self):
        delete_if_exists("live")
        CONTROL.create_stream(StreamName="live", DataRetentionInHours=1)
        got = []
        payload = MEDIA.get_media(StreamName="live", StartSelector={"StartSelectorType": "NOW"})["Payload"]
        reader = threading.Thread(target=lambda: got.append(payload.read()))
        reader.start()
        put("live", self.start)
        reader.join(20)
        self.assertEqual(self.clusters(got[0]), self.clusters(self.body))
        self.assert_rejected("InvalidArgumentException", 400, MEDIA.get_media, StreamName="live",
                     StartSelector={"StartSelectorType": "SOMEWHERE"})
        self.assert_rejected("InvalidArgumentException", 400, MEDIA.get_media, StreamName="live",
                     StartSelector={"StartSelectorType": "FRAGMENT_NUMBER"})
        delete_if_exists("live")

    def test_fourth_get_media_connection_is_rejected(self):
        delete_if_exists("crowd")
        CONTROL.create_stream(StreamName="crowd", DataRetentionInHours=1)
        read = lambda: MEDIA.get_media(StreamName="crowd", StartSelector={"StartSelectorType": "NOW"})
        readers = [read() for _ in range(3)]
        self.assert_rejected("ConnectionLimitExceededException", 400, read)
        for reader in readers:
            reader["Payload"].close()
        delete_if_exists("crowd")

    def images(self, **how):
        asked = dict(StreamName=self.name, ImageSelectorType="PRODUCER_TIMESTAMP", Format="JPEG",
                     StartTimestamp=self.start / 1000, EndTimestamp=self.start / 1000 + SECONDS, SamplingInterval=1000)
        asked.update(how)
        asked = {key: value for key, value in asked.items() if value is not None}
        return [image for page in ARCHIVED.get_paginator("get_images").paginate(**asked) for image in page["Images"]]

    def picture(self, image):
        return Image.open(io.BytesIO(base64.b64decode(image["ImageContent"])))

    def test_images_show_the_frame_of_their_timestamp(self):
        images = self.images()
        times = [round(image["TimeStamp"].timestamp() * 1000) - self.start for image in images]
        self.assertEqual(times, [at * 1000 for at in range(SECONDS + 1)])
        self.assertEqual(images[-1]["Error"], "NO_MEDIA")
        truth = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", "-", "-vf", "select=not(mod(n\\,10))", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
            input=self.body, check=True, stdout=subprocess.PIPE, timeout=60).stdout
        frames = [Image.frombytes("RGB", (320, 180), truth[at * 172800:(at + 1) * 172800]) for at in range(SECONDS)]
        for at, image in enumerate(images[:-1]):
            picture = self.picture(image)
            self.assertEqual((picture.size, picture.format), ((320, 180), "JPEG"))
            differences = [difference(picture.convert("RGB"), frame) for frame in frames]
            self.assertEqual(differences.index(min(differences)), at, f"second {at} shows another frame: {differences}")
            self.assertLess(differences[at], 8, f"second {at}")

    def test_images_have_the_requested_size_and_format(self):
        one = dict(EndTimestamp=self.start / 1000 + 0.1)
        self.assertEqual(self.picture(self.images(WidthPixels=100, HeightPixels=200, **one)[0]).size, (100, 200))
        png = self.picture(self.images(Format="PNG", **one)[0])
        self.assertEqual((png.format, png.size), ("PNG", (320, 180)))
        small, large = (len(self.images(FormatConfig={"JPEGQuality": quality}, **one)[0]["ImageContent"])
                        for quality in ["5", "95"])
        self.assertLess(small, large)

    def test_get_images_looks_only_at_fragments_that_start_within_the_range(self):
        def missing(begin, end, interval):
            images = self.images(StartTimestamp=self.start / 1000 + begin, EndTimestamp=self.start / 1000 + end,
                                 SamplingInterval=interval)
            return [image.get("Error") == "NO_MEDIA" for image in images]

        # The first fragment starts before the range: nothing is found before the second one, which starts at 2 s.
        self.assertEqual(missing(1, 3, 500), [True, True, False, False, False])
        self.assertEqual(missing(0, 3, 500), [False] * 7)
        # Each fragment covers the time up to its last frame at 1.9 s and not its duration.
        self.assertEqual(missing(0, 2, 950), [False, False, False])
        self.assertEqual(missing(0, 1.95, 975), [False, False, True])

    def test_get_images_returns_at_most_25_per_page(self):
        page = ARCHIVED.get_images(
            StreamName=self.name, ImageSelectorType="PRODUCER_TIMESTAMP", Format="JPEG", SamplingInterval=200,
            StartTimestamp=self.start / 1000, EndTimestamp=self.start / 1000 + SECONDS, MaxResults=100)
        self.assertEqual(len(page["Images"]), 25)
        self.assertEqual(len(self.images(SamplingInterval=200)), SECONDS * 5 + 1)
        self.assert_rejected("InvalidArgumentException", 400, self.images, NextToken=page["NextToken"])

    def test_invalid_get_images_requests_are_rejected(self):
        for bad in [
            dict(SamplingInterval=199), dict(WidthPixels=100), dict(HeightPixels=100), dict(Format="GIF"),
            dict(WidthPixels=3841, HeightPixels=100), dict(FormatConfig={"JPEGQuality": "0"}),
            dict(EndTimestamp=self.start / 1000 - 1), dict(EndTimestamp=self.start / 1000 + 300.5),
            dict(ImageSelectorType="NOW"), dict(NextToken="AAAA"),
        ]:
            self.assert_rejected("InvalidArgumentException", 400, self.images, **bad)
        response = self.assert_rejected("InvalidArgumentException", 400, self.images, WidthPixels=100)
        self.assertEqual(response["Error"]["Message"],
                         "Height and width for the images need to be provided or none.")
        self.assert_rejected("ResourceNotFoundException", 404, self.images, StreamName="nobody")
        delete_if_exists("no-retention-images")
        CONTROL.create_stream(StreamName="no-retention-images")
        self.assert_rejected("NoDataRetentionException", 400, self.images, StreamName="no-retention-images")
        delete_if_exists("no-retention-images")

    def test_get_images_without_media_returns_no_media(self):
        images = self.images(StartTimestamp=self.start / 1000 - 10, EndTimestamp=self.start / 1000 - 5)
        self.assertEqual({image["Error"] for image in images}, {"NO_MEDIA"})


def difference(one, other):
    """Returns the mean difference of the samples of two pictures."""
    pairs = zip(one.tobytes(), other.tobytes())
    return sum(abs(a - b) for a, b in pairs) / (one.size[0] * one.size[1] * 3)


def element(id, *parts):
    body = b"".join(parts)
    return bytes.fromhex(id) + (0x01 << 56 | len(body)).to_bytes(8, "big") + body


def tag(pairs):
    """Returns a Tags element with one Tag. The producer SDKs write it after the cluster it belongs to."""
    simple = lambda name, value: element("67c8", element("45a3", name.encode()), element("4487", value.encode()))
    return element("1254c367", element("7373", *(simple(*pair) for pair in pairs)))


class Tagged(Judged):
    """Delivery for fragments whose tags ask for images and a notification."""

    def test_images_and_notifications_are_delivered(self):
        name, topic = "tagged_1", f"arn:aws:sns:{REGION}:111122223333:judged"
        delete_if_exists(name)
        stream = CONTROL.create_stream(StreamName=name, DataRetentionInHours=1)["StreamARN"]
        CONTROL.update_image_generation_configuration(StreamName=name, ImageGenerationConfiguration={
            **ControlPlane.IMAGES, "SamplingInterval": 1000, "WidthPixels": 160, "HeightPixels": 120})
        CONTROL.update_notification_configuration(StreamName=name, NotificationConfiguration={
            "Status": "ENABLED", "DestinationConfig": {"Uri": topic}})
        start = int(time.time() * 1000) - 60_000
        body = recording(start)
        first = body.find(b"\x1f\x43\xb6\x75")
        second = body.find(b"\x1f\x43\xb6\x75", first + 4)
        third = body.find(b"\x1f\x43\xb6\x75", second + 4)
        tags = (tag([("AWS_KINESISVIDEO_NOTIFICATION", ""), ("door", "open")])
                + tag([("AWS_KINESISVIDEO_IMAGE_GENERATION", ""), ("AWS_KINESISVIDEO_IMAGE_PREFIX", "gate"),
                       ("Who", "me")]))
        session = Put(name, start)
        self.assertEqual(session.begin(), 200)
        acks = session.finish(body[:third] + tags + body[third:])
        number = [ack["FragmentNumber"] for ack in acks if ack["EventType"] == "PERSISTED"][1]

        folder = pathlib.Path(DATA_DIR, "s3", "judged", "pre", "fix")
        messages = pathlib.Path(DATA_DIR, "sns", "judged")
        deadline = time.time() + 20
        found = lambda: sorted(folder.glob("gate_*.jpg")) if folder.is_dir() else []
        while (len(found()) < 2 or not any(messages.glob("*.json"))) and time.time() < deadline:
            time.sleep(0.05)
        self.assertEqual(len(found()), 2)
        for at, path in enumerate(found()):
            timecode = start + FRAGMENT * 1000 + at * 1000
            guid = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
            self.assertRegex(path.name, f"^gate_111122223333_{name}_{timecode}_{guid}[.]jpg$")
            picture = Image.open(io.BytesIO(path.read_bytes()))
            self.assertEqual((picture.format, picture.size), ("JPEG", (160, 120)))
            metadata = json.loads(path.with_name(path.name + ".metadata.json").read_text())
            self.assertEqual(metadata["aws_kinesisvideo_fragment_number"], number)
            self.assertEqual(metadata["aws_kinesisvideo_producer_timestamp"], str(timecode))
            self.assertEqual((metadata.get("who") or metadata.get("Who"), metadata["Content-Type"]), ("me", "image/jpeg"))
        message = [json.loads(path.read_text()) for path in messages.glob("*.json")]
        self.assertEqual(len(message), 1)
        self.assertEqual((message[0]["TopicArn"], message[0]["Subject"]),
                         (topic, "Kinesis Video Streams Notification"))
        notification = json.loads(message[0]["Message"])
        self.assertEqual(notification.pop("FragmentStartProducerTimestamp"), start + FRAGMENT * 1000)
        self.assertIsInstance(notification.pop("FragmentStartServerTimestamp"), int)
        self.assertEqual(notification, {
            "StreamArn": stream, "FragmentNumber": number, "NotificationType": "PERSISTED",
            "NotificationPayload": {"door": "open"}})
        delete_if_exists(name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
