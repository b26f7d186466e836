"""dCache's REST interface, the frontend: pages of listings, quotas, quality of service, labels, extended attributes.

Only the frontend that the profile names is asked (its key `frontend`): one that is learnt from a server would be
given the token. It is asked over the same pool of connections as the door, with the same rules for the login,
redirects and repetitions. Paths and answers: dCache, the User Guide, "The frontend service"; FileResources.java.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from ctadata.entries import NO_CHECKSUMS, Entry, Kind
from ctadata.errors import CtadataError, NotFound, ServerTrouble, Unsupported, UsageError
from ctadata.http.client import Client
from ctadata.http.messages import Consumer, Response
from ctadata.http.timeouts import JSON_TOTAL
from ctadata.paths import RemotePath
from ctadata.stores.dcache.json_fields import fields, items, number, rows, texts, whole
from ctadata.stores.duplicates import SeenEntries, contradiction_error, fingerprint
from ctadata.stores.path_errors import add_path_to_errors
from ctadata.stores.unlisted import Unlisted

PAGE = 5000
"""Entries asked for at a time."""
LONGEST = 64 << 20
"""Bytes of an answer at most."""

_LATEST = 253402300800000  # milliseconds from 1970 to the year 10000, which no date can bear

_ALGORITHMS = {"ADLER32": "adler32", "MD5_TYPE": "md5", "SHA1": "sha", "SHA256": "sha-256", "SHA512": "sha-512"}


@dataclass(frozen=True, slots=True)
class Quota:
    """What a user or a group may store: bytes used and allowed (None: no limit) by retention policy.

    dCache counts about once a day.
    """

    kind: str
    id: int
    used: Mapping[str, int]
    limits: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Details:
    """What listings do not tell: the quality of service, labels, extended attributes, dCache's own id of the file."""

    quality: str | None
    labels: Sequence[str]
    attributes: Mapping[str, str]
    pnfsid: str | None


class Frontend:
    """The frontend at `base` (`https://host:port`); paths are those of the store, whose root is `root` there.

    Methods raise the errors of the store: NotFound, Forbidden, LoginNeeded, TemporaryError; ServerTrouble where the
    answer is none of dCache's.
    """

    def __init__(self, client: Client, base: str, *, root: RemotePath) -> None:
        """No request is sent; the client is somebody else's."""
        self._client = client
        self._base = f"{base}/api/v1"
        self._root = root

    def user(self) -> Mapping[str, Any]:
        """Who we are at the site: `username`, `homeDirectory`, `rootDirectory` and more."""
        return fields(self.request("GET", "/user"))

    def list(self, path: RemotePath, *, page: int = PAGE) -> Iterator[Entry]:
        """The entries directly below a collection, with checksums and localities, a page at a time.

        A page costs a request, and memory only for itself. The last page is the empty one: if dCache cannot read on, it
        sends a short page, which looks like the end (ListDirectoryHandler.java). The next page begins after what has
        come, and a name that comes again is given once. An entry that is made or deleted while the pages are read may
        shift the others: one that is missed then is the server's to avoid.
        NotFound; UsageError for a file; Incomplete, after all others, if a name is none, or is described in two ways.
        """
        offset, seen, unlisted, statements = 0, set[int](), Unlisted(), SeenEntries()
        while children := self._page(path, offset, page):
            first = children[0]
            sign = hash(repr(first.get("fileName") if isinstance(first, dict) else first))
            if sign in seen:
                raise ServerTrouble("the server gives the same page again and again", path=str(path))
            seen.add(sign)
            entries = (entry for child in children if (entry := _entry(path, child, unlisted)))
            yield from (entry for entry in entries if _is_new(entry, statements, unlisted))
            offset += len(children)
        unlisted.raise_if_any(path)

    def _page(self, path: RemotePath, offset: int, limit: int) -> Sequence[object]:
        query = {"children": "true", "locality": "true", "checksum": "true", "limit": str(limit)}
        with add_path_to_errors(path):
            told = fields(self.request("GET", self._namespace(path), query={**query, "offset": str(offset)}))
            if told.get("fileType") != "DIR":
                raise UsageError("it is a file, not a directory", path=str(path))
            return items(told.get("children"))

    def details(self, path: RemotePath) -> Details:
        """Quality of service, labels and extended attributes of a file or collection."""
        with add_path_to_errors(path):
            query = {"qos": "true", "labels": "true", "xattr": "true"}
            told = fields(self.request("GET", self._namespace(path), query=query))
            attributes = fields(told.get("extendedAttributes") or {})
            return Details(
                told.get("currentQos"),
                texts(told.get("labels")),
                {str(name): str(value) for name, value in attributes.items()},
                told.get("pnfsId"),
            )

    def set_quality(self, path: RemotePath, target: str) -> None:
        """Ask for another quality of service, one of `qualities`; it is changed some time later.

        Raises Unsupported where the site runs no QoS engine (500 `NoRouteToCell`, dCache 11.2.5).
        """
        try:
            self._change(path, {"action": "qos", "target": target})
        except ServerTrouble as error:
            if "qos-engine" not in error.what:
                raise
            words = "this site changes no quality of service: it runs no QoS engine"
            raise Unsupported(words, path=error.path, status=error.status) from error

    def qualities(self) -> Sequence[str]:
        """The qualities of service that files can have here."""
        return texts(fields(self.request("GET", "/qos-management/qos/file")).get("name"))

    def set_label(self, path: RemotePath, label: str, *, on: bool = True) -> None:
        """Give a file a label, or take it away; NotFound where it has none such."""
        with contextlib.nullcontext() if on else _missing(f"it has no label {label!r}"):
            self._change(path, {"action": "set-label" if on else "rm-label", "label": label})

    def set_attributes(self, path: RemotePath, attributes: Mapping[str, str]) -> None:
        """Set extended attributes; the others stay."""
        self._change(path, {"action": "set-xattr", "attributes": dict(attributes)})

    def remove_attributes(self, path: RemotePath, names: Sequence[str]) -> None:
        """Take extended attributes away; NotFound where one of them is not there."""
        with _missing(f"it has no attribute {' or '.join(map(repr, names))}"):
            self._change(path, {"action": "rm-xattr", "names": list(names)})

    def quotas(self) -> Sequence[Quota]:
        """The user's quotas, and those of the groups that the user is in; none where the site has none."""
        return [_quota(told) for kind in ("user", "group") for told in self._quotas_of(kind)]

    def _quotas_of(self, kind: str) -> Sequence[Mapping[str, Any]]:
        try:
            return rows(self.request("GET", f"/quota/{kind}", query={"user": "true"}, repeat=False))
        except CtadataError as error:
            if error.status in (404, 503):  # off here
                return []
            raise

    def _change(self, path: RemotePath, change: Mapping[str, Any]) -> None:
        with add_path_to_errors(path):
            self.request("POST", self._namespace(path), payload=change)

    def _namespace(self, path: RemotePath) -> str:
        return f"/namespace{self._root.join(path.parts).encoded}"

    def to_native(self, path: RemotePath) -> str:
        """A path as the frontend writes it in JSON."""
        return str(self._root.join(path.parts))

    def from_native(self, text: str) -> RemotePath:
        """The path in the store that a path of the frontend means; ServerTrouble where it lies outside."""
        try:
            return RemotePath(RemotePath.parse(text).relative_to(self._root))
        except (ValueError, UsageError) as error:
            raise ServerTrouble(f"the server tells of a path outside of the root: {text}") from error

    def request(
        self,
        method: str,
        target: str,
        *,
        query: Mapping[str, str] | None = None,
        payload: Mapping[str, Any] | None = None,
        repeat: bool = True,
    ) -> Any:
        """One request below `/api/v1`, or to a whole URL; gives the JSON of its answer, None where it has no body."""
        url = target if "://" in target else self._base + target
        url += f"?{urlencode(query, quote_via=quote)}" if query else ""
        headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if payload is not None else {})
        body = json.dumps(payload).encode() if payload is not None else None
        gathered = bytearray()

        def accept(_: Response) -> Consumer:
            gathered.clear()
            return take

        def take(block: bytes) -> None:
            gathered.extend(block)
            if len(gathered) > LONGEST:
                raise ServerTrouble("the answer is too long")

        self._client.send(method, url, headers=headers, body=body, accept=accept, repeat=repeat, total=JSON_TOTAL)
        if not gathered:
            return None
        try:
            return json.loads(gathered)
        except (ValueError, RecursionError):
            raise ServerTrouble(
                "the server answers no JSON", hint="is the key frontend of the profile right?"
            ) from None


@contextlib.contextmanager
def _missing(words: str) -> Iterator[None]:
    """Says so where the server knows none: 409 `No such attribute`, or 400 `No such label x` (dCache 11.2.5)."""
    try:
        yield
    except CtadataError as error:
        if error.status != 409 and not (error.status == 400 and "No such label" in error.what):
            raise
        raise NotFound(f"{words}: {error.what}", path=error.path, status=error.status) from error


def _entry(parent: RemotePath, child: object, unlisted: Unlisted) -> Entry | None:
    """The entry of one child; None if its name is none. A field that is not what it should be is not known."""
    told = child if isinstance(child, dict) else {}
    name = told.get("fileName")
    try:
        path = parent / (name if isinstance(name, str) else "")
    except UsageError:
        unlisted.add_name(str(name))
        return None
    size, mtime = whole(told.get("size"), below=1 << 63), whole(told.get("mtime"), below=_LATEST)
    directory = told.get("fileType") == "DIR"
    checksums, locality = told.get("checksums"), told.get("fileLocality")
    return Entry(
        path,
        Kind.DIRECTORY if directory else Kind.FILE,
        size=size if not directory else None,
        mtime=None if mtime is None else float(mtime // 1000),  # as the door tells it
        etag=_etag(told.get("pnfsId"), mtime) if not directory else None,
        checksums=_checksums(checksums) if isinstance(checksums, list) else NO_CHECKSUMS,
        locality=locality if isinstance(locality, str) else None,
    )


def _is_new(entry: Entry, statements: SeenEntries, unlisted: Unlisted) -> bool:
    said = statements.take(entry)
    if said not in (None, fingerprint(entry)):
        unlisted.add(contradiction_error(entry.path))
    return said is None


def _etag(pnfsid: object, mtime: object) -> str | None:
    """The tag that the door gives the file: its id, and Java's hash of a Date (milton, DefaultETagGenerator)."""
    if not (isinstance(pnfsid, str) and isinstance(mtime, int)):
        return None
    folded = (mtime ^ (mtime >> 32)) & 0xFFFFFFFF
    return f'"{pnfsid}_{folded - (1 << 32) if folded >> 31 else folded}"'


def _checksums(told: Sequence[object]) -> Mapping[str, str]:
    known = (_checksum(each) for each in told if isinstance(each, dict))
    return {name: value for name, value in known if re.fullmatch("[0-9a-f]{8,128}", value)}


def _checksum(told: Mapping[str, Any]) -> tuple[str, str]:
    name, value = str(told.get("type")), str(told.get("value")).lower()
    algorithm = _ALGORITHMS.get(name, name.lower())
    return algorithm, value.zfill(8) if algorithm == "adler32" else value  # old entries may lack zeros in front


def _quota(told: Mapping[str, Any]) -> Quota:
    policies = ("replica", "custodial", "output")
    return Quota(
        str(told.get("type", "")).lower(),
        -1 if told.get("id") is None else number(told["id"]) or 0,
        {policy: number(told.get(policy)) or 0 for policy in policies},
        {policy: number(told.get(f"{policy}Limit")) for policy in policies},
    )
