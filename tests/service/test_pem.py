"""Certificate files are checked before they are sent."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from servers.platform_papers import Papers

from ctadata.errors import UsageError
from ctadata.service.pem import LONGEST, read_pem

PAPERS = Papers()
TODAY = datetime.now(UTC)


def parts(content: bytes) -> list[bytes]:
    """The PEM blocks of a file."""
    return [block + b"-----\n" for block in content.replace(b"-----\n-----", b"-----\n\0-----").split(b"\0")]


def read(tmp_path: Path, content: bytes, **more: datetime):
    file = tmp_path / "user.pem"
    file.write_bytes(content)
    return read_pem(file, **more)


@pytest.mark.parametrize("proxy", [True, False])
def test_a_good_certificate_is_read_and_never_shown(tmp_path: Path, proxy: bool) -> None:
    content = PAPERS.certificate(days=3, proxy=proxy)
    pem = read(tmp_path, content)
    assert pem.text == content.decode()
    assert "user" in pem.subject
    assert pem.until > TODAY
    assert "PRIVATE" not in repr(pem)


def test_the_key_may_come_first(tmp_path: Path) -> None:
    content = PAPERS.certificate(days=3, proxy=False)
    at = content.index(b"-----BEGIN PRIVATE")
    assert read(tmp_path, content[at:] + content[:at]).until > TODAY


def test_seven_days_are_counted_by_days(tmp_path: Path) -> None:
    content = PAPERS.certificate(days=7, proxy=False)
    until = read(tmp_path, content).until
    eve = until.replace(hour=23, minute=59) - timedelta(7)
    assert read(tmp_path, content, now=eve).until == until
    with pytest.raises(UsageError, match="valid for 8 days"):
        read(tmp_path, content, now=eve - timedelta(1))


@pytest.mark.parametrize(
    ("now", "words"), [(timedelta(30), "expired at"), (timedelta(-3), "not valid before")], ids=["ended", "not begun"]
)
def test_an_expired_or_future_certificate_is_refused(tmp_path: Path, now: timedelta, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(tmp_path, PAPERS.certificate(days=2, proxy=False), now=TODAY + now)


def test_a_proxy_without_its_issuer_is_refused(tmp_path: Path) -> None:
    content = PAPERS.certificate(days=3)
    cut = content.rindex(b"-----BEGIN CERTIFICATE")
    for rest in (b"", PAPERS.bundle):
        with pytest.raises(UsageError, match="signed this proxy is missing"):
            read(tmp_path, content[:cut] + rest)


def test_a_key_with_a_password(tmp_path: Path) -> None:
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    with pytest.raises(UsageError, match="protected by a password"):
        read(tmp_path, PAPERS.certificate(key=False) + locked)


@pytest.mark.parametrize("size", [0, LONGEST + 10])
def test_files_without_a_certificate_are_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(UsageError, match=r"user\.pem: the file holds no PEM certificate"):
        read(tmp_path, b"\xff" * size)


def test_a_broken_key(tmp_path: Path) -> None:
    broken = b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path, PAPERS.certificate(key=False) + broken)
