"""The sandbox put together: one door, two pools, an issuer and a frontend, in threads of this process."""

from __future__ import annotations

import itertools
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from ctadata.sandbox.door import Door
from ctadata.sandbox.faults import Faults
from ctadata.sandbox.files import Files
from ctadata.sandbox.frontend import Frontend
from ctadata.sandbox.issuer import REALM, Client, Issuer, Policy
from ctadata.sandbox.listener import Listener
from ctadata.sandbox.login import Logins, Trust
from ctadata.sandbox.macaroons import Mint
from ctadata.sandbox.movers import Mover
from ctadata.sandbox.namespace import Namespace
from ctadata.sandbox.permissions import Homes
from ctadata.sandbox.pool import LIMITS, Pool
from ctadata.sandbox.spy import Seen, Spy
from ctadata.sandbox.tls import make_authority
from ctadata.sandbox.tokens import Signer
from ctadata.sandbox.visit import Site

SERVER = "dCache/11.2.5"
PUBLIC_CLIENT = "ctadata-sandbox"
CONFIDENTIAL_CLIENT = "ctadata-sandbox-confidential"


class Sandbox:
    """A miniature dCache on loopback; use it in a `with` block, or `start` and `close` it."""

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
        algorithm: str = "ES256",
        home: Sequence[str] = ("lst/users/{user}",),
        write_anywhere: bool = False,
        overwrite: bool = True,
        redirect: bool = True,
        http_pools: bool = False,
        options_style: str = "dav",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.user = user
        self.faults = Faults()
        self._spy = Spy()
        self._clock = clock
        self._home = tuple(home)
        self._folder = Path(tempfile.mkdtemp(prefix="ctadata-sandbox-"))
        self._namespace = Namespace(self._folder, clock)
        self.files = Files(self._namespace)
        self.client_id = CONFIDENTIAL_CLIENT if confidential else PUBLIC_CLIENT
        self.client_secret = secrets.token_urlsafe(12) + "+&="
        authority = make_authority(self._folder)
        self.ca = authority.bundle
        homes = Homes(self._home, write_anywhere)
        for name in dict.fromkeys([user, *users]):
            self.files.mkdir(homes.of(name)[0])

        self._signer = Signer(algorithm)
        policy = Policy(user, approve, token_lifetime, device_lifetime, interval, rotate)
        clients = [Client(PUBLIC_CLIENT), Client(CONFIDENTIAL_CLIENT, self.client_secret)]
        self._issuer = Issuer(lambda: self.issuer, clients, policy, self._signer, clock)
        issuer = Listener("issuer", self._issuer, self._spy, self.faults, authority.context)
        issuer.bind()
        self.issuer = issuer.origin + REALM

        mint = Mint("sandbox", clock)
        logins = Logins(Trust(self.issuer, self._signer.keys, ()), mint, clock)
        self._pools = [Pool(self._namespace, clock, SERVER) for _ in range(2)]
        pool_context = None if http_pools else authority.context
        self._pool_listeners = [
            Listener(f"pool{number}", pool, self._spy, self.faults, pool_context, LIMITS)
            for number, pool in enumerate(self._pools, 1)
        ]
        turns = itertools.cycle(range(len(self._pools)))

        def start(mover: Mover) -> str:
            turn = next(turns)
            self._pools[turn].movers.start(mover)
            return self._pool_listeners[turn].origin

        site = Site(self._namespace, homes, clock, lambda: self.door, start, redirect, overwrite)
        self._logins = logins
        door = Listener(
            "door", Door(site, logins, mint, options_style), self._spy, self.faults, authority.context
        )
        frontend = Listener("frontend", Frontend(logins, homes), self._spy, self.faults, authority.context)
        self._door_listener = door
        self._listeners = [issuer, door, frontend, *self._pool_listeners]
        for listener in self._listeners[1:]:
            listener.bind()
        self.door, self.frontend = door.origin, frontend.origin
        self.pools = [listener.origin for listener in self._pool_listeners]

    # ---- life

    def start(self) -> Sandbox:
        """Begin to accept connections."""
        for listener in self._listeners:
            listener.start()
        return self

    def close(self) -> None:
        """Let go of whoever a fault holds, close every socket, and remove the files."""
        self.faults.clear()
        with ThreadPoolExecutor(len(self._listeners)) as workers:
            list(workers.map(Listener.stop, self._listeners))
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stop_door(self) -> None:
        """The door goes away: its port refuses connections."""
        self._door_listener.stop(patience=0)

    def start_door(self) -> None:
        """The door comes back on the same port, its cache of logins empty."""
        self._logins.forget()
        self._door_listener.start()

    def restart_door(self) -> None:
        """The door goes away and comes back."""
        self.stop_door()
        self.start_door()

    def stop_pool(self, index: int) -> None:
        """Pool `index` (0 or 1) goes away, with its movers."""
        self._pool_listeners[index].stop(patience=0)
        self._pools[index].movers.clear()

    def start_pool(self, index: int) -> None:
        """Pool `index` comes back on the same port."""
        self._pool_listeners[index].start()

    def restart_pool(self, index: int) -> None:
        """Pool `index` goes away and comes back: its old URLs are no longer valid."""
        self.stop_pool(index)
        self.start_pool(index)

    # ---- what was seen

    @property
    def seen(self) -> list[Seen]:
        """Every request so far, in order."""
        return self._spy.all()

    def forget_seen(self) -> None:
        """Start the record anew."""
        self._spy.clear()

    def wait_for(self, predicate: Callable[[Seen], bool], timeout: float = 5.0) -> Seen:
        """The first request, past or to come, that satisfies `predicate`; TimeoutError after seconds."""
        return self._spy.wait_for(predicate, timeout)

    # ---- logging in

    def approve(self, user_code: str, user: str | None = None) -> None:
        """Say yes to a login, as the sandbox's user or another. KeyError for an unknown code."""
        self._issuer.flow.approve(user_code, user or self.user)

    def deny(self, user_code: str) -> None:
        """Say no to a login. KeyError for an unknown code."""
        self._issuer.flow.deny(user_code)

    def revoke_sessions(self) -> None:
        """End every login: refresh tokens are no longer good, access tokens are until they expire."""
        self._issuer.sessions.revoke_all()

    def token(
        self,
        user: str | None = None,
        lifetime: float = 300,
        scope: str = "openid",
        issuer: str | None = None,
        **claims: object,
    ) -> str:
        """A signed access token without any flow. `claims` override or add; a claim of None is left out."""
        made = self._issuer.claims(self.user if user is None else user, lifetime, scope)
        made |= {} if issuer is None else {"iss": issuer}
        made |= claims
        return self._signer.sign({name: value for name, value in made.items() if value is not None})

    # ---- how to use it

    def profile(self) -> dict[str, object]:
        """What a profile of the client needs to use this sandbox."""
        return {
            "kind": "dcache",
            "door": self.door,
            "frontend": self.frontend,
            "issuer": self.issuer,
            "client_id": self.client_id,
            "home": list(self._home),
            "ca": str(self.ca),
        }

    def profile_toml(self, name: str = "sandbox") -> str:
        """The profile as a table of a TOML file."""
        lines = [f"{key} = {_toml(value)}" for key, value in self.profile().items()]
        return "\n".join([f"[profiles.{name}]", *lines, ""])


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
