"""Logging in from Python: `login` shows address, code and QR code where you are, and starts the agent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ctadata.config.builtin import DEVELOPMENT_PROFILE

if TYPE_CHECKING:
    from ctadata.agent.status import Status
    from ctadata.config.profile import Profile
    from ctadata.tokens.device import DeviceLogin


def login(*, secret: str | None = None, dev_instance: bool = False) -> Status:
    """Log in where that is needed, and have the agent keep the login fresh; gives what `agent_status` does.

    Shows what to open in a browser, in the notebook or on stderr, and waits until you have approved it; interrupt it
    as anything else. The agent is a process of its own: this one is neither forked nor ended, and may end any time.
    secret: the client's, where the site needs one and no file or variable has it.   dev_instance: the development site.
    Raises LoginNeeded (denied, or too late), ConfigError, TemporaryError, LocalError (all of `ctadata.errors`).
    """
    from ctadata.agent import control

    return control.start(_profile(dev_instance), secret=secret, show=_show)


def start_agent_daemon() -> Status:
    """As `login`, which is the better name."""
    return login()


def agent_status(*, dev_instance: bool = False) -> Status:
    """How agent and login are: `running`, `user`, `expires_at`, `login_needed`, `last_error` and more.

    Never asks the network.
    """
    from ctadata.agent import control

    return control.status(_profile(dev_instance))


def _profile(dev_instance: bool) -> Profile:
    from ctadata.agent.token_backends import with_last_token_source
    from ctadata.config.resolve import resolve_profile

    return with_last_token_source(resolve_profile(DEVELOPMENT_PROFILE if dev_instance else None).profile)


def _show(login: DeviceLogin) -> None:
    """In the notebook where this is one, else on stderr, with a QR code where that is a terminal."""
    from ctadata.agent.login import instructions, qr_code

    address = login.verification_uri_complete or login.verification_uri
    if _is_notebook():
        _display(login, address)
        return
    text = instructions(login) + "\n"
    if sys.stderr is None:
        return
    if sys.stderr.isatty():
        text += f"\n{qr_code(address)}\n"
    sys.stderr.write(text)
    sys.stderr.flush()


def _is_notebook() -> bool:
    """Whether a Jupyter kernel runs us: IPython is there, and its shell has a kernel."""
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
