"""One question from a fresh shell: whole processes, files in the page cache, a checkpoint of the full size."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import clock
import faiss
import numpy as np
import soundfile
from setting import Setting
from signals import noise
from table import Figure, Sample, alone, faster, within

N_SOUNDS = 100_000
MIN_TIMES, MAX_TIMES = 5.0, 2.0
KNOWN = "rain on a tin roof"
IMPORTS = "import numpy, faiss, sqlalchemy"
READERS = ("tokenizers", "safetensors", "torch")
MODEL = (".safetensors", "tokenizer.json", "vocab.json", "merges.txt", *READERS)
# Runs the command, and tells which files in a folder Python opens, and what is imported that may open others.
WATCHED = """
import json, runpy, sys
opened, (folder, *sys.argv[1:]) = [], sys.argv[1:]
sys.addaudithook(lambda event, about: event == "open" and opened.append(str(about[0])))
try:
    runpy.run_module("clapsearch", run_name="__main__")
except SystemExit:
    pass
files = sorted({path.rsplit("/", 1)[1] for path in opened if path.startswith(folder)})
print("\\n" + json.dumps([files, sorted(sys.modules)]))
"""


def figures(setting: Setting) -> Iterator[Figure]:
    """Yield the figures of questions, then what the commands cost that may load torch."""
    n = min(N_SOUNDS, setting.n_sounds)
    cold = Cold(setting, n)
    about = f"{n:,} vectors of 512, whole process"
    taken = clock.alternate(setting.n_runs, fresh=cold.fresh, known=cold.known, stock=cold.stock, imports=cold.imports)
    fresh, known, stock, imports = (taken[name] for name in ("fresh", "known", "stock", "imports"))
    script, bare = f"theirs: transformers and faiss, the shortest script; {about}", f"theirs: python -c '{IMPORTS}'"
    yield faster("cold question", fresh, stock, at_least=MIN_TIMES, note=script)
    yield within("cold question, against imports", fresh, imports, at_most=MAX_TIMES, note=bare)
    yield faster("question asked before", known, stock, note=script)
    yield within("question asked before, against imports", known, imports, note=bare)
    opened = cold.opened()
    n_opened = sum(name.endswith(MODEL) for name in opened)
    note = f"weights and tokens; of its folder: {', '.join(opened) or 'nothing'}"
    yield alone("question asked before, model files opened", Sample((float(n_opened),), ""), at_most=0, note=note)
    yield from _loading(cold, setting)


def _loading(cold: "Cold", setting: Setting) -> Iterator[Figure]:
    """Yield what needs the audio side of the model."""
    taken = clock.alternate(min(3, setting.n_runs), similar=cold.similar, index=cold.index)
    note = "a file that is in no library; may load torch"
    yield alone("clapsearch similar FILE, cold", taken["similar"], note=note)
    yield alone(
        "clapsearch index of one new file, cold", taken["index"], note="into a library of its own; may load torch"
    )


class Cold:
    """What is run: every call is a process from its start to its end."""

    def __init__(self, setting: Setting, n: int) -> None:
        self._environment, self._weights = setting.environment, setting.weights
        self._library = setting.library(n)
        self._texts = _texts()
        self._scratch = tempfile.TemporaryDirectory(prefix="cold-")
        self._vectors = setting.work / f"stock-{n}.faiss"
        self._write_vectors = partial(_write_stock, self._vectors, setting, n)

    def fresh(self) -> None:
        """Ask what was never asked."""
        self._search(next(self._texts))

    def known(self) -> None:
        """Ask what was asked before."""
        self._search(KNOWN)

    def stock(self) -> None:
        """Ask as people do without us."""
        if not self._vectors.exists():
            self._write_vectors()
        script = str(Path(__file__).with_name("stock_search.py"))
        clock.run(
            [sys.executable, script, str(self._weights), str(self._vectors), next(self._texts)], self._environment
        )

    def imports(self) -> None:
        """Only import what any such program needs."""
        clock.run([sys.executable, "-c", IMPORTS])

    def opened(self) -> list[str]:
        """Return which files of the model a known question opens, and which libraries that read them it imports."""
        words = ["search", KNOWN, "--library", str(self._library)]
        files, modules = clock.python(WATCHED, str(self._weights), *words, environment=self._environment)
        return [*files, *(name for name in READERS if name in modules)]

    def similar(self) -> None:
        """Look for what sounds like a new file."""
        self._run("similar", str(self._sound()), "--library", str(self._library))

    def index(self) -> None:
        """Index one new file into a library that has the ones before."""
        folder = Path(self._scratch.name, "indexed")
        folder.mkdir(exist_ok=True)
        shutil.move(self._sound(), folder)
        library = str(Path(self._scratch.name, "library.sqlite3"))
        self._run("index", str(folder), "--library", library, "--checkpoint", str(self._weights))

    def _search(self, text: str) -> None:
        printed = self._run("search", text, "--library", str(self._library))
        if len(printed.splitlines()) < 3:
            raise RuntimeError(f"the search printed {printed!r}")

    def _run(self, *words: str) -> str:
        return clock.run([sys.executable, "-m", "clapsearch", *words], self._environment)

    def _sound(self) -> Path:
        """Write a sound of 5 s that was never there."""
        number = len(list(Path(self._scratch.name).rglob("*.wav")))
        path = Path(self._scratch.name, f"new{number}.wav")
        soundfile.write(path, noise(5, seed=number), 48_000)
        return path


def _texts() -> Iterator[str]:
    """Yield texts that nobody has asked for, not even in an earlier run."""
    rng = np.random.default_rng()
    while True:
        yield f"rain number {rng.integers(1 << 40)} on a tin roof, far away"


def _write_stock(path: Path, setting: Setting, n: int) -> None:
    """Write the file that a script would have: the same vectors, as they are."""
    index = faiss.IndexFlatIP(setting.shelf.checkpoint.dim)
    for some in setting.shelf.vectors(n):
        index.add(some.astype(np.float32))
    faiss.write_index(index, str(path))
