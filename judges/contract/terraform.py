"""The calls that Terraform's provider for AWS makes in its acceptance tests of aws_kinesis_video_stream, in their order.

Arguments: ENDPOINT ACCESS_KEY SECRET_KEY REGION DATA_DIR. Each test of the provider is a test here: basic, options, tags, disappears.
The provider waits for states between its calls, so the service should take some time for changes.
"""

import sys
import time
import unittest

import boto3
import botocore.config

ENDPOINT, ACCESS_KEY, SECRET_KEY, REGION, _ = sys.argv[1:6]
del sys.argv[1:]
VIDEO = boto3.client(
    "kinesisvideo", endpoint_url=ENDPOINT, region_name=REGION, aws_access_key_id=ACCESS_KEY,
    aws_secret_access_key=SECRET_KEY, config=botocore.config.Config(retries={"max_attempts": 0}))
# The provider waits for minutes.
DEADLINE = 30


class Resource:
    """One aws_kinesis_video_stream with its state, as the provider handles it."""

    def __init__(self, **settings):
        self.states = []
        self.arn = VIDEO.create_stream(**{"DataRetentionInHours": 0, **settings})["StreamARN"]
        self.wait("CREATING", "ACTIVE")
        self.read()

    def wait(self, pending, target):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                state = VIDEO.describe_stream(StreamARN=self.arn)["StreamInfo"]["Status"]
            except VIDEO.exceptions.ResourceNotFoundException:
                state = "DELETED"
            if state == target:
                return
            # The provider takes any other state for an error.
            assert state == pending, (state, pending, target)
            self.states.append(state)
            time.sleep(0.05)
        raise AssertionError(f"never {target}")

    def read(self):
        self.info = VIDEO.describe_stream(StreamARN=self.arn)["StreamInfo"]
        self.tags = VIDEO.list_tags_for_stream(StreamARN=self.arn)["Tags"]

    def update(self, tags=None, **settings):
        if tags is not None:
            removed = [key for key in self.tags if key not in tags]
            changed = {key: value for key, value in tags.items() if self.tags.get(key) != value}
            if removed:
                VIDEO.untag_stream(StreamARN=self.arn, TagKeyList=removed)
            if changed:
                VIDEO.tag_stream(StreamARN=self.arn, Tags=changed)
        VIDEO.update_stream(StreamARN=self.arn, CurrentVersion=self.info["Version"], **settings)
        self.wait("UPDATING", "ACTIVE")
        self.read()

    def imported(self):
        """An import knows only the identifier; what it reads must equal the state."""
        return VIDEO.describe_stream(StreamARN=self.arn)["StreamInfo"], VIDEO.list_tags_for_stream(StreamARN=self.arn)["Tags"]

    def delete(self):
        VIDEO.delete_stream(StreamARN=self.arn, CurrentVersion=self.info["Version"])
        self.wait("DELETING", "DELETED")


class AcceptanceTests(unittest.TestCase):
    def assert_destroyed(self, resource):
        with self.assertRaises(VIDEO.exceptions.ResourceNotFoundException):
            VIDEO.describe_stream(StreamARN=resource.arn)

    def test_basic(self):
        for name in ["terraform-kinesis-video-stream-test-1", "terraform-kinesis-video-stream-test-2"]:
            resource = Resource(StreamName=name)
            self.assertEqual(resource.info["StreamName"], name)
            self.assertRegex(resource.arn, rf"^arn:aws:kinesisvideo:{REGION}:\d{{12}}:stream/{name}/.+")
            self.assertTrue(resource.info["CreationTime"] and resource.info["Version"])
            self.assertEqual(resource.imported(), (resource.info, resource.tags))
            self.assertIn("CREATING", resource.states)
            # The name forces a new resource: the old one is deleted first.
            resource.delete()
            self.assertIn("DELETING", resource.states)
            self.assert_destroyed(resource)

    def test_options(self):
        key = "8f0c2a5e-4d1b-4f7e-9a63-0d2c1b7a9e55"
        resource = Resource(
            StreamName="terraform-kinesis-video-stream-test-3", DataRetentionInHours=1, KmsKeyId=key, MediaType="video/h264",
            DeviceName="kinesis-video-device-name-abcdefgh")
        wanted = {"DataRetentionInHours": 1, "MediaType": "video/h264", "DeviceName": "kinesis-video-device-name-abcdefgh",
                  "KmsKeyId": key}
        self.assertEqual({name: resource.info[name] for name in wanted}, wanted)
        resource.update(DeviceName="kinesis-video-device-name-ijklmnop", MediaType="video/h120")
        wanted.update(DeviceName="kinesis-video-device-name-ijklmnop", MediaType="video/h120")
        self.assertEqual({name: resource.info[name] for name in wanted}, wanted)
        self.assertIn("UPDATING", resource.states)
        self.assertEqual(resource.imported(), (resource.info, resource.tags))
        resource.delete()
        self.assert_destroyed(resource)

    def test_tags(self):
        resource = Resource(StreamName="terraform-kinesis-video-stream-test-4", Tags={"key1": "value1"})
        self.assertEqual(resource.tags, {"key1": "value1"})
        resource.update(tags={"key1": "value1", "key2": "value2"})
        self.assertEqual(resource.tags, {"key1": "value1", "key2": "value2"})
        self.assertEqual(resource.imported(), (resource.info, resource.tags))
        resource.update(tags={"key2": "value2"})
        self.assertEqual(resource.tags, {"key2": "value2"})
        resource.delete()
        self.assert_destroyed(resource)

    def test_disappears(self):
        resource = Resource(StreamName="terraform-kinesis-video-stream-test-5")
        resource.delete()
        # The plan after it reads a resource that is gone; destroying it again is no error for the provider.
        self.assert_destroyed(resource)
        with self.assertRaises(VIDEO.exceptions.ResourceNotFoundException):
            VIDEO.delete_stream(StreamARN=resource.arn, CurrentVersion=resource.info["Version"])


if __name__ == "__main__":
    unittest.main(argv=["terraform"])
