"""What a macaroon that we ask for is to be limited to, and whether the one that comes is."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ctadata.errors import ServerTrouble, Untrusted, UsageError
from ctadata.tokens.macaroon import Macaroon, parse_before

READING = ("download", "list", "read_metadata")
ACTIVITIES = (*READING, "upload", "delete", "manage", "update_metadata", "stage")
"""What a macaroon may be limited to; the first are those of a reader."""
LONGEST = 7 * 86400
"""Seconds that a macaroon may live (dCache, webdav.macaroons.max-lifetime)."""
SKEW = 300.0
"""Seconds by which the door's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one macaroon: what may be done, from where (CIDR), for how many seconds."""

    activities: frozenset[str]
    addresses: frozenset[str]
    lifetime: float

    @classmethod
    def read(cls, activities: Sequence[str], addresses: Sequence[str], lifetime: float) -> Self:
        """From what a person wrote; UsageError (an unknown activity, no network, more than seven days)."""
        unknown = [name for name in activities if name not in ACTIVITIES]
        if unknown:
            raise UsageError(f"{unknown[0]!r} is no activity", hint=f"there are {', '.join(ACTIVITIES)}")
        if lifetime > LONGEST:
            raise UsageError("no link lives longer than 7 days here", hint="--expires 7d")
        networks = (part.strip() for text in addresses for part in text.split(","))
        return cls(frozenset(activities), frozenset(map(_network, networks)), lifetime)

    @property
    def caveats(self) -> dict[str, object]:
        """The caveats as dCache is asked for them."""
        doing = ",".join(name.upper() for name in ACTIVITIES if name in self.activities)
        return {"caveats": [f"activity:{doing}"] + [f"ip:{','.join(sorted(self.addresses))}"] * bool(self.addresses)}

    @property
    def validity(self) -> dict[str, object]:
        """Its life as dCache is asked for it (ISO 8601)."""
        return {"validity": f"PT{max(1, round(self.lifetime))}S"}

    def check(self, secret: str, now: float) -> float:
        """When this macaroon ends, seconds since 1970.

        ServerTrouble where it is none, Untrusted where it is not limited as it should be: a server that passes over
        what it does not understand would have us hand out more than we say.
        """
        macaroon = Macaroon.parse(secret)
        if macaroon is None or not re.fullmatch("[A-Za-z0-9_-]+=*", secret):
            raise ServerTrouble("the server gives a macaroon that is none")
        ends = [end for end in map(parse_before, macaroon.limits("before")) if end is not None]
        missing = {
            "activity": not any(self._allows_no_more(value) for value in macaroon.limits("activity")),
            "ip": bool(self.addresses) and not any(self._is_from(value) for value in macaroon.limits("ip")),
            "before": not ends or min(ends) > now + self.lifetime + SKEW,
        }
        wrong = [name for name, is_missing in missing.items() if is_missing]
        if wrong:
            hint = "tell the administrators of the storage"
            raise Untrusted(f"the macaroon is not limited as it was asked to be: {', '.join(wrong)}", hint=hint)
        return min(ends)

    def _allows_no_more(self, value: str) -> bool:
        return set(value.lower().split(",")) <= self.activities

    def _is_from(self, value: str) -> bool:
        return set(value.split(",")) <= self.addresses


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise UsageError(f"{text!r} is no network", hint="it looks like 192.0.2.0/24, or 2001:db8::/32") from None
