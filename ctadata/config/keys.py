"""The keys of a profile, in one table: what each means, what values it takes, and how they are read and checked.

The table drives the settings file, the `CTADATA_<KEY>` variables, `cta-data-direct config` and the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ctadata.config import checks
from ctadata.paths import MAX_CHARACTERS

Check = Callable[[str, Path], object]
"""Turns one text into a value, relative paths starting from the given directory; ValueError says what is wrong."""


class Shape(StrEnum):
    """What a key holds; the value completes the sentence `must be ...`."""

    TEXT = "a text in quotes"
    FLAG = "true or false"
    COUNT = "a whole number"
    LIST = "a list of texts"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a profile.

    check:   applied to each text of it.
    meaning: one sentence for the reference and for `config --help`.
    """

    name: str
    shape: Shape
    meaning: str
    check: Check = checks.text

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"CTADATA_{self.name.upper()}"

    def read(self, raw: object, base: Path) -> object:
        """The value of what stands in a TOML file; ValueError says what is wrong. An empty text is None."""
        for text in raw if isinstance(raw, list) else [raw]:
            _refuse_long(text)
        match self.shape, raw:
            case (Shape.FLAG, bool()):
                return raw
            case (Shape.COUNT, int()) if not isinstance(raw, bool):
                return self.check(_shown(raw), base)
            case (Shape.TEXT, str()):
                return self.check(raw, base) if raw else None
            case (Shape.LIST, str()):
                return (self.check(raw, base),)
            case (Shape.LIST, list()) if all(isinstance(item, str) for item in raw):
                return tuple(self.check(item, base) for item in raw)
        raise ValueError(f"must be {self.shape}, not {_shown(raw)}")

    def read_text(self, text: str, base: Path) -> object:
        """The value of what stands in the environment or on the command line; lists are separated by commas."""
        if self.shape is not Shape.LIST:
            _refuse_long(text)
        match self.shape:
            case Shape.FLAG:
                return checks.flag(text)
            case Shape.LIST:
                return self.read([item.strip() for item in text.split(",") if item.strip()], base)
        return self.check(text, base)


def _shown(raw: object) -> str:
    try:
        return repr(raw)
    except ValueError:  # Python writes no numbers of more than 4300 digits
        return "a number without end"


def _refuse_long(value: object) -> None:
    if isinstance(value, str) and len(value) > MAX_CHARACTERS:
        raise ValueError(f"must have {MAX_CHARACTERS} characters at most, not {len(value)}")


KEYS = (
    Key(
        "kind",
        Shape.TEXT,
        "what the door is: dcache, webdav for any other such server, or s3",
        checks.one_of("dcache", "webdav", "s3"),
    ),
    Key("door", Shape.TEXT, "where the files are: https://host:port", checks.origin),
    Key(
        "endpoint",
        Shape.TEXT,
        "for s3: where the server is, https://host[:port] (http where it has no TLS)",
        checks.endpoint,
    ),
    Key("region", Shape.TEXT, "for s3: the region to sign for; found out where a server has several", checks.region),
    Key(
        "addressing",
        Shape.TEXT,
        "for s3: path, virtual (the bucket in the host) or website (the endpoint is a bucket's); auto knows a few",
        checks.one_of("auto", "path", "virtual", "website"),
    ),
    Key("anonymous", Shape.FLAG, "for s3: whether to ask without credentials, of public buckets"),
    Key("credentials_file", Shape.TEXT, "for s3: a file with the access key, before all other places", checks.place),
    Key(
        "part_size",
        Shape.TEXT,
        "for s3: bytes of a part of a large upload, such as 64MiB; grows with the file",
        checks.size(5 << 20, 5 << 30),
    ),
    Key("root", Shape.TEXT, "put before every path; / for nothing", checks.root),
    Key("frontend", Shape.TEXT, "dCache's REST interface: https://host:port", checks.origin),
    Key(
        "listing",
        Shape.TEXT,
        "where dCache's listings come from: door, or frontend (in pages, for collections of very many files)",
        checks.one_of("door", "frontend"),
    ),
    Key("issuer", Shape.TEXT, "who issues the tokens: the address of an OpenID provider", checks.address),
    Key("client_id", Shape.TEXT, "the name of this program at the issuer"),
    Key("client_secret_file", Shape.TEXT, "a file with its secret, where it has one", checks.place),
    Key("scope", Shape.TEXT, "what a login asks for"),
    Key("audience", Shape.TEXT, "whom the token is for, where the issuer wants to know"),
    Key("accept_issuers", Shape.LIST, "issuers whose tokens, got elsewhere, may be sent to this door", checks.address),
    Key(
        "token_source",
        Shape.TEXT,
        "who keeps the token fresh: agent (our own), or oidc-agent",
        checks.one_of("agent", "oidc-agent"),
    ),
    Key(
        "login_store",
        Shape.TEXT,
        "where the login is kept: file (private), or keyring (the system's)",
        checks.one_of("file", "keyring"),
    ),
    Key("token_origins", Shape.LIST, "origins beside door and frontend that may be given the token", checks.origin),
    Key("home", Shape.LIST, "your home on the storage, {user} in it; the first that exists counts", checks.template),
    Key("user", Shape.TEXT, "your user name; without it the token is asked", checks.name),
    Key("user_claim", Shape.LIST, "claims of the token that may hold the user name, in order"),
    Key("user_rule", Shape.TEXT, "how the name becomes {user}: plain, or cta", checks.one_of("plain", "cta")),
    Key("ca", Shape.TEXT, "CA certificates to trust: a PEM file or a directory", checks.certificates),
    Key("http_pools", Shape.FLAG, "whether a redirect may lead from https to http, without the token"),
    Key("atomic_put", Shape.FLAG, "whether an upload appears whole or not at all, without a temporary name"),
    Key(
        "engine",
        Shape.TEXT,
        "what moves the bytes of files: curl (our own), or davix (its tools, at doors that redirect)",
        checks.one_of("curl", "davix"),
    ),
    Key("jobs", Shape.COUNT, "files at a time, and requests to one server, at most: 1 to 64", checks.count(1, 64)),
    Key("notice", Shape.TEXT, "what to tell a user before an upload"),
)

BY_NAME = {key.name: key for key in KEYS}
