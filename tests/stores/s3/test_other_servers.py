"""What the table of docs/reference/servers.md cannot say of other S3 servers in a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers.s3_jobs import Cannot, Visit
from servers.s3_jobs_of_stores import put_resumed
from servers.s3_servers import S3Server


@pytest.mark.full("other servers")
def test_a_killed_upload_continues_where_parts_are_encrypted(minio: S3Server, tmp_path: Path) -> None:
    put_resumed(Visit(minio, minio.new_user(), tmp_path / "at"), 60 << 20)


@pytest.mark.full("other servers")
def test_put_fails_where_the_server_overlooks_the_encryption(versitygw: S3Server, tmp_path: Path) -> None:
    at = Visit(versitygw, versitygw.new_user(), tmp_path / "at")
    at.write("a", b"a")
    with pytest.raises(Cannot, match="encrypt"):
        at.run("put", "--sse", "aws:kms", "a", "@a")
