"""The command `share`: a link with which others can open a file for some time, without a login."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Annotated

import typer

from ctadata.agent.login_screen import qr_code, qr_code_that_fits
from ctadata.cli import command_context, options
from ctadata.cli.commands.credentials import seconds_in
from ctadata.cli.output import format_rfc3339, say, say_raw, stdout_is_terminal, write_json, write_line
from ctadata.errors import Forbidden
from ctadata.namespace.name_check import check_for_others
from ctadata.paths import RemotePath
from ctadata.stores.base import Store


def share(
    ctx: typer.Context,
    path: command_context.OnePath,
    lifetime: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="The lifetime of the link: 90s, 15m, 3h, 7d.")
    ] = "1h",
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--activity", metavar="LIST", help="What the link allows: download,list,upload,delete; by default reading."
        ),
    ] = None,
    address: Annotated[
        list[str] | None,
        typer.Option("--ip", metavar="NETWORK", help="The network that may use it, as 192.0.2.0/24; repeatable."),
    ] = None,
    qr: Annotated[
        bool | None, typer.Option("--qr/--no-qr", help="Show the link as a QR code too; a terminal with room does.")
    ] = None,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Make a link that opens a file to others, for some time.

    \b
      cta-data-direct share home:plot.png                  for an hour
      cta-data-direct share --expires 7d home:run1/        a directory, a week
      cta-data-direct share --activity upload home:inbox/  to receive files
      curl -OL "$(cta-data-direct share home:a.h5)"

    Everybody who has the link can use it without a login, so give it to the
    right people only. At dCache it is a macaroon, valid for at most seven days;
    token inspect explains it. At an S3 store it is a presigned URL for one
    object, to download or to upload it, and ends with the access key.
    """
    life = seconds_in(lifetime)
    with command_context.open_context(ctx, token_file) as context:
        store, where = context.session.store, context.session.resolve(path)
        activities = [name.strip().lower() for names in allow or () for name in names.split(",")]
        if set(activities) <= {"download", "list"}:
            _check_there(store, where)
        check_for_others(store, where)
        maker = context.session.site.link_maker(store)
        link = maker.share(where, lifetime=life, activities=activities, addresses=address or ())
    until = format_rfc3339(link.expires)
    if json:
        write_json({"url": link.url, "expires": until, "macaroon": link.secret})
        return
    on_terminal = sys.stderr.isatty()
    if qr and on_terminal:
        say_raw(qr_code(link.url))
    elif qr is None and stdout_is_terminal() and (code := qr_code_that_fits(link.url, sys.stderr, os.environ)):
        say_raw(code)
    write_line(link.url)
    say(f"everybody who has this link can use it until {until}")
    if link.remark:
        say(link.remark)
    if qr and not on_terminal:
        say_raw("\n" + _plain_qr_code(link.url))


def _check_there(store: Store, path: RemotePath) -> None:
    """Raise NotFound if the path does not exist; a user who may not look at the path may still share it."""
    with contextlib.suppress(Forbidden):
        store.info(path)


def _plain_qr_code(url: str) -> str:
    """Return a QR code as lines of the digits 0 and 1, for other programs."""
    import segno

    text = io.StringIO()
    segno.make(url, error="l", micro=False).save(text, kind="txt")
    return text.getvalue()
