"""Training from a configuration into a run folder."""

import csv
import os

import keras

from tfvae.files import digest, replacing
from tfvae.training.callbacks import Checkpoint, StopAtStep
from tfvae.training.distribute import Workers, shard_training, shard_validation
from tfvae.training.run_folder import NEW_STATE, load_model


def train(
    configuration, out, *, resume=False, strategy="none", verbose="auto", callbacks=()
):
    """Trains the model of a configuration.

    Reads and checks both texts before anything is written. The run folder then holds
    the best model by validation, the last state, the configuration, a CSV history and
    TensorBoard logs.

    Args:
        configuration: `RunConfiguration`; `None` with `resume` for the folder's own.
        out: Path of the run folder.
        resume: Whether to continue the run in `out` after its last whole epoch. The
            result is that of an uninterrupted run.
        strategy: `"none"`, `"mirrored"` or `"multi_worker"`, see `Workers`. No part of
            the configuration: it says where a run computes, not what. Each replica
            draws its own noise, so runs are the same for a number of replicas, wherever
            they are.
        verbose: As in `keras.Model.fit`.
        callbacks: More Keras callbacks; what they add to the logs is kept.

    Returns:
        The `RunFolder`, or `None` on a worker that is not the first, which keeps it.

    Raises:
        ValueError: If a text or the folder is refused, or there is nothing to resume.
        FileNotFoundError: If a text is missing.
    """
    workers = Workers(strategy)
    with workers.reporting_lost_workers(), workers.folder(out, resume) as folder:
        with workers.strategy.scope():
            _train(workers, configuration, folder, resume, verbose, callbacks)
    return folder if workers.is_chief else None


def _train(workers, configuration, folder, resume, verbose, callbacks):
    """Trains with the workers at hand; see `train`."""
    state = None
    if resume:
        configuration, state = _resumed(configuration, folder)
        if state is not None and (state["finished"] or state["stopped"]):
            return
    is_new = state is None or not state["epoch"]
    setting = configuration.resolved_setting()
    workers.check_batch_size(setting.batch_size)
    keras.utils.set_random_seed(configuration.seed)
    model = None if is_new else load_model(folder.last)
    batches, validation = workers.run_on_all(
        lambda: _read(configuration, model and model.tokenizer), _summary
    )
    steps_per_epoch = len(batches)
    if model is None:
        model = configuration.make_model(batches.tokenizer, steps_per_epoch)
        workers.check_model(model)
        if not resume:
            workers.run_on_all(lambda: folder.create(configuration))
    texts = _digests(configuration)
    if state is None:
        state = {**NEW_STATE, "texts": texts}
        folder.save_state(state)
    workers.run_on_all(lambda: _check_texts(configuration, texts, state["texts"]))
    first_epoch = state["epoch"]
    total_steps = configuration.builder(batches.tokenizer, steps_per_epoch).num_steps
    num_batches = total_steps
    if model.loop is not None:
        num_batches += model.loop.num_pretraining_steps
    first_pass, rest = divmod(model.num_batches, steps_per_epoch)
    if workers.num_replicas > 1:
        model.ready_logs(next(iter(batches.dataset())))
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
    try:
        model.fit(
            shard_training(workers.strategy, batches.repeated(first_pass).skip(rest)),
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
    folder.save_state(checkpoint.state)


def _read(configuration, tokenizer):
    """Reads and checks the texts; learns a vocabulary where there is no tokenizer.

    Returns:
        Tuple of the `Batches` for training and those for validation or `None`.
    """
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
    stored = folder.load_configuration()
    if configuration is not None and configuration != stored:
        changed = sorted(
            name
            for name in vars(stored)
            if getattr(configuration, name) != getattr(stored, name)
        )
        raise ValueError(
            f"{folder.path}: the run there was started with other values of "
            f"{', '.join(changed)}. Resume it with the same arguments, or choose "
            "another folder."
        )
    return stored, folder.load_state()


def _digests(configuration):
    """Returns what tells the contents of the texts, by role."""
    paths = {"train": configuration.train, "valid": configuration.valid}
    return {role: digest(path) for role, path in paths.items() if path is not None}


def _check_texts(configuration, found, known):
    """Refuses to go on with other texts than the run began with.

    Raises:
        ValueError: If a text has another content.
    """
    for role, content in known.items():
        if found.get(role) != content:
            raise ValueError(
                f"{getattr(configuration, role)}: the file has changed since the run "
                f"began ({content['bytes']} bytes then). Restore it to resume the run, "
                "or train in another folder."
            )


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
