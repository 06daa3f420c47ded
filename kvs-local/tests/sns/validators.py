"""Runs published SNS message validators on the messages on standard input: JSON, one message per line.

Prints for each validator how many messages it accepted and how many changed messages it rejected. Fails at the first wrong
result. The validators are used as published on PyPI, except for the source of certificates: they accept only hosts of
amazonaws.com, and one of them only the issuer Amazon.
"""

import json
import sys

from aws_sns_verifier import validator as verifier
from sns_message_validator import SNSMessageValidator

ORIGIN = r"^http://127\.0\.0\.1:\d+/"
FIELDS = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn"]


def aws_sns_verifier(message):
    verifier.validate_sns_signature(message, auto_confirm_subscription=False)


verifier._DEFAULT_CERTIFICATE_URL_REGEX = ORIGIN
verifier._validate_certificate = lambda url: verifier._get_certificate(url).public_key()
# Name of the validator, supported signature versions, and the function.
VALIDATORS = [
    ("aws-sns-message-validator", ["1"], SNSMessageValidator(cert_url_regex=ORIGIN).validate_message),
    ("aws-sns-verifier", ["1", "2"], aws_sns_verifier),
]


def changed(message):
    """Yields every message that differs from this one in one signed field."""
    for field in FIELDS:
        if field in message:
            yield field, {**message, field: message[field] + " "}
    types = {"Notification": "Notification ", "SubscriptionConfirmation": "UnsubscribeConfirmation"}
    yield "Type", {**message, "Type": types[message["Type"]]}


def rejects(validate, message):
    try:
        validate(message)
    except Exception:
        return True
    return False


messages = [json.loads(line) for line in sys.stdin]
for name, versions, validate in VALIDATORS:
    accepted = rejected = 0
    for message in (message for message in messages if message["SignatureVersion"] in versions):
        validate(message)
        accepted += 1
        for field, forged in changed(message):
            assert rejects(validate, forged), f"{name} accepts a changed {field} of {message}"
            rejected += 1
    print(f"{name}: {accepted} accepted, {rejected} changed ones rejected")
