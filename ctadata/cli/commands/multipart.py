"""The commands `multipart list` and `multipart abort`: uploads in parts at an S3 store that nobody has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options, transfer_options
from ctadata.cli.commands.versions import s3_store, shown_path
from ctadata.cli.entry_lines import size_text
from ctadata.cli.output import format_rfc3339, say, write_json, write_line
from ctadata.cli.prompts import can_prompt, confirm_delete
from ctadata.errors import NotFound, UsageError
from ctadata.namespace.find import read_span
from ctadata.printable import escape_unprintable

if TYPE_CHECKING:
    from ctadata.session import Session
    from ctadata.stores.s3.pending_uploads import PendingUpload
    from ctadata.stores.s3.store import S3Store

Older = Annotated[
    str | None,
    typer.Option("--older", metavar="SPAN", help="Only uploads that began longer ago than this, as 7d or 12h."),
]


def list_uploads(
    ctx: typer.Context,
    path: command_context.OnePath,
    older: Older = None,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """List uploads in parts that have not ended.

    \b
      cta-data-direct multipart list s3://bucket/
      cta-data-direct multipart list --older 7d s3://bucket/run1

    Each line has the time when the upload began, its parts so far, their size,
    its id and its path. The parts use quota, and no other list shows them. put
    continues an upload of the same file.
    """
    from ctadata.stores.s3.pending_uploads import stored_bytes

    with command_context.open_context(ctx, token_file) as context:
        store = s3_store(context.session, "multipart")
        for upload in _pending(context.session, store, path, older):
            try:
                parts, size = stored_bytes(store.connection, upload)
            except NotFound:  # it has ended meanwhile
                continue
            shown = shown_path(store, upload.name.bucket, upload.name.key)
            if json:
                fields = {"path": shown, "upload_id": upload.id, "started": format_rfc3339(upload.started)}
                write_json({**fields, "parts": parts, "size": size})
            else:
                began = format_rfc3339(upload.started) or "-"
                write_line(f"{began:<20}  {parts:>5}  {size_text(size):>12}  {upload.id}  {shown}")


def abort_uploads(
    ctx: typer.Context,
    path: command_context.OnePath,
    older: Older = None,
    upload_id: Annotated[
        str | None, typer.Option("--upload-id", metavar="ID", help="Only this upload, as multipart list names it.")
    ] = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Abort without asking.")] = False,
    dry_run: transfer_options.DryRun = False,
    token_file: options.TokenFile = None,
) -> None:
    """Abort uploads in parts that have not ended, and so delete their parts.

    \b
      cta-data-direct multipart abort --older 7d s3://bucket/      asks
      cta-data-direct multipart abort --upload-id ID --yes s3://bucket/run1/a.h5

    An upload that is still running, also from another machine, fails. --older
    leaves new ones alone.
    """
    from ctadata.stores.s3.unfinished_uploads import abort_upload

    with command_context.open_context(ctx, token_file) as context:
        store = s3_store(context.session, "multipart")
        found = [each for each in _pending(context.session, store, path, older) if upload_id in (None, each.id)]
        names = [f"{shown_path(store, each.name.bucket, each.name.key)} ({each.id})" for each in found]
        if not found:
            if upload_id is not None:
                raise NotFound("there is no such upload", path=escape_unprintable(path))
            say("no upload has begun and not ended")
            return
        if dry_run:
            for name in names:
                write_line(f"abort {name}")
            return
        if not yes:
            if not can_prompt():
                raise UsageError("it asks before it aborts, but nobody can answer here", hint="--yes aborts at once")
            if not confirm_delete(names, context.stop, "1 upload" if len(found) == 1 else f"{len(found)} uploads"):
                say("nothing was aborted")
                raise typer.Exit(1)
        command_context.for_each(found, lambda upload: abort_upload(store.connection, upload.name, upload.id))
        say(f"{len(found)} uploads aborted" if len(found) > 1 else "1 upload aborted")


def _pending(session: Session, store: S3Store, path: str, older: str | None) -> Iterator[PendingUpload]:
    from ctadata.stores.s3.pending_uploads import list_pending

    name = store.name(session.resolve(path))
    if not name.bucket:
        raise UsageError("uploads are listed for one bucket", hint="as in: multipart list s3://bucket/")
    before = None if older is None else time.time() - read_span(older)
    for upload in list_pending(store.connection, name):
        if before is None or (upload.started is not None and upload.started < before):
            yield upload
