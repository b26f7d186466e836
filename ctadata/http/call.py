"""Call: one request of a caller, with the state of its redirects and attempts; Hop: one server of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ctadata.http.credentials import SigningKey
from ctadata.http.curl_pool import Route
from ctadata.http.messages import Accept, Origin
from ctadata.http.request import Upload


@dataclass(slots=True, repr=False)
class Call:
    """One request of a caller with its redirects and attempts, and its state.

    Attributes:
        url: The URL at the door, without a fragment.
        door: The origin of `url`.
        streams: Whether the body is read from its source, and not held in memory.
        total: The limit of the request with its whole answer, in seconds.
        renewed: The token that replaces a refused one.
        waited: Seconds spent on waits that do not count for retries: for a slot, or for the issuer.
        sent: Whether the last attempt had reached a server.
        begun: Whether the last attempt had sent or received bytes of a body.
        repeated: Whether a server may have received the request more than once: it did not answer the first time.
    """

    method: str
    url: str
    door: Origin
    headers: Mapping[str, str]
    pool_headers: Mapping[str, str]
    upload: Upload | None
    streams: bool
    accept: Accept | None
    await_redirect: bool
    follow: bool
    sign: SigningKey | None
    route: Route = Route()  # noqa: RUF009  (frozen)
    total: float | None = None
    renewed: str | None = None
    waited: float = 0.0
    sent: bool = False
    begun: bool = False
    repeated: bool = False


class Hop(NamedTuple):
    """One server of a call: the door, or the target of a redirect.

    Attributes:
        url: The URL at this server.
        origin: Its origin.
        before: The URLs whose redirects led here.
        headers: The headers for this origin, without the token.
        token: The token, if this origin may receive it.
    """

    url: str
    origin: Origin
    before: tuple[str, ...]
    headers: Mapping[str, str]
    token: str | None
