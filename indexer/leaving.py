"""Sounds on the move: proposed by size and mtime, confirmed by the hash of the bytes."""

from clapsearch.store import Library, Place
from indexer.plan import Plan


class Leaving:
    """Gone sounds that some candidate looks like. They stay in the results until the run knows where they are.

    Parameters
    ----------
    library : Library
    plan : Plan
    """

    def __init__(self, library: Library, plan: Plan) -> None:
        self._paths = plan.leaving()
        self._by_look: dict[tuple[int, int, bytes], list[int]] = {}
        with library.reading() as reading:
            hashes = reading.hashes(list(self._paths))
        for (size, mtime_ns), sound_ids in plan.looks.items():
            for sound_id in sound_ids:
                if content_hash := hashes.get(sound_id):
                    self._by_look.setdefault((size, mtime_ns, content_hash), []).append(sound_id)

    def match(self, place: Place, content_hash: bytes) -> int | None:
        """Return a gone sound whose file this may be."""
        sound_ids = self._by_look.get((place.size, place.mtime_ns, content_hash))
        return sound_ids[-1] if sound_ids else None

    def claim(self, place: Place, content_hash: bytes) -> None:
        """Take note that the match is this file now: no other can be."""
        sound_id = self._by_look[place.size, place.mtime_ns, content_hash].pop()
        del self._paths[sound_id]

    @property
    def unclaimed(self) -> dict[int, bytes]:
        """The sounds that no file claimed, and where they were."""
        return self._paths
