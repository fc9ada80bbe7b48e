"""Edits are written below the working directory only, to the very text that they were made for, and to nothing else."""

from __future__ import annotations

import py_compile
from pathlib import Path

import pytest

from ppo_audit.findings import Edit, Replacement
from ppo_audit.repair.applying import apply
from ppo_audit.repair.change import digest_of

TEXT = "loss = max(a, b)  # the surrogate\n"
FIXED = "loss = min(a, b)  # the surrogate\n"
SPAN = Replacement(1, 8, 1, 11, "min")


def edit(file: str = "loss.py", text: str = TEXT, span: Replacement = SPAN) -> Edit:
    return Edit(file, digest_of(text), (span,))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "loss.py"
    path.write_text(TEXT)
    return path


def test_the_file_is_changed_and_its_comment_stays(file: Path):
    assert apply([edit()], file.parent) == ([edit()], [])
    assert file.read_text() == FIXED


def test_what_was_compiled_of_the_old_text_is_gone(file: Path):
    compiled = Path(py_compile.compile(str(file), doraise=True))
    apply([edit()], file.parent)
    assert not compiled.exists()


def test_a_second_time_nothing_is_written(file: Path):
    apply([edit()], file.parent)
    written, refused = apply([edit()], file.parent)
    assert written == []
    assert "has changed since" in refused[0].why
    assert file.read_text() == FIXED


def test_a_file_that_changed_meanwhile_is_left_alone(file: Path):
    file.write_text(TEXT + "# more\n")
    _, (refusal,) = apply([edit()], file.parent)
    assert "audit it again" in refusal.why
    assert file.read_text() == TEXT + "# more\n"


def test_nothing_outside_of_the_working_directory_is_touched(file: Path):
    inside = file.parent / "work"
    inside.mkdir()
    (inside / "link.py").symlink_to(file)
    for name in ("../loss.py", str(file), "link.py"):
        written, (refusal,) = apply([edit(name)], inside)
        assert written == []
        assert "outside of the working directory" in refusal.why
    assert file.read_text() == TEXT


def test_of_two_edits_of_one_place_the_first_is_written(file: Path):
    other = edit(span=Replacement(1, 8, 1, 17, "a"))
    written, (refusal,) = apply([edit(), other], file.parent)
    assert (written, refusal.edit) == ([edit()], other)
    assert file.read_text() == FIXED


def test_line_endings_and_permissions_stay(file: Path):
    file.write_bytes(TEXT.replace("\n", "\r\n").encode())
    file.chmod(0o640)
    apply([edit()], file.parent)
    assert file.read_bytes() == FIXED.replace("\n", "\r\n").encode()
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["loss.py"]


def test_a_file_that_is_gone_is_told_of(tmp_path: Path):
    _, (refusal,) = apply([edit()], tmp_path)
    assert "cannot be read" in refusal.why
