"""What the commands of `cta-data` start with: a session at the platform's download service."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ctadata.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from ctadata.service.endpoints import ServiceEndpoints
    from ctadata.session import Session

GREETING = """Files on CTA storage, through the JupyterHub: list, get and put, verified.

\b
  cta-data list lst                    what is there
  cta-data get lst/some/file.fits      a file, to here
  cta-data get -r lst/some/run         a directory, to lst/some/run here
  cta-data put results.h5 papers/      to your home on the storage
  cta-data upload-personal-certificate user.pem lst
                                       what the platform opens the storage with

On the platform nothing has to be set. Elsewhere CTADS_URL and CTACS_URL are
its services, and JUPYTERHUB_API_TOKEN is a token of its hub. To go straight
to the storage there is cta-data-direct.
"""

HELP_TEXTS = {
    "get": """Get files, verified.

\b
  cta-data get lst/x/a.fits                to here
  cta-data get -r lst/some/run             to lst/some/run/... here
  cta-data get -r lst/some/run out         to out/run/...
  cta-data get -r lst/some/run/ out        its contents, to out/...
  cta-data get lst/x/a.fits lst/b.fits out to out/a.fits, out/b.fits
  cta-data get 'lst/run_*/*.h5' out        all that match
  cta-data get lst/x/a.fits - | wc -c      into a pipe

With two or more arguments the last one is always local ('.' for here).
A file appears under its name when it is whole and verified. Files that are
here already and equal are skipped: the same command again goes on where
the last one ended.
""",
    "put": """Put files below your home, verified.

\b
  cta-data put results.h5 papers/     to papers/results.h5 in your home
  cta-data put results.h5 new.h5      under another name
  cta-data put -r run papers          to papers/run/...
  cta-data put -r run/ papers         its contents, to papers/...
  tar c run | cta-data put - run.tar  out of a pipe

What is there is replaced, in place: the service can neither rename nor delete.
An upload that breaks off leaves a broken file there, and is sent again; after
an error put it once more. sync sends only what is not there and equal yet.
""",
    "sync": """Make a directory like another one.

\b
  cta-data sync :lst/run1 run1             the storage's, to here
  cta-data sync -n --delete :lst/run1 run1 what would be done
  cta-data sync run1 home:run1             here, to your home there

The contents of SRC become those of DST. The side on the storage is written
:path, from the root, or home:path, which is your home. Nothing is deleted at
DST without --delete, and then only at the end, where nothing has failed; on
the storage the service deletes nothing.
""",
    "find": """Find files and directories below others.

\b
  cta-data find lst/run1 --name '*.h5' --size +1G
  cta-data find home: --older 1y --kind f
  cta-data find lst --newer 2026-08-01 -l

All that is asked must fit; of several --name, one. Sizes count in 1024 (k,
M, G, T). Dates are UTC. That nothing is found is no error.
""",
}
"""Where the platform's clients have always done otherwise than the direct ones."""


def read_endpoints(profile: str | None, token_file: Path | None = None) -> ServiceEndpoints:
    """The services that the environment names; UsageError where a profile, or --dev, was named: they have none."""
    from ctadata.service.endpoints import ServiceEndpoints

    if profile is not None:
        raise UsageError(
            f"the download service has no profiles, and so no {profile}", hint="cta-data-direct goes to the storage"
        )
    if token_file is None:
        return ServiceEndpoints.now()
    try:
        token = token_file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"no token can be read: {error}", path=str(token_file)) from None
    if not token:
        raise ConfigError("the file holds no token", path=str(token_file))
    return ServiceEndpoints.now(token=token)


def open_platform_session(
    profile: str | None, stop: threading.Event, token_file: Path | None, overrides: Mapping[str, str]
) -> Session:
    """The session of a command; UsageError, ConfigError, LoginNeeded."""
    from ctadata.config.keys import BY_NAME
    from ctadata.service.factory import JOBS, open_session

    place = read_endpoints(profile, token_file)
    jobs = JOBS
    if "jobs" in overrides:
        try:
            jobs = int(str(BY_NAME["jobs"].parse_text(overrides["jobs"], Path())))
        except ValueError as error:
            raise UsageError(f"--jobs {error}") from None
    return open_session(place, jobs=jobs, stop=stop)
