"""The commands `qos`, `label`, `xattr` and `quota`: what dCache's REST frontend knows beside names and bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctadata.cli import command_context, options
from ctadata.cli.output import say, stdout_is_terminal, write_json, write_line
from ctadata.errors import UsageError
from ctadata.progress import units

if TYPE_CHECKING:
    from ctadata.stores.dcache.frontend import Quota


def qos(
    ctx: typer.Context,
    path: command_context.OnePath,
    target: Annotated[
        str | None,
        typer.Argument(metavar="[TARGET]", show_default=False, help="The new quality of service; see the examples."),
    ] = None,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Show or change the quality of service of a file.

    \b
      cta-data-direct qos home:run1.h5               show it: disk
      cta-data-direct qos home:run1.h5 tape          move the file to tape
      cta-data-direct qos home:run1.h5 disk+tape     keep it on both

    dCache needs some time for the change; the command locality shows where the
    bytes are now.
    """
    with command_context.open_context(ctx, token_file) as context:
        frontend, where = context.session.site.frontend, context.session.resolve(path)
        if target is None:
            quality = frontend.details(where).quality
            write_json({"path": str(where), "qos": quality}) if json else write_line(quality or "unknown")
            return
        qualities = frontend.qualities()
        if qualities and target not in qualities:
            raise UsageError(f"{target!r} is no quality of service here", hint=f"choose one of {', '.join(qualities)}")
        frontend.set_quality(where, target)


def label(
    ctx: typer.Context,
    path: command_context.OnePath,
    add: Annotated[list[str] | None, typer.Option("--add", metavar="LABEL", help="Add this label.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", metavar="LABEL", help="Remove this label.")] = None,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Show or change the labels of a file.

    \b
      cta-data-direct label home:run1.h5
      cta-data-direct label --add good --remove raw home:run1.h5
    """
    with command_context.open_context(ctx, token_file) as context:
        frontend, where = context.session.site.frontend, context.session.resolve(path)
        for each in add or ():
            frontend.set_label(where, each)
        for each in remove or ():
            frontend.set_label(where, each, on=False)
        if add or remove:
            return
        labels = sorted(frontend.details(where).labels)
        if json:
            write_json({"path": str(where), "labels": labels})
        else:
            for each in labels:
                write_line(each)


def xattr(
    ctx: typer.Context,
    path: command_context.OnePath,
    assignments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", show_default=False, help="The attributes to set.")
    ] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", metavar="NAME", help="Remove this attribute.")] = None,
    json: options.Json = False,
    token_file: options.TokenFile = None,
) -> None:
    """Show or change the extended attributes of a file.

    \b
      cta-data-direct xattr home:run1.h5
      cta-data-direct xattr home:run1.h5 run=7 telescope=LST-1
      cta-data-direct xattr --remove run home:run1.h5
    """
    changes = dict(_assignment(text) for text in assignments or ())
    with command_context.open_context(ctx, token_file) as context:
        frontend, where = context.session.site.frontend, context.session.resolve(path)
        if changes:
            frontend.set_attributes(where, changes)
        if remove:
            frontend.remove_attributes(where, remove)
        if changes or remove:
            return
        attributes = frontend.details(where).attributes
        if json:
            write_json({"path": str(where), "attributes": dict(attributes)})
        else:
            for name, value in sorted(attributes.items()):
                write_line(f"{name}={value}")


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UsageError(f"{text!r} is no attribute with its value", hint="write NAME=VALUE")
    return name, value


def quota(ctx: typer.Context, json: options.Json = False, token_file: options.TokenFile = None) -> None:
    """Show how much you may store, and how much you have stored.

    \b
      cta-data-direct quota
      cta-data-direct quota --json | jq .used

    "replica" is space on disk, "custodial" is space on tape. dCache counts
    about once a day. The profile must name the site's REST frontend.
    """
    with command_context.open_context(ctx, token_file) as context:
        quotas = context.session.site.frontend.quotas()
        for each in quotas:
            for policy, used in each.used.items():
                if used or each.limits[policy] is not None:
                    _print_quota(each, policy, json=json)
        if not quotas:
            say("this site has no quotas for you")


def _print_quota(quota: Quota, policy: str, *, json: bool) -> None:
    used, limit = quota.used[policy], quota.limits[policy]
    if json:
        write_json({"kind": quota.kind, "id": quota.id, "policy": policy, "used": used, "limit": limit})
        return
    words = units.size if stdout_is_terminal() else str
    allowed = "no limit" if limit is None else f"of {words(limit)}"
    write_line(f"{quota.kind:<6} {quota.id:<8} {policy:<10} {words(used)} {allowed}")
