"""`profile:path`, wherever a command takes a path on the storage: it chooses the profile, as -P does.

What stands before the first colon is a profile only where one of that name exists and no slash stands before it:
`./a:b` and `/a:b` are paths always. The path behind it starts from the root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import typer

from ctadata.cli.options import Common
from ctadata.config.profile import Profile
from ctadata.config.resolve import profile_names
from ctadata.errors import UsageError
from ctadata.paths import RemotePath, refuse_userinfo

if TYPE_CHECKING:
    from ctadata.session import Session

Texts = TypeVar("Texts", str, list[str], None)


def split_profile(text: str) -> tuple[str | None, str]:
    """The profile that an argument names, None for none, and its path, from the root or from home."""
    before, colon, path = text.partition(":")
    if not colon or not before or before == "home" or "/" in before or text.startswith("s3://"):
        return None, text

    if before not in profile_names():
        return None, text
    return before, path if path.startswith(("/", "~/", "home:")) else f"/{path}"


def choose_profile(common: Common, profile: str | None) -> None:
    """Make the profile the one in use; UsageError where another has been named."""
    if profile is None:
        return
    if common.profile not in (None, profile):
        raise UsageError(f"two profiles are named, {common.profile} and {profile}")
    common.profile = profile


def read_location(ctx: typer.Context, value: Texts) -> Texts:
    """For arguments that are paths on the storage, the local ones among them left alone; UsageError."""
    if value is None or ctx.resilient_parsing:
        return value
    return [_take_location(ctx, text) for text in value] if isinstance(value, list) else _take_location(ctx, value)


def read_last_location(ctx: typer.Context, value: list[str] | None) -> list[str] | None:
    """For arguments of which the last one alone is on the storage; UsageError."""
    if not value or ctx.resilient_parsing:
        return value
    for text in value[:-1]:
        _refuse_userinfo(text)
    return [*value[:-1], _take_location(ctx, value[-1])]


def _take_location(ctx: typer.Context, text: str) -> str:
    _refuse_userinfo(text)
    profile, path = split_profile(text)
    choose_profile(ctx.find_root().ensure_object(Common), profile)
    return path


def _refuse_userinfo(text: str) -> None:
    refuse_userinfo(text)


@dataclass(frozen=True, slots=True)
class Remote:
    """The side on the storage; profile: its name, None for the one in use.  url: the text is one."""

    text: str
    profile: str | None = None
    url: bool = False

    def resolve(self, session: Session, *, make: bool) -> RemotePath:
        """The path; UsageError (no URL of this server). make: the home is made where it is missing."""
        return _path_of_url(self.text, session.profile) if self.url else session.resolve(self.text, make=make)


def parse_side(text: str) -> Remote | None:
    """What is on the storage; None for what is local. UsageError for an address with a password in it."""
    refuse_userinfo(text)
    if text.startswith(("https://", "http://")):
        return Remote(text, url=True)
    if text.startswith(("home:", "s3://")):
        return Remote(text)
    if text.startswith(":"):
        return Remote(text[1:])
    profile, path = split_profile(text)
    return Remote(path, profile) if profile else None


def parse_sides(common: Common, source: str, target: str) -> tuple[Remote | None, Remote | None]:
    """The sides of a sync, one of them local (None); their profile becomes the one in use. UsageError."""
    from_there, to_there = parse_side(source), parse_side(target)
    there = from_there or to_there
    if there is None:
        raise UsageError("both sides are local", hint=_hint_for_remote(source, target))
    if from_there and to_there:
        raise UsageError("both sides are on a storage, and one has to be local", hint="write ./name where it is local")
    choose_profile(common, there.profile)
    return from_there, to_there


def _hint_for_remote(*texts: str) -> str:
    """How the side on the storage is written, and which name in front of a colon is that of no profile."""
    unknown = [before for before, colon, _ in (text.partition(":") for text in texts) if colon and "/" not in before]
    strangers = "".join(f"; there is no profile {name}" for name in unknown)
    return f"the one on the storage is written :path or profile:path{strangers}"


def _path_of_url(url: str, profile: Profile) -> RemotePath:
    from ctadata.http.messages import split_url
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
