"""A miniature dCache in one process on loopback, to try the client without an account and to test against.

One WebDAV door, two pools, a REST frontend (user, namespace, tape, quota, labels) and an OpenID issuer, each on a port
of its own, TLS everywhere with a certificate authority made on the spot. Uploaded bytes go to a temporary folder that
`close` removes.

    with Sandbox(approve=True) as box:
        box.door, box.pools, box.frontend, box.issuer     # "https://localhost:PORT", the issuer with its realm
        box.ca                                            # Path of the CA bundle (PEM)
        box.client_id, box.client_secret
        box.profile(), box.profile_toml(name="sandbox")   # what a profile of the client needs
        box.token(user="ada", lifetime=300, scope="openid", issuer=None, aud=...)   # a JWT without any flow
        box.approve(user_code); box.deny(user_code)       # somebody clicks; box.revoke_sessions() ends every login
        box.seen; box.wait_for(lambda seen: seen.server == "pool1" and seen.method == "PUT", timeout=5)
        box.transfer_log.requested(path)                  # byte ranges; also requested_twice, broken, failed
        box.served("pool")                                # bytes of bodies sent so far, also where they were cut
        box.files.put("/lst/a.txt", b"...", mtime=1e9); box.files.tree(); box.files.entry("/lst/a.txt").broken
        box.faults.add("pool", "GET", "/lst/a.txt", faults.Cut(after=1000), times=1)
        box.tape.archive("/lst/a.txt"); box.tape.make_unreadable("/lst/a.txt", "words"); box.tape.requests
        box.restart_door(); box.restart_pool(0)           # also stop_door, start_door, stop_pool, start_pool

Everyone may read everything; users may write under their own home `/lst/users/<user>`, made at start for `user` and
`users` (`write_anywhere=True` lifts that). Options of `Sandbox`, all by keyword:

    approve=False           logins are approved at once, as `user`; else a person clicks at the verification address
    user="ada", users=()    who approves; for whom else a home is made
    token_lifetime=300      seconds an access token lives; device_lifetime=600 and interval=1 for the device flow
                            (interval=None: not announced, 5 s hold)
    rotate=True             refresh tokens rotate, and the second use of one ends its family
    confidential=False      which of the two registered clients `client_id` names: the public one ignores a secret, the
                            other needs `client_secret` (client_secret_basic, form-encoded as RFC 6749 says, or _post)
    algorithm="ES256"       or RS256
    home=("lst/users/{user}",)   templates of homes; only the first is made
    overwrite=True, redirect=True    as dCache's own settings; redirect=False: the door carries all bytes itself
    http_pools=False        pools without TLS, known by their bare IP address
    options_style="dav"     or "cors": OPTIONS as of 12.0, an empty 200
    rate_limit=False        True: 429 as of 11.2 (4 ms apart, three 401); "retry-after": with that header
    tape_delay=0.0          seconds until a file that lies on tape alone is on disk again; tape_drives at a time
    marker_interval=5.0     seconds between the performance markers of a COPY (box.trust(other): to and from another)
    quota=None              bytes that a home may hold
    tape_api=None           the origin that `.well-known/wlcg-tape-rest-api` names; None: the frontend's own
    qos_engine=False        True: the frontend can give a file another quality of service
    clock=time.time         every expiry and every stored time comes from it

Faults are in `ctadata.sandbox.faults`; `box.faults.add(server, method, path, fault, times=None, skip=0)` returns a
handle with `remove()`, `release()`, `hits` and `reached` (an Event).
"""

from ctadata.sandbox.sandbox import Sandbox

__all__ = ["Sandbox"]
