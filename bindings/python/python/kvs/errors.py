"""The exceptions of the package. Those of the service have its names; :class:`KvsError` is the base of all."""

from __future__ import annotations

from typing import Any, Dict, Optional, Type


class KvsError(Exception):
    """The base of all exceptions. ``response`` has the form of boto3's ``ClientError.response``.

    The text is one line; ``response["Error"]["Message"]`` has all lines of the service.
    """

    response: Dict[str, Any]

    def __init__(self, message: str = "", code: Optional[str] = None, status: Optional[int] = None, request_id: Optional[str] = None):
        super().__init__(message.split("\n", 1)[0].rstrip())
        metadata = {"HTTPStatusCode": status, "RequestId": request_id}
        self.response = {"Error": {"Code": code or type(self).__name__, "Message": message}, "ResponseMetadata": metadata}


class InvalidValueError(KvsError, ValueError):
    """The caller passed a value that the service or this package does not accept. Nothing was sent."""


class CredentialsError(KvsError):
    """There are no usable credentials."""


class TransportError(KvsError):
    """The service could not be reached, or not in time."""


class ProducerClosedError(KvsError):
    """The producer was stopped: it accepts nothing more."""


class BufferFullError(KvsError):
    """The buffer has no room for the frame. Put it again, or drop it."""


class FrameRefusedError(KvsError, ValueError):
    """The frame is not what its track says. The producer continues."""


class SpoolError(KvsError):
    """The folder cannot be the spool of this producer."""


class FragmentError(KvsError, ValueError):
    """The body is not Matroska, or it ends inside an element."""


class DecodeError(KvsError, ValueError):
    """The document is not one that the service sends."""


class ImageError(KvsError):
    """There is no image for a timestamp."""


class NoMediaError(ImageError):
    """The stream has no media at the timestamp."""


class MediaError(ImageError):
    """The media at the timestamp cannot be decoded."""


class InternalError(KvsError):
    """A fault of this package."""


class ResourceNotFoundException(KvsError):
    """The stream does not exist."""


class AccessDeniedException(KvsError):
    """The credentials do not allow the call."""


class NotAuthorizedException(AccessDeniedException):
    """The credentials do not allow the call."""


class UnrecognizedClientException(AccessDeniedException):
    """The service does not know the access key."""


class InvalidSignatureException(AccessDeniedException):
    """The secret key is wrong."""


class ExpiredTokenException(AccessDeniedException):
    """The session token has expired."""


class InvalidArgumentException(KvsError, ValueError):
    """The service does not accept a value."""


class ClientLimitExceededException(KvsError):
    """Too many calls in a short time."""


class ConnectionLimitExceededException(KvsError):
    """Too many connections."""


class ResourceInUseException(KvsError):
    """The stream exists already, or is being changed."""


class NoDataRetentionException(KvsError):
    """The stream keeps no media."""


class ThrottlingException(KvsError):
    """Too many calls in a short time."""


def _classes(base: Type[KvsError]) -> Dict[str, Type[KvsError]]:
    found = {base.__name__: base}
    for child in base.__subclasses__():
        found.update(_classes(child))
    return found


_BY_CODE = _classes(KvsError)


def _make(code: str, message: str, status: Optional[int], request_id: Optional[str]) -> KvsError:
    """Return the exception for a code; ``KvsError`` with that code if there is no class of the name."""
    return _BY_CODE.get(code, KvsError)(message, code, status, request_id)
