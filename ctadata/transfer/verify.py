"""Are these the bytes? Size and digest, compared with what the other side says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ctadata.checksums import hasher
from ctadata.errors import IntegrityError, LocalError
from ctadata.paths import printable

BLOCK = 1 << 20
"""Bytes read at a time from a local file."""


def check_size(got: int, expected: int | None) -> None:
    """IntegrityError where the sizes differ; None for `expected` proves nothing and passes."""
    if expected is not None and got != expected:
        raise IntegrityError(f"{got} bytes arrived instead of {expected}")


def check_digest(algorithm: str, computed: str, digests: Mapping[str, str]) -> bool:
    """Whether there is a digest to compare with; IntegrityError where it differs."""
    expected = digests.get(algorithm)
    if expected is None:
        return False
    if computed != expected:
        raise IntegrityError(f"the {algorithm} is {computed} instead of {expected}")
    return True


def digest_of(local: Path | int, algorithm: str) -> str:
    """The digest of a local file, or of an open one from its beginning; LocalError where it cannot be read."""
    work = hasher(algorithm)
    try:
        with open(local, "rb", buffering=0, closefd=not isinstance(local, int)) as file:
            file.seek(0)
            while block := file.read(BLOCK):
                work.update(block)
    except OSError as error:
        raise LocalError(f"local: {error.strerror}", path=printable(str(local))) from error
    return work.hexdigest()
