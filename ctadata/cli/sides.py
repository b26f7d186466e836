"""The two sides of a sync: which is on the storage, and where there.

`profile:path`, `:path` (the profile in use), `home:path` (your home there), `s3://bucket/key` and a URL of the
profile's door or endpoint are on the storage; all else is local, also `a:b` where no profile is called `a`, and
`./a:b` always. Paths start from the root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctadata.cli.locations import choose, split
from ctadata.cli.options import Common
from ctadata.errors import UsageError

if TYPE_CHECKING:
    from ctadata.config.profile import Profile
    from ctadata.paths import RemotePath
    from ctadata.session import Session


@dataclass(frozen=True, slots=True)
class Remote:
    """The side on the storage; profile: its name, None for the one in use.  url: the text is one."""

    text: str
    profile: str | None = None
    url: bool = False

    def resolve(self, session: Session, *, make: bool) -> RemotePath:
        """The path; UsageError (no URL of this server). make: the home is made where it is missing."""
        return _of_url(self.text, session.profile) if self.url else session.resolve(self.text, make=make)


def remote_side(text: str) -> Remote | None:
    """What is on the storage; None for what is local. UsageError for an address with a password in it."""
    from ctadata.paths import refuse_userinfo

    refuse_userinfo(text)
    if text.startswith(("https://", "http://")):
        return Remote(text, url=True)
    if text.startswith(("home:", "s3://")):
        return Remote(text)
    if text.startswith(":"):
        return Remote(text[1:])
    profile, path = split(text)
    return Remote(path, profile) if profile else None


def sides(common: Common, source: str, target: str) -> tuple[Remote | None, Remote | None]:
    """The sides of a sync, one of them local (None); their profile becomes the one in use. UsageError."""
    from_there, to_there = remote_side(source), remote_side(target)
    there = from_there or to_there
    if there is None:
        raise UsageError("both sides are local", hint=_how_to_mean(source, target))
    if from_there and to_there:
        raise UsageError("both sides are on a storage, and one has to be local", hint="write ./name where it is local")
    choose(common, there.profile)
    return from_there, to_there


def _how_to_mean(*texts: str) -> str:
    """How the side on the storage is written, and which name in front of a colon is that of no profile."""
    unknown = [before for before, colon, _ in (text.partition(":") for text in texts) if colon and "/" not in before]
    strangers = "".join(f"; there is no profile {name}" for name in unknown)
    return f"the one on the storage is written :path or profile:path{strangers}"


def _of_url(url: str, profile: Profile) -> RemotePath:
    from ctadata.http.messages import dissect
    from ctadata.paths import RemotePath
    from ctadata.stores.s3.address import refuse_odd_key

    origin, path = dissect(url)
    if origin != dissect(profile.endpoint or profile.door)[0]:
        what = "endpoint" if profile.endpoint else "door"
        raise UsageError(f"this is not the {what} of the profile {profile.name}", hint="-P names another", path=url)
    if "?" in path or "#" in url:
        raise UsageError("a URL of a file has neither ? nor #", path=url)
    if profile.kind == "s3":
        refuse_odd_key(url, path.removeprefix("/"))
    try:
        return RemotePath(RemotePath.decode(path).relative_to(RemotePath.parse(profile.root)))
    except ValueError:
        raise UsageError(f"it lies outside the root of the profile {profile.name}", path=url) from None
