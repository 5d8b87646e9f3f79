"""Service files that run ``clapsearch watch`` at every login: a systemd user unit, a launchd agent. Pure functions."""

import plistlib
import sys
from collections.abc import Sequence
from pathlib import Path

LABEL = "org.clapsearch.watch"


def command(arguments: Sequence[str]) -> list[str]:
    """Return the whole command of a service; a service has no current folder and no PATH of ours."""
    return [sys.executable, "-m", "clapsearch", *arguments]


def systemd_unit(whole: Sequence[str]) -> str:
    """Return a unit for ``~/.config/systemd/user/clapsearch.service``."""
    return f"""\
# Put this into ~/.config/systemd/user/clapsearch.service, then:
#   systemctl --user daemon-reload && systemctl --user enable --now clapsearch
#   journalctl --user --unit clapsearch --follow
[Unit]
Description=clapsearch: keep the sound library up to date

[Service]
ExecStart={" ".join(_quoted(word) for word in whole)}
Restart=on-failure
RestartSec=30
Nice=10

[Install]
WantedBy=default.target
"""


def launchd_agent(whole: Sequence[str]) -> str:
    """Return an agent for ``~/Library/LaunchAgents/org.clapsearch.watch.plist``."""
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
    """Quote a word for ExecStart, where % and $ have meanings of their own."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != word or any(char.isspace() or char in "';" for char in word) else word
