"""The download service of the JupyterHub platform: the store, and how the service is asked."""
