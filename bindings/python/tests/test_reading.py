import io
import json
import time
from datetime import datetime, timezone

import pytest
from conftest import encoded, put_silence, alaw

import kvs


def test_images_are_one_item_for_each_time(local_kvs):
    stream, packets = encoded(frames=60, rate=20)
    start = datetime.fromtimestamp(int(time.time()) - 30, timezone.utc)
    with kvs.Producer("video", stream, create_stream=True, start_at=start, **local_kvs.connection) as producer:
        for packet in packets:
            producer.put_packet(packet)
    end = start.timestamp() + 4
    images = kvs.images("video", start, end, sampling_interval=1000, format="PNG", **local_kvs.connection)
    assert len(images) == 4
    results = list(images)
    assert [result.time for result in results][0] == start and len(results) == 4
    assert [result.ok for result in results] == [True, True, True, False]
    picture = results[1].to_pil()
    assert picture.format == "PNG" and picture.size == (160, 120)
    with pytest.raises(kvs.NoMediaError):
        results[3].to_pil()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sampling_interval": 1}, "SamplingInterval"),
        ({"format": "GIF"}, "must be JPEG or PNG"),
        ({"width_pixels": 5}, "both be given"),
        ({"image_selector_type": "x"}, "PRODUCER_TIMESTAMP"),
        ({"format": "PNG", "jpeg_quality": 5}, "for format JPEG"),
    ],
)
def test_a_wrong_word_for_images_is_refused(local_kvs, change, words):
    with pytest.raises(kvs.InvalidValueError, match=words):
        kvs.images("door", 1700000000, 1700000010, **change, **local_kvs.connection)


def test_images_of_a_missing_stream_say_so(local_kvs):
    (result,) = kvs.images("nothing", 1700000000, 1700000001, sampling_interval=1000, **local_kvs.connection)
    assert isinstance(result.content, kvs.ResourceNotFoundException)


def test_fragments_of_a_live_body(local_kvs):
    with alaw(local_kvs) as producer:
        producer.put_tag("camera", "north", persistent=True)
        put_silence(producer, 300, start=time.time() - 20)
        producer.stop()
    media = local_kvs.client("kinesis-video-media", "door", "GET_MEDIA")
    body = media.get_media(StreamName="door", StartSelector={"StartSelectorType": "EARLIEST"})["Payload"]
    seen, frames = [], 0
    for fragment in kvs.fragments(body):
        seen.append(fragment)
        frames += len(fragment.frames)
        assert ("camera", "north") in fragment.tags
        if frames == 300:
            break
    assert seen[0].number and seen[0].server_timestamp.tzinfo is not None and seen[0].continuation_token


def test_fragments_of_bytes_and_files():
    with pytest.raises(kvs.FragmentError):
        list(kvs.fragments(b"not matroska at all"))
    assert list(kvs.fragments(b"")) == list(kvs.fragments(io.BytesIO())) == []
    with pytest.raises(TypeError, match="not int"):
        list(kvs.fragments(5))


NOTIFICATION = {
    "StreamArn": "arn:aws:kinesisvideo:us-west-2:111122223333:stream/door/1650000000000",
    "FragmentNumber": "91343852333181432392682062607743920146159169392",
    "FragmentStartProducerTimestamp": 1694038298246,
    "FragmentStartServerTimestamp": 1694038247180,
    "NotificationType": "PERSISTED",
    "NotificationPayload": {"camera": "front"},
}


def test_notifications_are_decoded_in_every_envelope():
    sns = {
        "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": "arn:aws:sns:us-west-2:111122223333:t",
        "Message": json.dumps(NOTIFICATION), "Timestamp": "2022-04-25T18:36:29.194Z",
    }
    in_lambda = {"Records": [{"EventSource": "aws:sns", "Sns": sns}]}
    for document in (NOTIFICATION, json.dumps(NOTIFICATION), json.dumps(sns).encode(), sns, in_lambda):
        (message,) = kvs.decode(document)
        assert isinstance(message, kvs.FragmentNotification)
        assert (message.stream_name, message.payload) == ("door", {"camera": "front"})
        assert message.producer_timestamp == datetime.fromtimestamp(1694038298.246, timezone.utc)


def test_a_document_of_another_kind_is_refused():
    for document in (b"", b"[", b"{}", "null", {"Records": 5}):
        with pytest.raises(kvs.DecodeError) as caught:
            kvs.decode(document)
        assert "\n" not in str(caught.value)


def test_images_and_notifications_of_the_service_are_decoded(local_kvs):
    client, topic = local_kvs.client(), "arn:aws:sns:us-west-2:111122223333:cameras"
    client.create_stream(StreamName="door", DataRetentionInHours=1)
    client.update_image_generation_configuration(StreamName="door", ImageGenerationConfiguration={
        "Status": "ENABLED", "ImageSelectorType": "PRODUCER_TIMESTAMP", "SamplingInterval": 1000, "Format": "JPEG",
        "DestinationConfig": {"Uri": "s3://pictures", "DestinationRegion": "us-west-2"}, "WidthPixels": 160, "HeightPixels": 120})
    client.update_notification_configuration(StreamName="door", NotificationConfiguration={
        "Status": "ENABLED", "DestinationConfig": {"Uri": topic}})
    stream, packets = encoded(frames=20)
    with kvs.Producer("door", stream, start_at="now", **local_kvs.connection) as producer:
        for packet in packets:
            producer.put_packet(packet)
        producer.put_event(image="gate", notify=True, pairs={"who": "me"})

    bucket, messages, end = local_kvs.data_dir / "s3" / "pictures", local_kvs.data_dir / "sns" / "cameras", time.monotonic() + 20
    while not (list(bucket.glob("gate_*.jpg.metadata.json")) and list(messages.glob("*.json"))) and time.monotonic() < end:
        time.sleep(0.05)
    (file,) = bucket.glob("gate_*.jpg")
    (body,) = messages.glob("*.json")

    (notification,) = kvs.decode(body.read_bytes())
    assert (notification.stream_name, notification.topic_arn, notification.payload) == ("door", topic, {"who": "me"})
    key = kvs.parse_image_key(file.name)
    assert (key.prefix, key.account, key.stream_name, key.format) == ("gate", "111122223333", "door", "JPEG")
    metadata = kvs.image_metadata(json.loads(file.with_name(file.name + ".metadata.json").read_text()))
    assert metadata.fragment_number == notification.fragment_number
    assert metadata.producer_timestamp == key.time and metadata.pairs["who"] == "me"


def test_an_image_object_of_another_kind_is_refused():
    with pytest.raises(kvs.DecodeError):
        kvs.parse_image_key("photo.jpg")
    with pytest.raises(kvs.DecodeError):
        kvs.image_metadata({})
