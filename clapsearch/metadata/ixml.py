"""The iXML chunk of field recorders and libraries, through wavinfo; it never gets a document type or entities."""

import codecs
import re
from typing import Any

from clapsearch.metadata.dates import unix_s
from clapsearch.metadata.record import Gathering
from clapsearch.metadata.text import name_of

MAX_ELEMENTS = 2_000
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
# A document type is of no use here and can make gigabytes of a few entities.
_DOCTYPE = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
# Numbers and identifiers for machines.
_SKIPPED = frozenset(
    (
        *("ixml_version", "speed", "sync_point_list", "history", "steinberg", "file_sample_rate"),
        *("audio_bit_depth", "track_count", "channel_index", "interleave_index", "family_uid", "file_uid"),
        *("parent_uid", "total_files", "file_set_index", "bwf_umid", "bwf_version", "bwf_reserved"),
        *("bwf_loudness_value", "bwf_loudness_range", "bwf_max_true_peak_level", "bwf_max_momentary_loudness"),
        *("bwf_max_short_term_loudness", "bwf_time_reference_low", "bwf_time_reference_high"),
        *("bwf_coding_history",),
    )
)


def read_ixml(data: bytes, gathering: Gathering) -> None:
    """Read every text in it; the names of fields are the path of the element: ``ixml.scene``, ``ixml.track.name``.

    Raises
    ------
    ValueError
        If it declares entities, or is no XML at all.
    """
    from wavinfo.wave_ixml_reader import WavIXMLFormat

    text = _DECLARATION.sub("", _text(data))
    if _DOCTYPE.search(text):
        raise ValueError("it declares entities, which are not expanded")
    try:
        root = WavIXMLFormat(text.encode()).raw_xml.getroot()
    except SyntaxError:
        root = None
    if root is None:
        raise ValueError("it is no XML")
    _read_below(root, gathering)


def _text(data: bytes) -> str:
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), None)
    if encoding is None:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be" if data[:1] == b"\0" else "utf-8"
    # XML takes no other control characters, and what follows the document is padding.
    return re.sub(r"[\0-\x08\x0b\x0c\x0e-\x1f]", " ", data.decode(encoding, "replace")).strip()


def _read_below(root: Any, gathering: Gathering) -> None:
    """Walk without recursion, for a hostile document may be deep."""
    waiting = [(child, "") for child in reversed(root)]
    for _ in range(MAX_ELEMENTS):
        if not waiting:
            return
        element, above = waiting.pop()
        if not isinstance(element.tag, str):  # a comment
            continue
        name = name_of(element.tag)
        if name in _SKIPPED:
            continue
        path = _shortened(f"{above}.{name}" if above else name)
        gathering.add(f"ixml.{path}", element.text)
        if name == "bwf_origination_date" and gathering.recorded_at is None:
            gathering.recorded_at = unix_s(element.text or "", _sibling(element, "BWF_ORIGINATION_TIME"))
        waiting += [(child, path) for child in reversed(element)]
    gathering.problem(f"chunk iXML has more than {MAX_ELEMENTS:,} elements; the rest is left out")


def _sibling(element: Any, tag: str) -> str:
    found = element.getparent().find(tag)
    return (found.text or "") if found is not None else ""


def _shortened(path: str) -> str:
    return path.replace("track_list.track", "track").replace("bext.bwf_", "bext.")[:200]
