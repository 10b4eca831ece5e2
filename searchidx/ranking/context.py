"""Hits become a context for a language model: numbered, quoted, within a token budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from searchidx.types import Citation, Context, Hit


def build_context(query: str, hits: Sequence[Hit], max_tokens: int, count: Callable[[str], int]) -> Context:
    """Take passages from the best on, as long as they fit.

    Each is numbered ``[1]``, ``[2]``..., headed by title, source, date and address, and follows between a pair of
    fences that its own text cannot close. A passage that does not fit is left out; a shorter one after it may still
    fit. The result never exceeds the budget.

    Args:
        query: the question.
        hits: best first, each passage once.
        max_tokens: budget for the whole text.
        count: number of tokens of a text.
    """
    blocks: list[str] = []
    citations: list[Citation] = []
    for hit in hits:
        block = _block(len(blocks) + 1, hit)
        if count("\n\n".join([*blocks, block])) <= max_tokens:
            blocks.append(block)
            citations.append(hit.citation)
    text = "\n\n".join(blocks)
    return Context(query, text, count(text) if text else 0, tuple(citations))


def _block(number: int, hit: Hit) -> str:
    fence = "```"
    while fence in hit.passage.text:
        fence += "`"
    return f"[{number}] {hit.citation}\n{fence}\n{hit.passage.text}\n{fence}"
