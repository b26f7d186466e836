"""The one table that turns the failures of HTTP and of curl into errors of this package."""

from __future__ import annotations

import json
import time
from http import HTTPStatus

import pycurl

from ctadata.errors import (
    AccessError,
    AlreadyExists,
    Busy,
    ConfigError,
    CtadataError,
    Forbidden,
    IntegrityError,
    Interrupted,
    LocalError,
    LoginNeeded,
    NotFound,
    ServerTrouble,
    Stopped,
    StorageFull,
    TimedOut,
    Unreachable,
    Unsupported,
    Untrusted,
)
from ctadata.http.error_phrases import Meaning as Meaning
from ctadata.http.error_phrases import find_phrase
from ctadata.http.messages import Origin, Response
from ctadata.http.redaction import sanitize
from ctadata.resources import is_out_of_files, too_many_files_error

_LOG_IN = "log in again"
_SCOPE = (
    "the token may lack the scope, or may have expired; if not, ask the administrators of the storage for the right"
)
_NAME_CA = "if you trust this server, set ca in the profile to the CA that signed its certificate"
_LATER = "try again later"
CHECK_NETWORK = "check the network and the address"
"""The hint of an error for a server that cannot be reached."""

_NOT_FOUND = Meaning(NotFound, "there is no such file or directory")
_NO_PARENT = Meaning(NotFound, "the directory above does not exist, or a directory has this name")
_TAKEN = Meaning(AlreadyExists, "the name is taken")
_REJECTED = Meaning(CtadataError, "the server rejected the request")
_UNSUPPORTED = Meaning(Unsupported, "the server does not support this")
_NOT_FOLLOWED = Meaning(ServerTrouble, "the server sent a redirect that cannot be followed")
_TROUBLE = Meaning(ServerTrouble, "the server failed", _LATER)
_BUSY = Meaning(Busy, "the server is busy", _LATER)
_FULL = Meaning(StorageFull, "the storage has no room")
_CONDITION = Meaning(IntegrityError, "the file is not the version that was requested")

STATUSES: dict[int, Meaning] = {
    300: _NOT_FOLLOWED,
    301: _NOT_FOLLOWED,
    302: _NOT_FOLLOWED,
    303: _NOT_FOLLOWED,
    304: _NOT_FOLLOWED,
    305: _NOT_FOLLOWED,
    307: _NOT_FOLLOWED,
    308: _NOT_FOLLOWED,
    400: _REJECTED,
    401: Meaning(LoginNeeded, "the server does not accept the login", _LOG_IN),
    402: Meaning(AccessError, "the server asks for payment"),
    403: Meaning(Forbidden, "not allowed", _SCOPE),
    404: _NOT_FOUND,
    405: _UNSUPPORTED,
    406: _REJECTED,
    407: Meaning(AccessError, "the proxy asks for a login"),
    408: Meaning(TimedOut, "the server waited too long for the request"),
    409: Meaning(CtadataError, "the server reports a conflict with what exists there"),
    410: _NOT_FOUND,
    411: _REJECTED,
    412: _CONDITION,
    413: _FULL,
    414: Meaning(CtadataError, "the name is too long for the server"),
    415: _REJECTED,
    416: Meaning(IntegrityError, "the file is shorter than expected"),
    417: _REJECTED,
    418: _REJECTED,
    421: _TROUBLE,
    422: _REJECTED,
    423: Meaning(Busy, "the name is locked", _LATER),
    424: Meaning(CtadataError, "a part failed, so the server did nothing"),
    425: _BUSY,
    426: _UNSUPPORTED,
    428: _REJECTED,
    429: _BUSY,
    431: Meaning(CtadataError, "the request's headers are too long for the server", "a shorter token may help"),
    451: Meaning(Forbidden, "not allowed, for legal reasons"),
    500: _TROUBLE,
    501: _UNSUPPORTED,
    502: _TROUBLE,
    503: _BUSY,
    504: _TROUBLE,
    505: _UNSUPPORTED,
    506: _TROUBLE,
    507: _FULL,
    508: _TROUBLE,
    510: _UNSUPPORTED,
    511: Meaning(AccessError, "the network asks for a login of its own"),
}
"""The meaning of every failure status in the IANA registry; an unknown one means the same as the first of its hundred.
"""

BY_METHOD: dict[tuple[str, int], Meaning] = {
    ("MKCOL", 405): _TAKEN,  # RFC 4918 section 9.3.1
    ("MKCOL", 409): Meaning(NotFound, "the directory above does not exist"),
    ("MKCOL", 412): _TAKEN,
    ("MKCOL", 423): Meaning(Busy, "the name is locked", _LATER, final=True),  # another client may be creating it
    ("PROPFIND", 412): _REJECTED,
    ("PUT", 405): Meaning(AlreadyExists, "a directory has this name, or the name cannot be written"),
    ("PUT", 409): _NO_PARENT,  # RFC 4918 section 9.7.1; Apache and XRootD: onto a directory
    ("PUT", 412): _TAKEN,
    ("MOVE", 409): _NO_PARENT,
    ("MOVE", 412): _TAKEN,
    ("COPY", 409): _NO_PARENT,
    ("COPY", 412): _TAKEN,
}
"""The statuses that mean something else for one method."""


def find_meaning(method: str, status: int, said: str) -> Meaning:
    """Return the meaning of a failed status.

    Args:
        method: The method of the request.
        status: The status of the response.
        said: The reason phrase, and the words of the body.
    """
    known = find_phrase(method, status, said) or BY_METHOD.get((method, status)) or STATUSES.get(status)
    return known or STATUSES.get(status // 100 * 100) or _TROUBLE


def error_from_response(response: Response, *, secret: str | None = None, at: Origin | None = None) -> CtadataError:
    """Return the error of a failed response: its meaning, status and reason, and the words of its body.

    Args:
        response: The response; its status is not 2xx.
        secret: The token that was sent. Some servers repeat it in a response, and no error shows it.
        at: The server, if the error has to name it.
    """
    detail = _detail(response, secret)
    meaning = find_meaning(response.method, response.status, f"{response.reason} {detail}")
    said = f"{response.status} {sanitize(response.reason, secret=secret) or _phrase(response.status)}"
    words = f"{meaning.words}: {said}" + (f", {detail}" if detail and detail not in said else "")
    if at is not None:
        words += f" (answer of {at})"
    retry_after = parse_retry_after(response.headers.get("Retry-After"))
    return meaning.as_error(words, status=response.status, retry_after=retry_after)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "without a reason"


def _detail(response: Response, secret: str | None) -> str:
    """Return the words of the body: the first line of a plain text, or the message in JSON or XML; empty for a page.

    A page for browsers says nothing more than the status.
    """
    kind = (response.headers.get("Content-Type") or "text/plain").lower()
    text = response.body.decode("utf-8", "replace").strip()
    if "json" in kind:
        text = _problem(text)
    elif "xml" in kind:
        text = _dav_error(text)
    elif not _is_plain(kind, text):
        return ""
    return sanitize(text.splitlines()[0], secret=secret) if text else ""


def _is_plain(kind: str, text: str) -> bool:
    """Whether the body is a plain text. Flask sends texts as HTML, so HTML without markup counts as plain."""
    if kind.startswith("text/html"):
        return "<" not in text
    return kind.startswith("text/plain") and not text.startswith("<")


def _dav_error(text: str) -> str:
    """Return the message in a `DAV:error` (RFC 4918 section 14.5), else its condition; empty for neither."""
    from xml.etree import ElementTree as ET  # hardly any failure has one

    try:
        root = ET.fromstring(text)  # noqa: S314  (64 KiB; expat bounds what entities add)
    except (ET.ParseError, ValueError, LookupError):
        return ""
    if root.tag != "{DAV:}error":
        return ""
    words = [each.text.strip() for each in root if each.tag.endswith("}message") and each.text]
    return next(iter(words), "") or next((each.tag.rpartition("}")[2] for each in root), "")


def _problem(text: str) -> str:
    """Return the message in a JSON error of OAuth (RFC 6749 section 5.2), or in a problem (RFC 9457, dCache's REST).

    dCache's REST up to 8.0 writes `{"errors": [{"status": ..., "message": ...}]}`.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(fields, dict):
        return ""
    match fields.get("errors"):
        case [{"message": message}, *_]:
            return str(message).strip()
    return next((str(fields[key]).strip() for key in ("error_description", "detail", "error") if fields.get(key)), "")


def parse_retry_after(value: str | None, now: float | None = None) -> float | None:
    """Return the seconds that a `Retry-After` header asks to wait (RFC 9110 section 10.2.3).

    Args:
        value: The header: a number of seconds, or a date.
        now: Seconds since 1970, for tests; None for the clock of this machine.

    Returns:
        Seconds from now; None if the header is missing or malformed.
    """
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    import email.utils  # a slow import, and nearly no server sends a date

    try:
        moment = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, moment - (time.time() if now is None else now))


_NO_CONNECTION = Meaning(Unreachable, "no connection", CHECK_NETWORK)
_BROKEN = Meaning(Unreachable, "the connection was closed before an answer")
_NO_TLS = Meaning(Unreachable, "no secure connection")
_NOT_HTTP = Meaning(ServerTrouble, "the answer is not HTTP")
_BAD_CERTIFICATE = Meaning(Untrusted, "the server's certificate does not verify", _NAME_CA)
_BAD_CA = Meaning(ConfigError, "the CA certificates cannot be used", "see ca in the profile")
_INTERNAL = Meaning(CtadataError, "curl could not do the request")

CURL_CODES: dict[int, Meaning] = {
    pycurl.E_UNSUPPORTED_PROTOCOL: _NOT_HTTP,  # an HTTP/0.9 answer; URLs are checked before
    pycurl.E_FAILED_INIT: _INTERNAL,
    pycurl.E_URL_MALFORMAT: _INTERNAL,
    pycurl.E_NOT_BUILT_IN: _INTERNAL,
    pycurl.E_COULDNT_RESOLVE_PROXY: _NO_CONNECTION,
    pycurl.E_COULDNT_RESOLVE_HOST: _NO_CONNECTION,
    pycurl.E_COULDNT_CONNECT: _NO_CONNECTION,
    pycurl.E_FTP_WEIRD_SERVER_REPLY: _NOT_HTTP,  # CURLE_WEIRD_SERVER_REPLY
    pycurl.E_REMOTE_ACCESS_DENIED: Meaning(Forbidden, "not allowed"),
    pycurl.E_HTTP2: _BROKEN,
    pycurl.E_PARTIAL_FILE: Meaning(Interrupted, "the connection ended before the body did"),
    pycurl.E_HTTP_RETURNED_ERROR: Meaning(ServerTrouble, "the server failed"),
    pycurl.E_WRITE_ERROR: Meaning(LocalError, "the received bytes could not be written"),
    pycurl.E_UPLOAD_FAILED: _BROKEN,
    pycurl.E_READ_ERROR: Meaning(LocalError, "the file has become shorter while it was read"),
    pycurl.E_OUT_OF_MEMORY: Meaning(LocalError, "no memory is left"),
    pycurl.E_OPERATION_TIMEDOUT: Meaning(TimedOut, "no answer in time", "check the network, or try again later"),
    pycurl.E_RANGE_ERROR: Meaning(IntegrityError, "the server did not send the range that was requested"),
    pycurl.E_HTTP_POST_ERROR: _INTERNAL,
    pycurl.E_SSL_CONNECT_ERROR: _NO_TLS,
    pycurl.E_BAD_DOWNLOAD_RESUME: Meaning(IntegrityError, "the server did not send the range that was requested"),
    pycurl.E_FUNCTION_NOT_FOUND: _INTERNAL,
    pycurl.E_ABORTED_BY_CALLBACK: Meaning(Stopped, "stopped"),
    pycurl.E_BAD_FUNCTION_ARGUMENT: _INTERNAL,
    pycurl.E_INTERFACE_FAILED: _NO_CONNECTION,
    pycurl.E_TOO_MANY_REDIRECTS: _NOT_FOLLOWED,
    pycurl.E_UNKNOWN_OPTION: _INTERNAL,
    pycurl.E_GOT_NOTHING: _BROKEN,
    pycurl.E_SSL_ENGINE_NOTFOUND: _INTERNAL,
    pycurl.E_SSL_ENGINE_SETFAILED: _INTERNAL,
    pycurl.E_SEND_ERROR: _BROKEN,
    pycurl.E_RECV_ERROR: _BROKEN,
    pycurl.E_SSL_CERTPROBLEM: _INTERNAL,
    pycurl.E_SSL_CIPHER: _NO_TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: _BAD_CERTIFICATE,
    pycurl.E_BAD_CONTENT_ENCODING: _NOT_HTTP,
    pycurl.E_FILESIZE_EXCEEDED: Meaning(IntegrityError, "the file is longer than expected"),
    pycurl.E_USE_SSL_FAILED: _NO_TLS,
    pycurl.E_SEND_FAIL_REWIND: Meaning(Interrupted, "the connection ended in the middle of an upload"),
    pycurl.E_SSL_ENGINE_INITFAILED: _INTERNAL,
    pycurl.E_LOGIN_DENIED: Meaning(LoginNeeded, "the login was refused", _LOG_IN),
    pycurl.E_SSL_CACERT_BADFILE: _BAD_CA,
    pycurl.E_SSL_SHUTDOWN_FAILED: _BROKEN,
    pycurl.E_AGAIN: _BROKEN,
    pycurl.E_SSL_CRL_BADFILE: _BAD_CA,
    pycurl.E_SSL_ISSUER_ERROR: _BAD_CERTIFICATE,
    pycurl.E_CHUNK_FAILED: _NOT_HTTP,
    pycurl.E_NO_CONNECTION_AVAILABLE: _NO_CONNECTION,
    pycurl.E_SSL_PINNEDPUBKEYNOTMATCH: _BAD_CERTIFICATE,
    pycurl.E_SSL_INVALIDCERTSTATUS: _BAD_CERTIFICATE,
    92: _BROKEN,  # CURLE_HTTP2_STREAM; these have no name in pycurl
    96: _NO_CONNECTION,  # CURLE_QUIC_CONNECT_ERROR
    97: Meaning(Unreachable, "no connection through the proxy"),  # CURLE_PROXY
    98: Meaning(AccessError, "the server asks for a client certificate"),  # CURLE_SSL_CLIENTCERT
    100: Meaning(ServerTrouble, "the answer's headers are too long"),  # CURLE_TOO_LARGE
}
"""The meaning of every curl error that HTTP can raise; the other codes belong to protocols that are switched off."""


_MAYBE_OUT_OF_FILES = (
    pycurl.E_FAILED_INIT, pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_CONNECT, pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_SSL_CACERT_BADFILE, pycurl.E_OUT_OF_MEMORY,
)  # fmt: skip
"""The codes that libcurl also reports when the process may open no further file."""


def error_from_curl(code: int, message: str, origin: Origin, *, moved: bool) -> CtadataError:
    """Return the error of a failed curl transfer.

    Args:
        code: curl's error code.
        message: curl's message.
        origin: The server.
        moved: Whether bytes of a body had been sent or received before the failure.
    """
    if code in _MAYBE_OUT_OF_FILES and is_out_of_files():
        return too_many_files_error()
    meaning = CURL_CODES.get(code, _INTERNAL)
    error, words, hint = meaning.error, meaning.words, meaning.hint
    if moved and error is Unreachable:
        error, words = Interrupted, "the connection ended in the middle of a body"
    if meaning is _BAD_CERTIFICATE:
        return bad_certificate_error(origin, sanitize(message))
    return error(f"{words}: {origin}, {sanitize(message)} (curl {code})", hint=hint)


def bad_certificate_error(origin: Origin, said: str) -> Untrusted:
    """Return the error for a certificate that does not verify.

    Args:
        origin: The server.
        said: The message of the TLS library.
    """
    other_name = any(phrase in said for phrase in ("subject name", "Hostname mismatch", "IP address mismatch"))
    hint = "it belongs to another name: check the address in the profile" if other_name else _NAME_CA
    return Untrusted(f"{_BAD_CERTIFICATE.words}: {origin}, {said}", hint=hint)
