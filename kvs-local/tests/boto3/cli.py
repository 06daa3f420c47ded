"""The AWS CLI as a judge of kvs-local.

Run by tests/boto3.rs:  cli.py ENDPOINT ACCESS_KEY SECRET_KEY REGION DATA_DIR
The CLI runs within this process, because starting it for every command would take most of the time. It does not run within
the process of suite.py, because it changes the timestamp format of botocore.
"""

import base64
import contextlib
import io
import json
import os
import pathlib
import tempfile
import time
import unittest

import awscli.clidriver
from PIL import Image

from suite import (
    ACCESS_KEY, ARCHIVED_ENDPOINT, CLUSTER, ENDPOINT, FRAGMENT, MEDIA_ENDPOINT, REGION, SECONDS, SECRET_KEY, ControlPlane as Control, Judged as Base,
    delete_if_exists, put)

ENDPOINTS = {
    "kinesisvideo": ENDPOINT, "kinesis-video-media": MEDIA_ENDPOINT, "kinesis-video-archived-media": ARCHIVED_ENDPOINT}

# Imported under other names: unittest would run these classes here too.
IMAGES = Control.IMAGES
del Control


class CommandLine(Base):
    """Runs commands of the AWS CLI within this process."""

    @classmethod
    def setUpClass(cls):
        os.environ.update({
            "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION, "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": "",
            "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull})
        cls.driver = awscli.clidriver.create_clidriver()

    def aws(self, *arguments, ok=True):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = self.driver.main(["--endpoint-url", ENDPOINTS[arguments[0]], "--output", "json", *arguments])
            except SystemExit as ended:
                code = ended.code
        self.assertEqual(code == 0, ok, out.getvalue() + err.getvalue())
        return json.loads(out.getvalue()) if ok and out.getvalue().strip() else err.getvalue()

    def test_every_command_succeeds(self):
        delete_if_exists("cli")
        control = lambda command, *more: self.aws("kinesisvideo", command, "--stream-name", "cli", *more)
        version = lambda: control("describe-stream")["StreamInfo"]["Version"]
        control_json = lambda command, **what: self.aws(
            "kinesisvideo", command, "--cli-input-json", json.dumps({"StreamName": "cli", **what}))
        arn = control("create-stream", "--data-retention-in-hours", "2")["StreamARN"]
        shown = control("describe-stream")["StreamInfo"]
        self.assertEqual((shown["StreamARN"], shown["Status"]), (arn, "ACTIVE"))
        self.assertIn("cli", [one["StreamName"] for one in self.aws("kinesisvideo", "list-streams")["StreamInfoList"]])
        control("update-stream", "--current-version", version(), "--device-name", "cam")
        control("update-data-retention", "--current-version", version(), "--operation", "INCREASE_DATA_RETENTION",
                "--data-retention-change-in-hours", "3")
        shown = control("describe-stream")["StreamInfo"]
        self.assertEqual((shown["DeviceName"], shown["DataRetentionInHours"]), ("cam", 5))
        control("tag-stream", "--tags", "a=b,c=d")
        control("untag-stream", "--tag-key-list", "a")
        self.assertEqual(control("list-tags-for-stream")["Tags"], {"c": "d"})
        control_json("update-image-generation-configuration", ImageGenerationConfiguration=IMAGES)
        self.assertEqual(control("describe-image-generation-configuration")["ImageGenerationConfiguration"],
                         IMAGES)
        topic = {"Status": "ENABLED", "DestinationConfig": {"Uri": f"arn:aws:sns:{REGION}:111122223333:cli"}}
        control_json("update-notification-configuration", NotificationConfiguration=topic)
        self.assertEqual(control("describe-notification-configuration")["NotificationConfiguration"], topic)
        control("update-stream-storage-configuration", "--current-version", version(),
                "--stream-storage-configuration", "DefaultStorageTier=WARM")
        self.assertEqual(control("describe-stream-storage-configuration")["StreamStorageConfiguration"],
                         {"DefaultStorageTier": "WARM"})
        self.assertEqual(control("describe-mapped-resource-configuration")["MappedResourceConfigurationList"], [])
        self.assertEqual(control("get-data-endpoint", "--api-name", "GET_IMAGES")["DataEndpoint"], ARCHIVED_ENDPOINT)
        start = int(time.time()) - 60
        put("cli", start * 1000)
        archived = lambda command, *more: self.aws("kinesis-video-archived-media", command, "--stream-name", "cli", *more)
        fragments = sorted(one["FragmentNumber"] for one in archived("list-fragments")["Fragments"])
        self.assertEqual(len(fragments), SECONDS // FRAGMENT)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "media.mkv")
            archived("get-media-for-fragment-list", path, "--fragments", *fragments)
            listed = pathlib.Path(path).read_bytes()
            self.aws("kinesis-video-media", "get-media", "--stream-name", "cli", "--start-selector",
                     "StartSelectorType=EARLIEST", path)
            self.assertEqual(pathlib.Path(path).read_bytes().count(CLUSTER), listed.count(CLUSTER))
        self.assertEqual(listed.count(CLUSTER), len(fragments))
        images = archived("get-images", "--image-selector-type", "PRODUCER_TIMESTAMP", "--start-timestamp", str(start - 5),
                          "--end-timestamp", str(start), "--sampling-interval", "5000", "--format", "JPEG")["Images"]
        self.assertEqual(images[0]["Error"], "NO_MEDIA")
        self.assertEqual(Image.open(io.BytesIO(base64.b64decode(images[1]["ImageContent"]))).size, (320, 180))
        text = self.aws("kinesisvideo", "describe-stream", "--stream-name", "nobody", ok=False)
        self.assertIn("ResourceNotFoundException", text)
        for protocol, playlist in [("hls", "getHLSMasterPlaylist.m3u8"), ("dash", "getDASHManifest.mpd")]:
            session = archived(f"get-{protocol}-streaming-session-url")
            self.assertIn(f"/{playlist}?SessionToken=", session[f"{protocol.upper()}StreamingSessionURL"])
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "clip.mp4")
            selector = {"FragmentSelectorType": "PRODUCER_TIMESTAMP",
                        "TimestampRange": {"StartTimestamp": start, "EndTimestamp": start + 60}}
            archived("get-clip", path, "--clip-fragment-selector", json.dumps(selector))
            self.assertEqual(pathlib.Path(path).read_bytes()[4:8], b"ftyp")
        self.aws("kinesisvideo", "delete-stream", "--stream-arn", arn)


if __name__ == "__main__":
    del Base
    unittest.main(verbosity=2)
