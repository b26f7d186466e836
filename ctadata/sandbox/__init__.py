"""A miniature dCache in one process on loopback: to try the client without an account, and to test it.

It has one WebDAV door, two pools, a REST frontend (user, namespace, tape, quota, labels) and an OpenID issuer. Each has
its own port, with TLS and a new certificate authority. Uploaded bytes go to a temporary directory; `close` removes it.

    with Sandbox(approve=True) as box:
        box.door, box.pools, box.frontend, box.issuer     # "https://localhost:PORT", the issuer with its realm
        box.ca                                            # Path of the CA bundle (PEM)
        box.client_id, box.client_secret
        box.profile(), box.profile_toml(name="sandbox")   # the keys of a profile for the client
        box.token(user="ada", lifetime=300, scope="openid", issuer=None, aud=...)   # a JWT without a login
        box.approve(user_code); box.deny(user_code)       # the user's click; box.revoke_sessions() ends every login
        box.seen; box.wait_for(lambda seen: seen.server == "pool1" and seen.method == "PUT", timeout=5)
        box.transfer_log.requested(path)                  # byte ranges; also requested_twice, broken, failed
        box.served("pool")                                # bytes of bodies sent so far, with those of broken transfers
        box.files.put("/lst/a.txt", b"...", mtime=1e9); box.files.tree(); box.files.entry("/lst/a.txt").broken
        box.faults.add("pool", "GET", "/lst/a.txt", faults.Cut(after=1000), times=1)
        box.tape.archive("/lst/a.txt"); box.tape.make_unreadable("/lst/a.txt", "words"); box.tape.requests
        box.restart_door(); box.restart_pool(0)           # also stop_door, start_door, stop_pool, start_pool

All users may read everything, and write below their own home `/lst/users/<user>`, which is created at the start for
`user` and `users`; `write_anywhere=True` allows writes everywhere. Options of `Sandbox`, all by keyword:

    approve=False           True: logins are approved at once, as `user`; else at the verification address
    user="ada", users=()    the user who approves; further users with a home
    token_lifetime=300      seconds that a token is valid; device_lifetime=600 and interval=1 for the device flow
                            (interval=None: not announced, so 5 s hold)
    rotate=True             refresh tokens rotate, and the second use of one ends its session
    confidential=False      the client of `client_id`: the public one ignores a secret, the confidential one needs
                            `client_secret` (client_secret_basic, form-encoded as in RFC 6749, or client_secret_post)
    algorithm="ES256"       or RS256
    home=("lst/users/{user}",)   templates of homes; only the first home is created
    overwrite=True, redirect=True    dCache's settings of these names; redirect=False: the door sends all bytes itself
    http_pools=False        True: pools without TLS, addressed by IP
    options_style="dav"     or "cors": OPTIONS as in 12.0, an empty 200
    rate_limit=False        True: 429 as in 11.2 (4 ms apart, three 401); "retry-after": with that header
    tape_delay=0.0          seconds until a file on tape is on disk; tape_drives files at a time
    marker_interval=5.0     seconds between the performance markers of a COPY (box.trust(other) allows it)
    quota=None              the largest number of bytes in a home
    tape_api=None           the origin in `.well-known/wlcg-tape-rest-api`; None: that of the frontend
    qos_engine=False        True: the frontend can change a file's quality of service
    clock=time.time         the source of every expiry and of every stored time

Faults are in `ctadata.sandbox.faults`; `box.faults.add(server, method, path, fault, times=None, skip=0)` returns a
handle with `remove()`, `release()`, `hits` and `reached` (an Event).
"""

from ctadata.sandbox.example_files import add_example_files, write_local_examples
from ctadata.sandbox.sandbox import Sandbox

__all__ = ["Sandbox", "add_example_files", "write_local_examples"]
