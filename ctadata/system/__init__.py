"""The calls of the operating system that POSIX and Windows do not have in common, under one name each.

`posix` and `windows` define the same names, and so do `posix_files` and `windows_files`. No other module asks which
system it runs on.
"""

import sys

if sys.platform == "win32":
    from ctadata.system.windows import *  # noqa: F403  (the names are the same)
    from ctadata.system.windows_files import *  # noqa: F403
else:
    from ctadata.system.posix import *  # noqa: F403
    from ctadata.system.posix_files import *  # noqa: F403
