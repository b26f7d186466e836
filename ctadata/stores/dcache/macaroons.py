"""The limits of a macaroon that we request, and the check that the macaroon we get has them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ctadata.errors import ServerTrouble, Untrusted, UsageError
from ctadata.paths import RemotePath
from ctadata.tokens.macaroon import Macaroon, parse_before

READING = ("download", "list", "read_metadata")
ACTIVITIES = (*READING, "upload", "delete", "manage", "update_metadata", "stage")
"""The activities that a macaroon can be limited to. The first ones are those of a reader."""
LONGEST = 7 * 86400
"""The longest lifetime of a macaroon, in seconds (dCache, webdav.macaroons.max-lifetime)."""
SKEW = 300.0
"""The seconds by which the door's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one macaroon.

    Attributes:
        activities: What it allows.
        addresses: The networks that may use it (CIDR). Empty: all.
        lifetime: Seconds.
    """

    activities: frozenset[str]
    addresses: frozenset[str]
    lifetime: float

    @classmethod
    def read(cls, activities: Sequence[str], addresses: Sequence[str], lifetime: float) -> Self:
        """Return the limits that a user wrote.

        Args:
            activities: Names from `ACTIVITIES`.
            addresses: Networks (CIDR); one text may hold several, separated by commas.
            lifetime: Seconds.

        Raises:
            UsageError: An activity or a network is not valid, or the lifetime is longer than seven days.
        """
        unknown = [name for name in activities if name not in ACTIVITIES]
        if unknown:
            raise UsageError(
                f"{unknown[0]!r} is not a known activity", hint=f"the activities are {', '.join(ACTIVITIES)}"
            )
        if lifetime > LONGEST:
            raise UsageError("a link cannot live longer than 7 days", hint="use --expires 7d or less")
        networks = (part.strip() for text in addresses for part in text.split(","))
        return cls(frozenset(activities), frozenset(map(_network, networks)), lifetime)

    @property
    def caveats(self) -> list[str]:
        """The caveats to request."""
        doing = ",".join(name.upper() for name in ACTIVITIES if name in self.activities)
        return [f"activity:{doing}"] + [f"ip:{','.join(sorted(self.addresses))}"] * bool(self.addresses)

    @property
    def validity(self) -> dict[str, str]:
        """The lifetime in the form of dCache's request (ISO 8601)."""
        return {"validity": f"PT{max(1, round(self.lifetime))}S"}

    def check(self, secret: str, path: RemotePath, now: float) -> float:
        """Check that a macaroon has these limits, and return the time at which it ends, in seconds since 1970 UTC.

        A server that ignores what it does not understand would make us hand out more rights than we say.

        Args:
            secret: The macaroon.
            path: The path in the URL that the macaroon was requested for; it may open nothing else.
            now: The current time, in seconds since 1970 UTC.

        Raises:
            ServerTrouble: `secret` is no macaroon, or one that has expired.
            Untrusted: The macaroon lacks one of the limits.
        """
        macaroon = Macaroon.parse(secret)
        if macaroon is None or not re.fullmatch("[A-Za-z0-9_-]+=*", secret):
            raise ServerTrouble("the server sent something that is no macaroon")
        ends = [end for end in map(parse_before, macaroon.limits("before")) if end is not None]
        missing = {
            "activity": not any(self._allows_no_more(value) for value in macaroon.limits("activity")),
            "path": not _opens_only(path, macaroon),
            "ip": bool(self.addresses) and not any(self._is_from(value) for value in macaroon.limits("ip")),
            "before": not ends or min(ends) > now + self.lifetime + SKEW,
        }
        wrong = [name for name, is_missing in missing.items() if is_missing]
        if wrong:
            hint = "tell the administrators of the storage"
            raise Untrusted(f"the macaroon lacks limits that were requested: {', '.join(wrong)}", hint=hint)
        if min(ends) <= now:
            raise ServerTrouble(
                "the server sent a macaroon that has expired already", hint="check the clock of this machine"
            )
        return min(ends)

    def _allows_no_more(self, value: str) -> bool:
        return set(value.lower().split(",")) <= self.activities

    def _is_from(self, value: str) -> bool:
        return set(value.split(",")) <= self.addresses


def missing_path(secret: str, path: RemotePath) -> list[str]:
    """Return the caveat that limits a macaroon to this path; an empty list if it needs none, or if none helps.

    A dCache (8.0 to 12.0) limits the macaroon of a user who may see one tree only to this tree, not to the path in the
    URL (MacaroonRequestHandler.java). It appends a `path` caveat of the request, and reads it relative to the tree.

    Args:
        secret: The macaroon.
        path: The path in the URL that the macaroon was requested for.
    """
    macaroon = Macaroon.parse(secret)
    try:
        rest = path.relative_to(RemotePath.parse(macaroon.path)) if macaroon else ()
    except (ValueError, UsageError):
        return []
    return [f"path:{RemotePath(rest)}"] if rest else []


def _opens_only(path: RemotePath, macaroon: Macaroon) -> bool:
    """Return whether a macaroon opens nothing but this path and what lies below it."""
    try:
        RemotePath.parse(macaroon.path).relative_to(path)
    except (ValueError, UsageError):  # it lies elsewhere, or has a `..`
        return False
    return True


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise UsageError(
            f"{text!r} is not a network", hint="a network looks like 192.0.2.0/24, or 2001:db8::/32"
        ) from None
