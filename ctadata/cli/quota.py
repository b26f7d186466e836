"""`quota`: how much the user may store, and has stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ctadata.cli import command_context, options
from ctadata.cli.output import data, data_json, say, stdout_is_terminal
from ctadata.progress import units

if TYPE_CHECKING:
    from ctadata.stores.dcache.frontend import Quota


def quota(ctx: typer.Context, json: options.Json = False, token_file: options.TokenFile = None) -> None:
    """Tell how much you may store, and have stored.

    \b
      cta-data-direct quota
      cta-data-direct quota --json | jq .used

    Replica is space on disk, custodial on tape. dCache counts once a day or
    so. It takes a profile that names the site's REST interface (frontend).
    """
    with command_context.visiting(ctx, token_file) as visit:
        quotas = visit.session.site.frontend.quotas()
        for each in quotas:
            for policy, used in each.used.items():
                if used or each.limits[policy] is not None:
                    _tell(each, policy, json=json)
        if not quotas:
            say("this site has no quotas for you")


def _tell(quota: Quota, policy: str, *, json: bool) -> None:
    used, limit = quota.used[policy], quota.limits[policy]
    if json:
        data_json({"kind": quota.kind, "id": quota.id, "policy": policy, "used": used, "limit": limit})
        return
    words = units.size if stdout_is_terminal() else str
    allowed = "no limit" if limit is None else f"of {words(limit)}"
    data(f"{quota.kind:<6} {quota.id:<8} {policy:<10} {words(used)} {allowed}")
