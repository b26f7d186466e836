"""The storage for every library that opens files through fsspec: h5py, uproot, astropy, pandas, xarray, zarr, Dask.

::

    import fsspec, h5py

    with fsspec.open("cta:///lst/run1/events.h5") as file, h5py.File(file) as events:
        energies = events["energy"][:]                  # reads that column, and no more

    fs = fsspec.filesystem("cta")                       # or filesystem("cta", profile="dev")
    fs.ls("/lst/run1")
    fs.get("/lst/run1/", "run1/", recursive=True)       # verified, several files at a time

`cta:///path` is the profile that `CTADATA_PROFILE` or the settings choose, `cta://dev/path` the profile `dev`, and
`cta:///~/path` lies below your home. Log in once with ``direct.login()`` or ``cta-data-direct start-agent``: the
filesystem finds the token by the name of the profile, in every process anew, and takes none as an option. So no secret
is in a pickle, a Dask graph, a JSON document or a log.

A file that is read asks the door once, then a pool for the parts that are wanted. A file that is written appears when
it is closed, whole and verified, and not at all if its block raised. Errors are those of `ctadata.errors`, and those of
the operating system too: `FileNotFoundError`, `PermissionError`, `TimeoutError` and so on.
"""

from ctadata.filesystem.filesystem import CtaFileSystem

__all__ = ["CtaFileSystem"]
