"""Two readings of a page: which is the article, and what one lacks."""

import pytest

from searchidx.articles.agreement import weigh


def sentence(number: int) -> str:
    return f"In year {number} the harbour counted {number * 7} boats, and {number * 3} of them never came back to it."


def text(*numbers: int) -> str:
    return "\n\n".join(map(sentence, numbers))


def never() -> str:
    raise AssertionError("a third reading is made only where two differ much")


def test_two_readings_that_agree_need_no_third():
    assert weigh(text(1, 2, 3, 4), text(1, 2, 3, 4), never, text(1, 2, 3, 4)) == text(1, 2, 3, 4)


def test_a_reading_that_has_all_of_ours_and_much_more_is_the_article():
    assert weigh(text(1, 2), text(*range(1, 9)), never, "") == text(*range(1, 9))


def test_a_reading_of_another_part_of_the_page_is_the_article():
    assert weigh(text(1, 2), text(11, 12, 13, 14), never, "") == text(11, 12, 13, 14)


def test_a_reading_too_short_to_say_anything_changes_nothing():
    assert weigh(text(1, 2, 3), text(11), never, "") == text(1, 2, 3)


@pytest.mark.parametrize(("third", "article"), [((1, 2, 3, 4), (1, 2, 3, 4)), ((1, 2, 3, 4, 5, 6, 7, 8), range(1, 9))])
def test_where_ours_has_much_more_a_third_reading_decides(third, article):
    assert weigh(text(*range(1, 9)), text(1, 2, 3, 4), lambda: text(*third), "") == text(*article)


def test_where_one_reading_found_nothing_the_other_counts():
    assert weigh("", text(1), never, "") == text(1)
    assert weigh(text(1), "", never, "") == text(1)
    assert weigh("", "", never, "") == ""


def test_a_lead_that_only_theirs_has_comes_first_where_the_page_may_show_it():
    ours, theirs = text(*range(2, 20)), text(*range(1, 20))
    assert weigh(ours, theirs, never, theirs) == theirs
    assert weigh(ours, theirs, never, ours) == ours


def test_lines_that_are_no_sentence_and_only_ours_go_and_headings_rows_and_sentences_stay():
    kept = f"# Harbour\n\n{text(1, 2)}\n\n## Boats\n\n| Port | Boats |\n\nNobody knows why."
    ours = kept.replace("## Boats", "By Ada Byron\n\n## Boats") + "\n\n## Share this"
    assert weigh(ours, f"Harbour\n\n{text(1, 2)}\n\nWhat else there is to say.", never, "") == kept
