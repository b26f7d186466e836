"""The commands `make-bucket`, `buckets` and `remove-bucket`, for an S3 store."""

from __future__ import annotations

from typing import Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.locations import read_location
from ctadata.cli.output import format_rfc3339, say, write_json, write_line
from ctadata.cli.prompts import can_prompt, confirm_delete
from ctadata.errors import UsageError

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
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """List your buckets at an S3 store.

    \b
      cta-data-direct buckets
      cta-data-direct buckets -l

    Buckets that others share with you are not listed. Use their name, as in:
    list s3://bucket/
    """
    from ctadata.buckets import Buckets

    with command_context.open_context(ctx, token_file) as context:
        for bucket in Buckets(context.session).buckets():
            created = format_rfc3339(bucket.created)
            if json:
                write_json({"bucket": bucket.name, "created": created})
            else:
                write_line(f"{created or '-':<20}  {bucket.name}" if long else bucket.name)


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
