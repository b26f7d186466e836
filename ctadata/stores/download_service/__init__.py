"""The store of the JupyterHub platform's download service, and the requests to the service."""
