"""The commands `make-bucket`, `buckets`, `bucket-info` and `remove-bucket`, for an S3 store."""

from __future__ import annotations

from json import dumps as to_json
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.entry_lines import size_text
from ctadata.cli.locations import read_location
from ctadata.cli.output import format_rfc3339, say, write_json, write_line
from ctadata.cli.prompts import can_prompt, confirm_delete
from ctadata.errors import UsageError
from ctadata.printable import escape_unprintable

if TYPE_CHECKING:
    from ctadata.stores.s3.buckets import Bucket

Names = Annotated[
    list[str],
    typer.Argument(
        metavar="BUCKET", show_default=False, help="The name of a bucket, or s3://name.", callback=read_location
    ),
]


def make_bucket(
    ctx: typer.Context,
    names: Names,
    public_read: Annotated[
        bool, typer.Option("--public-read", help="Let everybody read its objects without a key; nobody may list them.")
    ] = False,
    website: Annotated[bool, typer.Option("--website", help="Serve it as a website; aliases redirect there.")] = False,
    versioning: Annotated[
        bool, typer.Option("--versioning", help="Keep old versions of objects, and deleted ones; they use quota.")
    ] = False,
    token_file: options.TokenFile = None,
) -> None:
    """Make buckets at an S3 store.

    \b
      cta-data-direct make-bucket results-2026
      cta-data-direct make-bucket --versioning results-2026
      cta-data-direct make-bucket --website --public-read reference

    --public-read, --website and --versioning also change a bucket that you own already. Its
    bucket policy then gets one more statement, and keeps the others.
    """
    from ctadata.buckets import Buckets

    with command_context.open_context(ctx, token_file) as context:
        hosting = Buckets(context.session)
        command_context.for_each(
            names,
            lambda name: hosting.make_bucket(name, website=website, public=public_read, versioning=versioning),
        )


def buckets(
    ctx: typer.Context,
    long: Annotated[bool, typer.Option("-l", "--long", help="Show when each was made.")] = False,
    sizes: Annotated[
        bool, typer.Option("--du", help="Show how many files each holds, and their bytes; this lists all of them.")
    ] = False,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """List your buckets at an S3 store.

    \b
      cta-data-direct buckets
      cta-data-direct buckets -l
      cta-data-direct buckets --du          the number of files, and their bytes

    Buckets that others share with you are not listed. Use their name, as in:
    list s3://bucket/
    """
    from ctadata.buckets import Buckets

    with command_context.open_context(ctx, token_file) as context:
        hosting = Buckets(context.session)

        def show(bucket: Bucket) -> None:
            created = format_rfc3339(bucket.created)
            count = hosting.count(bucket.name) if sizes else None
            if json:
                more = {"files": count.files, "size": count.size} if count else {}
                write_json({"bucket": bucket.name, "created": created, **more})
                return
            columns = [f"{created or '-':<20}"] if long else []
            if count:
                columns += [f"{count.files:>9}", f"{size_text(count.size):>14}"]
            write_line("  ".join([*columns, bucket.name]))

        command_context.for_each(hosting.buckets(), show)


def show_bucket_info(
    ctx: typer.Context,
    names: Names,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Show the settings of a bucket: versions, lifecycle, CORS, policy.

    \b
      cta-data-direct bucket-info s3://bucket
      cta-data-direct bucket-info --json bucket | jq .lifecycle

    "none": the bucket has no such setting. "not allowed": your key may not read
    it. "not supported": the server does not know it. Lifecycle rules delete or
    move objects by themselves.
    """
    from ctadata.buckets import Buckets, bucket_name

    with command_context.open_context(ctx, token_file) as context:
        hosting = Buckets(context.session)

        def show(name: str) -> None:
            info = hosting.info(name)
            if json:
                write_json({"bucket": bucket_name(name), **info})
                return
            write_line(name)
            for word, value in info.items():
                for number, line in enumerate(_lines(value)):
                    write_line(f"  {'' if number else word:<10}  {escape_unprintable(line)}")

        command_context.for_each(names, show)


def _lines(value: object) -> list[str]:
    """Return the lines of a setting: one for each rule of a list."""
    if isinstance(value, list):
        return [line for each in value for line in _lines(each)] or ["none"]
    if value is None:
        return ["none"]
    return [value if isinstance(value, str) else to_json(value, ensure_ascii=False)]


def remove_bucket(
    ctx: typer.Context,
    names: Names,
    recursive: Annotated[
        bool, typer.Option("-r", "-R", "--recursive", help="Remove all its objects too, with their old versions.")
    ] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Remove the objects without asking.")] = False,
    token_file: options.TokenFile = None,
) -> None:
    """Remove buckets of an S3 store.

    \b
      cta-data-direct remove-bucket results-2026           an empty bucket
      cta-data-direct remove-bucket -r results-2026        asks
      cta-data-direct remove-bucket -r --yes results-2026  in scripts

    There is no way back, and anybody may take the name of the bucket.
    """
    from ctadata.buckets import Buckets, bucket_name

    with command_context.open_context(ctx, token_file) as context:
        hosting = Buckets(context.session)
        if recursive and not yes:
            if not can_prompt():
                raise UsageError(
                    "-r asks before it removes, but nobody can answer here", hint="--yes removes without asking"
                )
            doomed = [f"s3://{bucket_name(name)}/ with all it holds" for name in names]
            if not confirm_delete(doomed, context.stop, "1 bucket" if len(names) == 1 else f"{len(names)} buckets"):
                say("nothing was removed")
                raise typer.Exit(1)
        command_context.for_each(names, lambda name: hosting.remove_bucket(name, recursive=recursive))
