"""S3 servers with a stub before them and a store of ours at them, once for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers.moto import MotoS3
from servers.s3_stub import s3_stub
from stores.s3.connections import FixedKey, StubbedServer, opened_s3


@pytest.fixture(scope="module")
def moto_server(moto_s3: MotoS3) -> Iterator[StubbedServer]:
    key = FixedKey(moto_s3.key.id, moto_s3.key.secret)
    with s3_stub(moto_s3.url) as stub, opened_s3(stub.url, key, region=moto_s3.region) as store:
        yield StubbedServer(store, moto_s3.client(), stub, moto_s3.url)


@pytest.fixture(scope="module")
def ceph_server(request: pytest.FixtureRequest) -> Iterator[StubbedServer]:
    rgw = request.getfixturevalue("rgw")
    keys = rgw.new_user()
    with s3_stub(rgw.http) as stub, opened_s3(stub.url, FixedKey(keys.access, keys.secret)) as store:
        yield StubbedServer(store, rgw.client(keys), stub, rgw.http)


@pytest.fixture(params=["moto", pytest.param("ceph", marks=pytest.mark.full("rgw"))])
def s3(request: pytest.FixtureRequest) -> StubbedServer:
    """Each server in turn; its stub answers nothing by itself yet."""
    served = request.getfixturevalue(f"{request.param}_server")
    served.stub.forget()
    return served


@pytest.fixture
def at_moto(moto_server: StubbedServer) -> StubbedServer:
    """moto alone, for what a stub has to say."""
    moto_server.stub.forget()
    return moto_server
