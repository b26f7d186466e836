"""Errors of an S3 server as our exceptions, by the code in the response's XML (Amazon S3 API, "Error responses").

A response to HEAD has no body and so no code; the caller repeats the request with GET to get the code.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, ParseError, fromstring

from ctadata.errors import (
    AccessError,
    AlreadyExists,
    Busy,
    CtadataError,
    Forbidden,
    IntegrityError,
    LoginNeeded,
    NeedsStaging,
    NotFound,
    ServerTrouble,
    StorageFull,
    TimedOut,
    Unsupported,
    UsageError,
)
from ctadata.http.failures import Meaning, find_meaning, parse_retry_after
from ctadata.http.messages import Response
from ctadata.http.redaction import sanitize
from ctadata.tokens.access_keys import RENEW_HINT

_EXPIRED = Meaning(LoginNeeded, "the temporary credentials have expired, or their session token is missing", RENEW_HINT)
_WRONG_TOKEN = Meaning(
    LoginNeeded, "the temporary credentials have expired, or their session token is wrong or missing", RENEW_HINT
)
_UNKNOWN_KEY = Meaning(LoginNeeded, "the server does not know this access key", "see: cta-data-direct credentials show")
_FULL = Meaning(StorageFull, "the storage is full: a quota is used up")
# some gateways answer AccessDenied for an unknown key and for a wrong secret too
_DENIED = Meaning(Forbidden, "not allowed", "check key and secret; if they are right, ask the owner of the bucket")
PAYER_HINT = "if the requester pays for this bucket, set requester_pays = true in the profile"
"""The hint for a refusal by a bucket whose owner does not pay for requests."""

_READ_ONLY = Meaning(
    Forbidden, "this key may not write here", "a read-only key cannot put, rename or delete; use the key for writing"
)
_TAKEN = Meaning(AlreadyExists, "the name is taken")
_DAMAGED = Meaning(IntegrityError, "the server did not receive the bytes that were sent")
_BUSY = Meaning(Busy, "the server is busy", "try again later")
_UNSUPPORTED = Meaning(Unsupported, "this server does not support that")

CODES: dict[str, Meaning] = {
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": Meaning(
        LoginNeeded, "the secret does not fit the access key", "see: cta-data-direct credentials show"
    ),
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    **dict.fromkeys(("InvalidToken", "InvalidTokenId", "InvalidSecurity", "InvalidClientTokenId"), _WRONG_TOKEN),
    **dict.fromkeys(
        ("AuthorizationHeaderMalformed", "InvalidRegion", "InvalidLocationConstraint"),
        Meaning(AccessError, "the server is in another region", "set region in the profile"),
    ),
    **dict.fromkeys(
        ("IllegalLocationConstraint", "IllegalLocationConstraintException"),
        Meaning(AccessError, "this server creates no bucket in that region", "set region in the profile to its own"),
    ),
    "QuotaExceeded": _FULL,
    "QuotaExceededException": _FULL,
    "XMinioStorageFull": _FULL,
    "InsufficientCapacity": _FULL,
    "NoSuchBucket": Meaning(NotFound, "there is no such bucket", "make-bucket creates one, buckets lists yours"),
    "NoSuchKey": Meaning(NotFound, "there is no such file or directory"),
    "NoSuchVersion": Meaning(NotFound, "there is no such version"),
    "NoSuchUpload": Meaning(NotFound, "there is no such upload any more"),
    "NotImplemented": _UNSUPPORTED,
    "MethodNotAllowed": _UNSUPPORTED,
    "AccessControlListNotSupported": Meaning(Unsupported, "this bucket takes no ACLs", "a bucket policy does the same"),
    "SlowDown": _BUSY,
    "ServiceUnavailable": _BUSY,
    "TooManyRequests": _BUSY,
    "ConditionalRequestConflict": _BUSY,
    "OperationAborted": _BUSY,
    "InternalError": Meaning(ServerTrouble, "the server failed", "try again later"),
    "RequestTimeout": Meaning(TimedOut, "the server waited too long for the request"),
    "RequestTimeTooSkewed": Meaning(
        AccessError, "the clocks differ by too much", "set the clock of this machine: signatures carry the time"
    ),
    "BadDigest": _DAMAGED,
    "IncompleteBody": _DAMAGED,
    "XAmzContentSHA256Mismatch": _DAMAGED,
    "XAmzContentChecksumMismatch": _DAMAGED,
    "BucketAlreadyExists": Meaning(AlreadyExists, "the name of the bucket is taken, perhaps by another user"),
    "BucketAlreadyOwnedByYou": Meaning(AlreadyExists, "the bucket exists already"),
    "BucketNotEmpty": Meaning(UsageError, "the bucket is not empty"),
    "InvalidBucketName": Meaning(
        UsageError, "no bucket can have this name", "it has 3 to 63 lower-case letters, digits, - and ."
    ),
    "KeyTooLongError": Meaning(CtadataError, "the name is too long for the server"),
    "EntityTooLarge": Meaning(CtadataError, "the file is too large for this server"),
    "InvalidObjectState": Meaning(NeedsStaging, "the object is archived and must be restored first"),
}
"""The errors of codes that say more than the HTTP status."""

_WRITES = ("PUT", "POST", "DELETE")
_REDIRECTS = ("PermanentRedirect", "TemporaryRedirect")
_REGION_CODES = ("AuthorizationHeaderMalformed", "IllegalLocationConstraint", "InvalidRegion")
_EXPECTED = re.compile(r"expect(?:ing|ed):? *'?(?:[0-9]{8}/)?([A-Za-z0-9-]{1,64})")
_AWS_HOST = re.compile(r"s3[.-]([a-z]{2}-[a-z-]+-[0-9])\.amazonaws\.com")


class WrongRegion(AccessError):
    """The bucket is in another region than the one that was signed for.

    Attributes:
        region: The bucket's region; None if the server does not name it.
    """

    def __init__(self, what: str, *, region: str | None, status: int) -> None:
        """Keep the region that the server names."""
        hint = "" if region else "set region in the profile"
        super().__init__(what, hint=hint, status=status)
        self.region = region


def explain(response: Response) -> CtadataError | None:
    """Return the error that a failed response means; None if its status alone decides."""
    fields = xml_fields(response.body)
    code = fields.get("Code", "")
    region = _region(response.headers.get("x-amz-bucket-region") or _region_in(fields))
    if _is_wrong_region(response, code, region):
        return WrongRegion(
            f"the bucket is in {f'the region {region}' if region else 'another region'}",
            region=region,
            status=response.status,
        )
    if not code and response.status != 403:
        return None
    wait = parse_retry_after(response.headers.get("Retry-After"))
    error = error_of_code(code, fields.get("Message", ""), response.status, response.method, retry_after=wait)
    if isinstance(error, Forbidden) and _may_want_a_payer(response, fields):
        error.hint = f"{error.hint}; {PAYER_HINT}"
    return error


def _may_want_a_payer(response: Response, fields: Mapping[str, str]) -> bool:
    """Return whether a refusal may mean that the requester has to pay. Amazon does not say so."""
    is_said = re.search("request(er|-| )?s? ?pay", fields.get("Message", ""), re.IGNORECASE) is not None
    return is_said or re.match(r"https?://[^/]*\.amazonaws\.com[:/]", response.url) is not None


def error_of_code(
    code: str, message: str, status: int, method: str = "GET", *, retry_after: float | None = None
) -> CtadataError:
    """Return the error that a code means, with the server's own message.

    Args:
        code: The code in the XML, for example `NoSuchKey`; empty if there is none.
        message: The message in the XML.
        status: The HTTP status; it decides if `CODES` has no entry for the code.
        method: The HTTP method. A refused PUT, POST or DELETE means that the key may not write.
        retry_after: Seconds that the server asks the client to wait; None if it does not.
    """
    meaning = CODES.get(code) or (_DENIED if status == 403 else find_meaning("", status, ""))
    if method in _WRITES and (meaning is _DENIED or status == 412):
        meaning = _READ_ONLY if meaning is _DENIED else _TAKEN
    message = "" if message == code else message
    details = " ".join(filter(None, (str(status or ""), sanitize(code), sanitize(message))))
    return meaning.error(f"{meaning.words}: {details}", hint=meaning.hint, status=status, retry_after=retry_after)


def _region_in(fields: Mapping[str, str]) -> str | None:
    """Return the region that an error names: by itself, in the address of its endpoint, or in its message.

    Garage says `unexpected scope: ..., expected: 20260101/garage/s3/aws4_request`.
    """
    if "Region" in fields:
        return fields["Region"]
    endpoint = _AWS_HOST.search(fields.get("Endpoint", ""))
    expected = _EXPECTED.search(fields.get("Message", "")) if fields.get("Code") in _REGION_CODES else None
    match = endpoint or expected
    return match[1] if match else None


def _region(text: str | None) -> str | None:
    """Return the region that a server names; None if it is not a plain name, because it becomes part of a host name."""
    return text if text and re.fullmatch("[A-Za-z0-9-]{1,64}", text) else None


def _is_wrong_region(response: Response, code: str, region: str | None) -> bool:
    if response.status in (301, 307, 308) or code in _REDIRECTS:
        return True
    if code in _REGION_CODES:
        return region is not None
    return response.status == 400 and not code and region is not None  # the answer to HEAD


def xml_fields(body: bytes) -> dict[str, str]:
    """Return the texts of the elements of a small XML answer, by element name without its namespace.

    Expat limits how much entities may expand.

    Returns:
        If the document holds an `<Error>`, only the elements of that. Empty if the body is no XML.
    """
    root = _parse(body)
    if root is None:
        return {}
    if not root.tag.endswith("Error"):
        root = next((element for element in root.iter() if element.tag.endswith("Error")), root)
    return {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in root}


def xml_root(body: bytes) -> str:
    """Return the name of the root element of an XML answer, without its namespace; empty if the body is no XML."""
    root = _parse(body)
    return "" if root is None else root.tag.rpartition("}")[2]


def _parse(body: bytes) -> Element | None:
    with contextlib.suppress(ParseError, LookupError, ValueError):  # unknown encodings raise the last two
        return fromstring(body) if body.lstrip().startswith(b"<") else None  # noqa: S314
    return None


def without_key(error: Forbidden) -> Forbidden:
    """Return the error for a refused request that was not signed."""
    hint = "cta-data-direct credentials show --help lists the places of keys"
    return Forbidden(f"this needs an access key: {_reason(error)}", hint=hint, status=error.status)


def refusal(done: str, error: Forbidden, *, signed: bool) -> Forbidden:
    """Return an error that says what may not be done.

    Args:
        done: What may not be done, such as `listed`.
        error: The refusal of the server.
        signed: Whether an access key has signed the request.
    """
    words, hint = f"this needs an access key, it may not be {done} without one", error.hint
    if signed:
        words, hint = f"it may not be {done} with this access key", "name what the key may read, or ask for the right"
        hint += f"; {PAYER_HINT}" * (PAYER_HINT in error.hint)
    return Forbidden(f"{words}: {_reason(error)}", hint=hint, status=error.status)


def _reason(error: CtadataError) -> str:
    return error.what.partition(": ")[2] or error.what
