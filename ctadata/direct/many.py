"""The functions of `ctadata.direct` for many files: here, or in other processes and on other machines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ctadata.config.builtin import DEVELOPMENT_PROFILE
from ctadata.config.resolve import resolve_profile
from ctadata.direct.client import PathText, each_path
from ctadata.entries import Entry, Kind
from ctadata.errors import PartialFailure, UsageError
from ctadata.listed_paths import Listed
from ctadata.paths import RemotePath
from ctadata.progress import units
from ctadata.progress.reporters import Progress, reporter_for
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Reporter, Summary

if TYPE_CHECKING:
    from ctadata.session import Session

Workers = Executor | Callable[[], Executor] | int
"""The `executor` of `get_many` and `put_many`."""


def get_many(
    paths: PathText | Iterable[PathText],
    local: PathText,
    *,
    base: PathText = "",
    executor: Workers | None = None,
    at_once: int | None = None,
    receipt: PathText | None = None,
    progress: Progress | None = None,
    limit_rate: str | float | None = None,
    dev_instance: bool = False,
) -> Summary:
    """Download many files, and verify each. An equal local file is not downloaded again.

    With an executor, this process looks up the files, and the workers download them in batches of at most 500 files or
    2 GiB. If a worker dies, its batch is repeated. The name of the profile travels to a worker, with the paths. The
    worker finds settings and token by itself, and it must see the directory `local`.

    Args:
        paths: One file on the storage, or several, from its root. A path of `list_dir` is not looked up again; a
            directory among them is only made.
        local: The local directory. Each file keeps its directories below it.
        base: The directory on the storage whose path the local files do not repeat: with `base="cta/DL1"`, the file
            `cta/DL1/run1/a.h5` becomes `run1/a.h5` below `local`.
        executor: What runs the batches. An `Executor` can be `client.get_executor()` of Dask or
            `mpi4py.futures.MPIPoolExecutor()`. A callable makes an executor, and a new one each time that one is
            broken. A number is the largest number of processes on this machine: this one works too, and the others
            start once it is measured that they help. None uses no other process.
        at_once: The number of batches in work at the same time. They share the profile's number of jobs. None takes
            the executor's number of workers, or 8 if it does not have one.
        receipt: A file that gets one JSON line about each file, as `--receipt` writes it.
        progress: As in `fetch_and_save_file`. What other processes move is added at the end of each batch.
        limit_rate: As in `fetch_and_save_file`; the workers share it.
        dev_instance: As in `list_dir`.

    Returns:
        The counts: `done` files of `size` bytes, `skipped` files that were equal already, and `remarks`.

    Raises:
        PartialFailure: Some files failed; all others were downloaded. `failures` has one error for each failed file.
        UsageError: The executor forks its processes, and a fork of a process with threads may wait for ever. Or
            `executor` or `at_once` has another type.
        CtadataError: Any error that `list_dir` raises.

    Examples:
        >>> files = direct.list_dir("cta/DL1", recursive=True)
        >>> direct.get_many(files, "data", base="cta/DL1", executor=4).done
        12000
    """
    target, rate = Path(local), units.read_rate(limit_rate, "limit_rate")
    file = None if receipt is None else Path(receipt).absolute()

    def download_all(session: Session, reporter: Reporter) -> Summary:
        listed = _listed(session, session.resolve(os.fspath(base)), each_path(paths))
        rules = Rules(rate=rate, receipt=file)
        return session.get([os.fspath(base)], os.fspath(local), listed=listed, rules=rules, reporter=reporter)

    return _transfer("get", download_all, [target], executor, at_once, file, progress, dev_instance=dev_instance)


def put_many(
    local: PathText | Iterable[PathText],
    path: PathText,
    *,
    base: PathText = "",
    executor: Workers | None = None,
    at_once: int | None = None,
    receipt: PathText | None = None,
    progress: Progress | None = None,
    limit_rate: str | float | None = None,
    dev_instance: bool = False,
) -> Summary:
    """Upload many files, and verify each. A file that is equal on the storage is not sent again.

    Args:
        local: One local file, or several, as paths below `base`. Files of one directory should follow each other.
        path: The directory on the storage. A relative path is below your home. Each file keeps its directories below
            it.
        base: The local directory that the paths start from. Empty for the current directory.
        executor: As in `get_many`. A worker must see the local files.
        at_once: As in `get_many`.
        receipt: As in `get_many`.
        progress: As in `get_many`.
        limit_rate: As in `get_many`.
        dev_instance: As in `list_dir`.

    Returns:
        The counts, as in `get_many`.

    Raises:
        PartialFailure: Some files failed; all others were uploaded. `failures` has one error for each failed file.
        UsageError: The executor forks its processes.
        CtadataError: Any error that `upload_file` raises.

    Examples:
        >>> direct.put_many(["a/1.h5", "a/2.h5"], "results", base="plots", executor=4).done
        2
    """
    rate = units.read_rate(limit_rate, "limit_rate")
    file = None if receipt is None else Path(receipt).absolute()

    def upload_all(session: Session, reporter: Reporter) -> Summary:
        listed, rules = (os.fspath(each) for each in each_path(local)), Rules(rate=rate, receipt=file)
        return session.put([os.fspath(base)], os.fspath(path), listed=listed, rules=rules, reporter=reporter)

    return _transfer("put", upload_all, [], executor, at_once, file, progress, dev_instance=dev_instance)


def _transfer(
    action: str,
    work: Callable[[Session, Reporter], Summary],
    bases: Sequence[Path],
    executor: Workers | None,
    at_once: int | None,
    receipt: Path | None,
    progress: Progress | None,
    *,
    dev_instance: bool,
) -> Summary:
    """Open a session, do the work, write the receipt, and raise the failures."""
    from ctadata.batch_transfer import BatchTransfer, run_in_workers  # imported late: it loads the transfer engine
    from ctadata.session import Session
    from ctadata.transfer.receipt import ReceiptWriter
    from ctadata.transfer.receipt_file import recording

    resolved = resolve_profile(DEVELOPMENT_PROFILE if dev_instance else None)
    writer = ReceiptWriter(action, resolved.profile.name, bases)
    with (
        Session.open(resolved) as session,
        nullcontext() if executor is None else run_in_workers(session, BatchTransfer.of(resolved), executor, at_once),
        reporter_for(progress) as shown,
        recording(shown, receipt, writer) as reporter,
    ):
        summary = work(session, reporter)
    if summary.errors:
        raise PartialFailure(summary.errors, [None] * (summary.done + summary.skipped))
    return summary


def _listed(session: Session, base: RemotePath, paths: Iterable[PathText]) -> Iterator[str | Entry | UsageError]:
    """Yield the entry of each path of `list_dir`, and any other path as one below the base."""
    for path in paths:
        remote = session.resolve(os.fspath(path))
        inside = remote.parts[len(base.parts) :]
        if isinstance(path, Listed):
            mtime = None if path.mtime is None else path.mtime.timestamp()
            yield Entry(remote, Kind(path.kind), path.size, mtime, path.etag, path.checksums, path.locality)
        elif remote.parts[: len(base.parts)] != base.parts:
            yield UsageError(f"it is not below {base}", path=str(remote))
        else:
            yield "/".join(inside)
