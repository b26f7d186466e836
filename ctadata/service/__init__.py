"""The platform's download service and certificate service, called from a JupyterHub."""
