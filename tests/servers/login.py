"""A device login with nothing but the standard library: the program that asks, and the person who approves."""

from __future__ import annotations

import json
import ssl
from html.parser import HTMLParser
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, HTTPSHandler, OpenerDirector, ProxyHandler, build_opener

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 3.4
MOST_PAGES = 10
PERSONAL = {"user", "username", "login", "password"}  # fields for the person, in the pages of all the issuers here


def device_login(issuer: str, ca: Path, client_id: str, scope: str, audience: str, user: str) -> dict[str, str]:
    """The token answer of a whole device login."""
    endpoint = discovery(issuer, ca)
    client = {"client_id": client_id, "audience": audience}
    code = post(endpoint["device_authorization_endpoint"], ca, {**client, "scope": scope})
    approve_device(code["verification_uri_complete"], ca, user)
    grant = {"grant_type": DEVICE_CODE, "device_code": code["device_code"]}
    return post(endpoint["token_endpoint"], ca, {**client, **grant})


def discovery(issuer: str, ca: Path) -> dict[str, str]:
    """What the issuer says of itself (OpenID Connect Discovery 1.0, 4)."""
    with opener(ca).open(f"{issuer.rstrip('/')}/.well-known/openid-configuration", timeout=60) as answer:
        return json.load(answer)


def post(url: str, ca: Path, form: dict[str, str]) -> dict[str, str]:
    """The JSON answer to a form, be it an error."""
    try:
        answer = opener(ca).open(url, urlencode(form).encode(), timeout=60)
    except HTTPError as error:
        answer = error
    with answer:
        return json.load(answer)


def opener(ca: Path) -> OpenerDirector:
    """A client with a cookie jar that trusts `ca` alone and uses no proxy."""
    trust = HTTPSHandler(context=ssl.create_default_context(cafile=str(ca)))
    return build_opener(ProxyHandler({}), trust, HTTPCookieProcessor())


class _FirstForm(HTMLParser):
    """Where the first form of a page goes, what it sends along, and what each of its buttons adds."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.buttons: list[dict[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        name, kind = found.get("name"), found.get("type")
        sent = {name: found.get("value") or ""} if name else {}
        if tag == "form" and self.action is None:
            self.action = found.get("action") or ""
        if (tag == "button" and kind != "button") or (tag == "input" and kind == "submit"):
            self.buttons.append(sent)
        elif tag == "input":
            self.fields.update(sent)


def approve_device(complete: str, ca: Path, user: str, browser: OpenerDirector | None = None, button: int = 0) -> str:
    """Follow the pages from `verification_uri_complete` as `user` would at a browser; return the last one.

    browser: one that has been used before, and is still logged in.
    button:  which one to press where there are several; the last one (-1) says no, and what comes then is the end.
    Raises urllib's HTTPError when a page refuses, AssertionError when the forms never end.
    """
    browser = browser or opener(ca)
    url, filled, refused = complete, None, False
    for _ in range(MOST_PAGES):
        with browser.open(url, filled, timeout=60) as answer:
            url, page = answer.url, answer.read().decode()
        form = _FirstForm(page)
        if form.action is None or refused:
            return page
        refused = button != 0 and len(form.buttons) > 1
        url = urljoin(url, form.action)
        pressed = form.fields | (form.buttons[button] if form.buttons else {})
        filled = urlencode(pressed | {name: user for name in pressed if name in PERSONAL}).encode()
    raise AssertionError(f"after {MOST_PAGES} pages {url} still shows a form")
