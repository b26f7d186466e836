"""The namespace for tests: write, read and inspect files without a server."""

from __future__ import annotations

import uuid

from ctadata.sandbox.namespace import Namespace, NamespaceError, Node, read_range


class Files:
    """The files of the sandbox. A path may lack its leading slash; missing parents are created."""

    def __init__(self, namespace: Namespace) -> None:
        """Wrap a namespace."""
        self._namespace = namespace

    def put(self, path: str, content: bytes = b"", mtime: float | None = None) -> Node:
        """Write a whole file with its adler32, and replace an existing one; `mtime` is in seconds since 1970."""
        self._namespace.make_parents(path)
        incoming = self._namespace.new_incoming(["adler32"])
        incoming.write(content)
        return self._namespace.put(path, incoming, mtime)

    def plant(self, directory: str, name: str, content: bytes = b"") -> Node:
        """Create a file with a name that only a hostile server lists, with slashes or `..`; it cannot be fetched."""
        path = f"{directory}/{uuid.uuid4()}"
        node = self.put(path, content)
        self._namespace.set_raw_name(path, name)
        return node

    def read(self, path: str) -> bytes:
        """Return the content of a file; NotFound if there is none."""
        node = self.entry(path)
        return b"".join(read_range(node, 0, node.size or 0))

    def exists(self, path: str) -> bool:
        """Whether an entry exists."""
        try:
            self.entry(path)
        except NamespaceError:
            return False
        return True

    def remove(self, path: str) -> None:
        """Remove a file, or a directory with its content; NotFound if there is none."""
        self._namespace.remove(path)

    def mkdir(self, path: str) -> None:
        """Create a directory and its parents, if they are missing."""
        self._namespace.make_parents(path.rstrip("/") + "/.x")
        if not self.exists(path):
            self._namespace.mkdir(path)

    def tree(self, top: str = "/") -> list[str]:
        """Return every absolute path below `top`, sorted; a directory ends in a slash."""
        start = self.entry(top)
        prefix = "" if not top.strip("/") else "/" + top.strip("/")
        return sorted(path + ("/" if node.is_directory else "") for path, node in self._namespace.walk(start, prefix))

    def entry(self, path: str) -> Node:
        """Return the live node (NotFound if there is none); a test may set `size`, `broken`, `locality`, `mtime`."""
        return self._namespace.find(path)
