"""What sounds are called, kept up to date: their words, for full-text search, and their facets, for filters."""

import math
import os
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from clapsearch.schema import WORDS, facet, sound, stale, tags, words
from clapsearch.wording import indexed, run_together
from clapsearch.wording import words as split

if TYPE_CHECKING:
    from clapsearch.metadata import Metadata

_SOME = 2_000  # sounds at a time
_STALE = (
    select(sound.c.id, sound.c.relpath, sound.c.mtime_ns, tags.c.data)
    .join(stale, stale.c.sound_id == sound.c.id)
    .outerjoin(tags, tags.c.content_id == sound.c.content_id)
    .order_by(sound.c.id)
    .limit(_SOME)
)
_DROP = delete(words).where(words.c.rowid == bindparam("id"))
_ADD = insert(words).values({name: bindparam(name) for name in ("rowid", *WORDS)})
_FACETS = ("called", "ext", "cat_id", "category", "dated")
_FACET = upsert(facet)
_FACET = _FACET.on_conflict_do_update(
    index_elements=["sound_id"], set_={name: _FACET.excluded[name] for name in _FACETS}
)


def refresh(connection: Connection) -> None:
    """Write anew what is out of date: the triggers of the schema have listed it."""
    while rows := connection.execute(_STALE).all():
        ids = [{"id": row.id} for row in rows]
        connection.execute(_DROP, ids)
        entries = [_entry(row) for row in rows]
        connection.execute(_ADD, [words for words, _ in entries])
        connection.execute(_FACET, [facets for _, facets in entries])
        connection.execute(delete(stale).where(stale.c.sound_id == bindparam("id")), ids)


def _entry(row: Any) -> tuple[dict[str, object], dict[str, object]]:
    """Return the words and the facets of one sound."""
    from clapsearch.metadata.ucs import parse_name

    path = PurePath(os.fsdecode(row.relpath).encode("utf-8", "replace").decode())
    told, name = _told(row.data), parse_name(path.stem)
    texts = [*(field.text for field in told.fields), *(marker.label for marker in told.markers)]
    texts += [name.category, name.subcategory] if name else []
    words = (path.stem, " ".join(path.parts[:-1]), " ".join(dict.fromkeys(texts)))
    facets = {
        "sound_id": row.id,
        "called": run_together(split(path.stem)),
        "ext": path.suffix.removeprefix(".").lower(),
        "cat_id": name.cat_id.lower() if name else None,
        "category": name.category.lower() if name else None,
        "dated": _wall_clock(row.mtime_ns) if told.recorded_at is None else told.recorded_at,
    }
    return {"rowid": row.id, **dict(zip(WORDS, map(indexed, words), strict=True))}, facets


def _wall_clock(mtime_ns: int) -> float:
    """Return a file's time as the clocks here show it, as unix seconds: so do recorders, without an offset."""
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError, OSError):
        return mtime_ns / 1e9


def _told(data: str | None) -> "Metadata":
    """Return the metadata that was stored; none if it is not what was written: it must not stop a writer."""
    from clapsearch.metadata import Metadata

    try:
        told = Metadata.from_json(data) if data else Metadata()
    except (ValueError, LookupError, TypeError, RecursionError):
        return Metadata()
    texts = [*(field.text for field in told.fields), *(marker.label for marker in told.markers)]
    is_date = told.recorded_at is None or (type(told.recorded_at) in {int, float} and math.isfinite(told.recorded_at))
    return told if is_date and all(isinstance(text, str) for text in texts) else Metadata()
