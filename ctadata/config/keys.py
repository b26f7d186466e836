"""The keys of a profile in one table: the meaning of each, its form, and its check.

The table defines the settings file, the `CTADATA_<KEY>` variables, `cta-data-direct config` and the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from ctadata.config import checks
from ctadata.paths import MAX_CHARACTERS

Check = Callable[[str, Path], object]
"""Parse one text, with the directory from which relative paths start; ValueError says what is wrong."""


KINDS = DCACHE, WEBDAV, S3 = "dcache", "webdav", "s3"
"""The kinds of servers."""
_DOORS = (DCACHE, WEBDAV)


class Shape(StrEnum):
    """The form of a key's value; the text completes the sentence `must be ...`."""

    TEXT = "a text in quotes"
    FLAG = "true or false"
    COUNT = "a whole number"
    LIST = "a list of texts"


class Key(NamedTuple):
    """One key of a profile.

    Attributes:
        name: The name in the settings file.
        shape: The form of the value.
        meaning: One sentence for the reference and for `config --help`.
        check: Parses each text of the value.
        kinds: The kinds of servers that the key is about.
    """

    name: str
    shape: Shape
    meaning: str
    check: Check = checks.parse_text
    kinds: tuple[str, ...] = KINDS

    @property
    def variable(self) -> str:
        """The environment variable that sets the key."""
        return f"CTADATA_{self.name.upper()}"

    def parse_toml(self, raw: object, base: Path) -> object:
        """Return the value for a TOML value.

        Args:
            raw: The value in the settings file.
            base: The directory from which relative paths start.

        Returns:
            The value; None for an empty text.

        Raises:
            ValueError: The value has the wrong form; the message says what is wrong.
        """
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

    def parse_text(self, text: str, base: Path) -> object:
        """Return the value for a text from the environment or the command line; commas separate the items of a list.

        Args:
            text: The text.
            base: The directory from which relative paths start.

        Raises:
            ValueError: The value has the wrong form; the message says what is wrong.
        """
        if self.shape is not Shape.LIST:
            _refuse_long(text)
        match self.shape:
            case Shape.FLAG:
                return checks.parse_flag(text)
            case Shape.LIST:
                return self.parse_toml([item.strip() for item in text.split(",") if item.strip()], base)
        return self.check(text, base)


def _shown(raw: object) -> str:
    try:
        return repr(raw)
    except ValueError:  # Python does not write a number of more than 4300 digits
        return "a number of thousands of digits"


def _refuse_long(value: object) -> None:
    if isinstance(value, str) and len(value) > MAX_CHARACTERS:
        raise ValueError(f"must have at most {MAX_CHARACTERS} characters, not {len(value)}")


KEYS = (
    Key(
        "kind",
        Shape.TEXT,
        "the kind of server: dcache, webdav (any other WebDAV server), or s3",
        checks.one_of(*KINDS),
    ),
    Key("door", Shape.TEXT, "the server with the files: https://host:port", checks.parse_origin, kinds=_DOORS),
    Key(
        "endpoint",
        Shape.TEXT,
        "for s3: the server, https://host[:port] (http if it has no TLS)",
        checks.parse_endpoint,
        kinds=(S3,),
    ),
    Key(
        "region",
        Shape.TEXT,
        "for s3: the region in signatures; usually found automatically",
        checks.parse_region,
        kinds=(S3,),
    ),
    Key(
        "addressing",
        Shape.TEXT,
        "for s3: path, virtual (the bucket in the host name), website (the endpoint of one bucket), or auto",
        checks.one_of("auto", "path", "virtual", "website"),
        kinds=(S3,),
    ),
    Key("anonymous", Shape.FLAG, "for s3: whether to read public buckets without credentials", kinds=(S3,)),
    Key(
        "credentials_file",
        Shape.TEXT,
        "for s3: a file with the access key, used before all other sources",
        checks.parse_local_path,
        kinds=(S3,),
    ),
    Key(
        "aws_profile",
        Shape.TEXT,
        "for s3: the profile of ~/.aws/config and ~/.aws/credentials that has the key",
        kinds=(S3,),
    ),
    Key(
        "credential_process",
        Shape.TEXT,
        "for s3: a program that writes the access key as JSON, as for the AWS CLI",
        kinds=(S3,),
    ),
    Key(
        "role_arn",
        Shape.TEXT,
        "for s3: the role whose temporary keys the server gives to your login, or to your key",
        kinds=(S3,),
    ),
    Key(
        "sts_endpoint",
        Shape.TEXT,
        "for s3: the server that gives temporary keys, if it is not the endpoint; with an issuer, for your login",
        checks.parse_origin,
        kinds=(S3,),
    ),
    Key(
        "part_size",
        Shape.TEXT,
        "for s3: the size of a part of a large upload, such as 64MiB; very large files get larger parts",
        checks.size_between(5 << 20, 5 << 30),
        kinds=(S3,),
    ),
    Key(
        "requester_pays", Shape.FLAG, "for s3: whether you pay for requests to buckets whose owners do not", kinds=(S3,)
    ),
    Key("root", Shape.TEXT, "the directory of the server that is / here", checks.parse_remote_path),
    Key("frontend", Shape.TEXT, "dCache's REST interface: https://host:port", checks.parse_origin, kinds=(DCACHE,)),
    Key(
        "listing",
        Shape.TEXT,
        "the source of dCache's listings: door, or frontend (in pages, for directories with very many files)",
        checks.one_of("door", "frontend"),
        kinds=(DCACHE,),
    ),
    Key("issuer", Shape.TEXT, "the OpenID provider that issues the tokens: its address", checks.parse_address),
    Key("client_id", Shape.TEXT, "the client id of this program at the issuer"),
    Key("client_secret_file", Shape.TEXT, "a file with the client secret, if there is one", checks.parse_local_path),
    Key("scope", Shape.TEXT, "the scopes that a login requests"),
    Key("audience", Shape.TEXT, "the audience that a login requests, if the issuer needs one"),
    Key(
        "accept_issuers",
        Shape.LIST,
        "other issuers whose tokens may be sent to this door",
        checks.parse_address,
    ),
    Key(
        "token_source",
        Shape.TEXT,
        "the program that keeps the token fresh: agent (our own), or oidc-agent",
        checks.one_of("agent", "oidc-agent"),
    ),
    Key(
        "login_store",
        Shape.TEXT,
        "where the login is stored: file (a private one), or keyring (the system's)",
        checks.one_of("file", "keyring"),
    ),
    Key(
        "token_origins",
        Shape.LIST,
        "further servers that may receive the token, beside door and frontend",
        checks.parse_origin,
    ),
    Key(
        "home",
        Shape.LIST,
        "your home on the storage, with {user}; the first one that exists is used",
        checks.parse_home_template,
    ),
    Key(
        "user", Shape.TEXT, "your user name; if it is not set, the token names it", checks.parse_user_name, kinds=_DOORS
    ),
    Key("user_claim", Shape.LIST, "the claims of the token that may hold the user name, in this order", kinds=_DOORS),
    Key(
        "user_rule",
        Shape.TEXT,
        "the rule that turns the name into {user}: plain, or cta",
        checks.one_of("plain", "cta"),
        kinds=_DOORS,
    ),
    Key("ca", Shape.TEXT, "CA certificates to trust: a PEM file or a directory", checks.parse_existing_path),
    Key("http_pools", Shape.FLAG, "whether a redirect may lead from https to http, without the token", kinds=_DOORS),
    Key("atomic_put", Shape.FLAG, "whether the server shows an upload only when it is complete", kinds=_DOORS),
    Key(
        "engine",
        Shape.TEXT,
        "the program that moves the bytes of files: curl (built in), or davix (its tools, for doors that redirect)",
        checks.one_of("curl", "davix"),
        kinds=_DOORS,
    ),
    Key(
        "jobs",
        Shape.COUNT,
        "the largest number of files at a time, and of requests to one server: 1 to 128; "
        "unset: 8 large files, and as many requests as the server answers well",
        checks.integer_between(1, 128),
    ),
    Key("notice", Shape.TEXT, "a text that is shown before an upload"),
)
"""All keys of a profile, in the order of the reference."""

BY_NAME = {key.name: key for key in KEYS}
"""The keys by name."""
