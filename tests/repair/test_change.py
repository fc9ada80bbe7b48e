"""A change of text: applied where it says, shown as a diff, and told from another that touches the same place."""

from __future__ import annotations

from ppo_audit.findings import Edit, Replacement
from ppo_audit.repair.change import applied, diff, overlap

TEXT = "one = 1  # kept\ntwo = max(a,\n          b)\n"


def edit(*replacements: Replacement) -> Edit:
    return Edit("file.py", "digest", replacements)


def test_only_the_named_columns_are_replaced():
    assert applied(TEXT, [Replacement(1, 7, 1, 8, "3")]) == TEXT.replace("1  #", "3  #")


def test_a_stretch_over_several_lines_is_replaced():
    assert applied(TEXT, [Replacement(2, 7, 3, 13, "a")]) == "one = 1  # kept\ntwo = a\n"


def test_several_stretches_keep_their_places():
    both = [Replacement(1, 7, 1, 8, "33333"), Replacement(1, 1, 1, 4, "first")]
    assert applied(TEXT, both).splitlines()[0] == "first = 33333  # kept"


def test_the_diff_names_the_file_and_shows_the_lines():
    shown = diff("file.py", TEXT, applied(TEXT, [Replacement(1, 7, 1, 8, "3")])).splitlines()
    assert shown[:2] == ["--- file.py", "+++ file.py"]
    assert "-one = 1  # kept" in shown
    assert "+one = 3  # kept" in shown


def test_edits_of_one_stretch_overlap_and_neighbours_do_not():
    first, inside, behind = Replacement(1, 1, 1, 8, "x"), Replacement(1, 7, 1, 8, "y"), Replacement(1, 8, 1, 9, "z")
    assert overlap(edit(first), edit(inside))
    assert overlap(edit(first), edit(first))
    assert not overlap(edit(first), edit(behind))
