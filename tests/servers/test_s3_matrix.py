"""What our client does at each S3 server, measured: the second table of docs/reference/servers.md is what comes out.

The full suite does the short jobs at the servers that have no suite of their own, and the four walks at MinIO; with
--soak it does all jobs at all servers, in about half an hour. `CTADATA_WRITE_MATRIX=1 bin/test --full --soak -n0` with
the path of this file writes the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers import s3_jobs_of_files, s3_jobs_of_stores, s3_jobs_of_versions
from servers.authority import Authority
from servers.measured import MeasuredTable
from servers.moto import MotoS3
from servers.rgw import Rgw
from servers.s3_client import Keys
from servers.s3_jobs import Job, Visit
from servers.s3_servers import S3Server

SERVERS = {
    "Ceph": "rgw",
    "MinIO": "minio",
    "versitygw": "versitygw",
    "S3Proxy": "s3proxy",
    "rclone": "rclone_s3",
    "s3rver": "s3rver",
    "moto": "moto",
}
WALKED = "MinIO"
JOBS = (*s3_jobs_of_files.JOBS, *s3_jobs_of_versions.JOBS, *s3_jobs_of_stores.JOBS, *s3_jobs_of_files.LAST)
TABLE = MeasuredTable("<!-- measured: S3 -->", tuple(SERVERS), tuple(job.name for job in JOBS))


@dataclass(frozen=True)
class CheckedMoto(S3Server):
    """moto with its signatures and policies checked."""

    moto: MotoS3 | None = None

    def read_only(self, name: str, bucket: str) -> Keys:
        assert self.moto
        actions = ["s3:ListBucket", "s3:GetObject"]
        allowed = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        key = self.moto.user({"Version": "2012-10-17", "Statement": [allowed]})
        return Keys(key.id, key.secret)

    def session(self, keys: Keys, name: str, policy: dict) -> Keys:
        assert self.moto
        key = self.moto.session(policy)
        return Keys(key.id, key.secret, key.token or "")


@pytest.fixture
def moto(moto_s3: MotoS3, servers_authority: Authority) -> Iterator[S3Server]:
    keys = Keys(moto_s3.key.id, moto_s3.key.secret)
    with moto_s3.checked():
        yield CheckedMoto("moto", moto_s3.url, keys, servers_authority.ca, moto=moto_s3)


def jobs_at(server: str, *, soak: bool) -> list[Job]:
    """The jobs of this run at this server."""
    return [job for job in JOBS if soak or job.short or (server == WALKED and job.name.startswith("the walk of"))]


@pytest.mark.full("matrix")
@pytest.mark.parametrize("server", list(SERVERS))
def test_what_is_measured_at_s3_servers_is_what_the_page_says(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    site: Rgw | S3Server = request.getfixturevalue(SERVERS[server])
    at = Visit(site, site.new_user(), tmp_path / "at")
    cells = {}
    for job in jobs_at(server, soak=request.config.option.soak):
        cells[job.name] = job.outcome(at)
        print(server, "|", job.name, "|", cells[job.name])
    TABLE.check(server, cells)
