"""What a login may do: the activities its credential grants, and the namespace's own rule about homes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ctadata.sandbox.namespace import split_path

READING = frozenset({"LIST", "READ_METADATA", "DOWNLOAD"})
ALL = READING | {"UPLOAD", "DELETE", "MANAGE", "UPDATE_METADATA", "STAGE"}
SCOPES = {
    "storage.read": READING,
    "storage.create": frozenset({"READ_METADATA", "UPLOAD", "MANAGE", "UPDATE_METADATA"}),
    "storage.modify": frozenset({"READ_METADATA", "UPLOAD", "MANAGE", "UPDATE_METADATA", "LIST", "DELETE"}),
    "storage.stage": READING | {"STAGE"},
    "storage.poll": frozenset({"READ_METADATA"}),
}
"""Activities of the WLCG scopes (dcache.md 3)."""


def within(path: str, top: str) -> bool:
    """Whether `path` is `top` or below it."""
    above = split_path(top)
    return split_path(path)[: len(above)] == above


@dataclass(frozen=True)
class Grant:
    """Activities under a path."""

    activities: frozenset[str]
    path: str = "/"


@dataclass(frozen=True)
class Rights:
    """Several grants; any of them suffices."""

    grants: tuple[Grant, ...]

    def allow(self, activity: str, path: str) -> bool:
        """Whether an activity on a path is granted; looking at what lies above a grant is."""
        return any(
            activity in grant.activities
            and (within(path, grant.path) or (activity in ("LIST", "READ_METADATA") and within(grant.path, path)))
            for grant in self.grants
        )


ANYTHING = Rights((Grant(frozenset(ALL)),))


def rights_of_token(claims: Mapping[str, Any]) -> Rights:
    """The rights of a token: those of its storage scopes where it is a WLCG token that has some, else all."""
    if "wlcg.ver" not in claims:
        return ANYTHING
    pairs = (scope.partition(":")[::2] for scope in str(claims.get("scope", "")).split())
    grants = tuple(Grant(SCOPES[name], path or "/") for name, path in pairs if name in SCOPES)
    return Rights(grants) if grants else ANYTHING


@dataclass(frozen=True)
class Homes:
    """Everyone reads everywhere and writes under their own homes, unless `open_to_all`."""

    templates: tuple[str, ...]
    open_to_all: bool = False

    def paths_of(self, user: str) -> list[str]:
        """The homes of a user, as absolute paths, there or not."""
        return ["/" + template.strip("/").format(user=user) for template in self.templates]

    def is_writable(self, user: str, path: str) -> bool:
        """Whether the namespace lets a user change what is at `path`."""
        return self.open_to_all or any(within(path, home) for home in self.paths_of(user))
