"""`profile:path`, wherever a command takes a path on the storage: it chooses the profile, as -P does.

What stands before the first colon is a profile only where one of that name exists and no slash stands before it:
`./a:b` and `/a:b` are paths always. The path behind it starts from the root.
"""

from __future__ import annotations

from typing import TypeVar

import typer

from ctadata.cli.options import Common
from ctadata.errors import UsageError

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
