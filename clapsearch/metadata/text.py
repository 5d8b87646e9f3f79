"""Bytes of unknown encoding to text, and text to one clean line."""

import codecs
import re

_NAME = re.compile(r"[^a-z0-9]+")
MAX_NAME = 60


def decoded(raw: bytes) -> str:
    """Decode a text that ends at its first NUL: UTF-8, also when cut inside a character, else Windows-1252."""
    raw = raw.partition(b"\0")[0]
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(raw)  # a character begun at the end is left out
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def recoded(text: str | None) -> str:
    """Decode anew what a library took for Latin-1, which never fails and loses nothing."""
    return decoded((text or "").encode("latin-1"))


def clean(text: str, limit: int) -> tuple[str, int]:
    """Return a text as one line without control characters, cut to `limit`, and how many characters it had."""
    n_chars = len(text)
    # Characters that are dropped or joined below leave room: more than the limit is looked at, but not megabytes.
    line = "".join(char for char in " ".join(text[: 4 * limit].split()) if char.isprintable())
    return line[:limit].strip(), n_chars if n_chars > 4 * limit else len(line)


def name_of(text: str) -> str:
    """Return the name of a field made from any text: lower case ASCII letters and digits, joined by underscores."""
    return _NAME.sub("_", text[: 4 * MAX_NAME].lower()).strip("_")[:MAX_NAME]
