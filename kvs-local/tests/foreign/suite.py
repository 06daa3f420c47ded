"""Third-party producers and consumers against kvs-local.

Run by tests/foreign.rs:  suite.py ENDPOINT ACCESS_KEY SECRET_KEY REGION DATA_DIR
The Matroska muxers of GStreamer and ffmpeg write the media, curl signs and sends it, boto3 reads it. It is parsed by
kvsparser and, if KVS_CONSUMER_LIBRARY is the path of a checkout, by the consumer library for Python
(https://github.com/aws-samples/amazon-kinesis-video-streams-consumer-library-for-python).
"""

import io
import json
import os
import subprocess
import sys
import unittest

import boto3
import botocore.config
import imageio.v3
import kvsparser

ENDPOINT, ACCESS_KEY, SECRET_KEY, REGION, _ = sys.argv[1:6]
del sys.argv[1:6]
LIBRARY = os.environ.get("KVS_CONSUMER_LIBRARY")
SECONDS, FRAGMENT, RATE = 6, 2, 10
START = 1_700_000_000

WRITERS = {
    "ffmpeg": [
        "ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size=160x90:rate={RATE}:duration={SECONDS}",
        "-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", str(RATE * FRAGMENT), "-sc_threshold", "0",
        "-pix_fmt", "yuv420p", "-f", "matroska", "-cluster_time_limit", "30000", "-cluster_size_limit", "100M",
        "-live", "1", "-"],
    "gstreamer": [
        "gst-launch-1.0", "-q", "videotestsrc", f"num-buffers={RATE * SECONDS}", "!",
        f"video/x-raw,format=I420,width=160,height=90,framerate={RATE}/1", "!",
        "x264enc", f"key-int-max={RATE * FRAGMENT}", "option-string=scenecut=0", "bframes=0", "!",
        "matroskamux", "streamable=true", "!", "fdsink"],
}


def client(service, endpoint=ENDPOINT):
    return boto3.client(
        service, endpoint_url=endpoint, region_name=REGION, aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY, config=botocore.config.Config(retries={"max_attempts": 0}))


def data_endpoint(stream, api):
    return client("kinesisvideo").get_data_endpoint(StreamName=stream, APIName=api)["DataEndpoint"]


def put(stream, body):
    """Signs and sends a body with curl and returns the acks."""
    endpoint = data_endpoint(stream, "PUT_MEDIA")
    sent = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "-X", "POST", "-T", "-",
         "--aws-sigv4", f"aws:amz:{REGION}:kinesisvideo", "--user", f"{ACCESS_KEY}:{SECRET_KEY}",
         "-H", f"x-amzn-stream-name: {stream}", "-H", "x-amzn-fragment-timecode-type: RELATIVE",
         "-H", f"x-amzn-producer-start-timestamp: {START}.000", f"{endpoint}/putMedia"],
        input=body, stdout=subprocess.PIPE, check=True, timeout=30)
    return [json.loads(line) for line in sent.stdout.splitlines()]


def frames(document):
    return list(imageio.v3.imread(io.BytesIO(document), plugin="pyav", index=...))


class ThirdParty(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.bodies, cls.numbers = {}, {}
        for stream, command in WRITERS.items():
            client("kinesisvideo").create_stream(StreamName=stream, DataRetentionInHours=24)
            made = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60)
            cls.bodies[stream] = made.stdout
            acks = put(stream, made.stdout)
            cls.numbers[stream] = [ack["FragmentNumber"] for ack in acks if ack["EventType"] == "PERSISTED"]
            assert not [ack for ack in acks if ack["EventType"] == "ERROR"], acks

    def media(self, stream):
        return client("kinesis-video-media", data_endpoint(stream, "GET_MEDIA")).get_media(
            StreamName=stream, StartSelector={"StartSelectorType": "EARLIEST"})

    def check(self, stream, number, tags, document):
        """Compares a fragment that a consumer received with what was sent."""
        at = self.numbers[stream].index(number)
        self.assertEqual(float(tags["AWS_KINESISVIDEO_PRODUCER_TIMESTAMP"]), START + at * FRAGMENT)
        self.assertGreater(float(tags["AWS_KINESISVIDEO_SERVER_TIMESTAMP"]), START)
        self.assertEqual(tags["AWS_KINESISVIDEO_CONTINUATION_TOKEN"], number)
        self.assertTrue(tags["AWS_KINESISVIDEO_MILLIS_BEHIND_NOW"].isdigit())
        seen, count = frames(document), RATE * FRAGMENT
        truth = frames(self.bodies[stream])[at * count:(at + 1) * count]
        self.assertEqual(len(seen), count)
        self.assertTrue(all((one == other).all() for one, other in zip(seen, truth)), "the frames differ from those sent")

    def test_every_fragment_is_persisted(self):
        for stream, numbers in self.numbers.items():
            self.assertEqual(len(numbers), SECONDS // FRAGMENT, stream)

    def test_kvsparser_reads_all_fragments(self):
        for stream, numbers in self.numbers.items():
            found = []
            for fragment in kvsparser.Parser(self.media(stream)):
                tags = fragment.tags
                found.append(tags["AWS_KINESISVIDEO_FRAGMENT_NUMBER"])
                self.check(stream, found[-1], tags, fragment.bytes)
            # It returns a fragment when the next one starts, so it never returns the last one of a body.
            self.assertEqual(found, numbers[:-1], stream)

    @unittest.skipUnless(LIBRARY, "KVS_CONSUMER_LIBRARY is not the path of a checkout of the consumer library for Python")
    def test_consumer_library_for_python_reads_all_fragments(self):
        sys.path.insert(0, LIBRARY)
        from amazon_kinesis_video_consumer_library.kinesis_video_fragment_processor import KvsFragementProcessor
        from amazon_kinesis_video_consumer_library.kinesis_video_streams_parser import KvsConsumerLibrary
        processor = KvsFragementProcessor()
        for stream, numbers in self.numbers.items():
            received, ends, errors = [], [], []
            reader = KvsConsumerLibrary(
                stream, self.media(stream), lambda *fragment: received.append(fragment), ends.append,
                lambda _, error: errors.append(error))
            reader.start()
            reader.join(60)
            self.assertEqual((ends, errors), ([stream], []))
            found = []
            for name, raw, dom, _ in received:
                tags = processor.get_fragment_tags(dom)
                found.append(tags["AWS_KINESISVIDEO_FRAGMENT_NUMBER"])
                self.assertEqual(name, stream)
                self.check(stream, found[-1], tags, raw)
                self.assertEqual(len(processor.get_frames_as_ndarray(raw, 5)), RATE * FRAGMENT // 5)
                self.assertIn("SimpleBlock", processor.get_fragement_dom_pretty_string(dom))
            self.assertEqual(found, numbers[:-1], stream)


if __name__ == "__main__":
    unittest.main(verbosity=2)
