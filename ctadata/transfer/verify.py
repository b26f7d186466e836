"""Are these the bytes? Size and digest, compared with what the other side says."""

from __future__ import annotations

from collections.abc import Mapping

from ctadata.checksums import Hasher, hasher, strongest
from ctadata.errors import IntegrityError


def choose(*offers: Mapping[str, str]) -> Hasher | None:
    """A hasher for the best digest in the first offer that has one we can compute; None where no offer has."""
    for offer in offers:
        known = strongest(offer)
        if known:
            # adler32 is what dCache has of every file and costs next to nothing; another only where it is missing
            return hasher("adler32" if "adler32" in offer else known[0])
    return None


def check_size(got: int, expected: int | None) -> None:
    """IntegrityError where the sizes differ; None for `expected` proves nothing and passes."""
    if expected is not None and got != expected:
        raise IntegrityError(f"{got} bytes arrived instead of {expected}")


def check_digest(computed: Hasher, digests: Mapping[str, str]) -> bool:
    """Whether a digest could be compared; IntegrityError where it differs."""
    expected = digests.get(computed.algorithm)
    if expected is None:
        return False
    got = computed.hexdigest()
    if got != expected:
        raise IntegrityError(f"the {computed.algorithm} is {got} instead of {expected}")
    return True
