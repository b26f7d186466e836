"""Where an S3 object is: from a path to bucket and key, and from these to the address that a request goes to.

A path begins with the bucket, `/bucket/prefix/name`; a profile's `root` is put before it. The bucket stands in the
path of the URL or, virtual, in its host; auto knows the few servers that want the latter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, Untrusted, UsageError
from ctadata.http.messages import Origin, split_url
from ctadata.paths import RemotePath, escape_unprintable

USUAL_REGION = "us-east-1"
"""What is signed for where nobody has said: servers with one region take it."""

_AWS = re.compile(r"s3(?:[.-]([a-z]{2}-[a-z-]+-[0-9]))?\.amazonaws\.com")
_VIRTUAL = ("datastorage.nrw",)  # DataStorage.nrw answers for the bucket in the host alone
_HOSTLIKE = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")  # with dots, no certificate for *.host would cover it


class Name(NamedTuple):
    """Bucket and key of an object; the key of a bucket itself, and of a prefix that is one, is empty."""

    bucket: str
    key: str

    @property
    def prefix(self) -> str:
        """What the keys below it begin with."""
        return f"{self.key}/" if self.key else ""


def name_of(root: RemotePath, path: RemotePath) -> Name:
    """The bucket and key that a path means; both empty for the root of a profile that names no bucket."""
    bucket, *rest = root.join(path.parts).parts or ("",)
    return Name(bucket, "/".join(rest))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server: its origin, the region that it is in as far as is known, and how it wants buckets named."""

    origin: Origin
    region: str = USUAL_REGION
    addressing: str = "auto"

    @classmethod
    def of(cls, profile: Profile) -> Endpoint:
        """The server of a profile; ConfigError where it names none."""
        try:
            origin, _ = split_url(profile.endpoint or "")
        except Untrusted as error:
            raise ConfigError(
                f"the endpoint of the profile {profile.name} is no origin: {error.what}",
                hint="it looks like https://host:port",
            ) from error
        return cls(origin, profile.region or _region_in(origin.host) or USUAL_REGION, profile.addressing)

    def url(self, name: Name, query: str = "", region: str | None = None) -> str:
        """The address of an object or bucket; Amazon has a host in each region. UsageError (no URL can carry it)."""
        if not {".", ".."}.isdisjoint(name.key.split("/")):
            raise UsageError("no URL can carry this name")  # libcurl would make another one of it
        host = self.origin.host
        if _AWS.fullmatch(host) and region and region != _region_in(host):
            host = f"s3.{region}.amazonaws.com"
        path = f"/{_quoted(name.key)}" if name.key else ""
        if self._is_virtual(name.bucket):
            host, path = f"{name.bucket}.{host}", path or "/"
        else:
            path = f"/{_quoted(name.bucket)}{path}"
        return f"{self.origin.scheme}://{host}:{self.origin.port}{path}{f'?{query}' if query else ''}"

    def _is_virtual(self, bucket: str) -> bool:
        if self.addressing != "auto" or not bucket:
            return self.addressing == "virtual" and bool(bucket)
        wanted = bool(_AWS.fullmatch(self.origin.host)) or self.origin.host.endswith(_VIRTUAL)
        return wanted and bool(_HOSTLIKE.fullmatch(bucket))


def _region_in(host: str) -> str | None:
    match = _AWS.fullmatch(host)
    return match[1] if match else None


def _quoted(text: str) -> str:
    try:
        return quote(text, safe="/~", errors="surrogateescape")
    except UnicodeEncodeError:
        raise UsageError("no URL can carry this name") from None


def refuse_odd_key(text: str, key: str) -> None:
    """UsageError for a key that would become another one as a path: `a//b`, `/a`, `./a`, `../a`.

    text: as the user wrote it.   key: the part of it from the bucket, or a directory, on; a slash at its end is one of
    a directory.
    """
    if any(name in ("", ".", "..") for name in key.removesuffix("/").split("/")) and key not in ("", "/"):
        raise UsageError(
            "no path can name this key: it holds //, . or ..",
            hint="with --raw-key, stat, cat, get and rm take s3://bucket/key as it is written",
            path=escape_unprintable(text),
        )


def path_of_s3(profile: Profile, text: str) -> RemotePath:
    """The path that `s3://bucket/key` means in a profile; UsageError where it leads out of it, or is none of S3."""
    if profile.kind != "s3":
        raise UsageError(
            f"the profile {profile.name} is no S3 store", hint="name one that is: -P, or profile:bucket/key", path=text
        )
    refuse_odd_key(text, text.removeprefix("s3://"))
    try:
        return RemotePath(RemotePath.parse(text.removeprefix("s3://")).relative_to(RemotePath.parse(profile.root)))
    except ValueError:
        raise UsageError(f"it lies outside the root of the profile {profile.name}", path=text) from None
