"""What every S3 server of the tests is asked with, besides our own client: keys, and boto3."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Keys:
    """What S3 asks for; `token` comes with temporary keys."""

    access: str
    secret: str
    token: str = ""


def new_keys() -> Keys:
    """Keys that nobody has yet."""
    return Keys(secrets.token_hex(10).upper(), secrets.token_hex(20))


def s3_client(url: str, keys: Keys | None, *, service: str = "s3", ca: Path | None = None, **more: Any) -> Any:
    """boto3's client: what somebody else does there; without keys anonymous. `more` goes into its configuration."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(
        signature_version="s3v4" if keys and service == "s3" else UNSIGNED if keys is None else None,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"},
        **more,
    )
    given = keys or Keys("", "")
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        config=config,
        verify=str(ca) if ca else None,
        aws_access_key_id=given.access or None,
        aws_secret_access_key=given.secret or None,
        aws_session_token=given.token or None,
    )
