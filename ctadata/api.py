"""The names that scripts written for 0.6 and 0.7 import from here; `ctadata` and `ctadata.errors` have better ones.

Each exception is the root of ours, so that `except StorageException` catches all that the functions raise; `except
NotFound` of `ctadata.errors`, and its siblings, tell more.
"""

from __future__ import annotations

from ctadata.direct.api import (
    ClientSecretNotFound,
    DirectApiError,
    EnvironmentError,
    TokenError,
    TokenExpiredError,
)
from ctadata.errors import CtadataError
from ctadata.service.client import APIClient

__all__ = [
    "APIClient",
    "CertificateError",
    "ClientSecretNotFound",
    "DirectApiError",
    "EnvironmentError",
    "StorageException",
    "TokenError",
    "TokenExpiredError",
    "api_client",
]

StorageException = CtadataError
"""Use `ctadata.errors.CtadataError`, or what it is the root of."""

CertificateError = CtadataError
"""Use `ctadata.errors.UsageError` for a certificate that is not as it has to be, `Forbidden` for a refused one."""

api_client = APIClient()
"""Use `ctadata.APIClient()`, or the functions."""
