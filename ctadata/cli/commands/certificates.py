"""The commands for the certificates with which the platform opens the storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.output import say, write_json, write_line
from ctadata.cli.platform import read_endpoints
from ctadata.errors import LocalError
from ctadata.paths import missing_file_error

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", show_default=False, help="PEM: the certificate, its private key and its chain."),
]


def upload_personal_certificate(
    ctx: typer.Context,
    file: File,
    key: Annotated[
        str, typer.Argument(metavar="KEY", show_default=False, help="The storage that it opens: cta, lst or arc.")
    ],
    user: Annotated[
        str | None, typer.Option("-u", "--user", metavar="NAME", help="The owner, if an admin uploads it for somebody.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Let the platform open the storage with your certificate.

    \b
      voms-proxy-init -valid 168:00 -out user.pem
      cta-data upload-personal-certificate user.pem lst

    The file is checked here before it is sent: it must contain the private
    key, and the certificate must expire within seven days. The platform keeps
    both.
    """
    from ctadata.service.certificates import send_personal_certificate

    common = options.begin(ctx)
    with _local_errors(file):
        response = send_personal_certificate(read_endpoints(common.profile), file, key, user)
    if json:
        write_json(response)
    elif not common.quiet:
        say(f"the certificate for {response['certificate_key']} is stored, and good until {response['validity']}")


def upload_shared_certificate(ctx: typer.Context, file: File, json: options.Json = False) -> None:
    """Set the certificate for users who have none; for admins.

    \b
      cta-data upload-shared-certificate robot.pem
    """
    from ctadata.service.certificates import send_shared_certificate

    common = options.begin(ctx)
    with _local_errors(file):
        response = send_shared_certificate(read_endpoints(common.profile), file)
    if json:
        write_json(response)
    elif not common.quiet:
        say("the shared certificate is stored")


def certificate_status(ctx: typer.Context, json: options.Json = False) -> None:
    """Show the shared certificate, and which storages open.

    \b
      cta-data certificate-status
      cta-data certificate-status --json | jq .keys.lst
    """
    from ctadata.service.certificates import status

    common = options.begin(ctx)
    state = status(read_endpoints(common.profile))
    if json:
        write_json(state)
        return
    for name in ("service", "shared"):
        write_line(f"{name:<10}{state[name]}")
    for key, words in state["keys"].items():
        write_line(f"{key:<10}{words}")


@contextmanager
def _local_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise missing_file_error(str(file)) from None
    except OSError as error:
        raise LocalError(f"local: {error.strerror}", path=str(file)) from None
