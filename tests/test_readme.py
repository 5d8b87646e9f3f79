"""What the README shows is what happens."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from clapsearch.cli.app import app

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")


def commands() -> list[tuple[str, str]]:
    """Return every command of the console block with the output shown for it."""
    (block,) = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    pieces = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:]
    return list(zip(pieces[::2], pieces[1::2], strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


def test_every_command_prints_what_is_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert len(commands()) == 10
    for command, shown in commands():
        result = subprocess.run(
            ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=300
        )
        assert result.returncode == 0, result.stderr
        printed = result.stdout.replace(str(folder), "/home/me")
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(shown, printed, flags), f"$ {command}\n{printed}"
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    result = subprocess.run(
        [sys.executable, "-c", example], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0].split()[:2] == ["0.281", "dog_small.wav"]


def test_the_table_of_commands_is_complete() -> None:
    listed = re.findall(r"^\| `clapsearch (\w+)", TEXT, re.MULTILINE)
    assert listed == list(get_command(app).commands)  # type: ignore[attr-defined]


def test_every_flag_named_is_a_flag() -> None:
    text = TEXT + "".join(path.read_text(encoding="utf-8") for path in README.parent.glob("docs/*.md"))
    text = re.sub(r"(make |python tests/|pip ).*", "", text)  # these have flags of their own
    commands = get_command(app).commands.values()  # type: ignore[attr-defined]
    groups = [get_command(app), *commands]
    known = {name for command in groups for parameter in command.params for name in parameter.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= known


def test_linked_files_exist() -> None:
    for name in re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT):
        assert (README.parent / name).exists(), name


def test_the_vocabulary_has_as_many_texts_as_the_readme_says() -> None:
    from clapsearch.vocabulary import BUILT_IN, read_labels

    assert f"From {len(read_labels(BUILT_IN))} built-in ones" in TEXT
