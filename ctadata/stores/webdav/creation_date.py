"""Ask when a file was created: `creationdate` (RFC 4918 section 15.1), which no listing asks for."""

from __future__ import annotations

from ctadata.errors import ServerTrouble
from ctadata.http.client import Client
from ctadata.stores.dates import parse_date
from ctadata.stores.webdav.multistatus import read_members

_BODY = b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><creationdate/></prop></propfind>'


def read_creation_date(client: Client, url: str) -> float | None:
    """Return when a resource was created, in seconds since 1970 UTC; None if the server does not tell.

    Raises:
        CtadataError: What `Client.send` raises.
        ServerTrouble: The response is no Multi-Status.
    """
    headers = {"Depth": "0", "Content-Type": "application/xml; charset=utf-8"}
    response = client.send("PROPFIND", url, headers=headers, body=_BODY)
    if response.status != 207:
        raise ServerTrouble(f"the server does not speak WebDAV: {response.status} {response.reason}")
    for member in read_members(response.body):
        for date in member.iterfind(".//{DAV:}creationdate"):
            return parse_date(date.text)
    return None
