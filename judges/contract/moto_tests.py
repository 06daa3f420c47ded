"""Runs moto's own tests of Kinesis Video Streams against a service that runs.

Arguments: ENDPOINT ACCESS_KEY SECRET_KEY REGION DATA_DIR. The tests are those of moto's source distribution, which .ci/install unpacks
into the folder share/moto-tests of the Python environment. They call boto3 inside the decorator `mock_aws`. Here the decorator empties
the service instead, and the calls go to the service.

A test that fails must be in accepted_moto.json, with the reason.
"""

import functools
import json
import os
import pathlib
import sys
import urllib.parse

ENDPOINT, ACCESS_KEY, SECRET_KEY, REGION, _ = sys.argv[1:6]
os.environ.update(
    AWS_ENDPOINT_URL_KINESIS_VIDEO=ENDPOINT, AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY,
    AWS_DEFAULT_REGION=REGION, AWS_MAX_ATTEMPTS="1")
os.environ.pop("AWS_SESSION_TOKEN", None)

import boto3
import moto
import moto.server
import pytest

from signed import post

HERE = pathlib.Path(__file__).parent
TESTS = pathlib.Path(sys.prefix) / "share" / "moto-tests" / "tests"
FOLDERS = ["test_kinesisvideo", "test_kinesisvideoarchivedmedia"]
# How many tests there are at least: a runner that finds none judges nothing.
LEAST = 13


def mock_aws(test):
    @functools.wraps(test)
    def on_an_empty_service():
        assert post(ENDPOINT, "/_kvs/reset", b"").status == 200
        test()

    return on_an_empty_service


class Backend:
    """What moto's tests of its server use: a client of one backend, here of the endpoint that serves the same operations."""

    def __init__(self, name):
        self.endpoint = ENDPOINT
        if name != "kinesisvideo":
            control = boto3.client("kinesisvideo")
            control.create_stream(StreamName="endpoints")
            self.endpoint = control.get_data_endpoint(StreamName="endpoints", APIName="GET_CLIP")["DataEndpoint"]

    def test_client(self):
        return self

    def post(self, path):
        response = post(self.endpoint, path, b"")
        response.status_code = response.status
        return response


class Results:
    def __init__(self):
        self.outcomes = {}

    def pytest_runtest_logreport(self, report):
        name = f"{pathlib.Path(report.nodeid.split('::')[0]).name}::{report.nodeid.split('::')[-1]}"
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[name] = report.outcome


moto.mock_aws = mock_aws
moto.server.create_backend_app = Backend
results = Results()
arguments = ["-q", "-p", "no:cacheprovider", "--tb=short", f"--rootdir={TESTS}"]
pytest.main(arguments + [str(TESTS / folder) for folder in FOLDERS], plugins=[results])
accepted = json.loads((HERE / "accepted_moto.json").read_text())
failed = {name for name, outcome in results.outcomes.items() if outcome != "passed"}
print(f"moto: {len(results.outcomes)} tests, {len(failed)} failed, {len(failed & accepted.keys())} of them accepted")
unexpected = failed - accepted.keys()
if unexpected or len(results.outcomes) < LEAST or accepted.keys() - results.outcomes.keys():
    sys.exit(f"not accepted: {sorted(unexpected)}; run: {sorted(results.outcomes)}")
