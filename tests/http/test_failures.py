"""Every status and every curl error has a meaning in the tables."""

import email.utils
from http import HTTPStatus

import pycurl
import pytest

from ctadata.errors import (
    AccessError,
    AlreadyExists,
    Busy,
    ConfigError,
    CtadataError,
    Forbidden,
    IntegrityError,
    Interrupted,
    LoginNeeded,
    NotFound,
    ServerTrouble,
    StorageFull,
    TimedOut,
    Unreachable,
    Unsupported,
    Untrusted,
)
from ctadata.http import failures
from ctadata.http.messages import Headers, Origin, Response

POOL = Origin.parse("https://pool.example:20001")


def error_of(method, status, reason="Reason", body=b"", kind="text/plain", **headers):
    fields = Headers([("Content-Type", kind), *((name.replace("_", "-"), value) for name, value in headers.items())])
    return failures.error_from_response(Response(method, "https://door/a", status, reason, fields, body))


@pytest.mark.parametrize("status", [s for s in HTTPStatus if s >= 300])
def test_every_registered_status_is_in_the_table(status):
    assert status in failures.STATUSES
    for method in ("GET", "HEAD", "PUT", "PROPFIND", "MKCOL", "MOVE", "DELETE"):
        error = error_of(method, status)
        assert error.status == status
        assert str(status.value) in error.what


def test_every_other_status_counts_as_the_first_of_its_hundred():
    others = [status for status in range(300, 600) if status not in failures.STATUSES]
    assert others
    for status in others:
        assert type(error_of("GET", status)) is type(error_of("GET", status // 100 * 100))


@pytest.mark.parametrize(
    ("method", "status", "kind"),
    [
        ("GET", 304, ServerTrouble),
        ("GET", 400, CtadataError),
        ("GET", 401, LoginNeeded),
        ("GET", 403, Forbidden),
        ("GET", 404, NotFound),
        ("GET", 410, NotFound),
        ("GET", 407, AccessError),
        ("GET", 408, TimedOut),
        ("GET", 412, IntegrityError),
        ("PROPFIND", 412, CtadataError),
        ("GET", 416, IntegrityError),
        ("GET", 423, Busy),
        ("GET", 429, Busy),
        ("GET", 500, ServerTrouble),
        ("GET", 501, Unsupported),
        ("GET", 503, Busy),
        ("GET", 507, StorageFull),
        ("GET", 600, ServerTrouble),
        ("PUT", 405, AlreadyExists),
        ("PUT", 409, NotFound),
        ("PUT", 412, AlreadyExists),
        ("PUT", 413, StorageFull),
        ("PUT", 507, StorageFull),
        ("PUT", 417, CtadataError),
        ("MKCOL", 405, AlreadyExists),
        ("MKCOL", 409, NotFound),
        ("MOVE", 409, NotFound),
        ("MOVE", 412, AlreadyExists),
        ("DELETE", 409, CtadataError),
        ("PROPFIND", 405, Unsupported),
    ],
)
def test_the_meaning_of_a_status(method, status, kind):
    assert type(error_of(method, status)) is kind


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("File size mismatch (expected=5, actual=4)", IntegrityError),
        ("Checksum mismatch (expected=[2:ab], actual=[1:cd, 2:ef])", IntegrityError),
        ("Request is no longer valid. Please resubmit to door.", ServerTrouble),
        ("Query string does not include any UUID.", ServerTrouble),
        ("The file you specified does not match the UUID you specified!", ServerTrouble),
        ("Bad Request", CtadataError),
    ],
)
def test_a_400_of_a_dcache_pool_has_the_meaning_of_its_reason(reason, kind):
    error = error_of("PUT", 400, reason)
    assert type(error) is kind
    assert reason in error.what


def test_the_words_hold_the_reason_and_the_first_line_of_a_text():
    error = error_of("PUT", 403, "Forbidden", b"Permission denied for PUT on path /x\nat line 2")
    assert error.what == "not allowed: 403 Forbidden, Permission denied for PUT on path /x"
    assert "scope" in error.hint


def test_a_text_that_repeats_the_reason_is_left_out():
    assert error_of("GET", 404, "Path not found: /a", b"Path not found: /a").what.count("Path not found") == 1


@pytest.mark.parametrize("body", [b"<html><body><h1>Conflict</h1>", b" \n<!DOCTYPE HTML>", b"", b"\n\n"])
def test_html_is_not_shown(body):
    assert error_of("GET", 404, "Not Found", body).what == "there is no such file or directory: 404 Not Found"
    assert error_of("GET", 404, "Not Found", body, "text/html").what.endswith("404 Not Found")


def test_a_plain_text_sent_as_html_is_shown():
    assert error_of("GET", 400, "Bad Request", b"no such key", "text/html; charset=utf-8").what.endswith(
        ", no such key"
    )


def test_the_words_of_a_json_problem():
    problem = b'{"status":"404","title":"Not Found","detail":"No such file /a"}'
    assert error_of("GET", 404, "Not Found", problem, "application/json").what.endswith(", No such file /a")
    oauth = b'{"error":"invalid_client","error_description":"Unknown client"}'
    assert error_of("POST", 401, "Unauthorized", oauth, "application/json").what.endswith(", Unknown client")
    for nothing in (b"[1]", b"{", b'{"detail": null}', b"[" * 100_000):
        assert error_of("GET", 404, "Not Found", nothing, "application/json").what.endswith("404 Not Found")


def test_a_missing_reason_is_replaced_by_the_standard_one():
    assert "404 Not Found" in error_of("GET", 404, "").what
    assert "499 without a reason" in error_of("GET", 499, "").what


def test_an_error_shows_no_control_characters_secrets_or_long_texts():
    error = error_of("GET", 500, "\x1b[31mred", ("authz=5ecret " + "x" * 9999).encode())
    assert "\x1b" not in error.what
    assert "5ecret" not in error.what
    assert len(error.what) < 600


def test_a_token_repeated_by_a_server_is_not_shown():
    response = Response("GET", "https://door/a", 401, "no opaque/word", Headers(), b"login opaque/word failed")
    error = failures.error_from_response(response, secret="opaque/word")
    assert "opaque/word" not in str(error)


def test_an_error_of_a_pool_names_the_pool():
    response = Response("GET", "https://pool/a", 500, "Boom", Headers())
    assert str(POOL) in failures.error_from_response(response, at=POOL).what


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("5", 5),
        ("0", 0),
        ("-5", None),
        ("", None),
        ("soon", None),
        ("9" * 400, 999_999_999),
        (email.utils.formatdate(1030, usegmt=True), 30),
        (email.utils.formatdate(900, usegmt=True), 0),
        ("Mon, 99 Jan 2024 00:00:00 GMT", None),
    ],
)
def test_retry_after(value, seconds):
    assert failures.parse_retry_after(value, now=1000) == seconds


def test_retry_after_is_in_the_error():
    error = error_of("GET", 429, Retry_After="7")
    assert (error.retry_after, error.hint) == (7, "try again in 7 s, as the server asks")
    assert error_of("GET", 404).retry_after is None


OTHER_PROTOCOLS = ("E_FTP", "E_TFTP", "E_LDAP", "E_TELNET", "E_RTSP", "E_SSH", "E_MULTI", "E_CONV", "E_FILE_")
UNUSED = {  # names of errors that curl does not report any more, or not over HTTP, or not without an option we use
    *("E_OK", "E_ALREADY_COMPLETE", "E_BAD_CALLING_ORDER", "E_BAD_PASSWORD_ENTERED", "E_CALL_MULTI_PERFORM"),
    *("E_HTTP_NOT_FOUND", "E_HTTP_PORT_FAILED", "E_HTTP_RANGE_ERROR", "E_LIBRARY_NOT_FOUND", "E_MALFORMAT_USER"),
    *("E_OBSOLETE", "E_QUOTE_ERROR", "E_REMOTE_DISK_FULL", "E_REMOTE_FILE_EXISTS", "E_REMOTE_FILE_NOT_FOUND"),
    *("E_SHARE_IN_USE", "E_UNKNOWN_TELNET_OPTION", "E_URL_MALFORMAT_USER"),
}


@pytest.mark.parametrize("name", sorted(name for name in dir(pycurl) if name.startswith("E_")))
def test_every_curl_error_is_in_the_table_or_cannot_happen(name):
    impossible = name in UNUSED or name.startswith(OTHER_PROTOCOLS)
    if not impossible:
        assert getattr(pycurl, name) in failures.CURL_CODES
    assert isinstance(failures.error_from_curl(getattr(pycurl, name), "words", POOL, moved=False), CtadataError)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (pycurl.E_COULDNT_RESOLVE_HOST, Unreachable),
        (pycurl.E_COULDNT_CONNECT, Unreachable),
        (pycurl.E_GOT_NOTHING, Unreachable),
        (pycurl.E_RECV_ERROR, Unreachable),
        (pycurl.E_SEND_ERROR, Unreachable),
        (pycurl.E_OPERATION_TIMEDOUT, TimedOut),
        (pycurl.E_PARTIAL_FILE, Interrupted),
        (pycurl.E_PEER_FAILED_VERIFICATION, Untrusted),
        (pycurl.E_SSL_CACERT_BADFILE, ConfigError),
        (pycurl.E_FTP_WEIRD_SERVER_REPLY, ServerTrouble),
        (97, Unreachable),
        (12345, CtadataError),
    ],
)
def test_the_meaning_of_a_curl_error(code, kind):
    error = failures.error_from_curl(code, "what curl said", POOL, moved=False)
    assert type(error) is kind
    assert "what curl said" in error.what
    assert str(POOL) in error.what


def test_the_words_of_a_dav_error():
    sabre = (
        b"<d:error xmlns:d='DAV:' xmlns:s='s'><s:exception>E</s:exception><s:message>not yours</s:message></d:error>"
    )
    assert error_of("PUT", 403, body=sabre, kind="application/xml; charset=utf-8").what.endswith(", not yours")
    condition = b"<D:error xmlns:D='DAV:'><D:lock-token-submitted/></D:error>"
    assert error_of("PUT", 423, body=condition, kind="text/xml").what.endswith(", lock-token-submitted")
    for nothing in (
        b"<a/>",
        b"<D:error xmlns:D='DAV:'/>",
        b"<D:error",
        b"",
        b'<?xml version="1.0" encoding="no"?><a/>',
    ):
        assert error_of("PUT", 403, body=nothing, kind="application/xml").what.endswith("403 Reason")


def test_a_connection_lost_in_mid_body_is_an_interruption():
    for code in (pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR, pycurl.E_GOT_NOTHING, pycurl.E_PARTIAL_FILE):
        assert type(failures.error_from_curl(code, "", POOL, moved=True)) is Interrupted


def test_a_certificate_for_another_name_has_another_hint():
    unknown = failures.error_from_curl(60, "SSL certificate problem: self-signed certificate", POOL, moved=False)
    assert "ca in the profile" in unknown.hint
    other = failures.error_from_curl(60, "SSL: no alternative certificate subject name matches 'x'", POOL, moved=False)
    assert "address" in other.hint
