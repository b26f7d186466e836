"""What a path that a person typed means: from the root, from home, or an address of S3."""

from __future__ import annotations

from collections.abc import Callable

from ctadata.config.profile import Profile
from ctadata.paths import Anchor, RemotePath, TypedPath, refuse_userinfo
from ctadata.stores.name_rules import refuse_undecodable
from ctadata.stores.s3.address import path_of_s3, refuse_odd_key


def resolve_typed_path(
    profile: Profile, text: str, home: Callable[[], RemotePath], *, from_home: bool = False
) -> RemotePath:
    """The path that `text` means.

    from_home: it is the target of an upload, which starts from home if it is relative; Unsupported if it is not UTF-8.
    UsageError where it leads out of the storage, or would be another key of S3 than it says, or holds a password.
    """
    refuse_userinfo(text)
    path = _path_of(profile, text, home, from_home=from_home)
    if from_home:
        refuse_undecodable(path)
    return path


def _path_of(profile: Profile, text: str, home: Callable[[], RemotePath], *, from_home: bool) -> RemotePath:
    if text.startswith("s3://"):
        return path_of_s3(profile, text)
    spelling = TypedPath.parse(text)
    if profile.kind == "s3":
        refuse_odd_key(text, text.removeprefix("home:").removeprefix("~/").removeprefix("/"))
    if spelling.anchor is Anchor.HOME or (spelling.anchor is Anchor.RELATIVE and from_home):
        return home().join(spelling.path.parts)
    return spelling.path
