"""Requests that botocore signs and does not check."""

import http.client
import sys
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

_, ACCESS_KEY, SECRET_KEY, REGION = sys.argv[1:5]


class Response:
    def __init__(self, response):
        self.status = response.status
        self.exception = response.headers.get("x-amzn-errortype", "").split(":")[0]
        # Media without an end in sight is not read.
        self.body = response.read(1 << 20) if response.headers.get("content-type") == "application/json" else b""


def post(endpoint, path, body):
    request = botocore.awsrequest.AWSRequest("POST", endpoint + path, data=body)
    request.headers["content-type"] = "application/json"
    credentials = botocore.credentials.Credentials(ACCESS_KEY, SECRET_KEY)
    botocore.auth.SigV4Auth(credentials, "kinesisvideo", REGION).add_auth(request)
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(endpoint).netloc, timeout=20)
    connection.request("POST", path, body, dict(request.headers))
    response = Response(connection.getresponse())
    connection.close()
    return response
