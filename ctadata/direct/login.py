"""Log in from Python: `login` shows the address, the code and a QR code, and starts the agent."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ctadata.config.builtin import DEVELOPMENT_PROFILE
from ctadata.tracebacks import shorten_interrupt

if TYPE_CHECKING:
    from ctadata.agent.status import Status
    from ctadata.config.profile import Profile
    from ctadata.tokens.device import DeviceLogin


def login(*, secret: str | None = None, dev_instance: bool = False) -> Status:
    """Log in if necessary, and start the agent that keeps the login fresh.

    The function shows an address and a code, in the notebook or on stderr. It waits until you have approved the login
    in a browser; an interrupt (Ctrl-C) ends the wait. The agent is a process of its own and outlives this one.
    Windows has no agent; there each process renews the token when needed.

    Args:
        secret: The client's secret, if the site needs one and neither a file nor a variable has it.
        dev_instance: Use the development site.

    Returns:
        The status that `agent_status` returns. A notebook and `print` show a sentence.

    Raises:
        LoginNeeded: You denied the login, or the code expired.
        ConfigError: The profile names no issuer, or the issuer does not accept the client.
        TemporaryError: The issuer cannot be reached.
        LocalError: The token cannot be written to disk.

    Examples:
        >>> print(direct.login())
        logged in as ada at cscs; process 4711 keeps the login fresh
        >>> direct.login().user
        'ada'
    """
    from ctadata.agent import control

    try:
        return control.start(_profile(dev_instance), secret=secret, show=_show)
    except KeyboardInterrupt as interrupt:
        shorten_interrupt(interrupt)
        raise


def start_agent_daemon() -> Status:
    """Do the same as `login`, under the name of version 0.6.

    Examples:
        >>> direct.start_agent_daemon().running
        True
    """
    return login()


def agent_status(*, dev_instance: bool = False) -> Status:
    """Return the state of the agent and of the login. This function sends no request.

    Args:
        dev_instance: Use the development site.

    Returns:
        An object with `running`, `user`, `expires_at` (seconds since 1970), `login_needed`, `last_error` and more.

    Examples:
        >>> if direct.agent_status().login_needed:
        ...     direct.login()
    """
    from ctadata.agent import control

    return control.status(_profile(dev_instance))


def _profile(dev_instance: bool) -> Profile:
    from ctadata.agent.token_backends import with_last_token_source
    from ctadata.config.resolve import resolve_profile

    return with_last_token_source(resolve_profile(DEVELOPMENT_PROFILE if dev_instance else None).profile)


def _show(login: DeviceLogin) -> None:
    """Show the login in the notebook, or on stderr with a QR code if that is a terminal."""
    from ctadata.agent.login_screen import login_screen

    if _is_notebook():
        _display(login, login.verification_uri_complete or login.verification_uri)
    elif sys.stderr is not None:
        sys.stderr.write(login_screen(login, sys.stderr, os.environ) + "\n")
        sys.stderr.flush()


def _is_notebook() -> bool:
    """Return whether this code runs in a Jupyter kernel: IPython is loaded, and its shell has a kernel."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _display(login: DeviceLogin, address: str) -> None:
    import html
    from importlib import import_module

    import segno

    display: Any = import_module("IPython.display")
    link = html.escape(address, quote=True)
    picture = segno.make(address, error="l", micro=False).svg_inline(scale=4, light="white")
    display.display(
        display.HTML(
            f'<p>To log in, open <a href="{link}" target="_blank" rel="noopener">{link}</a> in any browser, on any '
            f"device, and approve the code <b>{html.escape(login.user_code)}</b>.</p>{picture}"
        )
    )
