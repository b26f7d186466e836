"""Show ctadata a Python as on Windows; and guard the network as everywhere.

Only the modules of ctadata see it. They get views of `os`, `sys`, `select`, `signal`, `socket` and `ctypes` that lack
what CPython on Windows lacks (by typeshed, plus what only newer versions have, links and symlinks), and cannot import
`fcntl` and the like. The standard library and other packages have code of their own for Windows, which cannot run here,
so they see Linux. `msvcrt` and the used part of kernel32 are imitated. What ctadata does with files, also through
pathlib, follows the rules of Windows: no `dir_fd`, no open directories, no rename to a taken name, no rename and no
deletion of an open file, made-up permissions, and no reading or writing of files that were opened without `O_BINARY`.

What this does not show: real paths with drive letters and backslashes, locks that forbid to read, other processes that
keep a file open, the console, and all that the packages do on Windows.
"""

import builtins
import contextlib
import ctypes
import errno
import fcntl
import os
import select
import signal
import socket
import stat
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

sys.path.append(str(Path(__file__).parents[1]))
import loopback

loopback.install()

NO_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
NOT_IN_OS = """
    chown chroot confstr copy_file_range ctermid environb eventfd fchdir fchmod fchown fdatasync fork forkpty
    fpathconf fstatvfs fwalk getegid getenvb geteuid getgid getgrouplist getgroups getloadavg getpgid getpgrp
    getpriority getrandom getresgid getresuid getsid getuid getxattr initgroups killpg lchown link listxattr lockf
    login_tty major makedev memfd_create minor mkfifo mknod nice openpty pathconf pidfd_open pipe2 posix_fadvise
    posix_fallocate posix_spawn posix_spawnp pread preadv pwrite pwritev readv register_at_fork removexattr
    sched_getaffinity sched_setaffinity sched_yield sendfile set_blocking setegid seteuid setgid setgroups setns
    setpgid setpgrp setpriority setregid setresgid setresuid setreuid setsid setuid setxattr splice statvfs symlink
    sync sysconf tcgetpgrp tcsetpgrp ttyname uname unshare wait wait3 wait4 waitid writev O_ACCMODE O_ASYNC
    O_CLOEXEC O_DIRECT O_DIRECTORY O_DSYNC O_FSYNC O_LARGEFILE O_NDELAY O_NOATIME O_NOCTTY O_NOFOLLOW O_NONBLOCK
    O_PATH O_RSYNC O_SYNC O_TMPFILE
"""
NOT_IN_SIGNAL = """
    SIGALRM SIGBUS SIGCHLD SIGCLD SIGCONT SIGHUP SIGIO SIGIOT SIGKILL SIGPIPE SIGPOLL SIGPROF SIGPWR SIGQUIT
    SIGRTMAX SIGRTMIN SIGSTKFLT SIGSTOP SIGSYS SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM
    SIGWINCH SIGXCPU SIGXFSZ SIG_BLOCK SIG_SETMASK SIG_UNBLOCK alarm getitimer pause pidfd_send_signal pthread_kill
    pthread_sigmask setitimer siginterrupt sigpending sigtimedwait sigwait sigwaitinfo
"""
NOT_IN_SOCKET = "AF_UNIX SO_PEERCRED SO_REUSEPORT SOCK_CLOEXEC SOCK_NONBLOCK recv_fds send_fds"
NOT_IN_SELECT = " ".join(name for name in dir(select) if "poll" in name.lower())
O_BINARY = 0x8000

linux = SimpleNamespace(**{name: getattr(os, name) for name in dir(os)})
files_with_changed_lines: set[int] = set()
pipes: set[int] = set()


class View(ModuleType):
    """A module without some names, and with others."""

    def __init__(self, real: ModuleType, hidden: str = "", **own: object) -> None:
        super().__init__(real.__name__)
        self.__dict__.update(own, _real=real, _hidden=set(hidden.split()))

    def __getattr__(self, name: str) -> object:
        if name in self._hidden:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} on Windows")
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._real, name, value)


def is_called_by_ctadata() -> bool:
    """Whether the nearest caller beside pathlib is a module of ctadata."""
    frame = sys._getframe(1)
    while frame and package_of(frame.f_globals) in (__name__, "pathlib"):
        frame = frame.f_back
    return frame is not None and package_of(frame.f_globals) == "ctadata"


def package_of(names: dict[str, object]) -> str:
    """The package of a module with these names; `python -m` runs a module under the name `__main__`."""
    return str(names.get("__package__") or names.get("__name__")).split(".")[0]


def as_on_windows(function) -> None:
    """Put a function of this module in the place of that of `os`, for the calls by ctadata."""
    name = function.__name__.removesuffix("_")
    real = getattr(linux, name)

    def call(*args, **kwargs):
        if not is_called_by_ctadata():
            return real(*args, **kwargs)
        if any(kwargs.pop(key, None) is not None for key in ("dir_fd", "src_dir_fd", "dst_dir_fd")):
            raise NotImplementedError(f"{name}: dir_fd unavailable on this platform")
        return function(*args, **kwargs)

    setattr(os, name, call)


def denied(path: object) -> PermissionError:
    return PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def refuse_open_file(path: object) -> None:
    """As Windows, do not rename or delete a file that this process has opened."""
    if not linux.path.lexists(path):
        return
    wanted, opened = linux.lstat(path), []
    for fd in map(int, linux.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # that of the listing itself
            opened.append(linux.fstat(fd))
    if any(linux.path.samestat(wanted, each) for each in opened):
        raise denied(path)


def made_up(status: os.stat_result) -> os.stat_result:
    """The status with the permissions and the owner that Python shows on Windows."""
    bits = 0o777 if not stat.S_ISREG(status.st_mode) else 0o666 if status.st_mode & 0o200 else 0o444
    fields = [stat.S_IFMT(status.st_mode) | bits, *status[1:4], 0, 0, *status[6:10]]
    more = {name: getattr(status, name) for name in dir(status) if name.startswith("st_") and "time" in name}
    return os.stat_result(fields, more)


def refuse_proc(path: object) -> None:
    if isinstance(path, str | os.PathLike) and str(path).startswith(("/proc/", "/sys/", "/etc/")):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


@as_on_windows
def open_(path, flags, mode=0o777):
    if linux.path.isdir(path):
        raise denied(path)
    fd = linux.open(path, flags & ~O_BINARY | linux.O_CLOEXEC, mode)
    (files_with_changed_lines.discard if flags & O_BINARY else files_with_changed_lines.add)(fd)
    return fd


@as_on_windows
def read(fd, size):
    assert fd not in files_with_changed_lines, "the file was opened without O_BINARY"
    return linux.read(fd, size)


@as_on_windows
def write(fd, content):
    assert fd not in files_with_changed_lines, "the file was opened without O_BINARY"
    return linux.write(fd, content)


@as_on_windows
def close(fd):
    files_with_changed_lines.discard(fd)
    pipes.discard(fd)
    linux.close(fd)


@as_on_windows
def pipe():
    both = linux.pipe()
    pipes.update(both)
    return both


@as_on_windows
def stat_(path, *, follow_symlinks=True):
    refuse_proc(path)
    return made_up(linux.stat(path, follow_symlinks=follow_symlinks))


@as_on_windows
def lstat(path):
    return made_up(linux.lstat(path))


@as_on_windows
def fstat(fd):
    return made_up(linux.fstat(fd))


@as_on_windows
def scandir(path="."):
    if isinstance(path, int):
        raise TypeError("scandir: path should be string, bytes, os.PathLike or None, not int")
    return linux.scandir(path)


@as_on_windows
def listdir(path="."):
    if isinstance(path, int):
        raise TypeError("listdir: path should be string, bytes, os.PathLike or None, not int")
    return linux.listdir(path)


@as_on_windows
def mkdir(path, mode=0o777):
    linux.mkdir(path)


@as_on_windows
def rmdir(path):
    linux.rmdir(path)


@as_on_windows
def unlink(path):
    refuse_open_file(path)
    linux.unlink(path)


@as_on_windows
def remove(path):
    refuse_open_file(path)
    linux.unlink(path)


@as_on_windows
def rename(old, new):
    if linux.path.lexists(new):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(old), None, str(new))
    refuse_open_file(old)
    linux.rename(old, new)


@as_on_windows
def replace(old, new):
    refuse_open_file(old)
    refuse_open_file(new)
    linux.replace(old, new)


@as_on_windows
def utime(path, times=None, *, ns=None):
    if isinstance(path, int):
        raise TypeError("utime: path should be string, bytes or os.PathLike, not int")
    linux.utime(path, **({"times": times} if ns is None else {"ns": ns}))


@as_on_windows
def kill(pid, number):
    if number != signal.SIGTERM:
        raise AssertionError(f"os.kill({pid}, {number}) does something else on Windows")
    linux.kill(pid, signal.SIGKILL)


def select_sockets(readers, writers, failed, seconds=None):
    fds = {each if isinstance(each, int) else each.fileno() for each in (*readers, *writers, *failed)}
    if fds & {0, 1, 2, *pipes}:  # not all others are sockets: libcurl has descriptors of its own here
        raise OSError(10038, "An operation was attempted on something that is not a socket")
    if not (readers or writers or failed):
        raise OSError(10022, "An invalid argument was supplied")
    return select.select(readers, writers, failed, seconds)


def locking(fd, mode, size):
    assert (mode, linux.lseek(fd, 0, os.SEEK_CUR)) == (2, 0x7FFFFFFF), "the byte lies after the end of each file"
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise denied(fd) from None


class Kernel32:
    """The functions of Windows' kernel32 that tell whether a process runs."""

    GetLastError = staticmethod(lambda: 87)  # ERROR_INVALID_PARAMETER: there is no such process
    CloseHandle = staticmethod(lambda handle: True)
    WaitForSingleObject = staticmethod(lambda handle, milliseconds: 0x102)

    @staticmethod
    def OpenProcess(access, inherit, pid):
        return pid if linux.path.exists(f"/proc/{pid}") else 0


VIEWS = {
    "os": View(os, NOT_IN_OS, name="nt", O_BINARY=O_BINARY, supports_dir_fd=set(), supports_fd={os.stat}),
    "sys": View(sys, platform="win32"),
    "select": View(select, NOT_IN_SELECT, select=select_sockets),
    "signal": View(signal, NOT_IN_SIGNAL),
    "socket": View(socket, NOT_IN_SOCKET),
    "ctypes": View(ctypes, windll=SimpleNamespace(kernel32=Kernel32)),
    "msvcrt": View(ModuleType("msvcrt"), locking=locking, LK_NBLCK=2, getwch=None, kbhit=None),
}
import_anything = builtins.__import__


def import_as_on_windows(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0 and globals and package_of(globals) == "ctadata":
        if name in NO_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name in VIEWS:
            return VIEWS[name]
    return import_anything(name, globals, locals, fromlist, level)


builtins.__import__ = import_as_on_windows
sys.addaudithook(lambda event, args: refuse_proc(args[0]) if event == "open" and is_called_by_ctadata() else None)
