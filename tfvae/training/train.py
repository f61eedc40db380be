"""Training from a recipe into a run folder."""

import csv
import os

import keras

from tfvae.text import Batches, read_texts
from tfvae.training.callbacks import Checkpoint, StopAtStep
from tfvae.training.run_folder import load_model
from tfvae.training.shares import training_shares, validation_shares
from tfvae.training.workers import Workers


def train(recipe, out, *, resume=False, strategy="none", verbose="auto", callbacks=()):
    """Trains the model of a recipe.

    Reads and checks both texts before anything is written. The run folder then holds
    the best model by validation, the last state, the recipe, a CSV history and
    TensorBoard logs.

    Args:
        recipe: `Recipe`; `None` with `resume` for the folder's own.
        out: Path of the run folder.
        resume: Whether to continue the run in `out` after its last whole epoch. The
            result is that of an uninterrupted run.
        strategy: `"none"`, `"mirrored"` or `"multi_worker"`, see `Workers`. No part of
            the recipe: it says where a run computes, not what. Noise is drawn by each
            replica, so runs are the same for a number of replicas, wherever they are.
        verbose: As in `keras.Model.fit`.
        callbacks: More Keras callbacks; what they add to the logs is kept.

    Returns:
        The `RunFolder`, or `None` on a worker that is not the first, which keeps it.

    Raises:
        ValueError: If a text or the folder is refused, or there is nothing to resume.
        FileNotFoundError: If a text is missing.
    """
    workers = Workers(strategy)
    with workers.losses(), workers.folder(out, resume) as folder:
        with workers.strategy.scope():
            _train(workers, recipe, folder, resume, verbose, callbacks)
    return folder if workers.is_chief else None


def _train(workers, recipe, folder, resume, verbose, callbacks):
    """Trains with the workers at hand; see `train`."""
    state = None
    if resume:
        recipe, state = _resumed(recipe, folder)
        if state is not None and (state["finished"] or state["stopped"]):
            return
    setting = recipe.resolved_setting()
    workers.check_batch_size(setting.batch_size)
    keras.utils.set_random_seed(recipe.seed)
    model = None if state is None else load_model(folder.last)
    tokenizer, batches, validation = workers.together(
        lambda: _read(recipe, model and model.tokenizer), _summary
    )
    steps_per_epoch = batches.num_batches()
    if model is None:
        model = recipe.make_model(tokenizer, steps_per_epoch)
        workers.check_model(model)
        if not resume:
            workers.together(lambda: folder.create(recipe))
    first_epoch = state["epoch"] if state else 0
    total_steps = recipe.total_steps(steps_per_epoch)
    num_batches = total_steps
    position = first_epoch * steps_per_epoch
    if model.pattern is not None:
        num_batches += model.pattern.num_steps_before
        position = int(model.pattern.num_batches.numpy())
    first_pass, rest = divmod(position, steps_per_epoch)
    if workers.num_replicas > 1:
        model.ready_logs(next(iter(batches.dataset())))
    checkpoint = Checkpoint(
        folder,
        recipe.patience,
        setting.decay_patience if setting.decay == "plateau" else None,
        state,
    )
    _forget_rows_after(folder.history, first_epoch)
    valid_data, valid_steps = validation_shares(
        workers.strategy, validation and validation.dataset()
    )
    history = keras.callbacks.CSVLogger(folder.history, append=True)
    try:
        model.fit(
            training_shares(workers.strategy, batches.repeated(first_pass).skip(rest)),
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
            ],
        )
    finally:
        # Keras closes it after a whole training only.
        if history.csv_file is not None:
            history.csv_file.close()
    checkpoint.state["finished"] = not checkpoint.state["stopped"]
    checkpoint.save_state()


def batches_of(texts, tokenizer, recipe, shuffle=True, batch_size=None):
    """Makes the batches of a text as a recipe wants them.

    Args:
        texts: Callable that returns a fresh iterator of str.
        tokenizer: Tokenizer with a vocabulary.
        recipe: `Recipe`.
        shuffle: Whether for training; otherwise sorted by length, nothing dropped.
        batch_size: Int, or `None` for the recipe's.

    Returns:
        `Batches`.
    """
    setting = recipe.resolved_setting()
    return Batches(
        texts,
        tokenizer,
        batch_size or setting.batch_size,
        max_length=setting.max_length,
        too_long=recipe.too_long,
        shuffle=shuffle,
        sort=True,
        seed=recipe.seed,
    )


def _read(recipe, tokenizer):
    """Reads and checks the texts; learns a vocabulary where there is no tokenizer.

    Returns:
        Tuple of the tokenizer, the `Batches` for training and those for validation or
        `None`.
    """
    texts = {
        role: _reader(path, recipe.column)
        for role, path in (("train", recipe.train), ("valid", recipe.valid))
        if path is not None
    }
    if tokenizer is None:
        tokenizer = recipe.make_tokenizer()
        tokenizer.adapt(texts["train"]())
    batches = batches_of(texts["train"], tokenizer, recipe)
    batches.num_batches()
    validation = None
    if "valid" in texts:
        validation = batches_of(texts["valid"], tokenizer, recipe, shuffle=False)
        validation.num_batches()
    return tokenizer, batches, validation


def _summary(read):
    """Gives what workers must agree on before they can train together."""
    tokenizer, batches, validation = read
    counts = [each and each.counts() for each in (batches, validation)]
    return tokenizer.vocabulary, counts


def _reader(path, column):
    return lambda: read_texts(path, column)


def _resumed(recipe, folder):
    """Gives the recipe and state of the run to continue."""
    if not os.path.exists(folder.recipe):
        raise ValueError(
            f"{folder.path}: there is no run to resume here. Leave out --resume, or "
            "give the folder of the run."
        )
    stored = folder.load_recipe()
    if recipe is not None and recipe != stored:
        changed = sorted(
            name
            for name in vars(stored)
            if getattr(recipe, name) != getattr(stored, name)
        )
        raise ValueError(
            f"{folder.path}: the run there was started with other values of "
            f"{', '.join(changed)}. Resume it with the same arguments, or choose "
            "another folder."
        )
    return stored, folder.load_state()


def _forget_rows_after(path, num_epochs):
    """Drops history rows of epochs that will be run again."""
    if not os.path.exists(path):
        return
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    kept = rows[:1] + [row for row in rows[1:] if int(row[0]) < num_epochs]
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(kept if num_epochs else [])
