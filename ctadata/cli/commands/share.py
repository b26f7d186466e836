"""`share`: a link that opens a file to whoever has it, for a while."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.commands.credentials import seconds_in
from ctadata.cli.output import data, data_json, rfc3339, say, say_raw
from ctadata.errors import Forbidden

if TYPE_CHECKING:
    from ctadata.paths import RemotePath
    from ctadata.stores.base import Store


def share(
    ctx: typer.Context,
    path: command_context.OnePath,
    lifetime: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="How long it opens: 90s, 15m, 3h, 7d.")
    ] = "1h",
    allow: Annotated[
        list[str] | None,
        typer.Option("--activity", metavar="LIST", help="What may be done: download,list,upload,delete; else reading."),
    ] = None,
    address: Annotated[
        list[str] | None,
        typer.Option("--ip", metavar="NETWORK", help="Where it opens, as 192.0.2.0/24; repeatable."),
    ] = None,
    qr: Annotated[
        bool | None, typer.Option("--qr/--no-qr", help="A QR code of it as well; on a terminal always.")
    ] = None,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Make a link that opens a file to others, for a while.

    \b
      cta-data-direct share home:plot.png                  for an hour
      cta-data-direct share --expires 7d home:run1/        a week, a directory
      cta-data-direct share --activity upload home:inbox/  to be filled
      curl -OL "$(cta-data-direct share home:a.h5)"

    Nobody needs a login for it, so give it only to those who are meant. At
    dCache it is a macaroon, of seven days at most: token inspect explains it.
    At an S3 store it is a presigned URL: one object, to download or to
    upload, as long as the access key itself is good.
    """
    from ctadata.namespace.name_check import check_for_others
    from ctadata.stores.sharing import Shares

    life = seconds_in(lifetime)
    with command_context.visiting(ctx, token_file) as visit:
        store, where = visit.session.store, visit.session.resolve(path)
        activities = [name.strip().lower() for names in allow or () for name in names.split(",")]
        if set(activities) <= {"download", "list"}:
            _check_there(store, where)
        check_for_others(store, where)
        sharer = store if isinstance(store, Shares) else visit.session.site.door
        link = sharer.share(where, lifetime=life, activities=activities, addresses=address or ())
    until = rfc3339(link.expires)
    if json:
        data_json({"url": link.url, "expires": until, "macaroon": link.secret})
        return
    data(link.url)
    say(f"opens until {until}, for whoever has it")
    if qr or (qr is None and sys.stderr.isatty()):
        say_raw("\n" + _drawn(link.url, colours=sys.stderr.isatty()))


def _check_there(store: Store, path: RemotePath) -> None:
    """NotFound for a link that would open nothing; who may not look at it may still share it."""
    with contextlib.suppress(Forbidden):
        store.info(path)


def _drawn(url: str, *, colours: bool) -> str:
    """A QR code in lines of block characters; for a terminal, dark on light whatever its colours."""
    import io

    import segno

    drawn = io.StringIO()
    code = segno.make(url, error="l", micro=False)
    if colours:
        code.terminal(drawn, compact=True)
    else:
        code.save(drawn, kind="txt")
    return drawn.getvalue()
