"""Keras callbacks: checkpoints of a run, and metrics and texts while it trains."""

import math
import os

import keras
import numpy as np
import tensorflow as tf

from tfvae.evaluation.latent import (
    active_units,
    active_units_threshold,
    gradient_norms,
    mutual_information,
)
from tfvae.evaluation.likelihood import decoder_information
from tfvae.evaluation.posterior import exact_mean, with_density
from tfvae.files import replacing
from tfvae.models import inference, writing
from tfvae.ops.runtime import graph_function
from tfvae.seeds import as_seed, fold_in
from tfvae.training.run_folder import NEW_STATE


class StopAtStep(keras.callbacks.Callback):
    """Ends training after a number of the model's own steps.

    Args:
        num_steps: Positive int.
    """

    def __init__(self, num_steps):
        super().__init__()
        self.num_steps = num_steps

    def on_train_batch_end(self, batch, logs=None):
        """Stops at the last step."""
        # Not a count of batches: a loop may train before the model's step 0.
        if int(self.model.step.numpy()) >= self.num_steps:
            self.model.stop_training = True


class Checkpoint(keras.callbacks.Callback):
    """Saves the best and the last model and what resuming needs; may stop early.

    After each epoch: the last model with its optimizer, the best one by what the
    model's `monitor` names (the last one without validation, or while a training loop
    is in a phase whose metrics do not count) and the counters, all at one instant. A
    run that is killed before it continues from the epoch before.

    Args:
        folder: `RunFolder`.
        patience: Epochs without a better metric before training stops, or `None`.
        decay_patience: Epochs without one before the learning rate is halved, or
            `None`.
        state: Dict from `RunFolder.load_state`, or `None` for a new run.
    """

    def __init__(self, folder, patience=None, decay_patience=None, state=None):
        super().__init__()
        self.folder = folder
        self.patience = patience
        self.decay_patience = decay_patience
        self.state = dict(state or NEW_STATE)

    def on_epoch_end(self, epoch, logs=None):
        """Updates the counters and saves."""
        state = self.state
        loop = self.model.loop
        value = None
        if loop is None or loop.in_final_phase:
            value = self._watched(logs or {})
        if value is not None:
            value = float(value)
        state["epoch"] = epoch + 1
        better = _is_better(value, state["best"], self.model.greater_is_better)
        if better:
            state.update(best=value, best_epoch=epoch + 1)
            state.update(waited=0, waited_for_decay=0)
        else:
            state["waited"] += 1
            state["waited_for_decay"] += 1
        if self.decay_patience and state["waited_for_decay"] >= self.decay_patience:
            rate = self.model.optimizer.learning_rate
            rate.assign(rate * 0.5)
            state["waited_for_decay"] = 0
        if self.patience and state["waited"] >= self.patience:
            state["stopped"] = True
            self.model.stop_training = True
        self.folder.save_epoch(self.model, state, is_best=better)

    def _watched(self, logs):
        """Returns the value of the watched metric, `None` without validation."""
        name = self.model.monitor
        known = [each for each in logs if each.startswith("val_")]
        if known and name not in known:
            raise ValueError(
                f"The best model is to be chosen by {name!r}, which is not logged. "
                f"Choose one of {', '.join(sorted(known))}."
            )
        return logs.get(name)


def _is_better(value, best, greater_is_better):
    """Compares validation values; one that is no number never beats one that is."""
    if value is None or best is None:
        return True
    if math.isnan(best) or math.isnan(value):
        return not math.isnan(value)
    return value > best if greater_is_better else value < best


class GradientNorms(keras.callbacks.Callback):
    """Adds the metrics of `gradient_norms` to the logs of each epoch.

    Give it before the callbacks that write the logs, such as `CSVLogger` and
    `TensorBoard`.

    Args:
        batches: Iterable of dicts that can be read again, such as a `tf.data.Dataset`
            of validation sentences.
        max_batches: Positive int, batches read each time. Defaults to `8`.
        seed: Int, the same noise each time. Defaults to `0`.
    """

    def __init__(self, batches, max_batches=8, seed=0):
        super().__init__()
        self.batches = batches
        self.max_batches = max_batches
        self.seed = seed

    def on_epoch_end(self, epoch, logs=None):
        """Measures, and adds to `logs`."""
        found = gradient_norms(
            self.model, self.batches, seed=self.seed, max_batches=self.max_batches
        )
        for name in ("num_gradient_norms", "gradient_norms_dropout"):
            found.pop(name)
        if logs is not None:
            logs.update(found)


class LatentMetrics(keras.callbacks.Callback):
    """Adds `val_mi`, `val_latent_gain` and `val_active_units` to each epoch's logs.

    All are those of `evaluate`, on the first sentences of a text only: the mutual
    information is at most the logarithm of their number. A posterior without a density
    has no mutual information, a model without a latent none of the three. Give it
    before the callbacks that write the logs.

    Args:
        batches: Iterable of dicts that can be read again, such as validation `Batches`
            that are not shuffled or a `tf.data.Dataset`; or a function of the model
            that returns one, which is called once.
        max_sentences: Positive int. Defaults to `1024`.
        seed: Int, the same samples each time. Defaults to `0`.
    """

    names = ("val_mi", "val_latent_gain", "val_active_units")

    def __init__(self, batches, max_sentences=1024, seed=0):
        super().__init__()
        self.batches = batches
        self.max_sentences = max_sentences
        self.seed = seed
        self._encode = self._decode = None

    def on_epoch_end(self, epoch, logs=None):
        """Measures, and adds to `logs`."""
        if self.model.posterior is None or logs is None:
            return
        means, params, z = self._sample()
        posterior = with_density(self.model.posterior, params)
        threshold = active_units_threshold(posterior)
        logs["val_active_units"] = active_units(means, threshold)[0]
        if posterior.has_density:
            logs["val_mi"] = mutual_information(posterior, params, z).value
        if len(means) > 1:
            found = decoder_information(
                self._decode, self.batches, z[0], num_codes=2, seed=self.seed
            )
            logs["val_latent_gain"] = float(found.gain.mean())

    def _sample(self):
        """Encodes the sentences and samples one code of each."""
        if self._encode is None:
            self._encode = graph_function(self._encode_batch)
            self._decode = graph_function(self._decode_batch)
        if callable(self.batches):
            self.batches = self.batches(self.model)
        found, count = [], 0
        for index, batch in enumerate(self.batches):
            inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
            found.append(self._encode(inputs, fold_in(as_seed(self.seed), index)))
            count += len(found[-1][0])
            if count >= self.max_sentences:
                break

        def join(*parts):
            return tf.concat(parts, 0)[: self.max_sentences]

        means, params, z = tf.nest.map_structure(join, *found)
        return means, params, z[None]

    def _encode_batch(self, inputs, seed):
        posterior = self.model.posterior
        params = self.model.posterior_params(inputs)
        means = exact_mean(posterior.distribution(params))
        if means is None:
            means = posterior.mode(params)
        return means, params, posterior.sample(params, 1, seed)[0][0]

    def _decode_batch(self, inputs, z):
        context = inference.encode_condition(self.model, inputs, as_seed(self.seed))
        return inference.decode(self.model, inputs["tokens"], z, context)[1]


class TextSamples(keras.callbacks.Callback):
    """Writes sentences to TensorBoard's text tab after each epoch.

    Args:
        log_dir: Path of the TensorBoard logs.
        num: Positive int, sentences from the prior. Defaults to `8`.
        texts: List of str to reconstruct too. Defaults to `()`.
        max_length: Positive int, the most words. Defaults to `60`.
        seed: Int, the same each time, so that epochs can be compared. Defaults to `0`.
    """

    def __init__(self, log_dir, num=8, texts=(), max_length=60, seed=0):
        super().__init__()
        self.log_dir = os.fspath(log_dir)
        self.num = num
        self.texts = list(texts)
        self.max_length = max_length
        self.seed = seed

    def on_epoch_end(self, epoch, logs=None):
        """Writes the samples and the reconstructions."""
        options = {"max_length": self.max_length, "seed": self.seed}
        options["batch_size"] = max(self.num, len(self.texts), 1)
        writer = tf.summary.create_file_writer(self.log_dir)
        with writer.as_default(step=epoch):
            samples = writing.generate(self.model, self.num, **options)
            tf.summary.text("samples", _lines(samples))
            if self.texts:
                pairs = writing.reconstruct(self.model, self.texts, **options)
                lines = [f"{text}  \n> {again}" for text, again in pairs]
                tf.summary.text("reconstructions", _lines(lines))
        writer.close()


def _lines(texts):
    """Joins texts as paragraphs of Markdown that show `<unk>` as it is."""
    return "\n\n".join(text.replace("<", "&lt;") for text in texts)


class LatentProjector(keras.callbacks.Callback):
    """Writes the codes of sentences for TensorBoard's projector when training ends.

    Args:
        log_dir: Path of the TensorBoard logs.
        texts: List of str, a few thousand at most.
        labels: List of str or int, one for each text, or `None`.
        batch_size: Positive int, sentences encoded at once. Defaults to `100`.

    Raises:
        ValueError: If there is not one label for each text.
    """

    def __init__(self, log_dir, texts, labels=None, batch_size=100):
        super().__init__()
        self.log_dir = os.fspath(log_dir)
        self.texts = list(texts)
        self.labels = None if labels is None else list(labels)
        self.batch_size = batch_size
        if self.labels is not None and len(self.labels) != len(self.texts):
            raise ValueError(
                "`labels` must hold one label for each text. Received: "
                f"{len(self.labels)} labels, {len(self.texts)} texts"
            )

    def on_train_end(self, logs=None):
        """Writes the codes, the sentences and the projector's configuration."""
        from tensorboard.plugins import projector

        os.makedirs(self.log_dir, exist_ok=True)
        codes = writing.encode_all(self.model, self.texts, batch_size=self.batch_size)
        with replacing(self._file("codes.tsv")) as beside:
            np.savetxt(beside, codes, "%.6g", "\t")
        rows = [" ".join(text.split()) for text in self.texts]
        if self.labels is not None:
            pairs = zip(rows, self.labels, strict=True)
            rows = ["sentence\tlabel", *(f"{row}\t{label}" for row, label in pairs)]
        with replacing(self._file("codes_metadata.tsv")) as beside:
            with open(beside, "w", encoding="utf-8") as file:
                file.writelines(f"{row}\n" for row in rows)
        config = projector.ProjectorConfig()
        embedding = config.embeddings.add()
        embedding.tensor_name = "codes"
        embedding.tensor_path = "codes.tsv"
        embedding.metadata_path = "codes_metadata.tsv"
        projector.visualize_embeddings(self.log_dir, config)

    def _file(self, name):
        return os.path.join(self.log_dir, name)
