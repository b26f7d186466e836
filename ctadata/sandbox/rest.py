"""A request at the REST frontend: who asks, for what; and the frontend's way of saying no."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ctadata.sandbox.door_request import Site, usual
from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.json_text import compact
from ctadata.sandbox.login import Login
from ctadata.sandbox.namespace import NamespaceError, Node


class RestError(Exception):
    """An error of the frontend: `{"detail", "title", "status"}`; the title is the reason phrase too."""

    def __init__(self, status: int, detail: str | None = None, title: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title or HTTPStatus(status).phrase
        self.detail = self.title if detail is None else detail


@dataclass(frozen=True)
class RestRequest:
    """One request of a user; `path` is what follows the resource's own name, with a slash in front."""

    site: Site
    exchange: Exchange
    login: Login
    path: str = "/"

    @property
    def method(self) -> str:
        """The request's method."""
        return self.exchange.request.method

    def flag(self, name: str) -> bool:
        """Whether a flag of the query is set."""
        return self.exchange.request.query.get(name, ["false"])[0].lower() == "true"

    def number(self, name: str) -> int | None:
        """A number of the query; None where it is not there. RestError 404, as a wrong parameter is there."""
        value = self.exchange.request.query.get(name, [""])[0]
        if not value:
            return None
        if not value.isdigit():
            raise RestError(404)
        return int(value)

    def payload(self) -> dict[str, Any]:
        """The body, a JSON object; RestError 400."""
        try:
            found = json.loads(self.exchange.body(8 << 20))
        except ValueError as error:
            raise RestError(400, f"Badly formed JSON object: {error}") from error
        if not isinstance(found, dict):
            raise RestError(400, "A JSONObject text must begin with '{'")
        return found

    def node(self, path: str | None = None) -> Node:
        """What is at a path (else at the call's own); RestError 404."""
        try:
            return self.site.namespace.find(self.path if path is None else path)
        except NamespaceError as error:
            raise RestError(404, f"No such file or directory {self.path if path is None else path}") from error

    def need(self, activity: str, path: str | None = None) -> None:
        """Refuse (403) what the credential or the namespace does not allow."""
        target = self.path if path is None else path
        reading = activity in ("LIST", "READ_METADATA", "STAGE")
        allowed = self.login.rights.allow(activity, target)
        if not (allowed and (reading or self.site.homes.is_writable(self.login.user, target))):
            raise RestError(403)

    def reply(
        self,
        status: int,
        body: object = None,
        headers: tuple[tuple[str, str], ...] = (),
        written: Callable[[object], str] = compact,
    ) -> None:
        """Answer in JSON, or with nothing."""
        data = b"" if body is None else written(body).encode()
        kind = [("Content-Type", "application/json")] if data else []
        self.exchange.reply(status, HTTPStatus(status).phrase, [*usual(), *headers, *kind], data)

    def success(self, status: int) -> None:
        """Answer that something was done."""
        self.reply(status, {"status": "success"})


def reply_problem(exchange: Exchange, problem: RestError) -> None:
    """Answer with an error."""
    body = {"detail": problem.detail, "title": problem.title, "status": str(problem.status)}
    headers = [*usual(), ("Content-Type", "application/json")]
    exchange.reply(problem.status, problem.title, headers, compact(body).encode())
