"""The client of dCache's REST interface, the frontend: listings by page, quotas, QoS, labels, extended attributes.

Only the frontend that the profile names (its key `frontend`) receives requests, because each request carries the token:
an address that a server announces is not used. The requests use the same connections as the door, with the same rules
for the login, redirects and retries. Paths and answers: dCache User Guide, "The frontend service"; FileResources.java.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from ctadata.entries import Entry
from ctadata.errors import CtadataError, NotFound, ServerTrouble, Unsupported, UsageError
from ctadata.http.client import Client
from ctadata.http.messages import Consumer, Response
from ctadata.http.timeouts import JSON_TOTAL
from ctadata.paths import RemotePath
from ctadata.stores.dcache.children import parse_child
from ctadata.stores.dcache.json_fields import (
    as_integer,
    as_list,
    as_object,
    as_objects,
    as_text,
    as_texts,
    find_stated_error,
)
from ctadata.stores.duplicates import SeenEntries, contradiction_error, fingerprint
from ctadata.stores.path_errors import add_path_to_errors
from ctadata.stores.unlisted import Unlisted

PAGE = 5000
"""The number of entries to request at a time."""
LONGEST = 64 << 20
"""The largest answer, in bytes."""


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
    pnfsid: str


class Answer(NamedTuple):
    """An answer of the frontend.

    Attributes:
        response: The response.
        json: The parsed JSON of its body; None if it has none.
    """

    response: Response
    json: Any


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
        return as_object(self.request("GET", "/user").json)

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
            entries = (entry for child in children if (entry := parse_child(path, child, unlisted)))
            yield from (entry for entry in entries if _is_new(entry, statements, unlisted))
            offset += len(children)
        unlisted.raise_if_any(path)

    def _page(self, path: RemotePath, offset: int, limit: int) -> Sequence[object]:
        query = {"children": "true", "locality": "true", "checksum": "true", "limit": str(limit)}
        with add_path_to_errors(path):
            response = as_object(
                self.request("GET", self._namespace(path), query={**query, "offset": str(offset)}).json
            )
            if response.get("fileType") != "DIR":
                raise UsageError("it is a file, not a directory", path=str(path))
            return as_list(response.get("children"))

    def details(self, path: RemotePath) -> Details:
        """Return the quality of service, the labels and the extended attributes of a file or directory."""
        with add_path_to_errors(path):
            query = {"qos": "true", "labels": "true", "xattr": "true"}
            response = as_object(self.request("GET", self._namespace(path), query=query).json)
            attributes = as_object(response.get("extendedAttributes") or {})
            return Details(
                response.get("currentQos"),
                as_texts(response.get("labels")),
                {str(name): str(value) for name, value in attributes.items()},
                as_text(response.get("pnfsId")),
            )

    def set_quality(self, path: RemotePath, target: str) -> None:
        """Request another quality of service, one of `qualities`. dCache changes it some time later.

        Raises:
            Unsupported: The site runs no QoS engine (500 `NoRouteToCell`, dCache 11.2.5).
        """
        try:
            self._change(path, {"action": "qos", "target": target}, lambda now: now.quality == target)
        except ServerTrouble as error:
            if "qos-engine" not in error.what:
                raise
            words = "this site cannot change the quality of service: it runs no QoS engine"
            raise Unsupported(words, path=error.path, status=error.status) from error

    def qualities(self) -> Sequence[str]:
        """Return the qualities of service that a file can have at this site."""
        return as_texts(as_object(self.request("GET", "/qos-management/qos/file").json).get("name"))

    def set_label(self, path: RemotePath, label: str, *, on: bool = True) -> None:
        """Add a label to a file, or remove it (`on` False); raise NotFound if the file has no such label."""
        with contextlib.nullcontext() if on else _not_found_if_unknown(f"it has no label {label!r}"):
            action = "set-label" if on else "rm-label"
            self._change(path, {"action": action, "label": label}, lambda now: (label in now.labels) == on)

    def set_attributes(self, path: RemotePath, attributes: Mapping[str, str]) -> None:
        """Set extended attributes. Other attributes stay as they are."""
        change = {"action": "set-xattr", "attributes": dict(attributes)}
        self._change(path, change, lambda now: attributes.items() <= now.attributes.items())

    def remove_attributes(self, path: RemotePath, names: Sequence[str]) -> None:
        """Remove extended attributes; raise NotFound if the file lacks one of them."""
        with _not_found_if_unknown(f"it has no attribute {' or '.join(map(repr, names))}"):
            change = {"action": "rm-xattr", "names": list(names)}
            self._change(path, change, lambda now: now.attributes.keys().isdisjoint(names))

    def quotas(self) -> Sequence[Quota]:
        """Return the user's quotas and those of the user's groups; empty if the site has none."""
        return [_quota(response) for kind in ("user", "group") for response in self._quotas_of(kind)]

    def _quotas_of(self, kind: str) -> Sequence[Mapping[str, Any]]:
        try:
            return as_objects(self.request("GET", f"/quota/{kind}", query={"user": "true"}, repeat=False).json)
        except CtadataError as error:
            if error.status in (404, 503):  # the site has no quotas
                return []
            raise

    def _change(self, path: RemotePath, change: Mapping[str, Any], is_done: Callable[[Details], bool]) -> None:
        """Make a change; if the answer does not confirm it, raise ServerTrouble unless a look shows that it is made."""
        with add_path_to_errors(path):
            response, answer = self.request("POST", self._namespace(path), payload=change)
            if response.status in (200, 201) and isinstance(answer, dict) and answer.get("status") == "success":
                return
            is_made = False
            with contextlib.suppress(ServerTrouble):
                is_made = is_done(self.details(path))
            if not is_made:
                raise unconfirmed_error("the change", response)

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
    ) -> Answer:
        """Send one request, and return the answer.

        Args:
            method: The HTTP method.
            target: The part of the URL after `/api/v1`, or a whole URL.
            query: The parameters of the URL.
            payload: The JSON to send; None sends no body.
            repeat: Repeat the request after a temporary failure.

        Raises:
            ServerTrouble: The answer is no JSON, or longer than `LONGEST`.
            CtadataError: The answer states an error, although its status is that of a success.
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

        response = self._client.send(
            method, url, headers=headers, body=body, accept=accept, repeat=repeat, total=JSON_TOTAL
        )
        try:
            answer = json.loads(content) if content else None
        except (ValueError, RecursionError):
            raise ServerTrouble(
                "the server's answer is no JSON", hint="is the key frontend of the profile right?"
            ) from None
        if error := find_stated_error(response, answer):
            raise error
        return Answer(response, answer)


def unconfirmed_error(what: str, response: Response) -> ServerTrouble:
    """Return the error for a successful response that does not say that something was done."""
    words = f"the server did not confirm {what}: {response.status} {response.reason}"
    return ServerTrouble(words, status=response.status)


@contextlib.contextmanager
def _not_found_if_unknown(words: str) -> Iterator[None]:
    """Raise NotFound if the server says so: 409 `No such attribute`, or 400 `No such label x` (dCache 11.2.5)."""
    try:
        yield
    except CtadataError as error:
        if error.status != 409 and not (error.status == 400 and "No such label" in error.what):
            raise
        raise NotFound(f"{words}: {error.what}", path=error.path, status=error.status) from error


def _is_new(entry: Entry, statements: SeenEntries, unlisted: Unlisted) -> bool:
    first = statements.take(entry)
    if first not in (None, fingerprint(entry)):
        unlisted.add(contradiction_error(entry.path))
    return first is None


def _quota(fields: Mapping[str, Any]) -> Quota:
    policies = ("replica", "custodial", "output")
    return Quota(
        str(fields.get("type", "")).lower(),
        -1 if fields.get("id") is None else as_integer(fields["id"]) or 0,
        {policy: as_integer(fields.get(policy)) or 0 for policy in policies},
        {policy: as_integer(fields.get(f"{policy}Limit")) for policy in policies},
    )
