"""moto or MiniStack as S3, SNS and SQS: boto3 reads back what kvs-local sent. Arguments: topic name, bucket, and the program of
MiniStack if it is to be used.

Prints one JSON line with the URL and the ARN of the topic. For each line on standard input, prints one with the objects of the bucket
and the messages that arrived in a queue behind the topic.
"""

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import boto3

topic, bucket, *program = sys.argv[1:]


def start_moto():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}", server.stop


def start_ministack():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The account of moto.
    environment = {**os.environ, "GATEWAY_PORT": str(port), "MINISTACK_ACCOUNT_ID": "123456789012"}
    server = subprocess.Popen(program, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url, end = f"http://127.0.0.1:{port}", time.monotonic() + 60
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{url}/_localstack/health", timeout=5).read()
            return url, server.terminate
        except OSError:
            time.sleep(0.1)
    server.kill()
    sys.exit("MiniStack does not start")


url, stop = start_ministack() if program else start_moto()
session = boto3.Session("test", "test", region_name="us-west-2")
s3, sns, sqs = (session.client(name, endpoint_url=url) for name in ("s3", "sns", "sqs"))
topic = sns.create_topic(Name=topic)["TopicArn"]
queue = sqs.create_queue(QueueName="judge")["QueueUrl"]
queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
print(json.dumps({"url": url, "topic": topic}), flush=True)

for _ in sys.stdin:
    objects = []
    for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        found = s3.get_object(Bucket=bucket, Key=entry["Key"])
        objects.append({
            "key": entry["Key"],
            "content_type": found["ContentType"],
            "metadata": found["Metadata"],
            "body": base64.b64encode(found["Body"].read()).decode(),
        })
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    region = s3.get_bucket_location(Bucket=bucket)["LocationConstraint"]
    print(json.dumps({"objects": objects, "region": region, "messages": [one["Body"] for one in messages]}), flush=True)
stop()
