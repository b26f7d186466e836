"""The client of dCache's REST interface, the frontend: listings by page, quotas, QoS, labels, extended attributes.

Only the frontend that the profile names (its key `frontend`) receives requests, because each request carries the token:
an address that a server announces is not used. The requests use the same connections as the door, with the same rules
for the login, redirects and retries. Paths and answers: dCache User Guide, "The frontend service"; FileResources.java.
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
from ctadata.stores.dcache.json_fields import as_bounded_integer, as_integer, as_list, as_object, as_objects, as_texts
from ctadata.stores.duplicates import SeenEntries, contradiction_error, fingerprint
from ctadata.stores.path_errors import add_path_to_errors
from ctadata.stores.unlisted import Unlisted

PAGE = 5000
"""The number of entries to request at a time."""
LONGEST = 64 << 20
"""The largest answer, in bytes."""

_LATEST = 253402300800000  # milliseconds from 1970 to the year 10000, the end of Python's dates

_ALGORITHMS = {"ADLER32": "adler32", "MD5_TYPE": "md5", "SHA1": "sha", "SHA256": "sha-256", "SHA512": "sha-512"}


@dataclass(frozen=True, slots=True)
class Quota:
    """What a user or a group may store. dCache counts about once a day.

    Attributes:
        kind: `user` or `group`.
        id: The uid or gid.
        used: The bytes used, by retention policy (`replica`, `custodial`, `output`).
        limits: The bytes allowed, by retention policy; None: no limit.
    """

    kind: str
    id: int
    used: Mapping[str, int]
    limits: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Details:
    """What a listing does not hold about a file.

    Attributes:
        quality: The quality of service, for example `disk+tape`; None if dCache does not say it.
        labels: The labels.
        attributes: The extended attributes.
        pnfsid: dCache's own id of the file.
    """

    quality: str | None
    labels: Sequence[str]
    attributes: Mapping[str, str]
    pnfsid: str | None


class Frontend:
    """The frontend at `base` (`https://host:port`). It receives each path of the store with `root` before it.

    The methods raise the errors of the store (NotFound, Forbidden, LoginNeeded, TemporaryError), and ServerTrouble if
    the answer is not one of dCache.
    """

    def __init__(self, client: Client, base: str, *, root: RemotePath) -> None:
        """Send no request yet; the caller closes the client."""
        self._client = client
        self._base = f"{base}/api/v1"
        self._root = root

    def user(self) -> Mapping[str, Any]:
        """Return what dCache says about the user: `username`, `homeDirectory`, `rootDirectory` and more."""
        return as_object(self.request("GET", "/user"))

    def list(self, path: RemotePath, *, page: int = PAGE) -> Iterator[Entry]:
        """Yield the entries directly below a directory, with checksums and localities, one page after the other.

        Each page costs one request and is kept in memory until the next one. The last page is the empty one: if dCache
        cannot read on, it sends a short page, which looks like the end (ListDirectoryHandler.java). The next page
        begins after the entries that have come, and a name that comes again is yielded once. An entry that is made or
        deleted meanwhile may shift the others, so one of them may be missed; only the server could prevent this.

        Args:
            path: The directory.
            page: The number of entries to request at a time.

        Raises:
            NotFound: Nothing has this name.
            UsageError: The name is that of a file.
            Incomplete: A member has no valid name, or is described in two ways. Raised after all entries.
        """
        offset, seen, unlisted, statements = 0, set[int](), Unlisted(), SeenEntries()
        while children := self._page(path, offset, page):
            first = children[0]
            page_hash = hash(repr(first.get("fileName") if isinstance(first, dict) else first))
            if page_hash in seen:
                raise ServerTrouble("the server sends the same page again and again", path=str(path))
            seen.add(page_hash)
            entries = (entry for child in children if (entry := _entry(path, child, unlisted)))
            yield from (entry for entry in entries if _is_new(entry, statements, unlisted))
            offset += len(children)
        unlisted.raise_if_any(path)

    def _page(self, path: RemotePath, offset: int, limit: int) -> Sequence[object]:
        query = {"children": "true", "locality": "true", "checksum": "true", "limit": str(limit)}
        with add_path_to_errors(path):
            response = as_object(self.request("GET", self._namespace(path), query={**query, "offset": str(offset)}))
            if response.get("fileType") != "DIR":
                raise UsageError("it is a file, not a directory", path=str(path))
            return as_list(response.get("children"))

    def details(self, path: RemotePath) -> Details:
        """Return the quality of service, the labels and the extended attributes of a file or directory."""
        with add_path_to_errors(path):
            query = {"qos": "true", "labels": "true", "xattr": "true"}
            response = as_object(self.request("GET", self._namespace(path), query=query))
            attributes = as_object(response.get("extendedAttributes") or {})
            return Details(
                response.get("currentQos"),
                as_texts(response.get("labels")),
                {str(name): str(value) for name, value in attributes.items()},
                response.get("pnfsId"),
            )

    def set_quality(self, path: RemotePath, target: str) -> None:
        """Request another quality of service, one of `qualities`. dCache changes it some time later.

        Raises:
            Unsupported: The site runs no QoS engine (500 `NoRouteToCell`, dCache 11.2.5).
        """
        try:
            self._change(path, {"action": "qos", "target": target})
        except ServerTrouble as error:
            if "qos-engine" not in error.what:
                raise
            words = "this site cannot change the quality of service: it runs no QoS engine"
            raise Unsupported(words, path=error.path, status=error.status) from error

    def qualities(self) -> Sequence[str]:
        """Return the qualities of service that a file can have at this site."""
        return as_texts(as_object(self.request("GET", "/qos-management/qos/file")).get("name"))

    def set_label(self, path: RemotePath, label: str, *, on: bool = True) -> None:
        """Add a label to a file, or remove it (`on` False); raise NotFound if the file has no such label."""
        with contextlib.nullcontext() if on else _not_found_if_unknown(f"it has no label {label!r}"):
            self._change(path, {"action": "set-label" if on else "rm-label", "label": label})

    def set_attributes(self, path: RemotePath, attributes: Mapping[str, str]) -> None:
        """Set extended attributes. Other attributes stay as they are."""
        self._change(path, {"action": "set-xattr", "attributes": dict(attributes)})

    def remove_attributes(self, path: RemotePath, names: Sequence[str]) -> None:
        """Remove extended attributes; raise NotFound if the file lacks one of them."""
        with _not_found_if_unknown(f"it has no attribute {' or '.join(map(repr, names))}"):
            self._change(path, {"action": "rm-xattr", "names": list(names)})

    def quotas(self) -> Sequence[Quota]:
        """Return the user's quotas and those of the user's groups; empty if the site has none."""
        return [_quota(response) for kind in ("user", "group") for response in self._quotas_of(kind)]

    def _quotas_of(self, kind: str) -> Sequence[Mapping[str, Any]]:
        try:
            return as_objects(self.request("GET", f"/quota/{kind}", query={"user": "true"}, repeat=False))
        except CtadataError as error:
            if error.status in (404, 503):  # the site has no quotas
                return []
            raise

    def _change(self, path: RemotePath, change: Mapping[str, Any]) -> None:
        with add_path_to_errors(path):
            self.request("POST", self._namespace(path), payload=change)

    def _namespace(self, path: RemotePath) -> str:
        return f"/namespace{self._root.join(path.parts).encoded}"

    def to_native(self, path: RemotePath) -> str:
        """Return a path of the store as the frontend writes it in JSON."""
        return str(self._root.join(path.parts))

    def from_native(self, text: str) -> RemotePath:
        """Return the path in the store of a path that the frontend writes; raise ServerTrouble if it lies outside."""
        try:
            return RemotePath(RemotePath.parse(text).relative_to(self._root))
        except (ValueError, UsageError) as error:
            raise ServerTrouble(f"the server names a path outside of the root: {text}") from error

    def request(
        self,
        method: str,
        target: str,
        *,
        query: Mapping[str, str] | None = None,
        payload: Mapping[str, Any] | None = None,
        repeat: bool = True,
    ) -> Any:
        """Send one request, and return the JSON of the answer.

        Args:
            method: The HTTP method.
            target: The part of the URL after `/api/v1`, or a whole URL.
            query: The parameters of the URL.
            payload: The JSON to send; None sends no body.
            repeat: Repeat the request after a temporary failure.

        Returns:
            The parsed JSON; None if the answer has no body.

        Raises:
            ServerTrouble: The answer is no JSON, or longer than `LONGEST`.
        """
        url = target if "://" in target else self._base + target
        url += f"?{urlencode(query, quote_via=quote)}" if query else ""
        headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if payload is not None else {})
        body = json.dumps(payload).encode() if payload is not None else None
        content = bytearray()

        def accept(_: Response) -> Consumer:
            content.clear()
            return append

        def append(block: memoryview) -> None:
            content.extend(block)
            if len(content) > LONGEST:
                raise ServerTrouble("the server's answer is too long")

        self._client.send(method, url, headers=headers, body=body, accept=accept, repeat=repeat, total=JSON_TOTAL)
        if not content:
            return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise ServerTrouble(
                "the server's answer is no JSON", hint="is the key frontend of the profile right?"
            ) from None


@contextlib.contextmanager
def _not_found_if_unknown(words: str) -> Iterator[None]:
    """Raise NotFound if the server says so: 409 `No such attribute`, or 400 `No such label x` (dCache 11.2.5)."""
    try:
        yield
    except CtadataError as error:
        if error.status != 409 and not (error.status == 400 and "No such label" in error.what):
            raise
        raise NotFound(f"{words}: {error.what}", path=error.path, status=error.status) from error


def _entry(parent: RemotePath, child: object, unlisted: Unlisted) -> Entry | None:
    """Return the entry of one child; None if its name is not valid. A field of a wrong type counts as unknown."""
    fields = child if isinstance(child, dict) else {}
    name = fields.get("fileName")
    try:
        path = parent / (name if isinstance(name, str) else "")
    except UsageError:
        unlisted.add_name(str(name))
        return None
    size, mtime = (
        as_bounded_integer(fields.get("size"), below=1 << 63),
        as_bounded_integer(fields.get("mtime"), below=_LATEST),
    )
    directory = fields.get("fileType") == "DIR"
    checksums, locality = fields.get("checksums"), fields.get("fileLocality")
    return Entry(
        path,
        Kind.DIRECTORY if directory else Kind.FILE,
        size=size if not directory else None,
        mtime=None if mtime is None else float(mtime // 1000),  # the door cuts it to seconds too
        etag=_etag(fields.get("pnfsId"), mtime) if not directory else None,
        checksums=_checksums(checksums) if isinstance(checksums, list) else NO_CHECKSUMS,
        locality=locality if isinstance(locality, str) else None,
    )


def _is_new(entry: Entry, statements: SeenEntries, unlisted: Unlisted) -> bool:
    first = statements.take(entry)
    if first not in (None, fingerprint(entry)):
        unlisted.add(contradiction_error(entry.path))
    return first is None


def _etag(pnfsid: object, mtime: object) -> str | None:
    """Return the ETag that the door sends: the id, and Java's hash of the Date (milton, DefaultETagGenerator)."""
    if not (isinstance(pnfsid, str) and isinstance(mtime, int)):
        return None
    folded = (mtime ^ (mtime >> 32)) & 0xFFFFFFFF
    return f'"{pnfsid}_{folded - (1 << 32) if folded >> 31 else folded}"'


def _checksums(fields: Sequence[object]) -> Mapping[str, str]:
    known = (_checksum(each) for each in fields if isinstance(each, dict))
    return {name: value for name, value in known if re.fullmatch("[0-9a-f]{8,128}", value)}


def _checksum(fields: Mapping[str, Any]) -> tuple[str, str]:
    name, value = str(fields.get("type")), str(fields.get("value")).lower()
    algorithm = _ALGORITHMS.get(name, name.lower())
    return algorithm, value.zfill(8) if algorithm == "adler32" else value  # old entries may lack leading zeros


def _quota(fields: Mapping[str, Any]) -> Quota:
    policies = ("replica", "custodial", "output")
    return Quota(
        str(fields.get("type", "")).lower(),
        -1 if fields.get("id") is None else as_integer(fields["id"]) or 0,
        {policy: as_integer(fields.get(policy)) or 0 for policy in policies},
        {policy: as_integer(fields.get(f"{policy}Limit")) for policy in policies},
    )
