"""The names that scripts for 0.6 and 0.7 import from here; new scripts use `ctadata` and `ctadata.errors`.

Each exception is the root of our errors, so that `except StorageException` catches all that the functions raise. The
classes of `ctadata.errors`, such as `NotFound`, say more.
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
"""Use `ctadata.errors.CtadataError` or one of its subclasses."""

CertificateError = CtadataError
"""Use `ctadata.errors.UsageError` for a malformed certificate, and `Forbidden` for a refused one."""

api_client = APIClient()
"""Use `ctadata.APIClient()` or the functions of `ctadata`."""
