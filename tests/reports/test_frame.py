"""A code frame shows the line to edit and the columns in question."""

from ppo_audit.findings import Location
from ppo_audit.reports._frame import code_frame, place


class TestCodeFrame:
    def test_marks_the_columns(self):
        frame = code_frame(Location("f.py", 9, 5, 9, 8, code="    abc = 1"))
        assert frame == "9 │ abc = 1\n  │ ^^^"

    def test_marks_every_line_of_an_expression(self):
        frame = code_frame(Location("f.py", 9, 3, 10, 7, code="  x(\n    a) + b"))
        assert frame == " 9 │ x(\n   │ ^^\n10 │   a) + b\n   │   ^^"

    def test_without_columns_it_shows_the_line_alone(self):
        assert code_frame(Location("f.py", 9, code="\tx = 1")) == "9 │ x = 1"

    def test_a_column_beyond_the_line_marks_nothing(self):
        assert code_frame(Location("f.py", 9, 50, 9, 60, code="x")) == "9 │ x"

    def test_without_source_there_is_no_frame(self):
        assert code_frame(Location("f.py", 9)) == ""


def test_places():
    assert place(Location("f.py", 9, 5)) == "f.py:9:5"
    assert place(Location("f.py", 9)) == "f.py:9"
    assert place(None) == "no single line"
