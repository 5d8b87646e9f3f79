"""Service files that run ``clapsearch watch`` at every login: a systemd user unit, a launchd agent. Pure functions."""

import os
import plistlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from clapsearch.errors import ClapsearchError

LABEL = "org.clapsearch.watch"
_PLAIN = re.compile(r"[\w@%+=:,./$-]+")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "%": "%%"})
_NOT_IN_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")


def command(arguments: Sequence[str]) -> list[str]:
    """Return the whole command of a service; a service has no current folder and no PATH of ours."""
    return [sys.executable, "-m", "clapsearch", *arguments]


def systemd_unit(whole: Sequence[str]) -> str:
    """Return a unit for ``~/.config/systemd/user/clapsearch.service``."""
    program, *arguments = whole
    words = [_quoted(program), *(_quoted(word.replace("$", "$$")) for word in arguments)]  # no variables in the program
    return f"""\
# Put this into ~/.config/systemd/user/clapsearch.service, then:
#   systemctl --user daemon-reload && systemctl --user enable --now clapsearch
#   journalctl --user --unit clapsearch --follow
[Unit]
Description=clapsearch: keep the sound library up to date

[Service]
ExecStart={" ".join(words)}
Restart=on-failure
RestartSec=30
Nice=10

[Install]
WantedBy=default.target
"""


def launchd_agent(whole: Sequence[str]) -> str:
    """Return an agent for ``~/Library/LaunchAgents/org.clapsearch.watch.plist``.

    Raises
    ------
    ClapsearchError
        If a name has control characters or bytes that are not text: XML has no way to write them.
    """
    from clapsearch.present import printable

    if odd := next(filter(_NOT_IN_XML.search, whole), None):
        raise ClapsearchError(f"a launchd agent cannot hold the name {printable(odd)}; rename it, or use a link to it")
    log = str(Path("~/Library/Logs/clapsearch.log").expanduser())
    agent = {
        "Label": LABEL,
        "ProgramArguments": list(whole),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ProcessType": "Background",
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    return plistlib.dumps(agent, sort_keys=False).decode()


def _quoted(word: str) -> str:
    """Quote a word for ExecStart, where % has a meaning of its own; what is not text is written as bytes."""
    escaped = "".join(char if char.isprintable() else _as_bytes(char) for char in word.translate(_ESCAPES))
    return escaped if _PLAIN.fullmatch(word) else f'"{escaped}"'


def _as_bytes(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
