"""Permissions of a login: the activities that its credential grants, and the rule of the namespace about homes."""

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
"""The activities of each WLCG scope (dcache.md 3)."""


def within(path: str, top: str) -> bool:
    """Return whether `path` is `top` or below it."""
    above = split_path(top)
    return split_path(path)[: len(above)] == above


@dataclass(frozen=True)
class Grant:
    """Activities that are allowed at and below a path."""

    activities: frozenset[str]
    path: str = "/"


@dataclass(frozen=True)
class Rights:
    """The grants of a login; an activity needs one of them."""

    grants: tuple[Grant, ...]

    def allow(self, activity: str, path: str) -> bool:
        """Return whether the grants allow an activity on a path.

        Listings and metadata are also allowed above a grant.
        """
        return any(
            activity in grant.activities
            and (within(path, grant.path) or (activity in ("LIST", "READ_METADATA") and within(grant.path, path)))
            for grant in self.grants
        )


ANYTHING = Rights((Grant(frozenset(ALL)),))


def rights_of_token(claims: Mapping[str, Any]) -> Rights:
    """Return the rights of a token: its storage scopes if it is a WLCG token that has some, or else everything."""
    if "wlcg.ver" not in claims:
        return ANYTHING
    pairs = (scope.partition(":")[::2] for scope in str(claims.get("scope", "")).split())
    grants = tuple(Grant(SCOPES[name], path or "/") for name, path in pairs if name in SCOPES)
    return Rights(grants) if grants else ANYTHING


@dataclass(frozen=True)
class Homes:
    """The rule of the namespace: users read everywhere, and write below their own homes only.

    Attributes:
        templates: Paths with the placeholder `{user}`.
        open_to_all: Whether all users may write everywhere.
    """

    templates: tuple[str, ...]
    open_to_all: bool = False

    def paths_of(self, user: str) -> list[str]:
        """Return the absolute paths of a user's homes, whether they exist or not."""
        return ["/" + template.strip("/").format(user=user) for template in self.templates]

    def is_writable(self, user: str, path: str) -> bool:
        """Return whether the namespace lets a user change the entry at `path`."""
        return self.open_to_all or any(within(path, home) for home in self.paths_of(user))
