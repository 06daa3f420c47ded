"""A test with the fixture of the package: a new service for each test, without an account."""

import time

import kvs


def ring(producer):
    """The code under test: half a second of sound, and a notification."""
    start = time.time()
    for n in range(25):
        producer.put_frame(bytes([0xD5]) * 160, pts=start + n * 0.02)
    producer.put_event(notify=True, pairs={"bell": "front"})


def test_the_bell_is_a_notification(local_kvs):
    service = local_kvs.client("kinesisvideo")
    service.create_stream(StreamName="door", DataRetentionInHours=1)
    topic = "arn:aws:sns:us-west-2:111122223333:bells"
    destination = {"Status": "ENABLED", "DestinationConfig": {"Uri": topic}}
    service.update_notification_configuration(StreamName="door", NotificationConfiguration=destination)

    with kvs.Producer("door", "alaw", **local_kvs.connection) as producer:
        ring(producer)

    # kvs-local writes what AWS would send to the topic.
    sent, end = local_kvs.data_dir / "sns" / "bells", time.monotonic() + 20
    while not list(sent.glob("*.json")) and time.monotonic() < end:
        time.sleep(0.05)
    (body,) = sent.glob("*.json")
    (notification,) = kvs.decode(body.read_bytes())
    assert (notification.stream_name, notification.payload) == ("door", {"bell": "front"})
