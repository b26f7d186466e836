"""Check the sources of an upload before their walk: no two of them go to one collection under two names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from ctadata.errors import UsageError
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable
from ctadata.transfer import unicode_nfc
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.name_collisions import folded, keep_apart
from ctadata.transfer.report import InvalidPath
from ctadata.transfer.run import Run

Source = UploadSource | InvalidPath


def check_roots(run: Run, sources: Iterable[Source]) -> Iterator[Source]:
    """Yield the sources with targets in the normal form of the rules; refuse each that becomes one with another."""
    return _without_similar(run, _in_normal_form(run, sources))


def _in_normal_form(run: Run, sources: Iterable[Source]) -> Iterator[Source]:
    before: dict[RemotePath, RemotePath] = {}
    for source in sources:
        if not run.rules.normalize or isinstance(source, InvalidPath):
            yield source
            continue
        is_named_here = source.tree is not None and source.tree.name == source.target.name
        rename = unicode_nfc.renamed_file if is_named_here else unicode_nfc.renamed_target
        target = rename(run, source.target)
        if before.setdefault(target, source.target) == source.target:
            yield dataclasses.replace(source, target=target)
        else:
            yield InvalidPath(
                UsageError("another directory has the same name in NFC", path=escape_unprintable(str(target))), target
            )


def _without_similar(run: Run, sources: Iterable[Source]) -> Iterator[Source]:
    """Refuse a source if the server takes its collection for that of an earlier one."""
    first: dict[tuple[str, ...], RemotePath] = {}
    for source in sources:
        if isinstance(source, UploadSource):
            other = first.setdefault(tuple(map(folded, source.target.parts)), source.target)
            if other != source.target and not keep_apart(run, other, source.target, local=source.tree):
                continue
        yield source
