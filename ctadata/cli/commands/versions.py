"""The command `undelete`, and the lines of `list --versions`: old versions of objects at an S3 store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from ctadata.cli import command_context, options, transfer_options
from ctadata.cli.entry_lines import size_text
from ctadata.cli.output import format_rfc3339, say, write_json, write_line
from ctadata.errors import NotFound
from ctadata.paths import RemotePath
from ctadata.printable import escape_unprintable

if TYPE_CHECKING:
    from ctadata.session import Session
    from ctadata.stores.s3.address import Name
    from ctadata.stores.s3.store import S3Store
    from ctadata.stores.s3.versions import ObjectVersion


def undelete(
    ctx: typer.Context,
    paths: command_context.ExactPaths,
    recursive: transfer_options.Recursive = False,
    dry_run: transfer_options.DryRun = False,
    token_file: options.TokenFile = None,
) -> None:
    """Bring deleted files of an S3 store back, if its bucket keeps versions.

    \b
      cta-data-direct undelete s3://bucket/run1/a.h5
      cta-data-direct undelete -r s3://bucket/run1
      cta-data-direct list --versions -r s3://bucket/run1

    A bucket with versioning keeps a deleted file behind a delete marker.
    undelete removes the marker. It brings back nothing from a bucket that
    keeps no versions.
    """
    from ctadata.stores.s3 import versions

    with command_context.open_context(ctx, token_file) as context:
        store = s3_store(context.session, "undelete")

        def bring_back(name: Name) -> None:
            shown = shown_path(store, name.bucket, name.key)
            if dry_run:
                write_line(f"undelete {shown}")
                return
            versions.undelete(store.connection, name)
            say(f"{shown} is back")

        names = _deleted(store, [context.session.resolve(text) for text in paths], recursive=recursive)
        command_context.for_each(names, bring_back)


def _deleted(store: S3Store, paths: list[RemotePath], *, recursive: bool) -> Iterator[Name | NotFound]:
    from ctadata.stores.s3.versions import find_deleted

    for path in paths:
        name = store.name(path)
        found = False
        for key in find_deleted(store.connection, name, recursive=recursive):
            found = True
            yield name._replace(key=key)
        if not found:
            hint = "" if recursive else "-r brings back what a directory held"
            yield NotFound("nothing deleted has this name", hint=hint, path=escape_unprintable(str(path)))


def write_versions(session: Session, path: str, *, recursive: bool, json: bool) -> None:
    """Write one line for each version of a file, or of the files of a directory, the newest first.

    Raises:
        NotFound: Nothing has, or had, this name.
        Unsupported: The profile is no S3 store, or it has no versions.
    """
    from ctadata.stores.s3.versions import list_versions

    store, where = s3_store(session, "--versions"), session.resolve(path)
    found = False
    for version in list_versions(store.connection, store.name(where), recursive=recursive):
        found = True
        write_version(version, shown_path(store, store.name(where).bucket, version.key), json=json)
    if not found:
        raise NotFound("there are no versions of this name", path=escape_unprintable(path))


def write_version(version: ObjectVersion, path: str, *, json: bool) -> None:
    """Write one version as a line, or as a JSON object."""
    state = "deleted" if version.is_delete_marker else "latest" if version.is_latest else "old"
    if json:
        write_json(
            {
                "path": path,
                "version_id": version.id,
                "state": state,
                "latest": version.is_latest,
                "size": version.size,
                "mtime": format_rfc3339(version.mtime),
                "etag": version.etag,
            }
        )
        return
    time = format_rfc3339(version.mtime) or "-"
    write_line(f"{state:<7}  {size_text(version.size):>12}  {time:<20}  {version.id}  {path}")


def shown_path(store: S3Store, bucket: str, key: str) -> str:
    """Return the path of a key below the root of the store, as other commands accept it."""
    full = f"{bucket}/{key}"
    root = "/".join(store.root.parts)
    return escape_unprintable(full.removeprefix(f"{root}/") if root else full)


def s3_store(session: Session, what: str) -> S3Store:
    """Return the store of a session; raise Unsupported, with the command `what`, if it is no S3 store."""
    from ctadata.stores.s3.require import require_s3

    return require_s3(session.store, session.profile, what)
