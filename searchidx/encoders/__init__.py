"""From text to vectors: which encoder a name means, and what to install for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchidx.errors import EncoderNotFound, MissingExtra

if TYPE_CHECKING:
    from searchidx.types import Encoder

DEFAULT_ENCODER = "bundled-en"


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """A row of ``searchidx encoders``.

    Attributes:
        name: what ``load_encoder`` takes.
        dim: length of a vector.
        languages: ISO 639 codes, or how many there are.
        needs: the extra to install; empty where nothing is needed.
        size: megabytes to download; 0 for what is part of the package.
        note: when to take it, a few words.
    """

    name: str
    dim: int
    languages: str
    needs: str
    size: int
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


# Suggestions only: any model of sentence-transformers can be named. All of these work without a prompt of their own;
# a model that wants one and does not store it in its folder would silently rank worse.
_KNOWN = (
    EncoderInfo(DEFAULT_ENCODER, 256, "en", "", 0, "the default: static, no download, thousands of passages a second"),
    EncoderInfo("all-MiniLM-L6-v2", 384, "en", "transformers", 91, "small and well tried"),
    EncoderInfo("BAAI/bge-small-en-v1.5", 384, "en", "transformers", 134, "better ranking, half the speed of MiniLM"),
    EncoderInfo("BAAI/bge-base-en-v1.5", 768, "en", "transformers", 438, "better still; wants a graphics card"),
    EncoderInfo(
        "ibm-granite/granite-embedding-107m-multilingual", 384, "12 languages", "transformers", 214, "not only English"
    ),
)


def known_encoders() -> list[EncoderInfo]:
    """Return the default encoder and some that are worth trying, smallest first."""
    return list(_KNOWN)


def load_encoder(name: str, device: str | None = None) -> Encoder:
    """Return the encoder that a name means.

    Args:
        name: ``bundled-en``; a folder that holds a model; or the name of a sentence-transformers model on the Hugging
            Face hub, which is downloaded once.
        device: where a transformer runs (``"cpu"``, ``"cuda"``...); None takes the best there is. A static encoder
            needs none.

    Raises:
        EncoderNotFound: nothing goes by that name, or the folder holds no model; the message lists what would work.
        MissingExtra: the model needs sentence-transformers.
    """
    if name == DEFAULT_ENCODER:
        from searchidx.encoders.static import BUNDLED, StaticEncoder

        return StaticEncoder(BUNDLED, name)
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        return _load_folder(folder, name, device)
    similar = _similar(name)
    if _is_path(name):
        raise EncoderNotFound(_advise(f'there is no folder "{name}"', similar))
    if similar == DEFAULT_ENCODER:  # nobody needs the hub, or an extra, to hear of a slip in the default's own name
        raise EncoderNotFound(_advise(f'no encoder is called "{name}"', similar))
    try:
        return _load_transformer(name, device)
    except EncoderNotFound as error:
        raise EncoderNotFound(_advise(str(error), "" if similar == name else similar)) from error


def _load_folder(folder: Path, name: str, device: str | None) -> Encoder:
    """A static encoder where the folder holds a table, else whatever sentence-transformers makes of it."""
    from searchidx.encoders.folder import is_static

    if not is_static(folder):
        return _load_transformer(str(folder), device, name)
    from searchidx.encoders.static import StaticEncoder

    return StaticEncoder(folder, name)


def _load_transformer(model: str, device: str | None, name: str = "") -> Encoder:
    """A transformer by its folder or its name on the hub; ``name`` is what the user called it, where that differs."""
    if find_spec("sentence_transformers") is None:
        raise MissingExtra('sentence-transformers models need an extra: pip install "searchidx[transformers]"')
    from searchidx.encoders.transformer import TransformerEncoder

    encoder = TransformerEncoder(model, device)
    encoder.name = name or model
    return encoder


def _is_path(name: str) -> bool:
    """Whether a name can only be meant as a path: names on the hub are ``model`` or ``owner/model``."""
    return not name or name.startswith((".", "/", "~")) or name.count("/") > 1


def _similar(name: str) -> str:
    """The known name that was probably meant, or nothing."""
    from difflib import get_close_matches

    names = {info.name.lower().rpartition("/")[2]: info.name for info in reversed(_KNOWN)}
    found = get_close_matches(name.lower().rpartition("/")[2], names, n=1, cutoff=0.75)
    return names[found[0]] if found else ""


def _advise(problem: str, similar: str) -> str:
    """What happened, what was expected, what to do."""
    meant = f" (did you mean {similar}?)" if similar else ""
    return (
        f"{problem}{meant}. Known: {', '.join(info.name for info in _KNOWN)}; other sentence-transformers models are "
        "downloaded by their name on the Hugging Face hub. Without a network, give the path of a folder that holds one"
    )
