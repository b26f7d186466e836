"""Every parser of what others write, given mutations of what they do write: only our own errors come out.

The run's seed decides the inputs; a failure names the parser, the input and what came out. Bound: `--soak` gives each
parser some 400,000 inputs.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from ctadata.checksums import new_hasher, strongest_digest
from ctadata.cli.entry_lines import Columns, entry_as_json, long_cells, short_line
from ctadata.config.resolve import resolve_profile
from ctadata.entries import Entry, Kind
from ctadata.errors import CtadataError
from ctadata.http import failures, redirects
from ctadata.http.messages import Headers, Response
from ctadata.http.rest import JsonResponse
from ctadata.listed_paths import Listed
from ctadata.local_names import check_local_name
from ctadata.namespace.external_sort import name_key
from ctadata.paths import RemotePath, TypedPath
from ctadata.printable import escape_unprintable
from ctadata.stores import dates
from ctadata.stores.dcache import children, frontend, json_fields
from ctadata.stores.download_service.listing import parse_listing
from ctadata.stores.download_service.messages import check_receipt
from ctadata.stores.s3 import errors as s3_errors
from ctadata.stores.s3 import listing as s3_listing
from ctadata.stores.s3 import pages as s3_pages
from ctadata.stores.unlisted import Unlisted
from ctadata.stores.webdav.multistatus import Multistatus, read_refused_members
from ctadata.tokens import device, inspection, macaroon, token_response
from ctadata.tokens.access_key_text import parse_access_key
from ctadata.tokens.token import Secret, Token
from ctadata.transfer import resume_journal
from ctadata.transfer.receipt import read_receipt

HERE = RemotePath(("lst", "run"))
URL = "https://door.example:2880/lst/run"
NOW = 1_700_000_000.0

NASTY = [
    *(b"\0", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n", b"\t", b"\x1b[2J", "\u202e".encode()),
    *(b"..", b".", b"/", b"//", b"%", b"%00", b"%2F", b"%2f..", b"%ff", b"%zz", b"\\", b"\\ud800", b"\\u0000", b"~"),
    *(b"-1", b"0", b"1e999", b"-0.0", b"NaN", b"Infinity", b"1e-400", b"9" * 25, b"9" * 5000, b"0x10", b"1_0"),
    *("٣".encode(), "²".encode(), "é".encode(), "e\u0301".encode(), "日".encode() * 50, b" ", b"  ", b"a" * 5000),
    *(b"null", b"true", b"[]", b"{}", b'""', b"[" * 3000, b'{"a":' * 3000, b"<a>" * 3000, b"]", b"}", b'"', b"'"),
    *(b"&#0;", b"&#xD800;", b"&x;", b"<!-- -->", b"<![CDATA[", b"]]>", b"<?x?>", b'<!DOCTYPE a [<!ENTITY x "y">]>'),
    *(b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:60+99:99", b"Thu, 31 Feb 99999 25:61:61 GMT", b"javascript:x"),
    *(b"https://[::1", b"http://a:99999/", b"//evil/", b"https://u:p@h/", b"file:///etc", b"=", b":", b";", b",", b"#"),
]


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """One of the seeds, changed in one place or a few."""
    content = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at = rng.randrange(len(content) + 1)
        to = min(len(content), at + rng.choice((0, 1, 2, 4, 16, 64)))
        match rng.randrange(7):
            case 0:
                content[at:to] = rng.choice(NASTY)
            case 1:
                content[at:at] = rng.choice(NASTY)
            case 2:
                del content[at:to]
            case 3:
                content[at:at] = content[at:to] * rng.choice((1, 2, 50))
            case 4:
                content[at:to] = rng.randbytes(to - at)
            case 5:
                other = rng.choice(seeds)
                content[at:] = other[rng.randrange(len(other) + 1) :]
            case 6:  # a value of JSON, XML or TOML, whole
                pieces = _VALUE.findall(bytes(content))
                if pieces:
                    content = bytearray(bytes(content).replace(rng.choice(pieces), rng.choice(NASTY), 1))
    return bytes(content)


_VALUE = re.compile(rb'"[^"]*"|[-+.\w]+|(?<=>)[^<]+')


EVERY_COLUMN = Columns(long=True, null=False, json=False, checksums=True)


def shown(entry: Entry) -> None:
    """All that is done with an entry for people and programs."""
    for line in (
        short_line(entry),
        "  ".join(long_cells(entry, EVERY_COLUMN).values()),
        json.dumps(entry_as_json(entry)),
        str(Listed.of(entry)),
    ):
        escape_unprintable(line)
    name_key(entry)


# --- what reads ---

PROPSTAT = "<D:propstat><D:prop>{}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
PROPERTIES = (
    "<D:getcontentlength>12</D:getcontentlength><D:getlastmodified>Sat, 21 Nov 2026 03:36:32 GMT</D:getlastmodified>"
    '<D:getetag>"0_1"</D:getetag><N:Checksums xmlns:N="http://www.dcache.org/2013/webdav">adler32=03da0195,'
    "md5=1B2M2Y8AsgTpgAmY7PhCfg==</N:Checksums><D:resourcetype/>"
)
MULTISTATUS = (
    '<?xml version="1.0" encoding="utf-8"?><D:multistatus xmlns:D="DAV:"><D:response><D:href>/lst/run/</D:href>'
    + PROPSTAT.format("<D:resourcetype><D:collection/></D:resourcetype>")
    + "</D:response><D:response><D:href>/lst/run/a%20b</D:href>"
    + PROPSTAT.format(PROPERTIES)
    + "</D:response><D:response><D:href>/lst/run/c</D:href>"
    "<D:status>HTTP/1.1 403 Forbidden</D:status></D:response>"
    "</D:multistatus>"
).encode()


def multistatus(content: bytes) -> None:
    parser = Multistatus(HERE)
    cut = len(content) // 3
    for entry in [*parser.feed(content[:cut]), *parser.feed(content[cut:]), *parser.close()]:
        assert entry.path.parent == HERE
        shown(entry)


def refused_deletions(content: bytes) -> None:
    for error in read_refused_members(Response("DELETE", URL, 207, "", Headers(), content), HERE, root=RemotePath()):
        str(error)


S3_PAGE = b"""<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>
<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>t&#x1;</NextContinuationToken>
<NextMarker>c</NextMarker><Contents><Key>lst/run/a+b%20</Key><LastModified>2026-11-21T03:36:32.000Z</LastModified>
<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e-2&quot;</ETag><Size>12</Size></Contents>
<CommonPrefixes><Prefix>lst/run/d/</Prefix></CommonPrefixes></ListBucketResult>"""
S3_ERROR = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong region</Message>
<Region>eu-central-1</Region><RequestId>1</RequestId></Error>"""


def s3_page(content: bytes) -> None:
    page = s3_pages._parse_page(content, 1000)
    for item in page.items:
        path = s3_listing._path_of_key(item.key, "lst/run/", HERE)
        if path is not None:
            shown(Entry(path, Kind.FILE, item.size, item.mtime, item.etag))


def s3_error(content: bytes) -> None:
    for status in (301, 400, 403, 404, 409, 503):
        str(s3_errors.explain(Response("GET", URL, status, "", Headers(), content)))
    s3_errors.xml_fields(content)


def error_body(content: bytes) -> None:
    for kind in ("application/problem+json", "text/html", ""):
        headers = Headers([("Content-Type", kind), ("Retry-After", content[:40].decode("latin-1"))])
        for status in (403, 500, 507):
            str(failures.error_from_response(Response("PUT", URL, status, "x", headers, content), secret="secret"))


CHILD = {
    "fileName": "a b",
    "fileType": "REGULAR",
    "size": 12,
    "mtime": 1795232192123,
    "pnfsId": "0000A",
    "fileLocality": "ONLINE",
    "checksums": [{"type": "ADLER32", "value": "3da0195"}],
}
CHILDREN = json.dumps({"fileType": "DIR", "children": [CHILD, {**CHILD, "fileType": "DIR"}]}).encode()
QUOTA = json.dumps([{"id": 1, "type": "user", "custodial": 1, "replicaLimit": 5, "output": 0}]).encode()


def odd_encodings(content: bytes) -> list[bytes]:
    """The same, in encodings that expat does not know, or cannot read."""
    return [re.sub(rb"utf-8", name, content, count=1, flags=re.IGNORECASE) for name in (b"utf-8-8", b"utf-7")]


def of_json(content: bytes) -> object:
    """As every JSON of a server is read."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def frontend_json(content: bytes) -> None:
    read = of_json(content)
    unlisted = Unlisted()
    if isinstance(read, list):
        for row in json_fields.as_objects(read):
            frontend._quota(row)
        return
    for child in json_fields.as_list(json_fields.as_object(read).get("children")):
        entry = children.parse_child(HERE, child, unlisted)
        if entry is not None:
            shown(entry)


SERVICE = json.dumps(
    [
        {"href": "lst/run/", "type": "directory"},
        {"href": "lst/run/a%20b", "type": "file", "size": "12", "mtime": "Sat, 21 Nov 2026 03:36:32 GMT", "url": URL},
    ]
).encode()
RECEIVED = json.dumps({"path": "lst/run", "total_written": 12, "status": "uploaded"}).encode()


def service_json(content: bytes) -> None:
    rows, _ = parse_listing(content, HERE)
    for row in rows:
        shown(row.entry)
        Listed.of(row.entry, row.fields)


def service_receipt(content: bytes) -> None:
    check_receipt(Response("POST", URL, 200, "", Headers(), content), HERE, 12)


GRANT = json.dumps(
    {"access_token": "a.b.c", "refresh_token": "r", "expires_in": 300, "scope": "openid", "token_type": "Bearer"}
).encode()
LOGIN = json.dumps(
    {
        "device_code": "d",
        "user_code": "AB-CD",
        "verification_uri": "https://i.example/device",
        "verification_uri_complete": "https://i.example/device?user_code=AB-CD",
        "expires_in": 600,
        "interval": 5,
    }
).encode()
REFUSAL = json.dumps({"error": "invalid_grant", "error_description": "Token is not active"}).encode()


def issuer_json(content: bytes) -> None:
    read = of_json(content)
    for status in (200, 400, 401, 429):
        answer = JsonResponse("POST", URL, status, "", Headers([("Retry-After", "5")]), read, "")
        for use in (
            lambda told: token_response.parse_grant(told, NOW),
            lambda told: device._read_login(told, Secret("v")),
        ):
            try:
                use(token_response.parse_success(answer, "to renew"))
            except CtadataError as error:
                str(error)


JWT = (
    b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSIsInN1YiI6ImFkYSIsImV4cCI6MTgwMDAwMDAwMCwic2NvcGUiOiJzdG9y"
    b"YWdlLnJlYWQ6LyBvcGVuaWQiLCJhdWQiOlsiYSIsImIiXSwibmJmIjoxfQ.c2lnbmF0dXJl"
)
CLAIMS = (
    b'{"iss":"https://i.example","sub":"ada","exp":1800000000,"nbf":1,"iat":2.5,"aud":["a"],"scope":"storage.read:/"}'
)
MACAROON = (
    b"MDAxY2xvY2F0aW9uIE9wdGlvbmFsLmVtcHR5CjAwMThpZGVudGlmaWVyIGlpZEExMjM0CjAwMjRjaWQgYmVmb3JlOjIwMjYtMTEtMjFUMDM6MzY6"
    b"MzJaCjAwMWJjaWQgYWN0aXZpdHk6RE9XTkxPQUQKMDAyZnNpZ25hdHVyZSDN-Y-M_zsK0123456789abcdefghijklmnopqr0K"
)


def token(content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    list(inspection.describe_token(text, NOW))
    json.dumps(inspection.token_as_json(text))
    read = Token.parse(text, NOW, 300)
    read.life_left(NOW)
    str(read)


def jwt_claims(content: bytes) -> None:
    body = base64.urlsafe_b64encode(content).decode().rstrip("=")
    token(f"eyJhbGciOiJSUzI1NiJ9.{body}.c2ln".encode())


def macaroon_bytes(content: bytes) -> None:
    text = base64.urlsafe_b64encode(content).decode().rstrip("=")
    macaroon.Macaroon.parse(text)
    list(inspection.describe_token(text, NOW))


PASTED = [
    b"[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG\n",
    b"export AWS_ACCESS_KEY_ID=\"AKIA\"\nexport AWS_SECRET_ACCESS_KEY='x'\nexport AWS_SESSION_TOKEN=t\n",
    b'{"Credentials": {"AccessKeyId": "A", "SecretAccessKey": "s", "Expiration": "2026-11-21T03:36:32Z"}}',
]


def pasted(content: bytes) -> None:
    parse_access_key(content.decode("utf-8", "surrogateescape"))


LOCATIONS = [
    b"https://pool.example:20001/lst/a?dcache-http-uuid=1&x=%20",
    b"/lst/b",
    b"../c",
    b"//other.example/d",
    b"?q",
]


def redirect(content: bytes) -> None:
    location = content.decode("latin-1")
    for status, method in ((302, "GET"), (307, "PUT"), (303, "HEAD")):
        response = Response(method, URL, status, "Moved", Headers([("Location", location)]))
        url = redirects.next_url(response, http_pools=True)
        assert url.startswith(("https://", "http://"))
        assert url.isprintable()


DATES = [b"Sat, 21 Nov 2026 03:36:32 GMT", b"2026-11-21T03:36:32.123Z", b"Saturday, 21-Nov-26 03:36:32 GMT", b"120"]


def date(content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    for value in (dates.parse_date(text), failures.parse_retry_after(text, NOW), macaroon.parse_before(text)):
        shown(Entry(HERE, Kind.FILE, 1, value))


SETTINGS = [
    b'default = "mine"\n[profiles.mine]\nkind = "dcache"\ndoor = "https://door.example:2880"\nroot = "/lst"\njobs = 4\n'
    b'frontend = "https://door.example:3880"\ntoken_origins = ["https://p.example"]\n'
    b'http_pools = false\nuser = "ada"\n',
    b'default = "s"\n[profiles.s]\nkind = "s3"\nendpoint = "https://s3.example"\nregion = "eu"\npart_size = "8M"\n',
]


def settings(content: bytes) -> None:
    file = Path("settings.toml")
    file.write_bytes(content)
    str(resolve_profile(env={"CTADATA_CONFIG": str(file), "HOME": os.environ["HOME"]}).profile)


RECORD = {
    "schema": 1,
    "action": "get",
    "profile": "mine",
    "state": "failed",
    "path": "/lst/run/a",
    "local": "/tmp/a",
    "size": 12,
    "digest": "adler32:03da0195",
    "etag": None,
    "error": "x",
    "why": "",
    "exit_code": 5,
}
RECEIPT = (json.dumps(RECORD) + "\n" + json.dumps({**RECORD, "state": "done", "local": None}) + "\n").encode()
RECEIPT_OF_PARTS = (json.dumps({**RECORD, "digest": "md5-of-parts/8:00-2"}) + "\n").encode()


def receipt(content: bytes) -> None:
    file = Path("receipt")
    file.write_bytes(content)
    for record in read_receipt(file):
        str(record.path)
        algorithm, _, digest = record.digest.partition(":")
        if best := strongest_digest({algorithm: digest}):
            hasher = new_hasher(best[0])
            hasher.update(content)
            hasher.hexdigest()


VERSION = resume_journal.version_of(Entry(HERE, Kind.FILE, 100_000_000, NOW, '"1"'))
HEADER = json.dumps({"by": "host 1 2 3", "version": VERSION})
JOURNAL = f"{HEADER}\n0 4194304 0123abcd\n4194304 8388608 00000000\n8388608 9000000 ffffffff\n".encode()


def notes(content: bytes) -> None:
    file = Path("journal")
    file.write_bytes(content)
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        blocks = resume_journal.read_journal(folder, "journal", 100_000_000, VERSION) or []
        resume_journal.writer_of(folder, "journal")
    finally:
        os.close(folder)
    assert all(0 <= block.start < block.stop <= 100_000_000 for block in blocks)
    assert all(one.stop <= other.start for one, other in pairwise(blocks))


PATHS = [b"lst/run/a b", b"/lst/run/", b"home:x/y", b"~/x", b"/a%20b/%E6%97%A5", "é/日".encode(), b"s3://b/k"]


def path(content: bytes) -> None:
    text = content.decode("utf-8", "surrogateescape")
    readings: list[Callable[[str], RemotePath]] = [
        RemotePath.parse,
        RemotePath.decode,
        lambda text: TypedPath.parse(text).path,
    ]
    for read in readings:
        try:
            found = read(text)
            assert RemotePath.decode(found.encoded).encoded == found.encoded
            shown(Entry(found, Kind.FILE))
            for name in found.parts:
                check_local_name(name)
        except CtadataError as error:
            str(error)


PARSERS: Mapping[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "multistatus": (multistatus, [MULTISTATUS]),
    "refused deletions": (refused_deletions, [MULTISTATUS, *odd_encodings(MULTISTATUS)]),
    "S3 listing": (s3_page, [S3_PAGE]),
    "S3 error": (s3_error, [S3_ERROR, *odd_encodings(S3_ERROR)]),
    "error body": (
        error_body,
        [b'{"title": "t", "detail": "d", "errors": [{"message": "m"}]}', b"<h1>x</h1>", S3_ERROR],
    ),
    "frontend": (frontend_json, [CHILDREN, QUOTA]),
    "download service": (service_json, [SERVICE]),
    "receipt of the download service": (service_receipt, [RECEIVED]),
    "issuer": (issuer_json, [GRANT, LOGIN, REFUSAL]),
    "token": (token, [JWT, MACAROON, b"opaque"]),
    "claims": (jwt_claims, [CLAIMS]),
    "macaroon": (
        macaroon_bytes,
        [b"001cid before:2026-11-21T03:36:32Z\n", b"\x02\x01\x04host\x02\x02id\x00\x02\x01a\x00\x00"],
    ),
    "pasted key": (pasted, PASTED),
    "redirect": (redirect, LOCATIONS),
    "date": (date, DATES),
    "settings": (settings, SETTINGS),
    "receipt": (receipt, [RECEIPT, RECEIPT_OF_PARTS]),
    "journal": (notes, [JOURNAL]),
    "path": (path, PATHS),
}


@pytest.mark.parametrize("name", PARSERS)
def test_only_our_own_errors_come_out(
    name: str, rng: random.Random, count: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    read, seeds = PARSERS[name]
    for seed in seeds:
        read(seed)
    for _ in range(count(300, 400_000)):
        content = mutated(rng, seeds)
        try:
            read(content)
        except CtadataError as error:
            str(error)
        except Exception as error:
            error.add_note(f"{name}: {len(content)} bytes, {content[:3000]!r}")
            raise
