"""The S3 store passes the suite at a server that checks every signature."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from servers.moto import Key, MotoS3
from stores.clients import IMPATIENT
from stores.s3_suite import S3Suite

from ctadata.config.profile import Profile
from ctadata.stores.s3 import S3Store
from ctadata.stores.s3_opening import open_s3
from ctadata.tokens.access_keys import AccessKeys


@contextmanager
def s3_store(server: MotoS3, root: str = "/", key: Key | None = None, **settings: object) -> Iterator[S3Store]:
    """A store at the server, with a key in the environment; anonymous where there is none."""
    profile = Profile(name="test", door="", kind="s3", endpoint=server.url, root=root, **settings)
    env = {} if key is None else {"AWS_ACCESS_KEY_ID": key.id, "AWS_SECRET_ACCESS_KEY": key.secret}
    if key and key.token:
        env["AWS_SESSION_TOKEN"] = key.token
    store = open_s3(profile, AccessKeys(profile, env=env), retries=IMPATIENT)
    try:
        yield store
    finally:
        store.close()


@pytest.fixture(scope="module")
def store(moto_s3: MotoS3) -> Iterator[S3Store]:
    with (
        moto_s3.checked(),
        s3_store(moto_s3, f"/{moto_s3.bucket()}/a prefix", moto_s3.key, region=moto_s3.region) as store,
    ):
        yield store


class TestS3(S3Suite):
    """moto."""

    impossible_names = frozenset({"nl\nx"})  # Flask finds no route for it
