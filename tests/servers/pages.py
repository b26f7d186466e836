"""A person at a browser, for pages that ask to approve a device: fills every form it is shown."""

from __future__ import annotations

import ssl
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, HTTPSHandler, ProxyHandler, build_opener

MOST_PAGES = 10


class _FirstForm(HTMLParser):
    """Where the first form of a page goes, and its fields; a field without a value is one for the person."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str | None] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag == "form" and self.action is None:
            self.action = found.get("action") or ""
        elif tag == "input" and self.action is not None and found.get("name"):
            self.fields[str(found["name"])] = found.get("value")


def approve_device(complete: str, ca: Path, user: str) -> str:
    """Follow the pages from `verification_uri_complete` as `user` would; return the text of the last one.

    Raises urllib's HTTPError when a page refuses, AssertionError when the forms never end.
    """
    trust = HTTPSHandler(context=ssl.create_default_context(cafile=str(ca)))
    browser = build_opener(ProxyHandler({}), trust, HTTPCookieProcessor())
    url, filled = complete, None
    for _ in range(MOST_PAGES):
        with browser.open(url, filled, timeout=30) as answer:
            url, page = answer.url, answer.read().decode()
        form = _FirstForm(page)
        if form.action is None:
            return page
        url = urljoin(url, form.action)
        filled = urlencode({name: user if value is None else value for name, value in form.fields.items()}).encode()
    raise AssertionError(f"after {MOST_PAGES} pages {url} still shows a form")
