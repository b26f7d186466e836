"""A request to the REST frontend: its user, its path, its parameters, and the frontend's form of errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ctadata.sandbox.door_request import Site, common_headers
from ctadata.sandbox.exchange import Exchange
from ctadata.sandbox.json_text import dump_compact
from ctadata.sandbox.login import Login
from ctadata.sandbox.namespace import NamespaceError, Node


class RestError(Exception):
    """An error of the frontend, sent as `{"detail", "title", "status"}`; the title is the reason phrase too."""

    def __init__(self, status: int, detail: str | None = None, title: str | None = None) -> None:
        """Keep the fields; title and detail default to the status's phrase."""
        super().__init__(detail)
        self.status = status
        self.title = title or HTTPStatus(status).phrase
        self.detail = self.title if detail is None else detail


@dataclass(frozen=True)
class RestRequest:
    """One request of a user.

    Attributes:
        path: The part of the URL's path after the name of the resource, with a slash in front.
    """

    site: Site
    exchange: Exchange
    login: Login
    path: str = "/"

    @property
    def method(self) -> str:
        """The method of the request."""
        return self.exchange.request.method

    def flag(self, name: str) -> bool:
        """Return whether a parameter of the query is `true`."""
        return self.exchange.request.query.get(name, ["false"])[0].lower() == "true"

    def number(self, name: str) -> int | None:
        """Return a number of the query; None if it is missing.

        Raises:
            RestError: 404 for a malformed number, as dCache answers.
        """
        value = self.exchange.request.query.get(name, [""])[0]
        if not value:
            return None
        if not value.isdigit():
            raise RestError(404)
        return int(value)

    def payload(self) -> dict[str, Any]:
        """Return the body, a JSON object; raise RestError 400 if it is none."""
        try:
            payload = json.loads(self.exchange.body(8 << 20))
        except ValueError as error:
            raise RestError(400, f"Badly formed JSON object: {error}") from error
        if not isinstance(payload, dict):
            raise RestError(400, "A JSONObject text must begin with '{'")
        return payload

    def node(self, path: str | None = None) -> Node:
        """Return the node at a path, by default the request's own; raise RestError 404 if there is none."""
        try:
            return self.site.namespace.find(self.path if path is None else path)
        except NamespaceError as error:
            raise RestError(404, f"No such file or directory {self.path if path is None else path}") from error

    def need(self, activity: str, path: str | None = None) -> None:
        """Raise RestError 403 if the credential or the namespace does not allow an activity."""
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
        written: Callable[[object], str] = dump_compact,
    ) -> None:
        """Send a JSON response, or one without a body."""
        data = b"" if body is None else written(body).encode()
        kind = [("Content-Type", "application/json")] if data else []
        self.exchange.reply(status, HTTPStatus(status).phrase, [*common_headers(), *headers, *kind], data)

    def success(self, status: int) -> None:
        """Send the response to a successful change."""
        self.reply(status, {"status": "success"})


def reply_error(exchange: Exchange, problem: RestError) -> None:
    """Send the response of an error."""
    body = {"detail": problem.detail, "title": problem.title, "status": str(problem.status)}
    headers = [*common_headers(), ("Content-Type", "application/json")]
    exchange.reply(problem.status, problem.title, headers, dump_compact(body).encode())
