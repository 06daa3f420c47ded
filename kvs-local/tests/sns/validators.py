"""Validators that people run on messages of SNS, on those that arrive on standard input: JSON, one message a line.

Prints per validator how many messages it accepted and how many changed ones it refused; ends at the first verdict that is wrong.
The validators are as they come from PyPI, but for where certificates may come from: they insist on hosts of amazonaws.com, and
one on an issuer called Amazon.
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
# The name of the validator, the versions of signatures that it knows, and itself.
VALIDATORS = [
    ("aws-sns-message-validator", ["1"], SNSMessageValidator(cert_url_regex=ORIGIN).validate_message),
    ("aws-sns-verifier", ["1", "2"], aws_sns_verifier),
]


def changed(message):
    """Every message that differs from this one in one signed field."""
    for field in FIELDS:
        if field in message:
            yield field, {**message, field: message[field] + " "}
    types = {"Notification": "Notification ", "SubscriptionConfirmation": "UnsubscribeConfirmation"}
    yield "Type", {**message, "Type": types[message["Type"]]}


def refuses(validate, message):
    try:
        validate(message)
    except Exception:
        return True
    return False


messages = [json.loads(line) for line in sys.stdin]
for name, versions, validate in VALIDATORS:
    accepted = refused = 0
    for message in (message for message in messages if message["SignatureVersion"] in versions):
        validate(message)
        accepted += 1
        for field, forged in changed(message):
            assert refuses(validate, forged), f"{name} accepts another {field} of {message}"
            refused += 1
    print(f"{name}: {accepted} accepted, {refused} changed ones refused")
