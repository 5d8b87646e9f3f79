"""The Universal Category System (UCS 8.2.1): what a file name made by its rules says."""

import csv
import functools
from dataclasses import dataclass
from pathlib import Path

CATEGORIES = Path(__file__).parent.parent / "data" / "ucs.csv"


@dataclass(frozen=True)
class Category:
    """One row of the list.

    Attributes
    ----------
    cat_id : str
        Such as ``DOORWood``.
    category, subcategory : str
        Such as ``DOORS`` and ``WOOD``.
    synonyms : tuple of str
        A few words for it.
    """

    cat_id: str
    category: str
    subcategory: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class UcsName:
    """The parts of a name; "" for those that it does not have.

    Attributes
    ----------
    cat_id, category, subcategory : str
        As in `Category`.
    user_category : str
        What follows the CatID after a hyphen, such as ``EXT``.
    vendor_category : str
        The head of `fx_name` up to its first hyphen.
    fx_name : str
        The title, with its vendor category, as the rules have it.
    creator, source : str
        Who made it, and for which project or library.
    user_data : str
        All that follows.
    """

    cat_id: str
    category: str
    subcategory: str
    user_category: str = ""
    vendor_category: str = ""
    fx_name: str = ""
    creator: str = ""
    source: str = ""
    user_data: str = ""


@functools.cache
def categories() -> dict[str, Category]:
    """Return the list by CatID."""
    with CATEGORIES.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return {
            row["cat_id"]: Category(row["cat_id"], row["category"], row["subcategory"], tuple(row["synonyms"].split()))
            for row in rows
        }


def parse_name(stem: str) -> UcsName | None:
    """Return what a name says; None unless it begins with a CatID of the list.

    Parameters
    ----------
    stem : str
        A file name without folder and suffix: ``CatID[-UserCategory]_[VendorCategory-]FXName_CreatorID_SourceID``
        and perhaps ``_UserData``. Only the CatID must be there; its case counts, for RAIN and WIND are CatIDs.
    """
    head, *blocks = stem.split("_")
    cat_id, _, user_category = head.partition("-")
    found = categories().get(cat_id)
    if found is None:
        return None
    fx_name, creator, source = (block.strip() for block in [*blocks, "", "", ""][:3])
    vendor, hyphen, _ = fx_name.partition("-")
    return UcsName(
        found.cat_id,
        found.category,
        found.subcategory,
        user_category=user_category.strip(),
        vendor_category=vendor.strip() if hyphen else "",
        fx_name=fx_name,
        creator=creator,
        source=source,
        user_data="_".join(blocks[3:]).strip(),
    )
