"""The hub's settings for the tests: its API and pages alone, users by name, and the platform's two services."""

import os
import sys
from pathlib import Path

from jupyterhub.proxy import Proxy
from traitlets import Dict

FOLDER, PORT = os.environ["HUB_FOLDER"], os.environ["HUB_PORT"]
SERVICES = ("downloadservice", "certificateservice")


class NoProxy(Proxy):
    """Nobody looks at a session with a browser here, so no route leads anywhere."""

    routes = Dict()

    async def add_route(self, routespec, target, data):
        self.routes[routespec] = {"routespec": routespec, "target": target, "data": data}

    async def delete_route(self, routespec):
        self.routes.pop(routespec, None)

    async def get_all_routes(self):
        return self.routes


c = get_config()  # noqa: F821  (given by the hub)
c.JupyterHub.proxy_class = NoProxy
c.Proxy.should_start = False
c.JupyterHub.bind_url = c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{PORT}"
c.JupyterHub.db_url = f"sqlite:///{FOLDER}/hub.sqlite"
c.JupyterHub.cookie_secret_file = f"{FOLDER}/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = f"{FOLDER}/homes/{{username}}"
c.Spawner.cmd = [sys.executable, str(Path(__file__).with_name("jupyterhub_session.py"))]
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 60}  # seconds; who starts a session is answered when it is up
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {"administrator"}

# the services as the platform has them, and one that makes users and tokens for the tests
c.JupyterHub.services = [
    {"name": "tests", "api_token": os.environ["HUB_TOKEN"]},
    *(
        {
            "name": name,
            "api_token": f"token-of-the-{name}",
            "oauth_redirect_uri": f"/services/{name}/oauth_callback",
            "oauth_no_confirm": True,
        }
        for name in SERVICES
    ),
]
access = [f"access:services!service={name}" for name in SERVICES]
c.JupyterHub.load_roles = [
    {"name": "tests", "services": ["tests"], "scopes": ["admin:users", "admin:servers", "tokens"]},
    {"name": "user", "scopes": ["self", *access]},
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", *access]},
]
