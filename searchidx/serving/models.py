"""What requests may say: every field named, typed and bounded; anything else is refused by name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from searchidx.ranking import recency

MAX_QUERY = 2_000
"""Characters of a query at most."""
MAX_K = 100
"""Hits of a search at most."""
MAX_CONTEXT = 100_000
"""Tokens of a context at most."""
MAX_DOCUMENTS = 500
"""Articles in one request to add some."""


def _sound(text: str) -> str:
    """Lone surrogates, which JSON can spell, become U+FFFD: no file and no index can hold them."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


Text = Annotated[str, AfterValidator(_sound)]
QueryText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_QUERY, pattern=r"\S"),
    AfterValidator(_sound),
    Field(description="What to look for, in plain words: a question, a claim or keywords.", examples=["wheat prices"]),
]
IndexName = Annotated[
    Text | None,
    Field(
        max_length=200,
        description="Name of the index to search; may be left out where there is one only, or one called default.",
    ),
]
Filters = Annotated[
    list[Text | dict[str, Any]],
    Field(
        max_length=100,
        description=(
            "Filters that must all hold: strings FIELD OP VALUE with one of = != < <= > >=, such as topic=law, or "
            'nested objects {"type": "eq|ne|gt|gte|lt|lte|in|nin", "key": ..., "value": ...} and {"type": "and|or", '
            '"filters": [...]}. Fields: doc_id title uri published author source language, and any metadata key.'
        ),
        examples=[["published>=2018", "topic=law"]],
    ),
]
Day = Annotated[
    Text | None,
    Field(
        max_length=40, description="A date: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ.", examples=["2018-05"]
    ),
]
Outlets = Annotated[
    list[Text], Field(max_length=100, description="Only articles of one of these outlets.", examples=[["Reuters"]])
]
MinScore = Annotated[float, Field(ge=0, le=1, description="Only hits at least this relevant, from 0 to 1.")]


def _span(value: str | float | None) -> str | float | None:
    if value is not None:
        recency.days_of(value)
    return value


def _moment(value: str | None) -> str | None:
    recency.moment_of(value)
    return value


Sort = Annotated[
    Literal["relevance", "date"],
    Field(
        description="date: newest first, among the hits that are at least 30% as relevant as the best; undated last."
    ),
]
HalfLife = Annotated[
    Annotated[Text, Field(max_length=40)] | float | None,
    AfterValidator(_span),
    Field(
        description="Prefer what is new: relevance counts half as much for an article that is so much older. Days, or "
        "12h, 30d, 6w, 3m (months), 1y. Not together with sort date.",
        examples=["30d"],
    ),
]
AsOf = Annotated[
    Day, AfterValidator(_moment), Field(description="The date from which half_life counts ages; null for now.")
]


class Strict(BaseModel):
    """A body of which every field is known."""

    model_config = ConfigDict(extra="forbid")


class Narrowed(Strict):
    """What narrows a search or a list down."""

    where: Filters = Field(default_factory=list)
    after: Annotated[Day, Field(description="Published on this date or later.")] = None
    before: Annotated[Day, Field(description="Published before this date.")] = None
    sources: Outlets = Field(default_factory=list)

    def options(self) -> dict[str, Any]:
        """The same as options of ``Index.search``."""
        return {"where": self.where, "after": self.after, "before": self.before, "sources": self.sources}


class Asked(Narrowed):
    """A query and what narrows it down."""

    query: QueryText
    index: IndexName = None
    mode: Annotated[
        Literal["hybrid", "dense", "lexical"],
        Field(description="dense (by meaning), lexical (by words), or hybrid: both, which finds most."),
    ] = "hybrid"
    min_score: MinScore = 0.0
    sort: Sort = "relevance"
    half_life: HalfLife = None
    as_of: AsOf = None

    @model_validator(mode="after")
    def _sound_dates(self) -> Asked:
        recency.check(self.sort, self.half_life, self.as_of)
        return self

    def options(self) -> dict[str, Any]:
        """The same as options of ``Index.search``."""
        names = ("mode", "min_score", "sort", "half_life", "as_of")
        return {**super().options(), **{name: getattr(self, name) for name in names}}


class SearchRequest(Asked):
    """A search."""

    k: Annotated[int, Field(ge=1, le=MAX_K, description="Hits wanted.")] = 10
    group: Annotated[bool, Field(description="One hit for each article; false for one for each passage.")] = True
    fusion: Annotated[
        Literal["weighted", "rrf"], Field(description="How hybrid merges: by scores, or by reciprocal ranks.")
    ] = "weighted"
    lexical_weight: Annotated[
        float | None,
        Field(ge=0, le=1, description="Share of words against meaning in hybrid; null for the best known."),
    ] = None

    all_copies: Annotated[
        bool,
        Field(
            description="Also copies of a better hit, the same story in other papers; false lists them with the hit."
        ),
    ] = False

    def options(self) -> dict[str, Any]:
        """The same as options of ``Index.search``."""
        names = ("group", "fusion", "lexical_weight", "all_copies")
        return {**super().options(), **{name: getattr(self, name) for name in names}}


class ContextRequest(Asked):
    """A question for which a language model needs passages."""

    max_tokens: Annotated[int, Field(ge=1, le=MAX_CONTEXT, description="Length of the context at most, in tokens.")] = (
        1500
    )

    def options(self) -> dict[str, Any]:
        """The same as options of ``Index.context``."""
        return {**super().options(), "max_tokens": self.max_tokens}


class Article(Strict):
    """An article to add; one with the same doc_id is replaced."""

    doc_id: Annotated[Text, Field(min_length=1, max_length=1_000, description="Unique within the index.")]
    text: Annotated[Text, Field(min_length=1, description="The body, as plain text or Markdown.")]
    title: Text = ""
    uri: Annotated[Text, Field(description="Where a person can read it; only http and https are linked to.")] = ""
    published: Annotated[Text, Field(description="ISO 8601, as much of it as is known.", examples=["2018-05-03"])] = ""
    author: Text = ""
    source: Annotated[Text, Field(description="The outlet or site.")] = ""
    language: Annotated[Text, Field(description="ISO 639 code, such as en.")] = ""
    metadata: Annotated[dict[str, Any], Field(description="Anything else, which filters can name.")] = Field(
        default_factory=dict
    )
    media_type: Literal["text/plain", "text/markdown"] = "text/plain"


class AddRequest(Strict):
    """Articles to add."""

    documents: Annotated[list[Article], Field(min_length=1, max_length=MAX_DOCUMENTS)]
