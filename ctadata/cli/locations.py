"""`profile:path`, wherever a command takes a path on the storage: it chooses the profile, as -P does.

What stands before the first colon is a profile only where one of that name exists and no slash stands before it:
`./a:b` and `/a:b` are paths always. The path behind it starts from the root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import typer

from ctadata.cli.options import Common
from ctadata.errors import UsageError

if TYPE_CHECKING:
    from ctadata.config.profile import Profile
    from ctadata.paths import RemotePath
    from ctadata.session import Session

Texts = TypeVar("Texts", str, list[str], None)


def split(text: str) -> tuple[str | None, str]:
    """The profile that an argument names, None for none, and its path, from the root or from home."""
    before, colon, path = text.partition(":")
    if not colon or not before or before == "home" or "/" in before or text.startswith("s3://"):
        return None, text
    from ctadata.config.resolve import profile_names

    if before not in profile_names():
        return None, text
    return before, path if path.startswith(("/", "~/", "home:")) else f"/{path}"


def choose(common: Common, profile: str | None) -> None:
    """Make the profile the one in use; UsageError where another has been named."""
    if profile is None:
        return
    if common.profile not in (None, profile):
        raise UsageError(f"two profiles are named, {common.profile} and {profile}")
    common.profile = profile


def located(ctx: typer.Context, value: Texts) -> Texts:
    """For arguments that are paths on the storage, the local ones among them left alone; UsageError."""
    if value is None or ctx.resilient_parsing:
        return value
    return [_taken(ctx, text) for text in value] if isinstance(value, list) else _taken(ctx, value)


def located_last(ctx: typer.Context, value: list[str] | None) -> list[str] | None:
    """For arguments of which the last one alone is on the storage; UsageError."""
    if not value or ctx.resilient_parsing:
        return value
    for text in value[:-1]:
        _refuse_userinfo(text)
    return [*value[:-1], _taken(ctx, value[-1])]


def _taken(ctx: typer.Context, text: str) -> str:
    _refuse_userinfo(text)
    profile, path = split(text)
    choose(ctx.find_root().ensure_object(Common), profile)
    return path


def _refuse_userinfo(text: str) -> None:
    from ctadata.paths import refuse_userinfo

    refuse_userinfo(text)


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
    from ctadata.http.messages import split_url
    from ctadata.paths import RemotePath
    from ctadata.stores.s3.address import refuse_odd_key

    origin, path = split_url(url)
    if origin != split_url(profile.endpoint or profile.door)[0]:
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
