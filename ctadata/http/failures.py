"""The one table from what HTTP and curl report to the errors of this package, with words."""

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
_SCOPE = "the token may lack the scope for this, or have expired; ask whoever runs the storage if it should be allowed"
_NAME_CA = "if this server is to be trusted, name the CA that signed for it: ca in the profile"
_LATER = "try again later"
CHECK_NETWORK = "check the network and the address"
"""The hint where a server cannot be reached."""

_NOT_FOUND = Meaning(NotFound, "there is no such file or directory")
_NO_PARENT = Meaning(NotFound, "the directory above does not exist, or a directory has this name")
_TAKEN = Meaning(AlreadyExists, "the name is taken")
_MISUNDERSTOOD = Meaning(CtadataError, "the server did not take the request")
_UNSUPPORTED = Meaning(Unsupported, "the server does not support this")
_NOT_FOLLOWED = Meaning(ServerTrouble, "the server redirected where nothing can be followed")
_TROUBLE = Meaning(ServerTrouble, "the server failed", _LATER)
_BUSY = Meaning(Busy, "the server is busy", _LATER)
_FULL = Meaning(StorageFull, "the storage has no room")
_CONDITION = Meaning(IntegrityError, "the file is not the version that was asked for")

STATUSES: dict[int, Meaning] = {
    300: _NOT_FOLLOWED,
    301: _NOT_FOLLOWED,
    302: _NOT_FOLLOWED,
    303: _NOT_FOLLOWED,
    304: _NOT_FOLLOWED,
    305: _NOT_FOLLOWED,
    307: _NOT_FOLLOWED,
    308: _NOT_FOLLOWED,
    400: _MISUNDERSTOOD,
    401: Meaning(LoginNeeded, "the server does not accept the login", _LOG_IN),
    402: Meaning(AccessError, "the server wants payment"),
    403: Meaning(Forbidden, "not allowed", _SCOPE),
    404: _NOT_FOUND,
    405: _UNSUPPORTED,
    406: _MISUNDERSTOOD,
    407: Meaning(AccessError, "the proxy wants a login"),
    408: Meaning(TimedOut, "the server waited too long for the request"),
    409: Meaning(CtadataError, "the server reports a conflict with what is there"),
    410: _NOT_FOUND,
    411: _MISUNDERSTOOD,
    412: _CONDITION,
    413: _FULL,
    414: Meaning(CtadataError, "the name is too long for the server"),
    415: _MISUNDERSTOOD,
    416: Meaning(IntegrityError, "the file is shorter than expected"),
    417: _MISUNDERSTOOD,
    418: _MISUNDERSTOOD,
    421: _TROUBLE,
    422: _MISUNDERSTOOD,
    423: Meaning(Busy, "the name is locked", _LATER),
    424: Meaning(CtadataError, "part of it failed, so the server did none of it"),
    425: _BUSY,
    426: _UNSUPPORTED,
    428: _MISUNDERSTOOD,
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
    511: Meaning(AccessError, "the network wants a login of its own"),
}
"""Every status of the IANA registry that is a failure; others count as the first of their hundred."""

BY_METHOD: dict[tuple[str, int], Meaning] = {
    ("MKCOL", 405): _TAKEN,  # RFC 4918 section 9.3.1
    ("MKCOL", 409): Meaning(NotFound, "the directory above does not exist"),
    ("MKCOL", 412): _TAKEN,
    ("MKCOL", 423): Meaning(Busy, "the name is locked", _LATER, final=True),  # perhaps because it is just being made
    ("PUT", 405): Meaning(AlreadyExists, "a directory has this name, or the name cannot be written"),
    ("PUT", 409): _NO_PARENT,  # RFC 4918 section 9.7.1; Apache and XRootD: onto a directory
    ("PUT", 412): _TAKEN,
    ("MOVE", 409): _NO_PARENT,
    ("MOVE", 412): _TAKEN,
    ("COPY", 409): _NO_PARENT,
    ("COPY", 412): _TAKEN,
}
"""Where the method changes what a status means."""


def find_meaning(method: str, status: int, said: str) -> Meaning:
    """What a failed status comes to; `said`: its reason, and what its body adds."""
    known = find_phrase(method, status, said) or BY_METHOD.get((method, status)) or STATUSES.get(status)
    return known or STATUSES.get(status // 100 * 100) or _TROUBLE


def error_from_response(response: Response, *, secret: str | None = None, at: Origin | None = None) -> CtadataError:
    """The error that a failed answer is: its meaning, status, reason, and what its body adds.

    secret: the token that was sent, in case that the server repeats it.  at: the server, where it is to be named.
    """
    detail = _detail(response, secret)
    meaning = find_meaning(response.method, response.status, f"{response.reason} {detail}")
    said = f"{response.status} {sanitize(response.reason, secret=secret) or _phrase(response.status)}"
    words = f"{meaning.words}: {said}" + (f", {detail}" if detail and detail not in said else "")
    if at is not None:
        words += f" (said {at})"
    retry_after = parse_retry_after(response.headers.get("Retry-After"))
    return meaning.as_error(words, status=response.status, retry_after=retry_after)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "without a reason"


def _detail(response: Response, secret: str | None) -> str:
    """What the body adds: the first line of a plain text, or the words of a JSON problem.

    Pages meant for browsers say nothing more than the status.
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
    """Whether it is a text; Flask calls every text a page, so that is one which has no markup."""
    if kind.startswith("text/html"):
        return "<" not in text
    return kind.startswith("text/plain") and not text.startswith("<")


def _dav_error(text: str) -> str:
    """The words in a `DAV:error` (RFC 4918 section 14.5): a message that servers add to it, else its condition."""
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
    """The words in a JSON error: OAuth's (RFC 6749 section 5.2) or a problem's (RFC 9457, dCache's REST)."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(fields, dict):
        return ""
    return next((str(fields[key]).strip() for key in ("error_description", "detail", "error") if fields.get(key)), "")


def parse_retry_after(value: str | None, now: float | None = None) -> float | None:
    """`Retry-After` in seconds from now (RFC 9110 section 10.2.3); None where it is absent or not readable."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    import email.utils  # it brings half a mail reader along, and hardly any server sends a date

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
_SELF = Meaning(CtadataError, "curl could not do the request")

CURL_CODES: dict[int, Meaning] = {
    pycurl.E_UNSUPPORTED_PROTOCOL: _NOT_HTTP,  # an HTTP/0.9 answer; URLs are checked before
    pycurl.E_FAILED_INIT: _SELF,
    pycurl.E_URL_MALFORMAT: _SELF,
    pycurl.E_NOT_BUILT_IN: _SELF,
    pycurl.E_COULDNT_RESOLVE_PROXY: _NO_CONNECTION,
    pycurl.E_COULDNT_RESOLVE_HOST: _NO_CONNECTION,
    pycurl.E_COULDNT_CONNECT: _NO_CONNECTION,
    pycurl.E_FTP_WEIRD_SERVER_REPLY: _NOT_HTTP,  # CURLE_WEIRD_SERVER_REPLY
    pycurl.E_REMOTE_ACCESS_DENIED: Meaning(Forbidden, "not allowed"),
    pycurl.E_HTTP2: _BROKEN,
    pycurl.E_PARTIAL_FILE: Meaning(Interrupted, "the connection ended before the body did"),
    pycurl.E_HTTP_RETURNED_ERROR: Meaning(ServerTrouble, "the server failed"),
    pycurl.E_WRITE_ERROR: Meaning(LocalError, "the bytes that came could not be taken"),
    pycurl.E_UPLOAD_FAILED: _BROKEN,
    pycurl.E_READ_ERROR: Meaning(LocalError, "the file gave fewer bytes than it had"),
    pycurl.E_OUT_OF_MEMORY: Meaning(LocalError, "no memory is left"),
    pycurl.E_OPERATION_TIMEDOUT: Meaning(
        TimedOut, "nothing was heard in time", "check the network, or try again later"
    ),
    pycurl.E_RANGE_ERROR: Meaning(IntegrityError, "the server did not give the range that was asked for"),
    pycurl.E_HTTP_POST_ERROR: _SELF,
    pycurl.E_SSL_CONNECT_ERROR: _NO_TLS,
    pycurl.E_BAD_DOWNLOAD_RESUME: Meaning(IntegrityError, "the server did not give the range that was asked for"),
    pycurl.E_FUNCTION_NOT_FOUND: _SELF,
    pycurl.E_ABORTED_BY_CALLBACK: Meaning(Stopped, "stopped"),
    pycurl.E_BAD_FUNCTION_ARGUMENT: _SELF,
    pycurl.E_INTERFACE_FAILED: _NO_CONNECTION,
    pycurl.E_TOO_MANY_REDIRECTS: _NOT_FOLLOWED,
    pycurl.E_UNKNOWN_OPTION: _SELF,
    pycurl.E_GOT_NOTHING: _BROKEN,
    pycurl.E_SSL_ENGINE_NOTFOUND: _SELF,
    pycurl.E_SSL_ENGINE_SETFAILED: _SELF,
    pycurl.E_SEND_ERROR: _BROKEN,
    pycurl.E_RECV_ERROR: _BROKEN,
    pycurl.E_SSL_CERTPROBLEM: _SELF,
    pycurl.E_SSL_CIPHER: _NO_TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: _BAD_CERTIFICATE,
    pycurl.E_BAD_CONTENT_ENCODING: _NOT_HTTP,
    pycurl.E_FILESIZE_EXCEEDED: Meaning(IntegrityError, "the file is longer than expected"),
    pycurl.E_USE_SSL_FAILED: _NO_TLS,
    pycurl.E_SEND_FAIL_REWIND: Meaning(Interrupted, "the connection ended in the middle of an upload"),
    pycurl.E_SSL_ENGINE_INITFAILED: _SELF,
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
    98: Meaning(AccessError, "the server wants a client certificate"),  # CURLE_SSL_CLIENTCERT
    100: Meaning(ServerTrouble, "the answer's headers are too long"),  # CURLE_TOO_LARGE
}
"""Every error of curl that HTTP can bring; the others belong to protocols that are switched off."""


_HIDE_A_SHORTAGE = (
    pycurl.E_FAILED_INIT, pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_CONNECT, pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_SSL_CACERT_BADFILE, pycurl.E_OUT_OF_MEMORY,
)  # fmt: skip
"""What libcurl says also where it can open no further file."""


def error_from_curl(code: int, message: str, origin: Origin, *, moved: bool) -> CtadataError:
    """The error that a failed curl transfer is; `moved`: bytes of the body had come or gone before."""
    if code in _HIDE_A_SHORTAGE and is_out_of_files():
        return too_many_files_error()
    meaning = CURL_CODES.get(code, _SELF)
    error, words, hint = meaning.error, meaning.words, meaning.hint
    if moved and error is Unreachable:
        error, words = Interrupted, "the connection ended in the middle of a body"
    if meaning is _BAD_CERTIFICATE:
        return bad_certificate_error(origin, sanitize(message))
    return error(f"{words}: {origin}, {sanitize(message)} (curl {code})", hint=hint)


def bad_certificate_error(origin: Origin, said: str) -> Untrusted:
    """The error for a certificate that does not verify; `said`: what the TLS library said of it."""
    other_name = any(phrase in said for phrase in ("subject name", "Hostname mismatch", "IP address mismatch"))
    hint = "it was made for another name: check the address in the profile" if other_name else _NAME_CA
    return Untrusted(f"{_BAD_CERTIFICATE.words}: {origin}, {said}", hint=hint)
