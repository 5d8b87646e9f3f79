"""Flags win over the environment, the environment over defaults."""

from pathlib import Path

from clapsearch.settings import default_library, resolve


def test_defaults_lie_in_the_users_data_folder(own_home: Path) -> None:
    settings = resolve(environ={})
    assert settings.library == own_home / "data" / "clapsearch" / "library.sqlite3" == default_library()
    assert (settings.checkpoint, settings.offline) == (None, False)


def test_the_environment_counts_where_no_flag_is(tmp_path: Path) -> None:
    environ = {"CLAPSEARCH_LIBRARY": str(tmp_path / "e"), "CLAPSEARCH_CHECKPOINT": "mini", "HF_HUB_OFFLINE": "1"}
    settings = resolve(environ=environ)
    assert (settings.library, settings.checkpoint, settings.offline) == (tmp_path / "e", "mini", True)
    flagged = resolve(library=tmp_path / "f", checkpoint="org/name", environ=environ)
    assert (flagged.library, flagged.checkpoint) == (tmp_path / "f", "org/name")


def test_empty_variables_count_as_not_set() -> None:
    settings = resolve(environ={"CLAPSEARCH_LIBRARY": "", "CLAPSEARCH_CHECKPOINT": "", "HF_HUB_OFFLINE": ""})
    assert settings == resolve(environ={})


def test_home_is_expanded(own_home: Path) -> None:
    assert resolve(library=Path("~/my.sqlite3"), environ={}).library == own_home / "my.sqlite3"
