"""fsspec's own suite for filesystems, at servers that nobody here wrote: Apache's WebDAV and Ceph's S3."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from filesystem import abstract_suite
from filesystem.conftest import use
from fsspec.tests import abstract
from servers.real import RealServer
from servers.rgw import Rgw

from ctadata.filesystem import CtaFileSystem
from ctadata.filesystem.sessions import place_of


@pytest.fixture(scope="module")
def apache_token(apache: RealServer) -> str:
    return apache.login()["access_token"]


@pytest.fixture
def apache_fs(
    apache: RealServer, apache_token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CtaFileSystem]:
    """The filesystem of Apache, below a directory of this run."""
    use("apache", apache.profile_toml("apache"), apache_token, tmp_path, monkeypatch)
    yield CtaFileSystem(profile="apache")
    place_of("apache").session.close()


@pytest.fixture(scope="module")
def bucket(rgw: Rgw) -> tuple[str, str, str]:
    """A bucket, and the key of its owner."""
    keys = rgw.new_user()
    name = f"bucket-{uuid4().hex[:10]}"
    rgw.client(keys).create_bucket(Bucket=name)
    return name, keys.access, keys.secret


@pytest.fixture
def ceph_fs(
    rgw: Rgw, bucket: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CtaFileSystem]:
    """The filesystem of a bucket at Ceph."""
    name, access, secret = bucket
    settings = {"kind": "s3", "endpoint": rgw.https, "root": f"/{name}", "ca": str(rgw.ca), "region": "us-east-1"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    (tmp_path / "config.toml").write_text("\n".join(["[profiles.ceph]", *lines, ""]))
    monkeypatch.setenv("CTADATA_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    yield CtaFileSystem(profile="ceph")
    place_of("ceph").session.close()


class Fixtures(abstract_suite.Fixtures):
    """Each server in turn."""

    top = f"/abstract-{os.getpid()}"

    @pytest.fixture(params=["apache", "ceph"])
    def fs(self, request: pytest.FixtureRequest) -> CtaFileSystem:
        found: CtaFileSystem = request.getfixturevalue(f"{request.param}_fs")
        return found


@pytest.mark.full("apache", "rgw")
class TestCopy(abstract.AbstractCopyTests, Fixtures):
    pass


@pytest.mark.full("apache", "rgw")
class TestGet(abstract.AbstractGetTests, Fixtures):
    pass


@pytest.mark.full("apache", "rgw")
class TestPut(abstract.AbstractPutTests, Fixtures):
    pass


@pytest.mark.full("apache", "rgw")
class TestPipe(abstract.AbstractPipeTests, Fixtures):
    pass


@pytest.mark.full("apache", "rgw")
class TestOpen(abstract.AbstractOpenTests, Fixtures):
    pass
