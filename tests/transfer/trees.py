"""What the tests of the engine look at: trees on disk and in a store, and what a run told."""

from pathlib import Path

from ctadata.paths import RemotePath
from ctadata.stores.base import Store
from ctadata.transfer.report import NullReporter, Outcome


class Recorder(NullReporter):
    """Keeps what the engine tells."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.bytes = 0

    def moved(self, name: str, size: int) -> None:
        self.bytes += size

    def ended(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def shape(root: Path) -> dict[str, bytes | None]:
    """Every path below a local directory, with the content of files."""
    return {str(p.relative_to(root)): p.read_bytes() if p.is_file() else None for p in sorted(root.rglob("*"))}


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a local directory, with its content."""
    return {name: content for name, content in shape(folder).items() if content is not None}


def remote_names(store: Store, path: RemotePath = RemotePath()) -> list[str]:  # noqa: B008
    """Every name below a collection, temporaries included."""
    names = []
    for entry in store.list(path):
        names.append(str(entry.path))
        if entry.is_directory:
            names += remote_names(store, entry.path)
    return sorted(names)


class Content:
    """Bytes as the source of an upload."""

    def __init__(self, content: bytes, mtime: float | None = None) -> None:
        self.content, self.mtime, self.offset = content, mtime, 0

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, limit: int) -> bytes:
        block = self.content[self.offset : self.offset + limit]
        self.offset += len(block)
        return block

    def rewind(self) -> None:
        self.offset = 0
