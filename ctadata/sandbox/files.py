"""The namespace as tests use it: put, read and look at files without any server in between."""

from __future__ import annotations

import uuid

from ctadata.sandbox.namespace import Namespace, NamespaceError, Node, read_range


class Files:
    """Paths with or without a leading slash; parents are made as needed."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def put(self, path: str, content: bytes = b"", mtime: float | None = None) -> Node:
        """Write a file whole, with its adler32, replacing what is there; `mtime` in Unix seconds."""
        self._namespace.make_parents(path)
        incoming = self._namespace.new_incoming(["adler32"])
        incoming.write(content)
        return self._namespace.put(path, incoming, mtime)

    def plant(self, directory: str, name: str, content: bytes = b"") -> Node:
        """A file of a name as only a hostile server has: with slashes, `..`, anything; listed, not to be fetched."""
        path = f"{directory}/{uuid.uuid4()}"
        node = self.put(path, content)
        self._namespace.set_raw_name(path, name)
        return node

    def read(self, path: str) -> bytes:
        """The content of a file; NotFound."""
        node = self.entry(path)
        return b"".join(read_range(node, 0, node.size or 0))

    def exists(self, path: str) -> bool:
        """Whether something is there."""
        try:
            self.entry(path)
        except NamespaceError:
            return False
        return True

    def remove(self, path: str) -> None:
        """Remove a file or a directory with all in it; NotFound."""
        self._namespace.remove(path)

    def mkdir(self, path: str) -> None:
        """Make a directory and those above it, where they are not there yet."""
        self._namespace.make_parents(path.rstrip("/") + "/.x")
        if not self.exists(path):
            self._namespace.mkdir(path)

    def tree(self, top: str = "/") -> list[str]:
        """Every path below `top` in order, absolute, directories with a slash at the end."""
        start = self.entry(top)
        prefix = "" if not top.strip("/") else "/" + top.strip("/")
        return sorted(path + ("/" if node.is_directory else "") for path, node in self._namespace.walk(start, prefix))

    def entry(self, path: str) -> Node:
        """The live node, whose state tests read and may set (`size`, `broken`, `locality`, `mtime`); NotFound."""
        return self._namespace.find(path)
