"""What the service refuses has the service's name and its words on one line."""

import json

import pytest
from conftest import alaw

import kvs
import kvs.errors

#: Exceptions of the service, as boto3 names them, and what a program may catch instead of them.
OF_THE_SERVICE = {
    "AccessDeniedException": kvs.AccessDeniedException,
    "NotAuthorizedException": kvs.AccessDeniedException,
    "UnrecognizedClientException": kvs.AccessDeniedException,
    "ExpiredTokenException": kvs.AccessDeniedException,
    "InvalidArgumentException": ValueError,
    "ResourceNotFoundException": kvs.ResourceNotFoundException,
    "ClientLimitExceededException": kvs.ClientLimitExceededException,
    "ConnectionLimitExceededException": kvs.KvsError,
    "ResourceInUseException": kvs.KvsError,
    "NoDataRetentionException": kvs.KvsError,
}


def refusing(tmp_path, operation, exception):
    script = tmp_path / "faults.json"
    script.write_text(json.dumps([{"on": operation, "do": {"refuse": {"exception": exception}}}]))
    return kvs.LocalKvs(options=["--faults", str(script)])


def check(error, name):
    assert type(error).__name__ == error.response["Error"]["Code"] == name
    assert isinstance(error, OF_THE_SERVICE[name]) and isinstance(error, kvs.KvsError)
    assert "refused by the fault script" in str(error) and "\n" not in str(error)
    assert len(str(error)) < 300


@pytest.mark.parametrize("name", OF_THE_SERVICE)
def test_a_refusal_when_a_producer_is_opened(tmp_path, name):
    if name == "NoDataRetentionException":
        pytest.skip("DescribeStream does not return it")
    with refusing(tmp_path, "getDataEndpoint", name) as local:
        local.client().create_stream(StreamName="door", DataRetentionInHours=1)
        with pytest.raises(kvs.KvsError) as caught:
            alaw(local, create_stream=False, open_timeout=6.0)
    if name == "ResourceNotFoundException":
        assert type(caught.value) is kvs.ResourceNotFoundException
    else:
        check(caught.value, name)


@pytest.mark.parametrize("name", OF_THE_SERVICE)
def test_a_refusal_of_images(tmp_path, name):
    with refusing(tmp_path, "getImages", name) as local:
        local.client().create_stream(StreamName="door", DataRetentionInHours=1)
        (image,) = kvs.images("door", 1700000000, 1700000001, sampling_interval=1000, **local.connection)
    check(image.content, name)
    assert image.content.response["ResponseMetadata"]["HTTPStatusCode"] >= 400


def test_boto3_raises_the_same_names(tmp_path):
    from botocore.exceptions import ClientError

    with refusing(tmp_path, "describeStream", "NotAuthorizedException") as local:
        with pytest.raises(ClientError) as theirs:
            local.client().describe_stream(StreamName="door")
        with pytest.raises(kvs.KvsError) as ours:
            alaw(local, create_stream=False)
    assert ours.value.response["Error"]["Code"] == theirs.value.response["Error"]["Code"]


def test_every_class_is_documented_and_made_by_its_code():
    for name, kind in kvs.errors._BY_CODE.items():
        assert kind.__doc__ and name == kind.__name__
        assert type(kvs.errors._make(name, "words", None, None)) is kind
    other = kvs.errors._make("BrandNewException", "words", 400, "id")
    assert type(other) is kvs.KvsError and other.response["Error"]["Code"] == "BrandNewException"
