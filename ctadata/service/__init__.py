"""The same verbs through the JupyterHub's download service; and the certificates that it opens the storage with."""
