"""Lists of replicas of a Rucio catalogue: the JSON of its REST interface and clients, and metalink.

`POST /replicas/list` of Rucio answers with one JSON object per file (`application/x-json-stream`), or with metalink 4
(RFC 5854), which `rucio list-file-replicas --metalink` prints. Both have the DID (`scope:name`), size, adler32 and the
addresses of the replicas. See `lib/rucio/web/rest/flaskapi/v1/replicas.py` in rucio/rucio.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from xml.parsers import expat

from ctadata.config.profile import Profile
from ctadata.entries import Entry, Kind
from ctadata.errors import UsageError
from ctadata.paths import RemotePath, shorten
from ctadata.printable import escape_unprintable
from ctadata.transfer.download_target import NamedEntry

_PORTS = {"https": 443, "davs": 443, "s3s": 443, "http": 80, "dav": 80, "s3": 80}
"""The schemes of addresses that lead to the same files as the door, and their ports."""

_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")


@dataclass(slots=True)
class Replicas:
    """One file of a catalogue.

    Attributes:
        scope: The scope of its DID.
        name: The name of its DID.
        size: The bytes; None if the catalogue does not say.
        checksums: The digests, by algorithm.
        places: The address of each replica, with the storage element that has it.
        on_tape: The addresses of replicas that lie on tape.
    """

    scope: str = ""
    name: str = ""
    size: int | None = None
    checksums: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    on_tape: set[str] = field(default_factory=set)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Replicas:
        """Return the file of one JSON object. Raises ValueError, LookupError and others."""
        addresses: Mapping[str, Mapping[str, Any]] = fields.get("pfns") or {}
        return cls(
            scope=read_text(fields["scope"]),
            name=read_text(fields["name"]),
            size=parse_size(fields["bytes"]),
            checksums={name: _digest(fields[name]) for name in ("adler32", "md5") if fields.get(name)},
            places={address: str(of.get("rse", "")) for address, of in addresses.items()},
            on_tape={address for address, of in addresses.items() if of.get("type") == "TAPE"},
        )

    def locate(self, profile: Profile) -> NamedEntry:
        """Return the entry of the replica at the profile's storage, with the name that its DID gives.

        Args:
            profile: The site.

        Raises:
            UsageError: No replica is there, or the DID is no path.
        """
        did = RemotePath.parse(f"{self.scope}/{self.name}").parts
        for address in self.places:
            path = _path_at(profile, address)
            if path is not None:
                locality = "NEARLINE" if address in self.on_tape else None
                entry = Entry(
                    path, Kind.FILE, self.size, checksums=self.checksums, locality=locality, is_catalogued=True
                )
                return NamedEntry(entry, did)
        others = ", ".join(sorted({rse for rse in self.places.values() if rse})) or "none"
        raise UsageError(
            f"it has no replica at {profile.address}; the catalogue names: {escape_unprintable(shorten(others))}",
            path=escape_unprintable(f"{self.scope}:{self.name}"),
        )


def _path_at(profile: Profile, address: str) -> RemotePath | None:
    """Return the path on the storage that an address leads to; None if it leads elsewhere."""
    own, other = urlsplit(profile.address), urlsplit(address)
    try:
        ports = own.port or _PORTS.get(own.scheme), other.port or _PORTS.get(other.scheme)
    except ValueError:  # no port has this number
        return None
    if other.scheme not in _PORTS or (own.hostname, ports[0]) != (other.hostname, ports[1]):
        return None
    root, path = RemotePath.parse(own.path).parts, RemotePath.parse(other.path).parts
    return RemotePath().join(path[len(root) :]) if path[: len(root)] == root and path != root else None


def read_text(value: object) -> str:
    """Return the text in a JSON object; raise TypeError for any other value."""
    if isinstance(value, str):
        return value
    raise TypeError


def parse_size(value: object) -> int | None:
    """Return the size in a JSON object, None if it is not known; raise ValueError for a size that no file has."""
    if value is None or (type(value) is int and value >= 0):
        return value
    raise ValueError("a size that no file has")


def _digest(text: str) -> str:
    if not _HEXADECIMAL.fullmatch(text):
        raise ValueError(f"{shorten(text)} is no digest")
    return text.lower()


def read_metalink(lines: Iterable[str]) -> Iterator[Replicas | UsageError]:
    """Yield the files of a metalink, and an error in place of a file that cannot be read.

    Args:
        lines: The lines of the document.

    Raises:
        UsageError: The document is no XML, or has a document type.
    """
    parser = _Metalink()
    for line in [*lines, None]:
        try:
            parser.feed(line)
        except expat.ExpatError as error:
            raise UsageError(
                f"the list is no metalink: {expat.ErrorString(error.code)}, line {error.lineno}"
            ) from error
        yield from parser.take()


class _Metalink:
    """Reads metalink 4 as it comes."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._add_text
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._file = Replicas()
        self._attributes: dict[str, str] = {}
        self._text = ""
        self._error = ""
        self._files: list[Replicas | UsageError] = []

    def feed(self, line: str | None) -> None:
        """Parse one line; None ends the document."""
        self._parser.Parse("" if line is None else f"{line}\n", line is None)

    def take(self) -> list[Replicas | UsageError]:
        """Return the files that have ended."""
        files, self._files = self._files, []
        return files

    def _refuse_doctype(self, *_: object) -> None:
        raise UsageError("the list is no metalink: it has a document type")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._attributes, self._text = attributes, ""
        if _local_name(name) == "file":
            self._file, self._error = Replicas(name=attributes.get("name", "")), ""

    def _add_text(self, text: str) -> None:
        self._text += text

    def _end(self, name: str) -> None:
        text, self._text = self._text.strip(), ""
        match _local_name(name):
            case "identity":
                self._file.scope, colon, did = text.partition(":")
                self._file.name = did if colon else self._file.name
            case "size" if text.isascii() and text.isdigit():
                self._file.size = int(text)
            case "size":
                self._error = "a size that no file has"
            case "hash":
                self._take_hash(text)
            case "url":
                self._file.places[text] = self._attributes.get("location", "")
            case "file":
                self._end_file()

    def _take_hash(self, text: str) -> None:
        try:
            self._file.checksums[self._attributes.get("type", "").lower()] = _digest(text)
        except ValueError as error:
            self._error = str(error)

    def _end_file(self) -> None:
        if not self._file.scope:
            self._error = self._error or "it has no <identity> with a DID"
        path = escape_unprintable(self._file.name)
        self._files.append(
            UsageError(f"the metalink is wrong: {self._error}", path=path) if self._error else self._file
        )


def _local_name(name: str) -> str:
    return name.rpartition(" ")[2]
