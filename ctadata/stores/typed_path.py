"""Resolve a path that a user typed: from the root, from the home, or an S3 address."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ctadata.config.profile import Profile
from ctadata.config.resolve import split_profile
from ctadata.errors import UsageError
from ctadata.paths import Anchor, RemotePath, TypedPath, refuse_userinfo, shorten
from ctadata.printable import escape_unprintable
from ctadata.stores.name_rules import refuse_undecodable


def resolve_typed_path(
    profile: Profile,
    text: str,
    home: Callable[[], RemotePath],
    profiles: Callable[[], Collection[str]],
    *,
    from_home: bool = False,
) -> RemotePath:
    """Return the path in the store that a typed text means.

    Args:
        profile: Its `kind` decides how S3 addresses and keys are read.
        text: `/from/the/root`, `home:path`, `~/path`, `s3://bucket/key`, or a relative path; also after the name of the
            profile and a colon.
        home: Returns the home directory; called only if the text starts there.
        profiles: Returns the names of all profiles; called only if the text may begin with one.
        from_home: The text is the target of an upload, so a relative path starts at the home.

    Raises:
        UsageError: The text leads out of the storage, names another profile, holds a password, or S3 would store it
            under another key.
        Unsupported: The target of an upload is not UTF-8.
    """
    refuse_userinfo(text)
    named, rest = split_profile(text, profiles)
    if named not in (None, profile.name):
        raise UsageError(
            f"this is a path of the profile {named}, and the profile in use is {profile.name}",
            hint=f"set CTADATA_PROFILE={named}, or write ./ before a name with a colon",
            path=escape_unprintable(shorten(text)),
        )
    path = _parse(profile, rest, home, from_home=from_home)
    if from_home:
        refuse_undecodable(path)
    return path


def _parse(profile: Profile, text: str, home: Callable[[], RemotePath], *, from_home: bool) -> RemotePath:
    if text.startswith("s3://"):
        from ctadata.stores.s3.address import parse_s3_url

        return parse_s3_url(profile, text)
    spelling = TypedPath.parse(text)
    if profile.kind == "s3":
        from ctadata.stores.s3.address import refuse_odd_key

        refuse_odd_key(text, text.removeprefix("home:").removeprefix("~/").removeprefix("/"))
    if spelling.anchor is Anchor.HOME or (spelling.anchor is Anchor.RELATIVE and from_home):
        return home().join(spelling.path.parts)
    return spelling.path
