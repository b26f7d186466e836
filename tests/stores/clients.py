"""A store at a server of the tests, opened as the program opens it: from a profile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ctadata.config.profile import Profile
from ctadata.http.client import Client
from ctadata.http.retries import Retries
from ctadata.http.timeouts import Limits
from ctadata.stores.base import Store
from ctadata.stores.factory import open_store
from ctadata.tokens.origins import trusted_origins

IMPATIENT = Retries(first_pause=0.01)
USUAL = Limits()


@dataclass(frozen=True)
class Holder:
    """One token, and no other."""

    token: str

    def bearer(self) -> str | None:
        return self.token

    def renew(self, refused: str) -> str | None:
        return None


@contextmanager
def opened(
    kind: str,
    door: str,
    ca: Path | None,
    token: str,
    *,
    root: str = "/",
    limits: Limits = USUAL,
    retries: Retries = IMPATIENT,
) -> Iterator[Store]:
    """A store that is closed at the end."""
    profile = Profile(name="test", door=door, kind=kind, root=root, ca=ca)
    client = Client(trusted=trusted_origins(profile), credentials=Holder(token), ca=ca, limits=limits, retries=retries)
    store = open_store(profile, client)
    try:
        yield store
    finally:
        store.close()
