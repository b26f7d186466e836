"""The lease: the one machine that may refresh, if several share a home and their locks do not reach each other.

The lock of a profile separates the processes of one machine. On most shared file systems it also separates machines,
but not on all: with some mounts of Lustre and NFS, flock is local to each node. So a process that refreshes also writes
itself into `lease.json`. Other machines do not refresh until it deletes the lease, or the lease expires. A new lease is
created with link(2), which succeeds for one machine only, on network file systems too. The clocks of login nodes may
differ a little: LIFE is many times as long. By the file server's clock, no lease lasts longer than twice LIFE.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import NamedTuple

from ctadata.agent.record import read_record
from ctadata.errors import Stopped, TemporaryError
from ctadata.process_identity import host_name, read_boot_id, read_boot_time, read_process_start
from ctadata.system import rename_new
from ctadata.tokens.files import local_error, read_private, temporary_name, write_private
from ctadata.tokens.profile_files import ProfileFiles

LIFE = 120.0
"""Seconds that a lease lasts without extension: several steps of the agent, and the slowest refresh."""

EXTENDED_AT = 75.0
"""Seconds before its end at which an agent extends its lease; the agent checks every half minute."""

POLL_INTERVAL = 0.2
"""Seconds between two checks of another machine's lease."""


class Lease(NamedTuple):
    """The process that may refresh.

    Attributes:
        host: The machine.
        boot: The boot of that machine, to recognise a restart.
        pid: The process.
        process_started: The kernel's start time of the process.
        lasting: True for an agent, which extends its lease. False for a command, which deletes it after its refresh.
        until: The end, in seconds since 1970.
    """

    host: str
    boot: str
    pid: int
    process_started: int | None
    lasting: bool
    until: float

    def is_valid(self, now: float) -> bool:
        """Return whether the lease has not expired."""
        return self.until > now

    @property
    def is_local(self) -> bool:
        """Whether it belongs to this machine since its last boot; the lock separates such processes."""
        return (self.host, self.boot) == (host_name(), read_boot_id())


@contextlib.contextmanager
def hold_lease(
    files: ProfileFiles, *, stop: Event | None = None, now: Callable[[], float] = time.time
) -> Iterator[None]:
    """Hold the lease for one refresh. The caller holds the login lock.

    A lease of a command on another machine is waited for.

    Args:
        files: The profile's files.
        stop: When set, the wait ends.
        now: Returns the local time in seconds since 1970.

    Raises:
        TemporaryError: An agent on another machine holds the lease.
        Stopped: `stop` was set.
        LocalError: The lease cannot be written.
        StorageFull: The disk has no room.
    """
    lease = read_lease(files)
    if lease is not None and lease.is_local and lease.lasting and lease.is_valid(now()):
        # this machine's agent holds it and keeps it; it is extended so that it outlives a slow refresh
        write_private(files.lease, _serialize(lease._replace(until=now() + LIFE)))
        yield
        return
    _wait_for_lease(files, stop or Event(), now)
    try:
        yield
    finally:
        release_lease(files)


def acquire_lease(files: ProfileFiles, now: float) -> Lease | None:
    """Take the lease for an agent. The caller holds the login lock.

    Args:
        files: The profile's files.
        now: The local time in seconds since 1970.

    Returns:
        None if this machine has the lease now; else the lease of the other machine.
    """
    return _try_acquire(files, _new_lease(True, now), now)


def extend_lease(files: ProfileFiles, now: float) -> bool:
    """Extend the lease of this machine's agent. Return False if another machine has taken over.

    Raises:
        LocalError: The lease cannot be written.
        StorageFull: The disk has no room.
    """
    lease = read_lease(files)
    if lease is None or not lease.is_local:
        return _try_acquire(files, _new_lease(True, now), now) is None
    if lease.until < now + EXTENDED_AT or not lease.lasting:
        write_private(files.lease, _serialize(_new_lease(True, now)))
    return True


def release_lease(files: ProfileFiles) -> None:
    """Delete this machine's lease, so that another one need not wait for its end."""
    lease = read_lease(files)
    if lease is not None and lease.is_local:
        files.lease.unlink(missing_ok=True)


def foreign_agent(files: ProfileFiles, now: float) -> Lease | None:
    """Return the valid lease of another machine's agent; None if there is none."""
    lease = read_lease(files)
    return lease if lease and lease.lasting and lease.is_valid(now) and not lease.is_local else None


def read_lease(files: ProfileFiles) -> Lease | None:
    """Return the stored lease; None if there is none that can be read.

    Raises:
        LocalError: Others can write the file.
    """
    return _read(files.lease)


def _wait_for_lease(files: ProfileFiles, stop: Event, now: Callable[[], float]) -> None:
    deadline = now() + LIFE
    while (other := _try_acquire(files, _new_lease(False, now()), now())) is not None:
        if other.lasting or now() > deadline:
            raise TemporaryError(
                f"the token is being renewed on {other.host} (process {other.pid})",
                hint=f"if that machine is gone, try again in {LIFE:.0f} s",
            )
        if stop.wait(POLL_INTERVAL):
            raise Stopped("stopped while another machine renews the token")


def _try_acquire(files: ProfileFiles, mine: Lease, now: float) -> Lease | None:
    """Take the lease if it is free, this machine's or expired, and return None.

    Otherwise return the other machine's lease.
    """
    lease = read_lease(files)
    if lease is not None and lease.is_valid(now) and not lease.is_local:
        return lease
    if lease is None:  # _set_aside could remove a lease that another machine creates at this moment
        if _create(files, mine):
            return None
        lease = read_lease(files)
        if lease is not None:
            return None if lease.is_local else lease
    aside = _set_aside(files)
    if aside is not None and aside != lease:  # another process was faster
        _create(files, aside)
        return None if aside.is_local else aside
    return None if _create(files, mine) else read_lease(files)


def _set_aside(files: ProfileFiles) -> Lease | None:
    """Remove the lease, and return it; None if there was none."""
    aside = files.folder / temporary_name()
    try:
        files.lease.rename(aside)
        return _read(aside)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise local_error(error, files.lease) from None
    finally:
        aside.unlink(missing_ok=True)


def _read(path: Path) -> Lease | None:
    try:
        record = read_record(Lease, read_private(path))
        if record is None:
            return None
        until = min(record.until, path.stat().st_mtime + 2 * LIFE)
    except OSError:
        return None
    if record.host == host_name() and record.boot != read_boot_id() and read_boot_time() > record.until - LIFE:
        return None  # this machine's lease, from before a crash
    return record._replace(until=until)


def _create(files: ProfileFiles, lease: Lease) -> bool:
    """Create the lease. Return False if one exists."""
    draft = files.folder / temporary_name()
    write_private(draft, _serialize(lease))
    try:
        rename_new(None, draft, files.lease)  # without hard links, the lock alone has to be enough
    except FileExistsError:
        return False
    except OSError as error:
        raise local_error(error, files.lease) from None
    finally:
        draft.unlink(missing_ok=True)
    return True


def _new_lease(lasting: bool, now: float) -> Lease:
    pid = os.getpid()
    return Lease(host_name(), read_boot_id(), pid, read_process_start(pid), lasting, now + LIFE)


def _serialize(lease: Lease) -> str:
    return json.dumps(lease._asdict())
