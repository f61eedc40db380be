"""Training from a configuration into a run folder."""

import csv
import dataclasses
import itertools
import os

import keras

from tfvae.files import replacing
from tfvae.presets import get_preset
from tfvae.text import reader_errors
from tfvae.training.callbacks import Checkpoint, StopAtStep
from tfvae.training.distribute import Workers, shard_training, shard_validation
from tfvae.training.initial_weights import begin
from tfvae.training.run_folder import (
    NEW_STATE,
    TEXTS,
    check_contents,
    contents_of,
    files_of,
    load_model,
)


def train(
    configuration,
    out,
    *,
    resume=False,
    strategy="none",
    verbose="auto",
    callbacks=(),
    log=None,
):
    """Trains the model of a configuration.

    Reads and checks both texts before anything is written. The run folder then holds
    the best model by validation, the last state, the configuration, a CSV history and
    TensorBoard logs.

    Args:
        configuration: `RunConfiguration`; `None` with `resume` for the folder's own.
        out: Path of the run folder.
        resume: Whether to continue the run in `out` after its last whole epoch. The
            result is that of an uninterrupted run. A configuration of more `epochs`
            makes the run longer, where nothing depends on its length.
        strategy: `"none"`, `"mirrored"` or `"multi_worker"`, see `Workers`. No part of
            the configuration: it says where a run computes, not what. Each replica
            draws its own noise, so runs are the same for a number of replicas, wherever
            they are.
        verbose: As in `keras.Model.fit`.
        callbacks: More Keras callbacks; what they add to the logs is kept.
        log: Callable of a str, which gets what the texts hold and what is wrong with
            them, a line at a time; or `None`.

    Returns:
        The `RunFolder`, or `None` on a worker that is not the first, which keeps it.

    Raises:
        ValueError: If a text or the folder is refused, or there is nothing to resume.
        FileNotFoundError: If a text is missing.
    """
    workers = Workers(strategy)
    with workers.reporting_lost_workers(), workers.folder(out, resume) as folder:
        with workers.strategy.scope():
            _train(workers, configuration, folder, resume, verbose, callbacks, log)
    return folder if workers.is_chief else None


def _train(workers, configuration, folder, resume, verbose, callbacks, log):
    """Trains with the workers at hand; see `train`."""
    state = None
    if resume:
        configuration, state = _resumed(configuration, folder)
        if state is not None and (state["finished"] or state["stopped"]):
            return
    labels = workers.run_on_all(configuration.known_labels, lambda names: names)
    configuration = dataclasses.replace(configuration, label_names=labels)
    is_new = state is None or not state["epoch"]
    setting = configuration.resolved_setting()
    workers.check_batch_size(setting.batch_size)
    keras.utils.set_random_seed(configuration.seed)
    model = source = None
    if not is_new:
        model = folder.load_last(state)
    elif configuration.start_from is not None:
        source = load_model(configuration.start_from)
    known = model or source
    batches, validation = workers.run_on_all(
        lambda: _read(configuration, known and known.tokenizer), _summary
    )
    steps_per_epoch = len(batches)
    told = []
    if model is None:
        model = configuration.make_model(batches.tokenizer, steps_per_epoch)
        told = begin(model, configuration, source, steps_per_epoch)
        workers.check_model(model)
        if configuration.monitor is not None:
            _check_monitor(model, callbacks)
        if not resume:
            workers.run_on_all(lambda: folder.create(configuration))
    files = files_of(configuration)
    if not is_new:
        # The others are read no more.
        files = {role: path for role, path in files.items() if role in TEXTS}
    contents = contents_of(files)
    if state is None:
        state = {**NEW_STATE, "texts": contents}
        folder.save_state(state)
    workers.run_on_all(lambda: check_contents(files, contents, state["texts"]))
    if resume and configuration != folder.load_configuration():
        # The state first, so that a process that ends here can be called again.
        folder.save_state(state)
        configuration.save(folder.configuration)
    first_epoch = state["epoch"]
    total_steps = configuration.builder(batches.tokenizer, steps_per_epoch).num_steps
    num_batches = total_steps
    if model.loop is not None:
        num_batches += model.loop.num_pretraining_steps
    first_pass, rest = divmod(model.num_batches, steps_per_epoch)
    checkpoint = Checkpoint(
        folder,
        configuration.patience,
        setting.decay_patience if setting.decay == "plateau" else None,
        state,
    )
    _forget_rows_after(folder.history, first_epoch)
    valid_data, valid_steps = shard_validation(
        workers.strategy, None if validation is None else validation.dataset()
    )
    history = keras.callbacks.CSVLogger(folder.history, append=True)
    progress = [] if model.loop else [_Progress(steps_per_epoch, num_batches)]
    if log is not None and workers.is_chief:
        compiles = "on" if model.jit_compile else "off"
        told.insert(0, f"XLA: {compiles} ({configuration.xla})")
        for line in (*_descriptions(configuration, batches, validation), *told):
            log(line)
    try:
        with reader_errors(batches, validation):
            model.fit(
                shard_training(
                    workers.strategy, batches.repeated(first_pass).skip(rest)
                ),
                validation_data=valid_data,
                validation_steps=valid_steps,
                steps_per_epoch=steps_per_epoch,
                initial_epoch=first_epoch,
                epochs=-(-num_batches // steps_per_epoch),
                shuffle=False,
                verbose=verbose,
                callbacks=[
                    StopAtStep(total_steps),
                    # Before the others, which write the logs that these may add to.
                    *callbacks,
                    history,
                    keras.callbacks.TensorBoard(folder.logs, write_graph=False),
                    checkpoint,
                    *progress,
                ],
            )
    finally:
        # Keras closes it after a whole training only.
        if history.csv_file is not None:
            history.csv_file.close()
    checkpoint.state["finished"] = not checkpoint.state["stopped"]
    folder.save_state(checkpoint.state)


class _Progress(keras.callbacks.ProgbarLogger):
    """Shows how far an epoch is, which may be the last one and end early."""

    def __init__(self, steps_per_epoch, num_steps):
        super().__init__()
        self.steps_per_epoch = steps_per_epoch
        self.num_steps = num_steps

    def on_epoch_begin(self, epoch, logs=None):
        """Begins a bar of the epoch's own steps."""
        left = self.num_steps - epoch * self.steps_per_epoch
        self.target = min(self.steps_per_epoch, left)
        super().on_epoch_begin(epoch, logs)


def _check_monitor(model, callbacks):
    """Refuses to choose the best model by what neither it nor a callback logs."""
    of_callbacks = (getattr(each, "names", ()) for each in callbacks)
    known = [*model.validation_metrics, *itertools.chain(*of_callbacks)]
    if model.monitor not in known:
        raise ValueError(
            f"`monitor` must be one of {', '.join(known)}. "
            f"Received: monitor={model.monitor!r}"
        )


def _descriptions(configuration, batches, validation):
    """Formats what the texts hold, a line each, and what is wrong with them."""
    training = None
    for path, text in (
        (configuration.train, batches),
        (configuration.valid, validation),
    ):
        if text is None:
            continue
        counts = text.counts()
        line = (
            f"{path}: {counts.num_lines} lines, {counts.num_sentences} sentences, "
            f"{counts.num_words} words"
        )
        if counts.num_tokens != counts.num_words:
            line += f" ({counts.num_tokens} tokens)"
        limit = f"{text.max_length}"
        if "context" in counts.keys:
            longest = text.max_context_length or text.max_length
            turns = "" if text.max_turns is None else f" or {text.max_turns} turns"
            limit += f", contexts than {longest} tokens{turns}"
        if counts.num_dropped:
            line += f", {counts.num_dropped} left out as longer than {limit}"
        if counts.num_cut:
            line += f", {counts.num_cut} cut as longer than {limit}"
        yield f"{line}, {counts.unknown_rate:.2%} unknown"
        for warning in counts.warnings(training):
            yield f"{path}: note: {warning}"
        training = counts


def _read(configuration, tokenizer):
    """Reads and checks the texts; learns a vocabulary where there is no tokenizer."""
    batches = configuration.training_batches(tokenizer)
    validation = configuration.validation_batches(batches.tokenizer)
    for each in (batches, validation):
        if each is not None:
            len(each)
    return batches, validation


def _summary(read):
    """Returns what workers must agree on before they can train together."""
    counts = [None if each is None else each.counts() for each in read]
    return read[0].tokenizer.vocabulary, counts


def _resumed(configuration, folder):
    """Returns the configuration and state of the run to continue."""
    if not os.path.exists(folder.configuration):
        raise ValueError(
            f"{folder.path}: there is no run to resume here. Leave out --resume, or "
            "give the folder of the run."
        )
    stored, state = folder.load_configuration(), folder.load_state()
    if configuration is not None and configuration.label_names is None:
        names = stored.label_names
        configuration = dataclasses.replace(configuration, label_names=names)
    if configuration is None or configuration == stored:
        return stored, state
    changed = sorted(
        name
        for name in vars(stored)
        if getattr(configuration, name) != getattr(stored, name)
    )
    if changed != ["epochs"] or None in (configuration.epochs, stored.epochs):
        raise ValueError(
            f"{folder.path}: the run there was started with other values of "
            f"{', '.join(changed)}. Resume it with the same arguments, or choose "
            "another folder."
        )
    reason = _why_not_longer(configuration, stored, state)
    if reason:
        raise ValueError(
            f"{folder.path}: the run of {stored.epochs} epochs cannot become one of "
            f"{configuration.epochs}, since {reason}. Choose another folder."
        )
    return configuration, state and {**state, "finished": False}


def _why_not_longer(configuration, stored, state):
    """Returns why a run cannot take another number of epochs, `None` where it can."""
    if configuration.epochs < stored.epochs:
        return "it would be shorter"
    if stored.scale_schedules:
        return "its schedules are scaled to its length"
    if stored.resolved_setting().decay == "cosine":
        return "its learning rate decays by a cosine of its length"
    if "pretraining" in get_preset(stored.preset).options:
        return "its pretraining takes a share of its length"
    if state is not None and state["stopped"]:
        return "it has stopped for want of a better validation metric"
    return None


def _forget_rows_after(path, num_epochs):
    """Removes the rows of a history whose epochs will be run again."""
    if not os.path.exists(path):
        return
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    # The last row may be cut, of an epoch that was not saved.
    numbered = [row for row in rows[1:] if row and row[0].isdigit()]
    kept = rows[:1] + [row for row in numbered if int(row[0]) < num_epochs]
    with replacing(path) as beside:
        with open(beside, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(kept if num_epochs else [])
