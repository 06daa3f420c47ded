#!/usr/bin/env python3
"""Makes certificates and signed SNS messages with OpenSSL and nothing of this project: make.py OUT_DIR.

Certificates (PEM): root and foreign-root; leaf (sns.amazonaws.com, by root), expired, not-yet, other-name, client-only (all with
leaf's key), foreign (leaf's key, by foreign-root), intermediate (by root) and leaf-under-intermediate (leaf's key), ec (an elliptic key).
Messages (JSON): KIND-VERSION.json, signed with leaf's key. Keys are thrown away. All dates lie around 2025.
"""

import base64
import json
import pathlib
import subprocess
import sys
import tempfile

CERT_URL = "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
TOPIC = "arn:aws:sns:us-west-2:111122223333:cameras"
VALID, EXPIRED, NOT_YET = ("20250101000000Z", "20351231235959Z"), ("20200101000000Z", "20210101000000Z"), ("20300101000000Z", "20310101000000Z")

CA_CONFIG = """
[ca]
default_ca = here
[here]
dir = {dir}
database = {dir}/index
new_certs_dir = {dir}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[leaf]
basicConstraints = critical, CA:false
subjectAltName = DNS:sns.amazonaws.com
extendedKeyUsage = serverAuth, clientAuth
[other_name]
basicConstraints = critical, CA:false
subjectAltName = DNS:sqs.amazonaws.com
[client_only]
basicConstraints = critical, CA:false
subjectAltName = DNS:sns.amazonaws.com
extendedKeyUsage = clientAuth
"""


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, check=True, capture_output=True).stdout


class Maker:
    def __init__(self, work, out):
        self.work, self.out = work, out
        (work / "index").touch()
        (work / "config").write_text(CA_CONFIG.format(dir=work))

    def key(self, name, *how):
        how = how or ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        openssl("genpkey", *how, "-out", self.work / f"{name}.key")

    def certificate(self, name, common_name, key, extensions, dates, issuer=None):
        request, target = self.work / f"{name}.csr", self.out / f"{name}.pem"
        openssl("req", "-new", "-key", self.work / f"{key}.key", "-subj", f"/CN={common_name}", "-out", request)
        signer = ["-selfsign", "-keyfile", self.work / f"{key}.key"]
        if issuer:
            signer = ["-cert", self.out / f"{issuer}.pem", "-keyfile", self.work / f"{issuer}.key"]
        openssl("ca", "-batch", "-notext", "-config", self.work / "config", "-in", request, "-out", target, *signer,
                "-extensions", extensions, "-startdate", dates[0], "-enddate", dates[1])

    def message(self, name, fields, signed):
        text = "".join(f"{field}\n{fields[field]}\n" for field in signed if field in fields).encode()
        for version, digest in (("1", "-sha1"), ("2", "-sha256")):
            signature = openssl("dgst", digest, "-sign", self.work / "leaf.key", data=text)
            whole = dict(fields, SignatureVersion=version, Signature=base64.b64encode(signature).decode(), SigningCertURL=CERT_URL)
            (self.out / f"{name}-v{version}.json").write_text(json.dumps(whole, indent=1, ensure_ascii=version == "1") + "\n")


def certificates(maker):
    for key in ("root", "foreign-root", "leaf", "intermediate"):
        maker.key(key)
    maker.key("ec", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    for root in ("root", "foreign-root"):
        maker.certificate(root, f"Test {root}", root, "root", VALID)
    maker.certificate("intermediate", "Test intermediate", "intermediate", "root", VALID, "root")
    leaves = [("leaf", "leaf", "leaf", VALID, "root"), ("expired", "leaf", "leaf", EXPIRED, "root"), ("not-yet", "leaf", "leaf", NOT_YET, "root"),
              ("other-name", "leaf", "other_name", VALID, "root"), ("client-only", "leaf", "client_only", VALID, "root"),
              ("foreign", "leaf", "leaf", VALID, "foreign-root"), ("ec", "ec", "leaf", VALID, "root"),
              ("leaf-under-intermediate", "leaf", "leaf", VALID, "intermediate")]
    for name, key, extensions, dates, issuer in leaves:
        maker.certificate(name, "sns.amazonaws.com", key, extensions, dates, issuer)


def messages(maker):
    kvs = json.dumps({
        "StreamArn": "arn:aws:kinesisvideo:us-west-2:111122223333:stream/door/1650000000000",
        "FragmentNumber": "91343852333181432392682062607743920146159169392",
        "FragmentStartProducerTimestamp": 1748779200246, "FragmentStartServerTimestamp": 1748779200180,
        "NotificationType": "PERSISTED", "NotificationPayload": {"camera": "Tür \"7\"\nback\\door"}}, ensure_ascii=False)
    notification = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    question = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    common = {"MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC, "Timestamp": "2025-06-01T12:00:00.194Z"}
    maker.message("notification", {"Type": "Notification", **common, "Subject": "Kinesis Video Streams Notification", "Message": kvs}, notification)
    maker.message("no-subject", {"Type": "Notification", **common, "Message": "line one\nline two\n"}, notification)
    token = "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92768dd60a747ba6f3beb71854e285d6ad"
    url = f"https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token={token}"
    for kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        fields = {"Type": kind, **common, "Token": token, "Message": f"You have chosen to change {TOPIC}.", "SubscribeURL": url}
        maker.message(kind, fields, question)


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        maker = Maker(pathlib.Path(work), out)
        certificates(maker)
        messages(maker)


main()
