"""Region, endpoint and credentials: from a boto3 session, from keys, or from the environment."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Optional, Tuple, Union

from ._checks import Path, path, text
from ._kvs import Client
from .errors import CredentialsError, InvalidValueError

Keys = Tuple[str, str, Optional[str], Optional[datetime]]
Credentials = Union[Tuple[str, str], Tuple[str, str, Optional[str]]]
#: The file with the authorities that are trusted; ``None`` or ``True`` for ``AWS_CA_BUNDLE``, or else those of the package.
Verify = Union[None, bool, Path]

#: How long credentials are used whose session can refresh them but does not say when they expire.
_UNKNOWN_EXPIRY = timedelta(minutes=15)


def connect(
    session: Any = None,
    credentials: Optional[Credentials] = None,
    region_name: Optional[str] = None,
    endpoint_url: Optional[str] = None,
    verify: Verify = None,
) -> Client:
    """Return a client. Without a session and credentials, boto3's default session is used if boto3 is installed."""
    if session is None and credentials is None:
        session = _default_session()
    region = text("region_name", region_name) or getattr(session, "region_name", None) or os.environ.get("AWS_REGION")
    region = region or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise InvalidValueError("no region: pass region_name, or set AWS_REGION")
    endpoint = text("endpoint_url", endpoint_url) or os.environ.get("AWS_ENDPOINT_URL_KINESIS_VIDEO") or os.environ.get("AWS_ENDPOINT_URL")
    bundle = _ca_bundle(verify)
    provider = _fixed(credentials) if credentials is not None else _of_session(session)
    return Client(region, provider, endpoint or None, bundle or None)


def _ca_bundle(verify: Verify) -> Optional[str]:
    if verify is False:
        raise InvalidValueError("verify=False: certificates are always checked, this cannot be turned off; pass the file of your authority")
    if verify is None or verify is True:
        return os.environ.get("AWS_CA_BUNDLE")
    return path("verify", verify)


def _default_session() -> Any:
    try:
        import boto3
    except ImportError:
        return None
    return boto3.Session()


def _fixed(credentials: Credentials) -> Callable[[], Keys]:
    if not isinstance(credentials, (tuple, list)) or len(credentials) not in (2, 3):
        raise TypeError("credentials must be (key, secret) or (key, secret, token)")
    key, secret = credentials[0], credentials[1]
    token = credentials[2] if len(credentials) == 3 else None
    if not isinstance(key, str) or not isinstance(secret, str):
        raise TypeError("credentials must be (key, secret) or (key, secret, token) of type str")
    return lambda: (key, secret, token, None)


def _of_session(session: Any) -> Callable[[], Keys]:
    if session is None:
        key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
        if not key or not secret:
            raise CredentialsError("no credentials: pass a session or credentials, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        return _fixed((key, secret, os.environ.get("AWS_SESSION_TOKEN")))
    if not hasattr(session, "get_credentials"):
        raise TypeError(f"session must be a boto3.Session, not {type(session).__name__}")
    source = session.get_credentials()
    if source is None:
        raise CredentialsError("the session has no credentials")

    def frozen() -> Keys:
        # botocore refreshes them here if they are about to expire.
        keys = source.get_frozen_credentials()
        expiry = getattr(source, "_expiry_time", None)
        if expiry is None and hasattr(source, "refresh_needed"):
            expiry = datetime.now(timezone.utc) + _UNKNOWN_EXPIRY
        return keys.access_key, keys.secret_key, keys.token, expiry

    return frozen
