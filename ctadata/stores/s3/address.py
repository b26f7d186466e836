"""Addresses of S3 objects: from a path to bucket and key, and from bucket and key to the URL of a request.

A path begins with the bucket, `/bucket/prefix/name`; the profile's `root` is put in front of it. The URL names the
bucket in its path (path style) or in its host (virtual-hosted style). With `addressing = "auto"`, only the few servers
that need the host get it there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, Untrusted, UsageError
from ctadata.http.messages import Origin, split_url
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable

DEFAULT_REGION = "us-east-1"
"""The region to sign for if neither the profile nor the host names one; servers with one region accept it."""

PAYER = {"x-amz-request-payer": "requester"}
"""The header by which the caller agrees to pay (Amazon S3 User Guide, "Requester Pays")."""

MAX_KEY = 1024
"""The largest number of bytes in a key (Amazon S3 User Guide, "Naming Amazon S3 objects")."""

_BUCKET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,254}")  # servers are stricter; Ceph has tenant:bucket
_AWS = re.compile(r"s3(?:[.-]([a-z]{2}-[a-z-]+-[0-9]))?\.amazonaws\.com")
_VIRTUAL = ("datastorage.nrw",)  # DataStorage.nrw accepts the bucket in the host only
_HOSTLIKE = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")  # no certificate for *.host covers a name with dots


class Name(NamedTuple):
    """The bucket and the key of an object. The key is empty for a bucket itself, and for a prefix that is a bucket.

    A version names one version of the object; without it, the name means the newest one.
    """

    bucket: str
    key: str
    version: str = ""

    @property
    def prefix(self) -> str:
        """The prefix of all keys below this name."""
        return f"{self.key}/" if self.key else ""

    @property
    def has_dot_segments(self) -> bool:
        """Whether the key holds `.` or `..` between slashes, which clients and proxies resolve in a URL."""
        return not {".", ".."}.isdisjoint(self.key.split("/"))


def resolve_name(root: RemotePath, path: RemotePath) -> Name:
    """Return the bucket and key of a path below the profile's root.

    Returns:
        Both parts are empty for the root of a profile that names no bucket.
    """
    bucket, *rest = root.join(path.parts).parts or ("",)
    return Name(bucket, "/".join(rest))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An S3 server.

    Attributes:
        origin: Its origin.
        region: The region to sign for.
        addressing: How its URLs name a bucket.
        has_region: Whether the profile or the host names the region; else it is a guess.
        payer: The query or header, name and value, by which the caller agrees to pay for requests; empty if not.
    """

    origin: Origin
    region: str = DEFAULT_REGION
    addressing: str = "auto"
    has_region: bool = True
    payer: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, profile: Profile) -> Endpoint:
        """Return the server of a profile.

        Raises:
            ConfigError: The profile names no endpoint, or one that is no origin.
        """
        try:
            origin, _ = split_url(profile.endpoint or "")
        except Untrusted as error:
            raise ConfigError(
                f"the endpoint of the profile {profile.name} is no origin: {error.what}",
                hint="it looks like https://host:port",
            ) from error
        named = profile.region or _region_in(origin.host)
        payer = PAYER if profile.requester_pays else {}
        return cls(origin, named or DEFAULT_REGION, profile.addressing, named is not None, payer)

    def url(self, name: Name, query: str = "", region: str | None = None, *, as_is: bool = False) -> str:
        """Return the URL of an object or a bucket.

        Args:
            name: Without a key, the URL is the bucket's.
            query: The query, already encoded and without its question mark.
            region: The region of the bucket. Amazon has a host of its own in each region; other servers ignore this.
            as_is: Whether the URL is sent as it is, also with `.` or `..` between slashes.

        Raises:
            UsageError: No bucket or key can have this name, or no URL can carry the key: it holds half a surrogate
                pair, or `.` or `..` between slashes without `as_is`.
        """
        check_name(name)
        if name.has_dot_segments and not as_is:
            raise UsageError("no URL can carry this name")  # clients and proxies would remove the dot segments
        if name.version:
            query = "&".join(filter(None, (query, f"versionId={quote(name.version, safe='')}")))
        host = self.origin.host
        if self.is_aws and region and region != _region_in(host):
            host = f"s3.{region}.amazonaws.com"
        path = f"/{_quoted(name.key)}" if name.key else ""
        if self._is_virtual(name.bucket):
            host, path = f"{name.bucket}.{host}", path or "/"
        else:
            path = f"/{_quoted(name.bucket)}{path}"
        return f"{self.origin.scheme}://{host}:{self.origin.port}{path}{f'?{query}' if query else ''}"

    @property
    def is_aws(self) -> bool:
        """Whether the server is Amazon's, whose buckets are in many regions."""
        return bool(_AWS.fullmatch(self.origin.host))

    def _is_virtual(self, bucket: str) -> bool:
        if self.addressing != "auto" or not bucket:
            return self.addressing == "virtual" and bool(bucket)
        needs_host = self.is_aws or self.origin.host.endswith(_VIRTUAL)
        return needs_host and bool(_HOSTLIKE.fullmatch(bucket))


def check_name(name: Name) -> None:
    """Raise UsageError if no server can have a bucket or an object of this name."""
    if name.bucket and not _BUCKET.fullmatch(name.bucket):
        bucket = escape_unprintable(name.bucket)
        shown = bucket if len(bucket) < 80 else f"{bucket[:80]}..."
        raise UsageError(f"no bucket can be called {shown}", hint="letters, digits, - . and _ are allowed")
    size = len(name.key.encode("utf-8", "surrogatepass"))
    if size > MAX_KEY:
        raise UsageError(f"the key has {size} bytes, and S3 allows {MAX_KEY}")


def _region_in(host: str) -> str | None:
    match = _AWS.fullmatch(host)
    return match[1] if match else None


def _quoted(text: str) -> str:
    try:
        return quote(text, safe="/~", errors="surrogateescape")
    except UnicodeEncodeError:
        raise UsageError("no URL can carry this name") from None


def s3_address(bucket: str, key: str) -> str:
    """Return the address of an object as messages show it, `s3://bucket/key`."""
    return escape_unprintable(f"s3://{bucket}/{key}")


def refuse_odd_key(text: str, key: str) -> None:
    """Raise UsageError if a path would change the key: `a//b`, `/a`, `./a`, `../a`.

    Args:
        text: The address as the user wrote it; the error names it.
        key: The part of `text` from the bucket, or from a directory, on. A slash at its end marks a directory.
    """
    if any(name in ("", ".", "..") for name in key.removesuffix("/").split("/")) and key not in ("", "/"):
        raise UsageError(
            "no path can name this key: it holds //, . or ..",
            hint="with --raw-key, stat, cat, get and rm take s3://bucket/key exactly as it is written",
            path=escape_unprintable(text),
        )


def parse_s3_url(profile: Profile, text: str) -> RemotePath:
    """Return the path in a profile of the address `s3://bucket/key`.

    Raises:
        UsageError: The profile is of another kind, the address lies outside its root, or no path can name the key.
    """
    if profile.kind != "s3":
        raise UsageError(
            f"the profile {profile.name} is no S3 store", hint="name one that is: -P, or profile:bucket/key", path=text
        )
    refuse_odd_key(text, text.removeprefix("s3://"))
    try:
        return RemotePath(RemotePath.parse(text.removeprefix("s3://")).relative_to(RemotePath.parse(profile.root)))
    except ValueError:
        raise UsageError(f"it lies outside the root of the profile {profile.name}", path=text) from None
