"""A credentials endpoint of AWS IoT on loopback, for tests: iot_endpoint.py FOLDER ACCESS_KEY SECRET_KEY SESSION_TOKEN

Makes an authority, a server certificate and a device certificate in FOLDER (ca.pem, device.pem, device.key) and prints "ready PORT". Then
prints the path and the thing name of each request of a device with that authority's certificate. The role alias "refused" is not allowed.
"""
import datetime
import http.server
import json
import pathlib
import ssl
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

folder, (access_key, secret_key, token) = pathlib.Path(sys.argv[1]), sys.argv[2:5]
NOW = datetime.datetime.now(datetime.timezone.utc)
SECRET = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()


def certificate(name, issuer, key, issuer_key, *extensions):
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW - datetime.timedelta(hours=1)).not_valid_after(NOW + datetime.timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


authority = ec.generate_private_key(ec.SECP256R1())
ca = certificate(name("test authority"), name("test authority"), authority, authority, x509.BasicConstraints(ca=True, path_length=None))
(folder / "ca.pem").write_bytes(ca)
for part in ("server", "device"):
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    (folder / f"{part}.pem").write_bytes(certificate(name(part), name("test authority"), key, authority, names))
    (folder / f"{part}.key").write_bytes(key.private_bytes(*SECRET))


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.path, self.headers.get("x-amzn-iot-thingname"), flush=True)
        allowed = "refused" not in self.path
        until = (NOW + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        keys = {"accessKeyId": access_key, "secretAccessKey": secret_key, "sessionToken": token, "expiration": until}
        body = json.dumps({"credentials": keys} if allowed else {"message": "Access Denied"}).encode()
        self.send_response(200 if allowed else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder / "server.pem", folder / "server.key")
context.load_verify_locations(folder / "ca.pem")
context.verify_mode = ssl.CERT_REQUIRED
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", server.server_address[1], flush=True)
server.serve_forever()
