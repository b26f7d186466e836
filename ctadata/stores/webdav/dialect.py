"""What one kind of WebDAV server does differently, as data for its store."""

from __future__ import annotations

from dataclasses import dataclass, field

from ctadata.stores.base import Features
from ctadata.stores.webdav.quirks import Quirks


@dataclass(frozen=True, slots=True)
class Dialect:
    """The particulars of one kind of server.

    Attributes:
        features: What the store can do.
        properties: XML of the properties that a listing requests besides the usual four.
        headers: The extra headers of every PROPFIND.
        quirks: How the server takes names. None: its `Server` header says so.
    """

    features: Features = field(default_factory=Features)
    properties: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    quirks: Quirks | None = None
