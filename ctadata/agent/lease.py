"""Lease: which host refreshes, where several share a home and their locks may not reach each other.

The lock of a profile keeps processes of one machine apart, and on most shared file systems those of others too, but
not on all (flock is local to each node with some mounts of Lustre and NFS). So whoever refreshes also writes who it
is into `lease.json`; hosts other than that one do not refresh until it is given up, or ages out. A new lease is made
by link(2), which succeeds for one host only, on network file systems too. Clocks of login nodes agree well enough:
LIFE is many times what they differ by; and by the clock of the file server no lease lasts longer than twice that.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from ctadata.agent.record import read_record
from ctadata.errors import Stopped, TemporaryError
from ctadata.process_identity import host_name, read_boot_id, read_boot_time, read_process_start
from ctadata.tokens.files import TEMPORARY_PREFIX, local_error, read_private, write_private
from ctadata.tokens.profile_files import ProfileFiles

LIFE = 120.0
"""Seconds that a lease lasts unless it is extended: several steps of the agent, and the slowest refresh."""

EXTENDED_AT = 75.0
"""Seconds before its end at which an agent extends its lease: early enough for one that looks every half minute."""

POLL_INTERVAL = 0.2
"""Seconds between two looks at the lease of a host that is refreshing."""

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may refresh.

    host, boot: the machine, and which run of it. pid, process_started: the process.
    lasting: an agent's, which extends it; else that of a command, given up as soon as it has refreshed.
    until:   seconds since 1970.
    """

    host: str
    boot: str
    pid: int
    process_started: int | None
    lasting: bool
    until: float

    def is_valid(self, now: float) -> bool:
        """Whether it has not aged out."""
        return self.until > now

    @property
    def is_local(self) -> bool:
        """Whether it is of this machine since its last boot, whose processes the lock keeps apart."""
        return (self.host, self.boot) == (host_name(), read_boot_id())


@contextlib.contextmanager
def hold_lease(
    files: ProfileFiles, *, stop: Event | None = None, now: Callable[[], float] = time.time
) -> Iterator[None]:
    """Be the machine that refreshes, for one refresh; the caller holds the login lock.

    Waits for a command of another machine; TemporaryError where an agent runs there. Stopped, LocalError, StorageFull.
    """
    found = read_lease(files)
    if found is not None and found.is_local and found.lasting and found.is_valid(now()):
        # it is this machine's already, and stays the agent's; a slow refresh must not outlive it
        write_private(files.lease, _written(dataclasses.replace(found, until=now() + LIFE)))
        yield
        return
    _take_turn(files, stop or Event(), now)
    try:
        yield
    finally:
        release_lease(files)


def acquire_lease(files: ProfileFiles, now: float) -> Lease | None:
    """Take the lease for an agent, which extends it; else whose it is. The login lock is the caller's."""
    return _take(files, _mine(True, now), now)


def extend_lease(files: ProfileFiles, now: float) -> bool:
    """Let the lease of this agent last on; False where another host has taken over. LocalError, StorageFull."""
    found = read_lease(files)
    if found is None or not found.is_local:
        return _take(files, _mine(True, now), now) is None
    if found.until < now + EXTENDED_AT or not found.lasting:
        write_private(files.lease, _written(_mine(True, now)))
    return True


def release_lease(files: ProfileFiles) -> None:
    """Give up this machine's lease; whoever comes next need not wait."""
    found = read_lease(files)
    if found is not None and found.is_local:
        files.lease.unlink(missing_ok=True)


def foreign_agent(files: ProfileFiles, now: float) -> Lease | None:
    """The lease of another host's agent, while it lasts."""
    found = read_lease(files)
    return found if found and found.lasting and found.is_valid(now) and not found.is_local else None


def read_lease(files: ProfileFiles) -> Lease | None:
    """The lease as it stands; None where there is none that can be read. LocalError where its file is not safe."""
    return _read(files.lease)


def _take_turn(files: ProfileFiles, stop: Event, now: Callable[[], float]) -> None:
    ends = now() + LIFE
    while (other := _take(files, _mine(False, now()), now())) is not None:
        if other.lasting or now() > ends:
            raise TemporaryError(
                f"the token is renewed on {other.host} (process {other.pid}), and not here at the same time",
                hint=f"if that machine is gone, try again in {LIFE:.0f} s",
            )
        if stop.wait(POLL_INTERVAL):
            raise Stopped("stopped while another machine renews the token")


def _take(files: ProfileFiles, mine: Lease, now: float) -> Lease | None:
    """Take a lease that nobody has, that is this machine's, or has aged out; else whose it is."""
    found = read_lease(files)
    if found is not None and found.is_valid(now) and not found.is_local:
        return found
    if found is None:  # nothing is set aside that somebody may have made meanwhile
        if _put(files, mine):
            return None
        found = read_lease(files)
        if found is not None:
            return None if found.is_local else found
    aside = _set_aside(files)
    if aside is not None and aside != found:  # somebody was faster
        _put(files, aside)
        return None if aside.is_local else aside
    return None if _put(files, mine) else read_lease(files)


def _set_aside(files: ProfileFiles) -> Lease | None:
    """Take the lease away, and say what it was; None where there was none."""
    aside = files.folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
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
        told = read_record(Lease, read_private(path))
        if told is None:
            return None
        until = min(told.until, path.stat().st_mtime + 2 * LIFE)
    except OSError:
        return None
    if told.host == host_name() and told.boot != read_boot_id() and read_boot_time() > told.until - LIFE:
        return None  # of this machine before it crashed
    return dataclasses.replace(told, until=until)


def _put(files: ProfileFiles, lease: Lease) -> bool:
    """Make the lease; False where there is one."""
    draft = files.folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    write_private(draft, _written(lease))
    try:
        os.link(draft, files.lease)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise local_error(error, files.lease) from None
        write_private(files.lease, _written(lease))  # the lock alone has to do on such a file system
    finally:
        draft.unlink(missing_ok=True)
    return True


def _mine(lasting: bool, now: float) -> Lease:
    pid = os.getpid()
    return Lease(host_name(), read_boot_id(), pid, read_process_start(pid), lasting, now + LIFE)


def _written(lease: Lease) -> str:
    return json.dumps(dataclasses.asdict(lease))
