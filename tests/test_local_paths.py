"""What is at a local path: the same answer with each version of Python."""

from pathlib import Path

import pytest

from ctadata.local_paths import exists, is_directory


def test_a_file_a_directory_a_link_and_nothing(tmp_path):
    (tmp_path / "f").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    names = (".", "f", "link", "dangling", "loop", "f/below", "none", "a\0b")
    assert [name for name in names if exists(tmp_path / name)] == [".", "f", "link"]
    assert [name for name in names if is_directory(tmp_path / name)] == [".", "link"]


@pytest.mark.parametrize("look", [exists, is_directory])
def test_what_the_system_does_not_say_is_an_error(look):
    with pytest.raises(OSError, match="name too long"):
        look(Path("n" * 300))
