"""`make-bucket`, `buckets`, `remove-bucket`: the buckets of an S3 store, which no path leads into existence."""

from __future__ import annotations

from typing import Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.locations import located
from ctadata.cli.output import data, data_json, rfc3339, say
from ctadata.cli.prompts import is_anybody_here, may_delete
from ctadata.errors import UsageError

Names = Annotated[
    list[str],
    typer.Argument(metavar="BUCKET", show_default=False, help="Its name, or s3://name.", callback=located),
]


def make_bucket(
    ctx: typer.Context,
    names: Names,
    public_read: Annotated[
        bool, typer.Option("--public-read", help="Everybody may read what is in it, without a key; nobody may list.")
    ] = False,
    website: Annotated[bool, typer.Option("--website", help="Serve it as a website, where aliases redirect.")] = False,
    token_file: options.TokenFile = None,
) -> None:
    """Make buckets at an S3 store.

    \b
      cta-data-direct make-bucket results-2026
      cta-data-direct make-bucket --website --public-read reference

    With --public-read or --website a bucket of yours that is there already is
    opened; its bucket policy gets one statement more, and keeps its others.
    """
    from ctadata.buckets import Buckets

    with command_context.visiting(ctx, token_file) as visit:
        hosting = Buckets(visit.session)
        command_context.each(names, lambda name: hosting.make_bucket(name, website=website, public=public_read))


def buckets(
    ctx: typer.Context,
    long: Annotated[bool, typer.Option("-l", "--long", help="When each was made, as well.")] = False,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """List your buckets at an S3 store.

    \b
      cta-data-direct buckets
      cta-data-direct buckets -l

    Buckets that are shared with you are not among them; they are reached by
    name, as in: list s3://bucket/
    """
    from ctadata.buckets import Buckets

    with command_context.visiting(ctx, token_file) as visit:
        for bucket in Buckets(visit.session).buckets():
            created = rfc3339(bucket.created)
            if json:
                data_json({"bucket": bucket.name, "created": created})
            else:
                data(f"{created or '-':<20}  {bucket.name}" if long else bucket.name)


def remove_bucket(
    ctx: typer.Context,
    names: Names,
    recursive: Annotated[
        bool, typer.Option("-r", "-R", "--recursive", help="With all it holds, old versions as well.")
    ] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Remove with all it holds without asking.")] = False,
    token_file: options.TokenFile = None,
) -> None:
    """Remove buckets of an S3 store.

    \b
      cta-data-direct remove-bucket results-2026           an empty one
      cta-data-direct remove-bucket -r results-2026        asks
      cta-data-direct remove-bucket -r --yes results-2026  in scripts

    What is removed is gone, and its name is free for anybody.
    """
    from ctadata.buckets import Buckets, bucket_name

    with command_context.visiting(ctx, token_file) as visit:
        hosting = Buckets(visit.session)
        if recursive and not yes:
            if not is_anybody_here():
                raise UsageError("-r asks first, and nobody is here to answer", hint="--yes removes without asking")
            doomed = [f"s3://{bucket_name(name)}/ with all it holds" for name in names]
            if not may_delete(doomed, visit.stop, "1 bucket" if len(names) == 1 else f"{len(names)} buckets"):
                say("nothing was removed")
                raise typer.Exit(1)
        command_context.each(names, lambda name: hosting.remove_bucket(name, recursive=recursive))
