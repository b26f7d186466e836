"""The page on which a user approves or denies a login: plain HTML without scripts."""

from __future__ import annotations

import html

from ctadata.sandbox.device_flow import DeviceFlow

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; max-width: 32em; margin: 3em auto; }} input, button {{ font-size: 1em }}</style>
</head><body><h1>{title}</h1>
{content}
</body></html>
"""
_ASK_CODE = """<form method="get"><p><label>Code <input name="user_code" autofocus></label>
<button>Continue</button></p></form>"""
_ASK = """<p>A program asks to act for you at this sandbox. Does it show the code <b>{code}</b>?</p>
<form method="post"><input type="hidden" name="user_code" value="{code}">
<p><label>You are <input name="user" value="{user}"></label></p>
<p><button name="answer" value="approve">Approve</button> <button name="answer" value="deny">Deny</button></p></form>"""


def _page(title: str, content: str) -> bytes:
    return _PAGE.format(title=title, content=content).encode()


def approval_page(flow: DeviceFlow, user_code: str, user: str) -> bytes:
    """Return the page for a user code, or the page that asks for the code."""
    if not user_code:
        return _page("Device login", _ASK_CODE)
    try:
        code = flow.find(user_code).user_code
    except KeyError:
        return _page("Device login", f"<p>This code is not valid, or no longer.</p>{_ASK_CODE}")
    return _page("Device login", _ASK.format(code=html.escape(code), user=html.escape(user)))


def record_decision(flow: DeviceFlow, user_code: str, user: str, answer: str) -> bytes:
    """Approve or deny the login of a user code, and return the page that confirms it.

    Args:
        flow: The logins under way.
        user_code: The code that the user has typed.
        user: The name of the user.
        answer: `approve`; any other text denies.
    """
    try:
        if answer == "approve":
            flow.approve(user_code, user)
            return _page("Device login", "<p>Approved. You can close this page and go back to the program.</p>")
        flow.deny(user_code)
        return _page("Device login", "<p>Denied. The program gets no access.</p>")
    except KeyError:
        return approval_page(flow, user_code, user)
