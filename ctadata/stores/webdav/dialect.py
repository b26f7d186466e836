"""What is particular to a kind of WebDAV server, as data that its store is given."""

from __future__ import annotations

from dataclasses import dataclass, field

from ctadata.stores.base import Features
from ctadata.stores.webdav.quirks import Quirks


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is particular to a kind of server.

    properties: XML of the properties that a listing asks for beside the usual four.
    headers:    sent with every PROPFIND.
    quirks:     how it takes names; None: what the server calls itself says it.
    """

    features: Features = field(default_factory=Features)
    properties: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    quirks: Quirks | None = None
