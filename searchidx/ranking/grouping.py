"""Several passages of one article, and copies of one article, folded into one place of the ranking."""

from __future__ import annotations

from collections.abc import Mapping

from searchidx.types import Ranking


def fold(ranking: Ranking, group_of: Mapping[int, int]) -> list[list[tuple[int, float]]]:
    """Group a ranking: the groups in the order of their best passage, the passages within each best first.

    Args:
        ranking: passage ids with scores, best first.
        group_of: the group, such as a document, of each passage; passages without one are left out.
    """
    groups: dict[int, list[tuple[int, float]]] = {}
    for passage_id, score in ranking:
        if passage_id in group_of:
            groups.setdefault(group_of[passage_id], []).append((passage_id, score))
    return list(groups.values())


def without_copies(ranking: Ranking, document_of: Mapping[int, int], story_of: Mapping[int, int]) -> Ranking:
    """Leave of each story the passages of one document: the one whose best passage comes first.

    Args:
        ranking: passage ids with scores, best first.
        document_of: the document of each passage.
        story_of: the story of each passage whose document has copies.
    """
    chosen: dict[int, int] = {}
    return [
        (passage_id, score)
        for passage_id, score in ranking
        if passage_id not in story_of
        or chosen.setdefault(story_of[passage_id], document_of[passage_id]) == document_of[passage_id]
    ]
