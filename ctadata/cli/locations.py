"""Arguments of the form `profile:path`, which choose the profile as `-P` does.

The text before the first colon is a profile only if a profile has that name and no slash stands before the colon:
`./a:b` and `/a:b` are always paths. The path after the colon starts from the root.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import typer

from ctadata.cli.options import Common
from ctadata.config.profile import Profile
from ctadata.config.resolve import split_profile
from ctadata.errors import UsageError
from ctadata.paths import RemotePath, refuse_empty_paths, refuse_userinfo

if TYPE_CHECKING:
    from ctadata.session import Session

Texts = TypeVar("Texts", str, list[str], None)


def choose_profile(common: Common, profile: str | None) -> None:
    """Use this profile for the command.

    Args:
        common: The common options.
        profile: The name of a profile; None changes nothing.

    Raises:
        UsageError: Another profile is in use already.
    """
    if profile is None:
        return
    if common.profile not in (None, profile):
        raise UsageError(f"two profiles are named, {common.profile} and {profile}")
    common.profile = profile


def read_location(ctx: typer.Context, value: Texts) -> Texts:
    """Return the path, or paths, of an argument without the profile, and use that profile.

    This is the callback of arguments that are paths on the storage. Arguments without a profile stay as they are, also
    local paths.

    Raises:
        UsageError: An argument is empty or has a password in it, or two profiles are named.
    """
    if value is None or ctx.resilient_parsing:
        return value
    refuse_empty_paths(*(value if isinstance(value, list) else [value]))
    return [_take_location(ctx, text) for text in value] if isinstance(value, list) else _take_location(ctx, value)


def read_last_location(ctx: typer.Context, value: list[str] | None) -> list[str] | None:
    """Return the arguments with the last one, the only path on the storage, without its profile.

    Raises:
        UsageError: An argument is empty or has a password in it, or two profiles are named.
    """
    if not value or ctx.resilient_parsing:
        return value
    refuse_empty_paths(*value)
    for text in value[:-1]:
        refuse_userinfo(text)
    return [*value[:-1], _take_location(ctx, value[-1])]


def _read_name(text: str) -> str:
    """Return a name on the storage as the argument means it, where the locale has another encoding than UTF-8.

    `list` writes UTF-8 into a pipe, and a terminal sends names in the encoding of the locale.

    Raises:
        UsageError: The bytes are one name in UTF-8 and another one in the encoding of the locale.
    """
    try:
        in_utf8 = os.fsencode(text).decode()
    except UnicodeError:
        return text
    if in_utf8 != text and not any("\udc80" <= letter <= "\udcff" for letter in text):
        raise UsageError(
            f"in this locale the name is read as {text}, and in UTF-8 as {in_utf8}",
            hint="set LC_ALL=C.UTF-8, or give a list of names with --files-from",
        )
    return in_utf8


def _take_location(ctx: typer.Context, text: str) -> str:
    refuse_userinfo(text)
    profile, path = split_profile(_read_name(text))
    choose_profile(ctx.find_root().ensure_object(Common), profile)
    return path


@dataclass(frozen=True, slots=True)
class Remote:
    """The path of a side of `sync` or `copy` that is on a storage.

    Attributes:
        text: The path, or a URL of the storage.
        profile: The name of the profile; None is the profile in use.
        url: The text is a URL.
    """

    text: str
    profile: str | None = None
    url: bool = False

    def resolve(self, session: Session, *, make: bool) -> RemotePath:
        """Return the path on the storage.

        Args:
            session: The session at the storage.
            make: Make the home if it is missing.

        Raises:
            UsageError: The URL is not one of this storage.
        """
        return _path_of_url(self.text, session.profile) if self.url else session.resolve(self.text, make=make)


def parse_side(text: str) -> Remote | None:
    """Return the side of an argument of `sync` or `copy`; None if it is a local path.

    Raises:
        UsageError: The text is empty, or a URL with a password in it.
    """
    refuse_empty_paths(text)
    refuse_userinfo(text)
    side = _find_side(text)
    return side and replace(side, text=_read_name(side.text))


def _find_side(text: str) -> Remote | None:
    if text.startswith(("https://", "http://")):
        return Remote(text, url=True)
    if text.startswith(("home:", "s3://")):
        return Remote(text)
    if text.startswith(":"):
        return Remote(text[1:])
    profile, path = split_profile(text)
    return Remote(path, profile) if profile else None


def parse_sides(common: Common, source: str, target: str) -> tuple[Remote | None, Remote | None]:
    """Return the two sides of a `sync`, None for the local one, and use the profile of the other one.

    Raises:
        UsageError: A side is empty, both are local or both on a storage, or two profiles are named.
    """
    refuse_empty_paths(source, target)
    remote_source, remote_target = parse_side(source), parse_side(target)
    remote = remote_source or remote_target
    if remote is None:
        raise UsageError("both sides are local", hint=_hint_for_remote(source, target))
    if remote_source and remote_target:
        raise UsageError("both sides are on a storage, and one must be local", hint="write a local path as ./name")
    choose_profile(common, remote.profile)
    return remote_source, remote_target


def _hint_for_remote(*texts: str) -> str:
    """How to write a side on the storage, and which names before a colon are no profiles."""
    unknown = [before for before, colon, _ in (text.partition(":") for text in texts) if colon and "/" not in before]
    no_profiles = "".join(f"; there is no profile {name}" for name in unknown)
    return f"write the side on the storage as :path or profile:path{no_profiles}"


def _path_of_url(url: str, profile: Profile) -> RemotePath:
    from ctadata.http.messages import split_url
    from ctadata.stores.s3.address import refuse_odd_key

    origin, path = split_url(url)
    if origin != split_url(profile.endpoint or profile.door)[0]:
        what = "endpoint" if profile.endpoint else "door"
        raise UsageError(
            f"this is not the {what} of the profile {profile.name}", hint="choose another profile with -P", path=url
        )
    if "?" in path or "#" in url:
        raise UsageError("the URL of a file has no ? and no #", path=url)
    if profile.kind == "s3":
        refuse_odd_key(url, path.removeprefix("/"))
    try:
        return RemotePath(RemotePath.decode(path).relative_to(RemotePath.parse(profile.root)))
    except ValueError:
        raise UsageError(f"the URL is outside the root of the profile {profile.name}", path=url) from None
