"""The options of `put` and `copy` that describe objects at an S3 store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

Metadata = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="NAME=VALUE", help="Metadata of the objects, for S3; repeatable."),
]
CacheControl = Annotated[
    str | None, typer.Option("--cache-control", metavar="TEXT", help="How long browsers keep them, as max-age=3600.")
]
ContentDisposition = Annotated[
    str | None,
    typer.Option("--content-disposition", metavar="TEXT", help="What browsers do, as attachment; filename=a.h5."),
]
StorageClass = Annotated[
    str | None, typer.Option("--storage-class", metavar="CLASS", help="Where S3 keeps them, as STANDARD_IA or GLACIER.")
]
Sse = Annotated[
    str | None,
    typer.Option("--sse", metavar="KIND", help="Encryption at the server: AES256, aws:kms or aws:kms:KEY."),
]
Tags = Annotated[
    list[str] | None, typer.Option("--tags", metavar="NAME=VALUE", help="Tags of the objects, for S3; repeatable.")
]


@dataclass(frozen=True)
class ObjectOptions:
    """The options that describe the objects of a transfer; None leaves a value as the store sets it."""

    metadata: Metadata = None
    cache_control: CacheControl = None
    content_disposition: ContentDisposition = None
    storage_class: StorageClass = None
    sse: Sse = None
    tags: Tags = None

    def headers(self, content_type: str | None = None, redirect_to: str | None = None) -> Mapping[str, str]:
        """Return the headers that these options mean, and those of `--content-type` and `--redirect-to`.

        Raises:
            UsageError: A header cannot carry one of the values.
        """
        if content_type is None and redirect_to is None and self == ObjectOptions():
            return {}
        from ctadata.stores.s3.description_options import description_headers  # only then S3 is loaded

        return description_headers(
            content_type=content_type,
            redirect_to=redirect_to,
            metadata=self.metadata or (),
            cache_control=self.cache_control,
            content_disposition=self.content_disposition,
            storage_class=self.storage_class,
            sse=self.sse,
            tags=self.tags or (),
        )
