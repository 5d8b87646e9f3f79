"""What a sound file says of itself: text fields, markers, when it was recorded; and what its name says (UCS)."""

from clapsearch.metadata.reader import METADATA_VERSION, read_metadata
from clapsearch.metadata.record import Field, Marker, Metadata
from clapsearch.metadata.ucs import UcsName, parse_name

__all__ = ["METADATA_VERSION", "Field", "Marker", "Metadata", "UcsName", "parse_name", "read_metadata"]
