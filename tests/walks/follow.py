"""Run a module's `main` with the arguments given, and write every function of ctadata it enters to a file, in order.

python follow.py LOG MODULE [ARGUMENT ...]
"""

import importlib
import sys
import threading
from pathlib import Path
from types import FrameType

entered: list[str] = []
log, module = Path(sys.argv.pop(1)), sys.argv.pop(1)


def profile(frame: FrameType, event: str, arg: object) -> None:
    name = frame.f_globals.get("__name__", "")
    if event == "call" and name.startswith("ctadata."):
        entered.append(f"{name.removeprefix('ctadata.')}.{frame.f_code.co_qualname}")


threading.setprofile(profile)
sys.setprofile(profile)
try:
    code = importlib.import_module(module).main()
finally:
    sys.setprofile(None)
    log.write_text("\n".join(entered))
sys.exit(code)
