"""The tables of docs/reference say what the code does."""

import re
from pathlib import Path

from ctadata import errors

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "exit-codes.md"
OF_SIGNALS = {0, 143}  # success, and SIGTERM: no error of ours


def test_every_exit_code_is_in_the_table_and_no_other() -> None:
    written = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CtadataError)]
    ours = {kind.exit_code for kind in kinds if isinstance(kind.exit_code, int)} | {6}
    assert written == ours | OF_SIGNALS
