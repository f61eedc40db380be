"""Everything needed to repeat a training run."""

import dataclasses
import math
import os
import typing

from tfvae.checks import require, unknown
from tfvae.files import read_json, write_json
from tfvae.presets import SETTINGS, ModelBuilder, PaperSetting, get_preset
from tfvae.text import (
    Batches,
    CharacterTokenizer,
    WordpieceTokenizer,
    WordTokenizer,
    has_columns,
    read_label_names,
    read_texts,
)
from tfvae.text.readers import read_records

_TOKENIZERS = {
    "word": WordTokenizer,
    "wordpiece": WordpieceTokenizer,
    "character": CharacterTokenizer,
}
# When XLA compiles, by what `compile` takes.
_XLA = {"auto": "auto", "always": True, "never": False}
# The fields of a setting that decide what a vocabulary holds.
VOCABULARY_FIELDS = ("max_tokens", "min_count", "lowercase")
# Those that would train backwards, or not at all, where they are not.
_POSITIVE = (
    *("learning_rate", "clip_norm", "clip_value", "budget", "cycles"),
    *("weight_range", "embedding_range"),
)
FREEZABLE = ("encoder", "decoder", "embedding")


@dataclasses.dataclass(frozen=True)
class RunConfiguration:
    """What a run was asked to do.

    Attributes:
        preset: Str, name of the preset.
        train: Str, path of the training text.
        setting: Str, name of the setting. Defaults to `"ivae"`.
        valid: Str, path of the validation text, or `None`.
        overrides: Dict of preset options and setting fields to change.
        epochs: Int, or `None`.
        steps: Int, or `None`; at most one of the two, neither for the setting's
            budget.
        batch_size: Int, or `None` for the setting's.
        max_length: Int, or `None` for the setting's.
        too_long: What becomes of longer sentences, see `Batches`.
        column: Str, name or number of the column of the text in `.csv`, `.tsv` and
            `.jsonl` files.
        header: Whether the first row of `.csv` and `.tsv` files holds names.
        context_column: Column of what each sentence answers, a text or the turns of a
            dialogue, which makes the preset conditional; or `None`.
        max_turns: Most turns that are read of a dialogue, the last ones; `None` for
            contexts of one text.
        max_context_length: Longest context, or turn of one, in tokens; `None` for that
            of the sentences.
        label_column: Column of a label, a text or an int, that models are conditioned
            on; or `None`.
        label_names: List of str, the labels by number; `None` for those that occur in
            the training text, which a run folder records.
        tokenizer: `"word"`, `"wordpiece"` or `"character"`.
        unknown_share: Float, share of the words of training that are replaced by
            `<unk>`, see `Batches`.
        start_from: Str, path of a run folder whose best model the training starts from:
            its weights and its vocabulary. The optimizer, schedules and critics start
            anew. Defaults to `None`.
        word_vectors: Str, path of the pretrained word vectors that the embeddings
            begin with, see `load_word_vectors`, or `None`.
        freeze: `"encoder"`, `"decoder"` or `"embedding"`, a part that keeps the weights
            of `start_from`, or the embeddings their `word_vectors`; or `None`.
        patience: Int, epochs without a better validation metric before training
            stops, or `None` for no early stop.
        monitor: Validation metric that the best model is chosen by, such as
            `"val_nelbo"`, `"val_mi"` or `"val_nll"` (importance weighted); `None` for
            what the preset declares.
        scale_schedules: Whether annealing and decay follow the given length of
            training rather than the setting's.
        xla: Str, when XLA compiles the steps, which takes a few seconds for each
            shape of batch: `"always"`, `"never"` or, by `"auto"`, on an accelerator.
            Recipes of older runs have `True` and `False`.
        seed: Int, of initial weights, order, dropout and noise.

    Raises:
        ValueError: If the preset, the setting, an override or a value is refused.
    """

    preset: str
    train: str
    setting: str = "ivae"
    valid: str | None = None
    overrides: dict = dataclasses.field(default_factory=dict)
    epochs: int | None = None
    steps: int | None = None
    batch_size: int | None = None
    max_length: int | None = None
    too_long: str = "error"
    column: str = "text"
    header: bool = True
    context_column: str | None = None
    max_turns: int | None = None
    max_context_length: int | None = None
    label_column: str | None = None
    label_names: list | None = None
    tokenizer: str = "word"
    unknown_share: float = 0.0
    start_from: str | None = None
    word_vectors: str | None = None
    freeze: str | None = None
    patience: int | None = None
    monitor: str | None = None
    scale_schedules: bool = False
    xla: str = "auto"
    seed: int = 0

    def __post_init__(self):
        """Checks the values that need no data."""
        preset = get_preset(self.preset)
        if self.setting not in SETTINGS:
            raise ValueError(unknown("setting", self.setting, SETTINGS))
        if self.tokenizer not in _TOKENIZERS:
            raise ValueError(unknown("tokenizer", self.tokenizer, _TOKENIZERS))
        if isinstance(self.xla, bool):
            object.__setattr__(self, "xla", "always" if self.xla else "never")
        if self.xla not in _XLA:
            raise ValueError(unknown("time for XLA", self.xla, _XLA))
        known = {**preset.option_types, **setting_fields()}
        # JSON has no tuples.
        overrides = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self.overrides.items()
        }
        object.__setattr__(self, "overrides", overrides)
        for name, value in overrides.items():
            if name not in known:
                raise ValueError(unknown("key to set", name, known))
            _check_type(name, value, known[name])
            if type(value) is int and float in kinds_of(known[name]):
                # A schedule would compute in integers.
                overrides[name] = float(value)
            _check_range(name, value)
        require("seed", self.seed, 0 <= self.seed < 2**32, "from 0 to 2**32 - 1")
        if self.epochs is not None and self.steps is not None:
            raise ValueError("Give `epochs` or `steps`, not both.")
        for name in (
            *("epochs", "steps", "batch_size", "max_length", "patience"),
            *("max_turns", "max_context_length"),
        ):
            value = getattr(self, name)
            require(name, value, value is None or value >= 1, "positive")
        if self.patience is not None and self.valid is None:
            raise ValueError(
                "`patience` watches the validation text. Give `valid` too. "
                f"Received: patience={self.patience}, valid=None"
            )
        if preset.needs_context and self.context_column is None:
            raise ValueError(
                f"The preset {self.preset!r} answers contexts. Give `context_column` "
                "(--context-column), the column of what each sentence answers. "
                "Received: context_column=None"
            )
        if preset.needs_label and self.label_column is None:
            raise ValueError(
                f"The preset {self.preset!r} tells labels apart. Give `label_column` "
                "(--label-column), the column of each sentence's label. "
                "Received: label_column=None"
            )
        for name in ("max_turns", "max_context_length"):
            if getattr(self, name) is not None and self.context_column is None:
                raise ValueError(
                    f"`{name}` limits contexts. Give `context_column` "
                    f"(--context-column) too. Received: {name}={getattr(self, name)}, "
                    "context_column=None"
                )
        if self.monitor is not None and self.valid is None:
            raise ValueError(
                "`monitor` names a metric of the validation text. Give `valid` too. "
                f"Received: monitor={self.monitor!r}, valid=None"
            )
        if self.freeze is not None:
            if self.freeze not in FREEZABLE:
                raise ValueError(unknown("part to freeze", self.freeze, FREEZABLE))
            has_vectors = self.freeze == "embedding" and self.word_vectors is not None
            if self.start_from is None and not has_vectors:
                raise ValueError(
                    "`freeze` keeps the weights of another run, or word vectors. Give "
                    "`start_from` (--from) too, or `word_vectors` with "
                    "freeze='embedding'. Received: "
                    f"freeze={self.freeze!r}, start_from=None"
                )
        learned = [name for name in VOCABULARY_FIELDS if name in overrides]
        if self.start_from is not None and learned:
            raise ValueError(
                f"`start_from` (--from) takes the vocabulary of that run along. Leave "
                f"out {', '.join(learned)}. Received: "
                f"{learned[0]}={overrides[learned[0]]!r}"
            )
        if None not in (self.word_vectors, self.start_from):
            raise ValueError(
                "The embeddings come from `word_vectors` or `start_from` (--from), not "
                f"from both. Received: word_vectors={self.word_vectors!r}, "
                f"start_from={self.start_from!r}"
            )

    def resolved_setting(self):
        """Returns the setting with the overrides applied."""
        fields = {k: v for k, v in self.overrides.items() if k in setting_fields()}
        for name in ("batch_size", "max_length"):
            if getattr(self, name) is not None:
                fields[name] = getattr(self, name)
        return dataclasses.replace(SETTINGS[self.setting], **fields)

    def make_tokenizer(self):
        """Creates the tokenizer, its vocabulary still to be learned.

        The limits of the settings count words. Other tokenizers have their own
        defaults for what the run does not say itself.
        """
        setting = self.resolved_setting()
        limits = {"max_tokens": setting.max_tokens, "min_count": setting.min_count}
        if self.tokenizer != "word":
            limits = {k: v for k, v in self.overrides.items() if k in limits}
        return _TOKENIZERS[self.tokenizer](lowercase=setting.lowercase, **limits)

    def training_batches(self, tokenizer=None):
        """Creates the batches of the training text.

        Args:
            tokenizer: Tokenizer with a vocabulary, or `None` to learn one of the text.

        Returns:
            `Batches`.

        Raises:
            ValueError: If the text is refused.
            FileNotFoundError: If it is missing.
        """
        return self.batches(self.train, tokenizer or self.make_tokenizer())

    def validation_batches(self, tokenizer):
        """Creates the batches of the validation text, `None` without one."""
        if self.valid is None:
            return None
        return self.batches(self.valid, tokenizer, shuffle=False)

    def batches(self, texts, tokenizer, *, shuffle=True, batch_size=None, columns=None):
        """Creates the batches of a text by the run's limits on sentences.

        Args:
            texts: Path, see `columns`, list or callable, see `Batches`.
            tokenizer: Tokenizer; without a vocabulary it learns that of the texts.
            shuffle: Whether for training; otherwise sorted by length, nothing dropped.
            batch_size: Int, or `None` for the run's.
            columns: Dict of `column`, `header` and `label_column` of a path, those that
                differ from the run's; or `None`.

        Returns:
            `Batches`.
        """
        setting = self.resolved_setting()
        if isinstance(texts, (str, os.PathLike)):
            columns = {
                "context_column": self.context_column,
                "label_column": self.label_column,
                **(self.columns(texts) if columns is None else columns),
            }
        return Batches(
            texts,
            tokenizer,
            batch_size or setting.batch_size,
            label_names=self.known_labels(),
            max_length=setting.max_length,
            max_context_length=self.max_context_length,
            max_turns=self.max_turns,
            too_long=self.too_long,
            unknown_share=self.unknown_share if shuffle else 0.0,
            shuffle=shuffle,
            sort=True,
            boundaries="few" if self.xla == "always" else None,
            seed=self.seed,
            **(columns or {}),
        )

    def training_rows(self, path=None):
        """Reads the training sentences, with labels where models read them.

        Args:
            path: Path of another text read alike, or `None`.

        Yields:
            Str, or dicts of `"text"` and `"label"`.

        Raises:
            ValueError: If the text is refused.
            FileNotFoundError: If it is missing.
        """
        path = path or self.train
        columns = self.columns(path)
        if self.label_column is None:
            yield from read_texts(path, **columns)
            return
        rows = read_records(path, **columns, label_column=self.label_column)
        yield from (row for _, row in rows)

    def known_labels(self):
        """Returns the labels by number, recorded or read from the training text.

        Returns:
            List of str, or `None` without a `label_column`.

        Raises:
            ValueError: If the training text is refused.
            FileNotFoundError: If it is missing.
        """
        if self.label_column is None or self.label_names is not None:
            return self.label_names
        columns = self.columns(self.train)
        names = read_label_names(self.train, self.label_column, **columns)
        return list(names)

    def columns(self, path):
        """Returns how a file is read: the run's column, if it has columns.

        A text file beside tables, such as one to evaluate on, has none.

        Args:
            path: Path of a file.

        Returns:
            Dict of the arguments `column` and `header` of `read_texts`.
        """
        texts = [text for text in (self.train, self.valid) if text is not None]
        if not has_columns(path) and any(map(has_columns, texts)):
            return {}
        return {"column": self.column, "header": self.header}

    def builder(self, tokenizer, steps_per_epoch):
        """Creates the `ModelBuilder` of the run, which knows its number of steps."""
        return ModelBuilder(
            self.resolved_setting(),
            tokenizer=tokenizer,
            steps_per_epoch=steps_per_epoch,
            epochs=self.epochs,
            total_steps=self.steps,
            scale_schedules=self.scale_schedules,
            seed=self.seed,
            jit_compile=_XLA[self.xla],
            context=self.context,
            label_names=self.known_labels(),
        )

    @property
    def context(self):
        """What models are conditioned on, `"text"`, `"turns"` or `None`."""
        if self.context_column is None:
            return None
        return "text" if self.max_turns is None else "turns"

    def make_model(self, tokenizer, steps_per_epoch):
        """Assembles the compiled model of the run."""
        preset = get_preset(self.preset)
        options = {k: v for k, v in self.overrides.items() if k in preset.options}
        model = preset(self.builder(tokenizer, steps_per_epoch), **options)
        if self.monitor is not None:
            model.monitor = self.monitor
        return model

    def save(self, path):
        """Writes the configuration as JSON, the whole file or nothing."""
        write_json(dataclasses.asdict(self), path)

    @classmethod
    def load(cls, path):
        """Reads a configuration written by `save`.

        Raises:
            ValueError: If the file is damaged, lacks a value, holds one of another
                type or one that this version does not know.
        """
        content = read_json(path)
        fields = {field.name: field for field in dataclasses.fields(cls)}
        strange = sorted(set(content) - set(fields))
        if strange:
            raise ValueError(
                f"{path}: written by another version of tfvae, since it holds "
                f"{', '.join(strange)}. Use that version."
            )
        for name in ("preset", "train"):
            if name not in content:
                raise ValueError(f"{path}: {name!r} is missing. Restore the file.")
        try:
            for name, value in content.items():
                _check_type(name, value, fields[name].type)
            return cls(**content)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def setting_fields():
    """Returns the types of the fields of a setting that a run may change, by name."""
    fixed = ("name", "source", "annealing", "conditioning")
    fields = dataclasses.fields(PaperSetting)
    return {field.name: field.type for field in fields if field.name not in fixed}


def _check_range(name, value):
    """Refuses a value that no network and no schedule has, by the key's name."""
    if isinstance(value, float):
        require(name, value, math.isfinite(value), "finite")
    if value is None:
        return
    if name in _POSITIVE:
        require(name, value, value > 0, "positive and finite")
    elif name.endswith("_dim"):
        require(name, value, value >= 1, "positive")
    elif name.endswith("_dims"):
        are_widths = all(type(each) is int and each > 0 for each in value)
        require(name, value, are_widths, "a tuple of positive ints")
    elif name.endswith("_dropout") and name != "word_dropout":
        require(name, value, 0 <= value < 1, "in [0, 1)")


def kinds_of(wanted):
    """Returns the types that an annotation such as `int | None` allows, a tuple."""
    return typing.get_args(wanted) or (wanted,)


def _check_type(name, value, wanted):
    allowed = kinds_of(wanted)
    # Where a float is wanted an int will do; True and False are no numbers here.
    numbers = (int,) if float in allowed and not isinstance(value, bool) else ()
    exact = not isinstance(value, bool) or bool in allowed
    if not (exact and isinstance(value, (*allowed, *numbers))):
        names = " or ".join(
            "None" if each is type(None) else each.__name__ for each in allowed
        )
        article = "an" if names[0] in "aeiou" else "a"
        example = ", such as (64,) or ()" if tuple in allowed else ""
        raise ValueError(
            f"`{name}` must be {article} {names}{example}. Received: {value!r}"
        )
