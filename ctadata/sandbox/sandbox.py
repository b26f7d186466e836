"""The sandbox: one door, two pools, an issuer and a frontend in threads of this process."""

from __future__ import annotations

import itertools
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal

from ctadata.sandbox.door import Door
from ctadata.sandbox.door_request import Site
from ctadata.sandbox.files import Files
from ctadata.sandbox.frontend import Frontend
from ctadata.sandbox.issuer import REALM, Client, Issuer, Policy
from ctadata.sandbox.limiter import RateLimited
from ctadata.sandbox.listener import DEFAULT_LIMITS, Application, Limits, Listener
from ctadata.sandbox.login import Logins, Trust
from ctadata.sandbox.macaroons import MacaroonIssuer
from ctadata.sandbox.movers import Mover
from ctadata.sandbox.namespace import Namespace
from ctadata.sandbox.permissions import Homes
from ctadata.sandbox.pool import LIMITS, Pool
from ctadata.sandbox.request_log import RequestLog, Seen
from ctadata.sandbox.rules import Faults
from ctadata.sandbox.tape import Tape
from ctadata.sandbox.tls import create_authority
from ctadata.sandbox.tokens import Signer
from ctadata.sandbox.transfer_log import TransferLog

SERVER = "dCache/11.2.5"
PUBLIC_CLIENT = "ctadata-sandbox"
CONFIDENTIAL_CLIENT = "ctadata-sandbox-confidential"


class Sandbox:
    """A miniature dCache on loopback. Use it in a `with` block, or call `start` and `close`."""

    def __init__(
        self,
        *,
        approve: bool = False,
        user: str = "ada",
        users: Sequence[str] = (),
        token_lifetime: int = 300,
        device_lifetime: int = 600,
        interval: int | None = 1,
        rotate: bool = True,
        confidential: bool = False,
        algorithm: Literal["ES256", "RS256"] = "ES256",
        home: Sequence[str] = ("lst/users/{user}",),
        write_anywhere: bool = False,
        overwrite: bool = True,
        redirect: bool = True,
        http_pools: bool = False,
        options_style: Literal["dav", "cors"] = "dav",
        rate_limit: bool | Literal["retry-after"] = False,
        tape_delay: float = 0.0,
        tape_drives: int = 1000,
        quota: int | None = None,
        marker_interval: float = 5.0,
        roots: Mapping[str, str] = MappingProxyType({}),
        tape_api: str | None = None,
        qos_engine: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create the servers and bind their ports; `start` begins to accept connections.

        Args:
            approve: Whether every login is approved at once.
            user: The user of logins and tokens.
            users: Further users that get a home.
            token_lifetime: Seconds that an access token is valid.
            device_lifetime: Seconds that a device code is valid.
            interval: Seconds between two polls of a device login; None: the issuer names none.
            rotate: Whether a refresh token can be used once only.
            confidential: Whether the client needs a secret.
            algorithm: The signature of tokens.
            home: Paths of homes with the placeholder `{user}`.
            write_anywhere: Whether users may write outside their homes.
            overwrite: Whether uploads may replace files.
            redirect: Whether the door redirects reads and uploads to pools.
            http_pools: Whether the pools have no TLS.
            options_style: The form of the door's response to OPTIONS.
            rate_limit: Whether a server limits the rate of requests, with or without the header Retry-After.
            tape_delay: Seconds that the tape library needs for a file.
            tape_drives: Files that the tape library reads at a time.
            quota: Bytes that a user may store; None for no limit.
            marker_interval: Seconds between two performance markers of a third-party copy.
            roots: For each user, the directory that the user sees as the root.
            tape_api: The origin of the tape API that the door announces; None for the frontend's.
            qos_engine: Whether the site has a QoS engine.
            clock: Returns Unix seconds.
        """
        self.user = user
        self.client_id = CONFIDENTIAL_CLIENT if confidential else PUBLIC_CLIENT
        self.client_secret = f"sandbox-{secrets.token_urlsafe(12)}+&="  # a client that does not encode it is refused
        self.faults = Faults()
        self._request_log = RequestLog()
        self.transfer_log = TransferLog()
        self._folder = Path(tempfile.mkdtemp(prefix="ctadata-sandbox-"))
        self._authority = create_authority(self._folder)
        self.ca = self._authority.bundle
        self._namespace = Namespace(self._folder, clock)
        self.files = Files(self._namespace)
        self._homes = Homes(tuple(home), write_anywhere)
        for name in dict.fromkeys([user, *users]):
            self.files.mkdir(roots.get(name, "") + self._homes.paths_of(name)[0])

        self._listeners: list[Listener] = []
        self._signer = Signer(algorithm)
        policy = Policy(user, approve, token_lifetime, device_lifetime, interval, rotate)
        clients = [Client(PUBLIC_CLIENT), Client(CONFIDENTIAL_CLIENT, self.client_secret)]
        self._issuer = Issuer(lambda: self.issuer, clients, policy, self._signer, clock)
        self.issuer = self._listen("issuer", self._issuer, tls=True).origin + REALM
        self._pools = [Pool(self._namespace, clock, SERVER, self.transfer_log) for _ in range(2)]
        self._pool_listeners = [
            self._listen(f"pool{number}", pool, tls=not http_pools, limits=LIMITS)
            for number, pool in enumerate(self._pools, 1)
        ]
        self.pools = [listener.origin for listener in self._pool_listeners]
        self._pool_order = itertools.cycle(range(len(self._pools)))
        macaroons = MacaroonIssuer(clock)
        self._logins = Logins(Trust(self.issuer, self._signer.keys), macaroons, clock)
        self.tape = Tape(self._namespace, clock, tape_delay, tape_drives)
        self._site = site = Site(
            self._namespace, self._homes, clock, lambda: self.door, self._start_mover, redirect, overwrite,
            self.tape, lambda: tape_api or self.frontend, quota, [self.ca], marker_interval, qos_engine, roots,
        )  # fmt: skip
        front_servers: dict[str, Application] = {
            "door": Door(site, self._logins, macaroons, options_style),
            "frontend": Frontend(site, self._logins),
        }
        if rate_limit:
            front_servers = {
                name: RateLimited(it, clock, rate_limit == "retry-after") for name, it in front_servers.items()
            }
        self._door_listener, frontend = [self._listen(name, it, tls=True) for name, it in front_servers.items()]
        self.door, self.frontend = self._door_listener.origin, frontend.origin

    def _listen(self, name: str, application: Application, tls: bool, limits: Limits = DEFAULT_LIMITS) -> Listener:
        context = self._authority.context if tls else None
        listener = Listener(name, application, self._request_log, self.faults, context, limits)
        listener.bind()
        self._listeners.append(listener)
        return listener

    def _start_mover(self, mover: Mover) -> str:
        """Give a mover to the pools in turn, and return the pool's origin."""
        index = next(self._pool_order)
        self._pools[index].movers.start(mover)
        return self.pools[index]

    # ---- start and stop
    def start(self) -> Sandbox:
        """Begin to accept connections."""
        for listener in self._listeners:
            listener.start()
        return self

    def close(self) -> None:
        """Release held requests, close every socket, and remove the files."""
        self.faults.clear()
        with ThreadPoolExecutor(len(self._listeners)) as workers:
            list(workers.map(Listener.close, self._listeners))
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Sandbox:
        """Start the servers."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the sandbox."""
        self.close()

    def trust(self, other: Sandbox) -> None:
        """Trust the CA of another sandbox in third-party copies."""
        self._site.peers.append(other.ca)

    def stop_door(self) -> None:
        """Stop the door; its port refuses connections."""
        self._door_listener.stop(patience=0)

    def start_door(self) -> None:
        """Start the door on the same port, with an empty cache of logins."""
        self._logins.forget()
        self._door_listener.start()

    def restart_door(self) -> None:
        """Stop the door, and start it again."""
        self.stop_door()
        self.start_door()

    def stop_pool(self, index: int) -> None:
        """Stop the pool `index` (0 or 1), and forget its movers."""
        self._pool_listeners[index].stop(patience=0)
        self._pools[index].movers.clear()

    def start_pool(self, index: int) -> None:
        """Start the pool `index` on the same port."""
        self._pool_listeners[index].start()

    def restart_pool(self, index: int) -> None:
        """Stop the pool `index` and start it again; its old URLs are not valid any more."""
        self.stop_pool(index)
        self.start_pool(index)

    # ---- logs
    @property
    def seen(self) -> list[Seen]:
        """All requests so far, in order."""
        return self._request_log.all()

    def served(self, server: str = "pool") -> int:
        """Return the bytes of response bodies that a server's kernel has accepted; `pool` means both pools."""
        return self._request_log.served(server)

    def wait_until_served(self, size: int, server: str = "pool", timeout: float = 30.0) -> None:
        """Wait until a server has counted `size` bytes, which may be after its client has received them."""
        self._request_log.wait_until_served(server, size, timeout)

    def forget_seen(self) -> None:
        """Clear the request log and the transfer log."""
        self._request_log.clear()
        self.transfer_log.clear()

    def wait_for(self, predicate: Callable[[Seen], bool], timeout: float = 5.0) -> Seen:
        """Return the first request that satisfies `predicate`, and wait for it if necessary.

        Raises:
            TimeoutError: There is none within `timeout` seconds.
        """
        return self._request_log.wait_for(predicate, timeout)

    # ---- logins
    def approve(self, user_code: str, user: str | None = None) -> None:
        """Approve a login as the sandbox's user or as `user`; raise KeyError for an unknown code."""
        self._issuer.flow.approve(user_code, user or self.user)

    def deny(self, user_code: str) -> None:
        """Deny a login; raise KeyError for an unknown code."""
        self._issuer.flow.deny(user_code)

    def revoke_sessions(self) -> None:
        """End every login: refresh tokens become invalid; access tokens stay valid until they expire."""
        self._issuer.sessions.revoke_all()

    def token(
        self,
        user: str | None = None,
        lifetime: float = 300,
        scope: str = "openid",
        issuer: str | None = None,
        **claims: object,
    ) -> str:
        """Return a signed access token without a login.

        Args:
            user: The user; None for the sandbox's user.
            lifetime: Seconds that the token is valid.
            scope: The scopes, separated by spaces.
            issuer: The issuer that the token names; None for the sandbox's.
            **claims: Claims to override or add; None leaves a claim out.
        """
        token_claims = self._issuer.claims(self.user if user is None else user, lifetime, scope)
        token_claims |= {} if issuer is None else {"iss": issuer}
        token_claims |= claims
        return self._signer.sign({name: value for name, value in token_claims.items() if value is not None})

    # ---- profile
    def profile(self) -> dict[str, object]:
        """Return the settings of a client's profile for this sandbox."""
        return {
            "kind": "dcache",
            "door": self.door,
            "frontend": self.frontend,
            "issuer": self.issuer,
            "client_id": self.client_id,
            "home": list(self._homes.templates),
            "ca": str(self.ca),
        }

    def profile_toml(self, name: str = "sandbox") -> str:
        """Return the profile as a table of a TOML file."""
        lines = [f"{key} = {_toml(value)}" for key, value in self.profile().items()]
        return "\n".join([f"[profiles.{name}]", *lines, ""])


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
