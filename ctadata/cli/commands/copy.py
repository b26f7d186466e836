"""The command `copy`: files from one site to another, without passing through this machine."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import options, transfer_options
from ctadata.cli.locations import Remote, parse_side
from ctadata.cli.object_options import ObjectOptions
from ctadata.cli.option_groups import expand_groups
from ctadata.cli.progress_options import ProgressOptions
from ctadata.cli.run_output import RunOutput
from ctadata.cli.sharing import AtOnce, ShardOption, Sharing
from ctadata.cli.transfer_run import OpenWork, run_work
from ctadata.errors import UsageError
from ctadata.namespace.filters import Filters
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import Reporter, Summary

if TYPE_CHECKING:
    from ctadata.session import Session
    from ctadata.site_copy import CopyMode


@expand_groups
def copy(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SRC", show_default=False, help="profile:path, :path or a URL.")],
    target: Annotated[
        str, typer.Argument(metavar="DST", show_default=False, help="The same forms, at the other site.")
    ],
    recursive: transfer_options.Recursive = False,
    include: options.Include = None,
    exclude: options.Exclude = None,
    push: Annotated[bool, typer.Option("--push", help="Let SRC's site send; by default DST's site fetches.")] = False,
    through: Annotated[bool, typer.Option("--through", help="Pass the bytes through this machine.")] = False,
    send_token: Annotated[
        bool, typer.Option("--send-token", help="Give the other site your token if no macaroon is available.")
    ] = False,
    dry_run: transfer_options.DryRun = False,
    no_clobber: options.NoClobber = False,
    described: ObjectOptions = ObjectOptions(),  # noqa: B008  (frozen)
    receipt: transfer_options.Receipt = None,
    json: options.Json = False,
    jobs: options.Jobs = None,
    shard: ShardOption = None,
    at_once: AtOnce = None,
    progress: ProgressOptions = ProgressOptions(),  # noqa: B008
) -> None:
    """Copy files from one site to another, past this machine.

    \b
      cta-data-direct copy cscs:lst/run1/a.h5 mine:lst/run1/
      cta-data-direct copy -r cscs:lst/run1 mine:lst
      cta-data-direct copy --push cscs:lst/run1/a.h5 mine:
      cta-data-direct copy --through cscs:lst/run1/a.h5 bucket:run1/
      cta-data-direct copy -r store:raw/run1 store:archive    inside an S3 store
      cta-data-direct copy --metadata run=7 store:raw/a store:raw/a

    One site fetches or sends the file. It shows the other site a macaroon for
    that one file, never your token. The file gets its name when its size and
    the best checksum that both sites know are equal; if they have none in
    common, the receipt says "size". Ctrl-C cancels the copy.

    If both paths are at one S3 server, the server copies the objects, also
    between buckets, with their type and metadata. Files that are equal already
    are skipped, so the same command continues where the last run ended.
    --metadata replaces all metadata, also of the object itself.
    """
    from ctadata.site_copy import CopyMode

    common = options.begin(ctx)
    origin, destination = _side(source), _side(target)
    if through and push:
        raise UsageError("--push and --through exclude each other")
    filters = Filters.read(include or [], exclude or [])
    sharing = Sharing.read(shard, at_once, jobs)
    rules = Rules(no_clobber=no_clobber, filters=filters, dry_run=dry_run, shard=sharing.shard)
    output = RunOutput("copy", json, dry_run, sharing.name_file(receipt), [])
    work = _Work(origin, destination, recursive, CopyMode(push, through, send_token), rules, described.headers())

    @contextlib.contextmanager
    def open_work(stop: threading.Event) -> Iterator[OpenWork]:
        with (
            _at(common, origin).session(stop, None) as here,
            _at(common, destination).session(stop, None, jobs, sharing.at_once) as there,
        ):
            yield OpenWork(there.profile.name, lambda reporter: work(here, there, reporter))

    run_work(common, open_work, output, sharing, progress)


def _side(text: str) -> Remote:
    side = parse_side(text)
    if side is None:
        hint = "write profile:path; for local files use get and put"
        raise UsageError("a copy needs two sites, and this is a local path", hint=hint, path=text)
    return side


class _Work:
    """The copy that the arguments describe."""

    def __init__(
        self, source: Remote, target: Remote, recursive: bool, mode: CopyMode, rules: Rules, headers: Mapping[str, str]
    ) -> None:
        self.source, self.target = source, target
        self._recursive, self._mode, self._rules, self._headers = recursive, mode, rules, headers

    def __call__(self, origin: Session, target: Session, reporter: Reporter) -> Summary:
        from ctadata.site_copy import copy_between, copy_target, refuse_copy_onto_itself

        source = self.source.resolve(origin, make=False)
        entry = origin.store.info(source)
        if entry.is_directory and not self._recursive:
            raise UsageError("it is a directory", hint="-r copies a directory with its contents", path=str(source))
        contents = self.source.text.endswith("/")
        to, found = copy_target(target, self.target.text, source, directory=entry.is_directory, contents=contents)
        rules = self._rules
        if self._headers:
            from ctadata.buckets import Buckets

            rules = Buckets(target).describe(rules, self._headers)
        if not self._headers or entry.is_directory:
            refuse_copy_onto_itself(origin, target, source, to)
        return copy_between(origin, target, entry, to, mode=self._mode, rules=rules, reporter=reporter, found=found)


def _at(common: options.Common, side: Remote) -> options.Common:
    """Return the common options with the profile of one side."""
    return options.Common(side.profile or common.profile, common.verbose, common.quiet)
