"""Names of the Universal Category System, by the examples of its naming rules."""

import csv

import pytest

from clapsearch.metadata.ucs import CATEGORIES, UcsName, categories, parse_name

GUNS = ("GUNAuto", "GUNS", "AUTOMATIC")
NAMES = {
    "GUNAuto_Uzi 9mm Rapid Fire_TN_DORY": UcsName(*GUNS, fx_name="Uzi 9mm Rapid Fire", creator="TN", source="DORY"),
    "GUNAuto_UZI_TN_DORY_WideStereoMKH8020": UcsName(
        *GUNS, fx_name="UZI", creator="TN", source="DORY", user_data="WideStereoMKH8020"
    ),
    "GUNAuto-INT_UZI_TN_DORY": UcsName(*GUNS, user_category="INT", fx_name="UZI", creator="TN", source="DORY"),
    "GUNAuto_UZI 9mm-Rapid Fire_TN_DORY": UcsName(
        *GUNS, vendor_category="UZI 9mm", fx_name="UZI 9mm-Rapid Fire", creator="TN", source="DORY"
    ),
    "GUNAuto-EXT_UZI 9mm-Rapid Fire Close Up_TN_NONE_416-MKH8040-DualMono_2": UcsName(
        *GUNS, "EXT", "UZI 9mm", "UZI 9mm-Rapid Fire Close Up", "TN", "NONE", "416-MKH8040-DualMono_2"
    ),
    # only the CatID must be there
    "DOORWood": UcsName("DOORWood", "DOORS", "WOOD"),
    "DOORWood_creak": UcsName("DOORWood", "DOORS", "WOOD", fx_name="creak"),
    "DOORWood-": UcsName("DOORWood", "DOORS", "WOOD"),
    "THUN_on roof_AB": UcsName("THUN", "WEATHER", "THUNDER", fx_name="on roof", creator="AB"),
    "DOORWood___LIB": UcsName("DOORWood", "DOORS", "WOOD", source="LIB"),
}


@pytest.mark.parametrize("stem", NAMES)
def test_names_by_the_rules(stem: str) -> None:
    assert parse_name(stem) == NAMES[stem]


@pytest.mark.parametrize(
    "stem",
    [
        "",
        "_",
        "-",
        "door",
        "door_wood_a_b",
        "doorwood_creak_a_b",
        "rain_on roof",
        "Rain_x",
        "DOORWoods_x",
        " RAIN_x",
        "\udcff_x",
    ],
)
def test_other_names_are_none(stem: str) -> None:
    assert parse_name(stem) is None


def test_every_cat_id_of_the_list_is_known_once() -> None:
    with CATEGORIES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(categories()) == 752
    for row in rows:
        name = parse_name(f"{row['cat_id']}_x_y_z")
        assert name == UcsName(row["cat_id"], row["category"], row["subcategory"], fx_name="x", creator="y", source="z")
        assert row["cat_id"].isalnum()


def test_synonyms_are_words_that_the_category_does_not_have() -> None:
    wood = categories()["DOORWood"]
    assert 0 < len(wood.synonyms) <= 6
    assert not {"doors", "wood"} & set(wood.synonyms)
