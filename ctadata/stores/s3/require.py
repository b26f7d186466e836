"""Require that a store is an S3 store, for commands and options that no other store can serve."""

from __future__ import annotations

from ctadata.config.profile import Profile
from ctadata.errors import Unsupported
from ctadata.stores.base import Store
from ctadata.stores.s3.store import S3Store


def require_s3(store: Store, profile: Profile, what: str) -> S3Store:
    """Return the store.

    Args:
        store: The store of a session.
        profile: Its profile.
        what: The command or option that needs S3, for the message.

    Raises:
        Unsupported: It is no S3 store.
    """
    if not isinstance(store, S3Store):
        raise Unsupported(f"the profile {profile.name} is no S3 store", hint=f"{what} works with S3 only")
    return store
