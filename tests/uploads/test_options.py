"""The settings of the sender."""

from __future__ import annotations

from wsfs.uploads.options import Options


def test_a_comment_tells_the_names_and_nothing_else() -> None:
    assert Options().comment_text(["a", "b"]) == "a\nb"


def test_a_template_may_say_more_and_a_name_can_not_break_it() -> None:
    options = Options(text="{count} files:\n{names}")
    assert options.comment_text(["{count}", "{0}"]) == "2 files:\n{count}\n{0}"


def test_a_comment_is_never_without_a_text() -> None:
    assert Options(text="").comment_text(["a"]) == "a"
