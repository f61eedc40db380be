"""Keras callbacks that look at a model while it trains."""

import os

import keras
import numpy as np
import tensorflow as tf

from tfvae.evaluation.density import exact_mean, with_density
from tfvae.evaluation.dynamics import training_dynamics
from tfvae.evaluation.latent import active_units, mutual_information
from tfvae.models.writing import reconstruct, write
from tfvae.seeds import as_seed, fold_in


class DynamicsLogger(keras.callbacks.Callback):
    """Adds the figures of `training_dynamics` to the logs of each epoch.

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
        found = training_dynamics(
            self.model, self.batches, seed=self.seed, max_batches=self.max_batches
        )
        for name in ("num_dynamics", "dynamics_dropout"):
            found.pop(name)
        if logs is not None:
            logs.update(found)


class LatentMeasures(keras.callbacks.Callback):
    """Adds `val_mi` and `val_active_units` to the logs of each epoch.

    Both are those of `evaluate`, on the first sentences of a text only: the mutual
    information is at most the logarithm of their number. The decoder is not run. A
    posterior without a density has active units alone, a model without a latent
    neither. Give it before the callbacks that write the logs.

    Args:
        batches: Function of the model that gives an iterable of dicts, such as a
            `tf.data.Dataset` of validation sentences.
        max_sentences: Positive int. Defaults to `1024`.
        seed: Int, the same draws each time. Defaults to `0`.
    """

    def __init__(self, batches, max_sentences=1024, seed=0):
        super().__init__()
        self.batches = batches
        self.max_sentences = max_sentences
        self.seed = seed
        self._encode = None

    def on_epoch_end(self, epoch, logs=None):
        """Measures, and adds to `logs`."""
        if self.model.posterior is None or logs is None:
            return
        means, params, z = self._draw()
        posterior = with_density(self.model.posterior, params)
        on_sphere = posterior.support == "sphere"
        threshold = 0.01 / (posterior.latent_dim if on_sphere else 1)
        logs["val_active_units"] = active_units(means, threshold)[0]
        if posterior.has_density:
            logs["val_mi"] = mutual_information(posterior, params, z).value

    def _draw(self):
        """Encodes the sentences and draws one code of each."""
        if self._encode is None:
            self._encode = tf.function(self._encode_batch, reduce_retracing=True)
        found, count = [], 0
        for index, batch in enumerate(self.batches(self.model)):
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
        params = self.model.encode(inputs)
        means = exact_mean(posterior.distribution(params))
        if means is None:
            means = posterior.point(params)
        return means, params, posterior.sample(params, 1, seed)[0][0]


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
            samples = write(self.model, self.num, **options)
            tf.summary.text("samples", _lines(samples))
            if self.texts:
                pairs = reconstruct(self.model, self.texts, **options)
                lines = [f"{text}  \n> {again}" for text, again in pairs]
                tf.summary.text("reconstructions", _lines(lines))
        writer.close()


def _lines(texts):
    """Keeps lines apart in Markdown, and marks of the text as they are."""
    return "\n\n".join(text.replace("<", "&lt;") for text in texts)


class LatentProjector(keras.callbacks.Callback):
    """Puts the codes of sentences into TensorBoard's projector when training ends.

    Args:
        log_dir: Path of the TensorBoard logs.
        texts: List of str, a few thousand at most.
        labels: List of str or int, one a text, or `None`.
        batch_size: Positive int, sentences encoded at once. Defaults to `100`.

    Raises:
        ValueError: If there is not one label a text.
    """

    def __init__(self, log_dir, texts, labels=None, batch_size=100):
        super().__init__()
        self.log_dir = os.fspath(log_dir)
        self.texts = list(texts)
        self.labels = None if labels is None else list(labels)
        self.batch_size = batch_size
        if self.labels is not None and len(self.labels) != len(self.texts):
            raise ValueError(
                "`labels` must hold one label a text. Received: "
                f"{len(self.labels)} labels, {len(self.texts)} texts"
            )

    def on_train_end(self, logs=None):
        """Writes the codes, the sentences and the projector's configuration."""
        from tensorboard.plugins import projector

        os.makedirs(self.log_dir, exist_ok=True)
        codes = np.concatenate(list(self._codes()))
        np.savetxt(self._file("codes.tsv"), codes, "%.6g", "\t")
        with open(self._file("codes_metadata.tsv"), "w", encoding="utf-8") as file:
            if self.labels is None:
                file.writelines(f"{' '.join(text.split())}\n" for text in self.texts)
            else:
                file.write("sentence\tlabel\n")
                for text, label in zip(self.texts, self.labels, strict=True):
                    file.write(f"{' '.join(text.split())}\t{label}\n")
        config = projector.ProjectorConfig()
        embedding = config.embeddings.add()
        embedding.tensor_name = "codes"
        embedding.tensor_path = "codes.tsv"
        embedding.metadata_path = "codes_metadata.tsv"
        projector.visualize_embeddings(self.log_dir, config)

    def _codes(self):
        tokenizer = self.model.tokenizer
        for start in range(0, len(self.texts), self.batch_size):
            texts = self.texts[start : start + self.batch_size]
            tokens = tokenizer.tokenize(tf.constant(texts)).to_tensor()
            params = self.model.encode({"tokens": tokens})
            yield self.model.posterior.point(params).numpy()

    def _file(self, name):
        return os.path.join(self.log_dir, name)
