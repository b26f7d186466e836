"""The session of `cta-data`, at the platform's download service, and the help texts that differ there."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ctadata.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from ctadata.service.endpoints import ServiceEndpoints
    from ctadata.session import Session

LONGEST_TOKEN = 1 << 20
"""The largest token file, in bytes."""

GREETING = """Files on CTA storage, through the JupyterHub: list, get and put, verified.

\b
  cta-data list lst                    list a directory
  cta-data get lst/some/file.fits      to the current directory
  cta-data get -r lst/some/run         a directory, to ./lst/some/run
  cta-data put results.h5 papers/      to your home on the storage
  cta-data upload-personal-certificate user.pem lst
                                       let the platform open the storage

On the platform you need no settings. Elsewhere, CTADS_URL and CTACS_URL are
the addresses of its services, and JUPYTERHUB_API_TOKEN is a token of its
hub. cta-data-direct goes straight to the storage.
"""

HELP_TEXTS = {
    "get": """Get files, verified.

\b
  cta-data get lst/x/a.fits                to the current directory
  cta-data get -r lst/some/run             to ./lst/some/run/...
  cta-data get -r lst/some/run out         to out/run/...
  cta-data get -r lst/some/run/ out        its contents, to out/...
  cta-data get lst/x/a.fits lst/b.fits out to out/a.fits, out/b.fits
  cta-data get 'lst/run_*/*.h5' out        all that match
  cta-data get lst/x/a.fits - | wc -c      into a pipe

With two or more arguments, the last one is always local; '.' is the current
directory. A file appears under its name when it is whole and verified.
Files that are equal already are skipped, so the same command continues
where the last run ended.
""",
    "put": """Put files below your home, verified.

\b
  cta-data put results.h5 papers/     to papers/results.h5 in your home
  cta-data put results.h5 new.h5      under another name
  cta-data put -r run papers          to papers/run/...
  cta-data put -r run/ papers         its contents, to papers/...
  tar c run | cta-data put - run.tar  out of a pipe

An existing file is overwritten in place, because the service can neither
rename nor delete. An upload that breaks off leaves a damaged file, and is sent
again; after an error, repeat the put. sync sends only files that differ.
""",
    "sync": """Make a directory equal to another one.

\b
  cta-data sync :lst/run1 run1             from the storage
  cta-data sync -n --delete :lst/run1 run1 show what a run would do
  cta-data sync run1 home:run1             to your home on the storage

The contents of SRC become the contents of DST. Write the side on the storage
as :path, from the root, or as home:path, from your home. Without --delete,
sync deletes nothing at DST; with it, sync deletes at the end, if nothing has
failed. The service deletes nothing on the storage.
""",
    "find": """Find files and directories below directories.

\b
  cta-data find lst/run1 --name '*.h5' --size +1G
  cta-data find home: --older 1y --kind f
  cta-data find lst --newer 2026-08-01 -l

A name must match all options, but only one of several --name. k, M, G and T
are powers of 1024. Dates are UTC. The exit code is 0 also if nothing is found.
""",
}
"""The help of the commands of `cta-data` that work in another way than those of `cta-data-direct`."""


def read_endpoints(
    profile: str | None, token_file: Path | None = None, stop: threading.Event | None = None
) -> ServiceEndpoints:
    """Return the addresses of the platform's services, and the token for them, from the environment.

    Args:
        profile: The profile that the user named; it must be None.
        token_file: The file, or the pipe, with the token; None takes JUPYTERHUB_API_TOKEN.
        stop: When set, a wait for a pipe ends within a second. None: the caller has blocked no signals.

    Raises:
        UsageError: A profile is named, also by `--dev`: the services have none.
        ConfigError: The token file cannot be read, is empty, or is larger than `LONGEST_TOKEN`.
        Stopped: `stop` is set.
    """
    from ctadata.service.endpoints import ServiceEndpoints

    if profile is not None:
        raise UsageError(
            f"the download service has no profiles, so there is no {profile}",
            hint=f"cta-data-direct has: cta-data-direct -P {profile} list",
        )
    if token_file is None:
        return ServiceEndpoints.now()
    try:
        token = _read_token(token_file, stop or threading.Event())
    except (OSError, ValueError) as error:
        raise ConfigError(f"the token cannot be read: {error}", path=str(token_file)) from None
    if not token:
        raise ConfigError("the file contains no token", path=str(token_file))
    return ServiceEndpoints.now(token=token)


def _read_token(token_file: Path, stop: threading.Event) -> str:
    text = b""
    from ctadata.local_inputs import open_input, read_blocks

    with open_input(token_file) as fd:
        for block in read_blocks(fd, stop):
            text += block
            if len(text) > LONGEST_TOKEN:
                raise ConfigError(f"a token file has at most {LONGEST_TOKEN >> 20} MiB", path=str(token_file))
    return text.decode("ascii").strip()


def open_platform_session(
    profile: str | None, stop: threading.Event, token_file: Path | None, overrides: Mapping[str, str], at_once: int = 1
) -> Session:
    """Open the session of a command at the platform's download service.

    Args:
        profile: The profile that the user named; it must be None.
        stop: The event that ends the work.
        token_file: The file with the token; None takes JUPYTERHUB_API_TOKEN.
        overrides: The settings that options set; only `jobs` counts.
        at_once: The number of tasks that share the limit of requests to one server.

    Raises:
        UsageError: A profile is named, or the number of jobs is not valid.
        ConfigError: An address is not valid, or the token file cannot be read.
        LoginNeeded: There is no token.
    """
    from ctadata.config.keys import BY_NAME
    from ctadata.service.factory import JOBS, open_session

    endpoints = read_endpoints(profile, token_file, stop)
    jobs = JOBS
    if "jobs" in overrides:
        try:
            jobs = int(str(BY_NAME["jobs"].parse_text(overrides["jobs"], Path())))
        except ValueError as error:
            raise UsageError(f"--jobs {error}") from None
    return open_session(endpoints, jobs=max(1, jobs // at_once), stop=stop)
