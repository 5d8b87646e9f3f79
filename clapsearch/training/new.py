"""A new checkpoint from nothing: a text tower taught by a sentence encoder, and an audio tower yet to be trained.

The text space is frozen first; text and audio tower then learn to meet in it, each by itself.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, ClapTextModelWithProjection

from clapsearch.evaluation.clips import Clip
from clapsearch.mel import FrontEnd
from clapsearch.training import towers
from clapsearch.training.distillation import Distillation
from clapsearch.training.loop import Step, Trainer
from clapsearch.training.options import TrainingOptions
from clapsearch.training.phrases import PhraseGenerator, common_words, lessons
from clapsearch.training.sentences import SentenceEncoder
from clapsearch.training.start import Start, tokenize_with
from clapsearch.training.text_space import TextSpace
from clapsearch.training.text_student import (
    TextShape,
    build_student,
    choose_tokens,
    make_tokenizer,
    save_student,
)
from clapsearch.training.texts import all_texts
from clapsearch.vocabulary import BUILT_IN, read_labels

# LAION's fused front end: every checkpoint of this program has it.
FRONT_END = {
    "feature_extractor_type": "ClapFeatureExtractor",
    "feature_size": 64,
    "fft_window_size": 1024,
    "frequency_max": 14000,
    "frequency_min": 50,
    "hop_length": 480,
    "max_length_s": 10,
    "nb_frequency_bins": 513,
    "nb_max_samples": 480000,
    "padding": "repeatpad",
    "padding_side": "right",
    "padding_value": 0.0,
    "return_attention_mask": False,
    "sampling_rate": 48000,
    "top_db": None,
    "truncation": "fusion",
}
# It never overfits on so many phrases, so patience does not count.
TEXT_OPTIONS = TrainingOptions(
    n_steps=12_000, batch_size=128, learning_rate=1e-3, warm_up=0.05, validate_every=1_000, patience=12_000
)
ATTRIBUTIONS = (
    "all-MiniLM-L6-v2 (Apache-2.0): the text space, and the weights that the text tower started from",
    "pyspellchecker (MIT): which English words are common",
)


@dataclass(frozen=True)
class TextRecipe:
    """What texts are learnt, and how the text tower is made.

    Attributes
    ----------
    n_phrases : int
        Generated ones to learn from, beside captions and labels.
    n_words : int
        The commonest of the language, for what no caption and no pattern says.
    n_candidates : int
        Words and phrases, half and half, that sounds are told from beside what they are called.
    shape : TextShape
    options : TrainingOptions
    """

    n_phrases: int = 400_000
    n_words: int = 30_000
    n_candidates: int = 20_000
    shape: TextShape = field(default_factory=TextShape)
    options: TrainingOptions = TEXT_OPTIONS


def begin_new(
    size: str,
    training: Sequence[Clip],
    held: Sequence[Clip],
    work: Path,
    *,
    recipe: TextRecipe,
    more_texts: Sequence[str] = (),
    audio_from: Path | None = None,
    device: str = "cpu",
    on_text: Callable[[Step], None] = lambda step: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Start:
    """Make the text tower, or find the one that an earlier run left in `work`, beside a random audio tower.

    Parameters
    ----------
    size : str
        One of `towers.SIZES`.
    training, held : sequence of Clip
        Whose texts to learn from, and to measure on.
    work : Path
        Keeps text space, state and text tower.
    more_texts : sequence of str
        Such as the names of classes.
    audio_from : Path, optional
        A checkpoint of the same size, made in the same text space, whose audio tower goes on learning.
    on_text : callable
        Told of every step of the text tower; the score is the mean cosine to the text space on held-out texts.

    Raises
    ------
    StoppedError
        If `should_stop` ended it; the next run goes on.
    ClapsearchError
        If the sentence encoder is not installed, or the folder cannot be written.
    UsageError
        If there is no such size.
    """
    towers.audio_config(size, projection_dim=1)  # is there such a size?
    given = list(dict.fromkeys([*all_texts(training), *read_labels(BUILT_IN), *more_texts]))
    held_texts = [text for text in all_texts(held) if text not in set(given)]
    work.mkdir(parents=True, exist_ok=True)
    encoder = SentenceEncoder(device)
    space = _space(work / "text_space.npz", given, encoder, device)
    folder = work / "text"
    if not (folder / "config.json").exists():
        _teach(given, held_texts, encoder, space, recipe, folder, device, on_text, should_stop)
    student = ClapTextModelWithProjection.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    weights = {name: value for name, value in student.state_dict().items() if name.startswith("text_")}
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = towers.new_model(size, student.config.to_dict(), weights, recipe.options.seed)
    if audio_from is not None:
        towers.take_audio(model, audio_from)
    named = [
        size,
        str(audio_from),
        recipe.options.seed,
        hashlib.sha256(space.components.tobytes()).hexdigest(),
        asdict(recipe),
    ]
    return Start(
        name=f"nothing ({size})" if audio_from is None else audio_from.name,
        identity=hashlib.sha256(json.dumps(named).encode()).hexdigest(),
        folder=folder,
        model=model,
        front_end=FrontEnd.from_config(FRONT_END),
        tokenizer=tokenize_with(tokenizer),
        n_tokens=lambda text: len(tokenizer(text, verbose=False)["input_ids"]),
        embed=space.embed,
        candidates=_candidates(given, held_texts, recipe),
        attributions=ATTRIBUTIONS,
        is_new=audio_from is None,
    )


def _space(path: Path, texts: Sequence[str], encoder: SentenceEncoder, device: str) -> TextSpace:
    if not path.exists():
        TextSpace.fit(encoder.embed(texts), device=device).save(path)
    return TextSpace.load(path, device)


def _candidates(given: Sequence[str], held: Sequence[str], recipe: TextRecipe) -> tuple[str, ...]:
    words = common_words(recipe.n_words)
    n_words = recipe.n_candidates // 2
    phrases = PhraseGenerator(given, words).distinct(recipe.n_candidates - n_words, recipe.options.seed)
    judged = {text.lower() for text in held}
    return tuple(text for text in [*words[:n_words], *phrases] if text.lower() not in judged)


def _teach(
    given: Sequence[str],
    held: Sequence[str],
    encoder: SentenceEncoder,
    space: TextSpace,
    recipe: TextRecipe,
    folder: Path,
    device: str,
    on_text: Callable[[Step], None],
    should_stop: Callable[[], bool],
) -> None:
    """Distil the sentence encoder into a small tower, and write it."""
    judged = {text.lower() for text in held}
    drawn = zip(*lessons(given, common_words(recipe.n_words), recipe.n_phrases, recipe.options.seed), strict=True)
    pairs = [(text, meaning) for text, meaning in drawn if meaning.lower() not in judged]
    texts, meanings = [text for text, _ in pairs], [meaning for _, meaning in pairs]
    tokens = choose_tokens(texts, recipe.shape.n_tokens)
    student: Any = build_student(tokens, recipe.shape, space)
    targets = space.transform(SentenceEncoder(device, half=True).embed(meanings, should_stop)).astype(np.float16)
    options = replace(recipe.options, device=device)
    loss = Distillation(student, make_tokenizer(tokens), texts, targets, options)
    known = space.transform(encoder.embed(held))
    score = (lambda: loss.cosine(held, known)) if held else None
    state = folder.with_name("text.state")
    Trainer(student, loss, score, options, state, identity=loss.identity).run(on_text, should_stop)
    draft = folder.with_name("text.draft")
    save_student(student, tokens, draft)
    (draft / "preprocessor_config.json").write_text(json.dumps(FRONT_END, indent=2) + "\n", encoding="utf-8")
    draft.replace(folder)
