"""The guard of the network: a connection that is not loopback is refused before a packet leaves.

`install()` covers the process it is called in: Python's sockets by an audit hook, pycurl by a subclass of `pycurl.Curl`
that is put in its place when (and only when) pycurl is imported. `sitecustomize.py` beside this file does the same in
every Python process that inherits PYTHONPATH. Each refusal is also appended to the file that LOOPBACK_GUARD_LOG names,
so that a test whose code swallows the error is found out. What it cannot hold: programs that are not Python, and the
look-up (not the connection) of a name given to a bare `socket.connect`; the network namespace of CI holds those.
"""

from __future__ import annotations

import builtins
import os
import sys
from types import ModuleType

# Python starts with this in every child process of the tests, so nothing heavier is imported before it is needed.

LOG = "LOOPBACK_GUARD_LOG"
_CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})


class Refused(ConnectionRefusedError):
    """Somebody wanted to talk to a host that is not this one."""


def is_loopback(host: str | bytes | None) -> bool:
    """Whether `host`, a name or an address, can only mean this machine (no name is looked up to find out)."""
    import ipaddress

    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    name = (host or "localhost").strip("[]").partition("%")[0].rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def refuse(what: object) -> Refused:
    """The error to raise; noted in the log first, because the code under test may swallow it."""
    log = os.environ.get(LOG)
    if log:
        with open(log, "a", encoding="utf-8") as lines:
            lines.write(f"{os.getpid()} {what}\n")
    return Refused(f"the guard of the tests refuses {what}: not loopback")


def install() -> None:
    """Guard this process from here on; there is no way back (an audit hook stays)."""
    sys.addaudithook(_audit)
    if "pycurl" in sys.modules:
        _guard_pycurl(sys.modules["pycurl"])
    else:
        sys.meta_path.insert(0, _PycurlFinder())


def _audit(event: str, args: tuple) -> None:
    if event in _CONNECTS:
        address = args[1]
        if isinstance(address, tuple) and isinstance(address[0], str | bytes) and not is_loopback(address[0]):
            raise refuse(f"a connection to {address[0]} port {address[1]}")
    elif event in _LOOKUPS and not is_loopback(args[0]):
        raise refuse(f"a look-up of {args[0]!r}")


class _PycurlFinder:
    """Lets everybody else find pycurl, and guards it once it is loaded."""

    def find_spec(self, name: str, path: object, target: object = None):
        if name != "pycurl":
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _PycurlLoader(spec.loader)
        return spec


class _PycurlLoader:
    def __init__(self, loader) -> None:
        self.loader = loader

    def create_module(self, spec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        _guard_pycurl(module)


def _guard_pycurl(pycurl: ModuleType) -> None:
    """Put a `Curl` in pycurl's place that looks at every address before it opens a socket.

    The URL is looked at as well: libcurl resolves a name in C before it asks for a socket, and that is a packet.
    """
    import socket
    from urllib.parse import urlsplit

    addresses = (pycurl.URL, pycurl.PROXY)

    # what pycurl calls `_open_socket` with is made without builtins, as every namedtuple is; greenlet imports something
    # for each thread that has ended, wherever the main thread is, and could not there
    for kind in tuple.__subclasses__():
        if kind.__name__ == "CurlSockAddr":
            kind.__new__.__globals__["__builtins__"] = builtins

    class Curl(pycurl.Curl):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)
            super().setopt(pycurl.OPENSOCKETFUNCTION, _open_socket)

        def setopt(self, option: int, value: object) -> None:
            if option in addresses and value:
                text = value.decode("latin-1") if isinstance(value, bytes) else value
                host = urlsplit(text if "//" in text else f"//{text}").hostname
                if not is_loopback(host):
                    raise refuse(f"a request to {host}")
            if option == pycurl.OPENSOCKETFUNCTION:
                raise TypeError("the guard of the tests needs OPENSOCKETFUNCTION for itself")
            super().setopt(option, value)

        def reset(self) -> None:
            super().reset()
            super().setopt(pycurl.OPENSOCKETFUNCTION, _open_socket)

        def duphandle(self) -> Curl:
            copy = super().duphandle()
            super(Curl, copy).setopt(pycurl.OPENSOCKETFUNCTION, _open_socket)
            return copy

    class Handle:
        """A socket for libcurl: pycurl duplicates its descriptor and drops it, so it must close quietly."""

        def __init__(self, *kind: int) -> None:
            self.socket = socket.socket(*kind)

        def fileno(self) -> int:
            return self.socket.fileno()

        def __del__(self) -> None:
            self.socket.close()

    def _open_socket(purpose: int, address: tuple) -> Handle | int:
        family, kind, protocol, where = address
        if family in {socket.AF_INET, socket.AF_INET6} and not is_loopback(where[0]):
            refuse(f"a connection of curl to {where[0]} port {where[1]}")
            return pycurl.SOCKET_BAD
        return Handle(family, kind, protocol)

    pycurl.Curl = Curl
