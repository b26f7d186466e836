"""Macaroons with the caveats of a test, in the first format of libmacaroons, as dCache has it. Nobody signed them."""

from __future__ import annotations

import base64


def packed(*caveats: str) -> str:
    """Return a macaroon with these caveats."""
    fields = [("location", "x"), ("identifier", "x"), *(("cid", each) for each in caveats), ("signature", "x" * 32)]
    packets = b"".join(f"{len(key) + len(value.encode()) + 6:04x}{key} {value}\n".encode() for key, value in fields)
    return base64.urlsafe_b64encode(packets).decode().rstrip("=")
