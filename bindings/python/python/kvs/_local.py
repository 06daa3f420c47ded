"""The service on this machine, as a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, Optional, Sequence, Tuple, Type, Union

from .errors import KvsError

_READY = "kvs-local listening on "


class LocalKvs:
    """The program ``kvs-local`` on a free port, with a temporary folder unless ``data_dir`` is given. Use it in a ``with`` block.

    It stops at the end of the block, and also if Python dies. ``options`` are further options of the program.

    >>> import kvs
    >>> with kvs.LocalKvs() as local:
    ...     local.endpoint_url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        *,
        data_dir: Union[None, str, "os.PathLike[str]"] = None,
        credentials: Tuple[str, str] = ("kvs-local", "kvs-local-secret"),
        region_name: str = "us-west-2",
        options: Sequence[str] = (),
        start_timeout: float = 30.0,
    ) -> None:
        self.credentials = credentials
        self.region_name = region_name
        self._given_dir = data_dir
        self._options = list(options)
        self._start_timeout = start_timeout
        self._url: Optional[str] = None
        self._process: Optional[subprocess.Popen[str]] = None
        self._folder: Optional[str] = None

    def start(self) -> "LocalKvs":
        """Start the program and wait until it is ready."""
        if self._process is not None:
            return self
        self._folder = None if self._given_dir else tempfile.mkdtemp(prefix="kvs-local-")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_ENDPOINT_URL")}
        # The keys are not on the command line, which other users can see.
        environment["KVS_LOCAL_CREDENTIALS"] = ":".join(self.credentials)
        command = [_program(), "--listen", "127.0.0.1:0", "--data-dir", str(self.data_dir), "--region", self.region_name]
        command += ["--stop-at-eof", *self._options]
        log = open(self.log_file, "ab")
        try:
            # A session of its own: Ctrl-C in a terminal is for Python, which then ends the block.
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment, text=True, start_new_session=True
            )
        finally:
            log.close()
        try:
            self._url = self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    @property
    def data_dir(self) -> Path:
        """The folder with streams, media, images and notifications."""
        folder = self._given_dir or self._folder
        if folder is None:
            raise KvsError("kvs-local is not started")
        os.makedirs(folder, exist_ok=True)
        return Path(folder)

    @property
    def log_file(self) -> Path:
        """The log of the program."""
        return self.data_dir / "kvs-local.log"

    @property
    def endpoint_url(self) -> str:
        """The URL of the service."""
        if self._url is None:
            raise KvsError("kvs-local is not started")
        return self._url

    @property
    def connection(self) -> Dict[str, Any]:
        """The arguments that :class:`kvs.Producer` and :func:`kvs.images` need to reach it."""
        needed = {"endpoint_url": self.endpoint_url, "region_name": self.region_name, "credentials": self.credentials}
        return needed if self.ca_bundle is None else {**needed, "verify": self.ca_bundle}

    @property
    def ca_bundle(self) -> Optional[str]:
        """The file with the authority of its certificate, with the option ``--tls``; else ``None``."""
        return str(self.data_dir / "ca.pem") if self.endpoint_url.startswith("https:") else None

    def session(self) -> Any:
        """Return a ``boto3.Session`` with its region and keys."""
        import boto3

        key, secret = self.credentials
        return boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=self.region_name)

    def client(self, service: str = "kinesisvideo", stream_name: Optional[str] = None, api_name: Optional[str] = None) -> Any:
        """Return a boto3 client; with ``stream_name`` and ``api_name`` one for the data endpoint of that call."""
        session, verify = self.session(), self.ca_bundle
        if stream_name is None or api_name is None:
            return session.client(service, endpoint_url=self.endpoint_url, verify=verify)
        control = session.client("kinesisvideo", endpoint_url=self.endpoint_url, verify=verify)
        endpoint = control.get_data_endpoint(StreamName=stream_name, APIName=api_name)["DataEndpoint"]
        return session.client(service, endpoint_url=endpoint, verify=verify)

    def stop(self) -> None:
        """Stop the program, and remove the temporary folder."""
        process, self._process, self._url = self._process, None, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _wait(self) -> str:
        process = self._process
        assert process is not None and process.stdout is not None
        lines: List[str] = []
        reader = threading.Thread(target=lambda out=process.stdout: lines.append(out.readline()), daemon=True)
        reader.start()
        reader.join(self._start_timeout)
        if lines and lines[0].startswith(_READY):
            return lines[0][len(_READY) :].strip()
        if not lines:
            process.kill()
            reader.join()
        log = self.log_file.read_text(errors="replace").strip().splitlines()
        errors = [line for line in log if line.startswith("error:")] or log[-1:]
        reason = errors[-1] if errors else f"no line within {self._start_timeout} s"
        raise KvsError(f"kvs-local did not start: {reason}")

    def __enter__(self) -> "LocalKvs":
        return self.start()

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.stop()


def _program() -> str:
    """Return the path of the program: ``KVS_LOCAL_PROGRAM``, that of this package, or the one on the path."""
    given = os.environ.get("KVS_LOCAL_PROGRAM")
    if given:
        return given
    name = "kvs-local.exe" if sys.platform == "win32" else "kvs-local"
    inside = Path(__file__).parent / "bin" / name
    if inside.exists():
        if not os.access(inside, os.X_OK):
            inside.chmod(0o755)
        return str(inside)
    found = shutil.which(name)
    if found is None:
        raise KvsError("the program kvs-local was not found: install kvs-local, or set KVS_LOCAL_PROGRAM")
    return found
