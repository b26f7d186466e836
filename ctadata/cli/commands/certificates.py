"""The certificates that the platform opens the storage with: upload-personal-certificate and its siblings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ctadata.cli import options
from ctadata.cli.output import data, data_json, say
from ctadata.cli.platform import place_of
from ctadata.errors import LocalError, NotFound

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", show_default=False, help="PEM: certificate, its private key, what it was made of."),
]


def upload_personal_certificate(
    ctx: typer.Context,
    file: File,
    key: Annotated[str, typer.Argument(metavar="KEY", show_default=False, help="What it opens: cta, lst or arc.")],
    user: Annotated[
        str | None, typer.Option("-u", "--user", metavar="NAME", help="Whose it is, where an admin sends it.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Have the platform open the storage with your certificate.

    \b
      voms-proxy-init -valid 168:00 -out user.pem
      cta-data upload-personal-certificate user.pem lst

    It is looked at here before it is sent: it has to have its private key with
    it, and to be good for seven days at most. The platform keeps both.
    """
    from ctadata.service.certificates import send_personal_certificate

    common = options.begin(ctx)
    with _words(file):
        said = send_personal_certificate(place_of(common.profile), file, key, user)
    if json:
        data_json(said)
    elif not common.quiet:
        say(f"the certificate for {said['certificate_key']} is stored, and good until {said['validity']}")


def upload_shared_certificate(ctx: typer.Context, file: File, json: options.Json = False) -> None:
    """Have the platform use a certificate for all who have none; for admins.

    \b
      cta-data upload-shared-certificate robot.pem
    """
    from ctadata.service.certificates import send_shared_certificate

    common = options.begin(ctx)
    with _words(file):
        said = send_shared_certificate(place_of(common.profile), file)
    if json:
        data_json(said)
    elif not common.quiet:
        say("the shared certificate is stored")


def certificate_status(ctx: typer.Context, json: options.Json = False) -> None:
    """Tell what is known of the certificates: the shared one, and what opens.

    \b
      cta-data certificate-status
      cta-data certificate-status --json | jq .keys.lst
    """
    from ctadata.service.certificates import status

    common = options.begin(ctx)
    known = status(place_of(common.profile))
    if json:
        data_json(known)
        return
    for name in ("service", "shared"):
        data(f"{name:<10}{known[name]}")
    for key, words in known["keys"].items():
        data(f"{key:<10}{words}")


@contextmanager
def _words(file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotFound("no such local file", path=str(file)) from None
    except OSError as error:
        raise LocalError(f"local: {error.strerror}", path=str(file)) from None
