"""How the service is reached: TLS, a proxy, credentials that change."""

import socket
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from conftest import alaw, put_silence, read_back

import kvs


class Tunnels:
    """An HTTP proxy with CONNECT only, to one port of this machine whatever the target. It keeps the targets that it was asked for."""

    def __init__(self):
        self.port, self.targets, self._listener = 0, [], socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        method, target, _ = head.split(b"\r\n")[0].split()
        self.targets.append((method, target.decode()))
        server = socket.create_connection(("127.0.0.1", self.port))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=self._pass, args=(server, client), daemon=True).start()
        self._pass(client, server)

    @staticmethod
    def _pass(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self._listener.close()


@pytest.fixture
def tunnels():
    proxy = Tunnels()
    yield proxy
    proxy.close()


def test_a_service_with_tls_is_reached_with_its_authority():
    with kvs.LocalKvs(options=["--tls"]) as local:
        assert local.endpoint_url.startswith("https://") and local.connection["verify"] == local.ca_bundle
        with alaw(local) as producer:
            put_silence(producer, 100)
            assert producer.stop().complete
        # boto3 checks the same certificate.
        assert sum(len(fragment.frames) for fragment in read_back(local, "door")) == 100


def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path, monkeypatch):
    with kvs.LocalKvs(options=["--tls"]) as local, kvs.LocalKvs(options=["--tls"]) as other:
        unknown = {**local.connection, "open_timeout": 2.0}
        for verify in (None, other.ca_bundle):
            with pytest.raises(kvs.TransportError, match="certificate") as caught:
                kvs.Producer("door", "alaw", create_stream=True, **{**unknown, "verify": verify})
            assert "\n" not in str(caught.value)
        monkeypatch.setenv("AWS_CA_BUNDLE", local.ca_bundle)
        with kvs.Producer("door", "alaw", create_stream=True, **{**unknown, "verify": None}) as producer:
            put_silence(producer, 50)


@pytest.mark.parametrize(
    ("verify", "error", "words"),
    [
        (False, kvs.InvalidValueError, "cannot be turned off"),
        ("/no/such/file.pem", kvs.InvalidValueError, "no/such"),
        (5, TypeError, "verify"),
    ],
)
def test_a_wrong_verify_is_refused(local_kvs, verify, error, words):
    with pytest.raises(error, match=words):
        alaw(local_kvs, verify=verify)


def test_a_proxy_of_the_environment_carries_calls_and_media(tunnels, monkeypatch):
    # This machine is never reached through a proxy, so the service has a name of another one.
    url = "http://kvs.test:8080"
    with kvs.LocalKvs(options=["--one-port", "--public-url", url]) as local:
        tunnels.port = int(local.endpoint_url.rsplit(":", 1)[1])
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTP_PROXY", tunnels.url)
        with alaw(local, endpoint_url=url) as producer:
            put_silence(producer, 100)
            assert producer.stop().persisted_frames == 100
        # The calls and the media, at the name of the service.
        assert len(tunnels.targets) >= 2 and set(tunnels.targets) == {(b"CONNECT", "kvs.test:8080")}
        seen = len(tunnels.targets)
        monkeypatch.setenv("NO_PROXY", "kvs.test")
        with pytest.raises(kvs.TransportError):
            alaw(local, endpoint_url=url, open_timeout=1.0)
        assert len(tunnels.targets) == seen
        monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1")
        with pytest.raises(kvs.InvalidValueError, match="SOCKS is not supported"):
            alaw(local, endpoint_url=url)


def session_of(refresh):
    """Return a session of boto3 whose credentials have expired and are refreshed by a function."""
    import boto3
    from botocore.credentials import RefreshableCredentials
    from botocore.session import Session

    core = Session()
    core._credentials = RefreshableCredentials("old", "old", None, datetime.now(timezone.utc), refresh, "test")
    core.set_config_variable("region", "us-west-2")
    return boto3.Session(botocore_session=core)


def test_credentials_of_a_session_are_asked_again_before_they_expire(tmp_path):
    """The first keys live for 36 s. The producer leaves them 30 s before their end, and the service does not know the old ones."""
    keys = tmp_path / "keys"
    keys.write_text("first:first-secret\nsecond:second-secret\n")
    given = []

    def refresh():
        name = "second" if given else "first"
        given.append(name)
        expiry = datetime.now(timezone.utc) + timedelta(seconds=3600 if name == "second" else 36)
        return {"access_key": name, "secret_key": f"{name}-secret", "token": None, "expiry_time": expiry.isoformat()}

    session = session_of(refresh)
    # botocore itself would refresh 15 minutes before the end.
    session.get_credentials()._mandatory_refresh_timeout = session.get_credentials()._advisory_refresh_timeout = 30
    with kvs.LocalKvs(options=["--credentials-file", str(keys)]) as local:
        arguments = {"session": session, "endpoint_url": local.endpoint_url, "create_stream": True}
        with kvs.Producer("door", "alaw", **arguments) as producer:
            start, put = time.time(), 0
            while time.time() < start + 9:
                producer.put_frame(b"\xd5" * 160, start + put * 0.02)
                put += 1
                time.sleep(max(0.0, start + put * 0.02 - time.time()))
            report = producer.stop()
            sessions = producer.stats()["sessions"]
        assert report.complete and report.persisted_frames == put
        assert given == ["first", "second"] and sessions >= 2, (given, sessions)


def test_a_session_that_cannot_refresh_is_named(local_kvs):
    def refresh():
        raise RuntimeError("the token server is down")

    with pytest.raises(kvs.CredentialsError, match="the token server is down"):
        kvs.Producer("door", "alaw", session=session_of(refresh), endpoint_url=local_kvs.endpoint_url, open_timeout=1.0)
