"""What every model of sentences offers."""

import keras
import numpy as np
import tensorflow as tf

from tfvae.checks import require
from tfvae.layers.component import config_of, from_config
from tfvae.models import writing
from tfvae.models.conditional import require_trained_prior, response_ids
from tfvae.models.inputs import batch_of, require_tokenizer, rows_of
from tfvae.models.trainer import Trainer
from tfvae.ops.replicas import num_replicas
from tfvae.ops.runtime import graph_function
from tfvae.samplers import get_sampler
from tfvae.seeds import Stream, as_seed, fold_in
from tfvae.text.labels import label_name


class TextModel(Trainer):
    """A model of sentences, assembled from components and trained on terms.

    Its constructor stores its arguments under their own names, which are its config,
    and builds everything. A subclass implements `forward`, `likelihood_metrics`,
    `sample_memory` and `widths`.

    Attributes:
        widths: Dict of ints, `code_dim`, `latent_dim`, `memory_dim` and
            `vocabulary_size`, by which terms build what they own.
    """

    # Components that a language model does not have; terms look at them.
    encoder = posterior = prior = refiner = condition = None
    encoder_reads = "text"
    prior_reads_context = False
    tokenizer = None

    def get_config(self):
        """Returns the constructor's arguments, and which layers are not trained."""
        config = config_of(self)
        frozen = [i for i, layer in self._own_layers() if not layer.trainable]
        return config | ({"frozen_layers": frozen} if frozen else {})

    @classmethod
    def from_config(cls, config):
        """Creates the model again from `get_config`."""
        config = dict(config)
        frozen = set(config.pop("frozen_layers", ()))
        model = from_config(cls, config)
        for index, layer in model._own_layers():
            if index in frozen:
                layer.trainable = False
        return model

    def _own_layers(self):
        """Lists the layers in the order of their creation, with their numbers."""
        layers = self._flatten_layers(include_self=False)
        return [
            (i, each) for i, each in enumerate(layers) if each is not self.tokenizer
        ]

    def get_compile_config(self):
        """Returns what `compile` received, for saving; `None` before `compile`."""
        if not self.compiled:
            return None
        return {
            "optimizer": keras.optimizers.serialize(self.optimizer),
            "jit_compile": self.jit_compile,
        }

    def compile_from_config(self, config):
        """Compiles as saved, but without XLA where replicas train together."""
        optimizer = keras.optimizers.deserialize(config["optimizer"])
        jit_compile = config["jit_compile"] and num_replicas() == 1
        self.compile(optimizer, jit_compile=jit_compile)

    @property
    def requires(self):
        """The keys of a batch that are read beside `"tokens"`, a tuple of str."""
        keys = () if self.condition is None else self.condition.requires
        if self.encoder_reads == "context":
            keys = ("context", *keys)
        return tuple(dict.fromkeys(keys))

    @property
    def label_names(self):
        """The labels by number, a tuple of str; `None` where none are read."""
        names = None if self.condition is None else self.condition.label_names
        return None if names is None else tuple(names)

    def label_number(self, label):
        """Returns the number of a label.

        Args:
            label: Str or int, its name in `label_names`.

        Returns:
            Int.

        Raises:
            ValueError: If it is none of them, or the model reads no labels.
        """
        names = self.label_names
        if names is None:
            raise ValueError(
                f"This {type(self).__name__} reads no labels. Leave the label out, or "
                f"train with labels (--label-column). Received: label={label!r}"
            )
        name = label_name(label)
        if name not in names:
            raise ValueError(
                f"The label must be one of {', '.join(names)}. Received: {label!r}"
            )
        return names.index(name)

    @property
    def memory_requires(self):
        """The keys of a batch that are read to write given a code, a tuple of str."""
        return () if self.condition is None else self.condition.requires

    @property
    def reads_turns(self):
        """Whether a context is the turns of a dialogue, `[B, N, T']`, not one text."""
        return self.condition is not None and self.condition.reads_turns

    def forward(self, inputs, *, num_samples=None, seed=None, training=False):
        """Passes a batch through the model.

        Args:
            inputs: Dict of tensors, `"tokens"` int `[B, T]` among them.
            num_samples: Positive int `S`, or `None` for the constructor's.
            seed: Int, pair of ints or int tensor `[2]`; `None` for the model's.
            training: Whether dropout acts.

        Returns:
            A `Forward`.

        Raises:
            ValueError: If `inputs` holds what no component reads.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `forward`.")

    def likelihood_metrics(self, forward):
        """Computes metrics that are always logged, a dict of float32 `[B]`.

        The first of them is the cost of a sentence that perplexity is taken of.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `likelihood_metrics`."
        )

    def call(self, inputs, training=False):
        """Computes `log p(x|z)`, float32 `[B]` in nats, at one posterior sample."""
        forward = self.forward(inputs, num_samples=1, training=training)
        return forward.log_likelihood[0]

    def sample_memory(self, num, seed, context=None):
        """Samples what the decoder reads to write sentences.

        Args:
            num: Int, or int scalar tensor.
            seed: Int tensor `[2]`.
            context: Float tensor `[num, K]`, or `None` without a condition.

        Returns:
            Float tensor `[num, U]`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `sample_memory`."
        )

    def generate_ids(
        self,
        num,
        *,
        context=None,
        sampler="ancestral",
        max_length=60,
        seed=None,
        prefix_ids=(),
    ):
        """Writes `num` sentences as ids, from the prior; works in a graph.

        Args:
            num: Positive int.
            context: Float tensor `[num, K]`, or `None` without a condition.
            sampler: `Sampler` or its name. Defaults to `"ancestral"`.
            max_length: Positive int, the most ids, `</s>` included. Defaults to `60`.
            seed: Int, pair of ints or int tensor `[2]`; `None` for the model's.
            prefix_ids: Sequence of int, the words that every sentence begins with.
                Defaults to `()`.

        Returns:
            Int32 tensor `[num, max_length]`, what comes after `prefix_ids`, `</s>` and
            padding after the last word.
        """
        seed = as_seed(self.seed if seed is None else seed)
        memory = self.sample_memory(num, fold_in(seed, Stream.PRIOR), context)
        words = fold_in(seed, Stream.WORDS)
        return self._write(memory, sampler, max_length, words, prefix_ids)

    def _write(self, memory, sampler, max_length, seed, prefix_ids):
        """Writes a sentence for each row of a memory, as ids."""
        # A sampler of one's own need not know of beginnings.
        prefix = {"prefix_ids": prefix_ids} if prefix_ids else {}
        return get_sampler(sampler)(self.decoder, memory, max_length, seed, **prefix)

    def generate(
        self,
        num,
        *,
        label=None,
        sampler="ancestral",
        max_length=60,
        seed=0,
        return_ids=False,
    ):
        """Writes sentences, from samples of the prior where there is a latent.

        Args:
            num: Positive int. It does not change the sentences that come first.
            label: Str or int, the label of the sentences, one of `label_names`; `None`
                for a model that reads none.
            sampler: `Sampler` or its name. Defaults to `"ancestral"`.
            max_length: Positive int, the most ids, `</s>` included. Defaults to `60`.
            seed: Int. Defaults to `0`.
            return_ids: Whether ids are returned, for which no tokenizer is needed.
                Defaults to `False`.

        Returns:
            List of `num` str; with `return_ids` an int32 array `[num, max_length]`.

        Raises:
            ValueError: If `num` is not positive, the model has no tokenizer, or the
                label is missing, unknown or not wanted.
        """
        options = {"sampler": sampler, "max_length": max_length, "seed": seed}
        options["label"] = label
        if return_ids:
            return np.concatenate(list(writing.generate_ids(self, num, **options)))
        return list(writing.generate(self, num, **options))

    def respond(
        self,
        contexts,
        *,
        labels=None,
        num=1,
        sampler="ancestral",
        max_length=60,
        seed=0,
        batch_size=100,
        max_context_length=None,
    ):
        """Writes sentences that answer contexts.

        Args:
            contexts: List of contexts, each a str, or a list of str for a model of
                several turns, the oldest first; a single str counts as a list of one.
                `None` for a model that reads labels alone.
            labels: List of str or int, one of `label_names` for each context, where the
                model reads them; or `None`.
            num: Positive int, answers to each context, of codes of their own. Defaults
                to `1`.
            sampler: `Sampler` or its name. Defaults to `"ancestral"`; with `"greedy"`
                answers to a context differ by their codes alone.
            max_length: Positive int, the most ids, `</s>` included. Defaults to `60`.
            seed: Int. Defaults to `0`.
            batch_size: Positive int, contexts at once. Defaults to `100`.
            max_context_length: Int, words after which a context, or a turn of one, is
                cut, or `None`.

        Returns:
            List of lists of `num` str, one for each context.

        Raises:
            ValueError: If the model reads no context, has no tokenizer, a context has
                no words, or labels are missing or not wanted.
        """
        tokenizer = require_tokenizer(self)
        if not self.requires:
            raise ValueError(
                f"This {type(self).__name__} reads no context and no label. Use "
                "`generate`, or train it with a `condition` (--context-column)."
            )
        require("num", num, num >= 1, "positive")
        require_trained_prior(self)
        rows = rows_of(self, contexts=contexts, labels=labels)
        sampler, answers = get_sampler(sampler), []
        for start in range(0, len(rows), batch_size):
            chunk = rows[start : start + batch_size]
            inputs = batch_of(self, chunk, self.requires, None, max_context_length)
            seed_of_chunk = fold_in(as_seed(seed), start)
            ids = response_ids(self, inputs, num, sampler, max_length, seed_of_chunk)
            texts = list(writing.texts_of(tokenizer, ids))
            answers += [texts[index :: len(chunk)] for index in range(len(chunk))]
        return answers

    def compiled_function(self, key, function, *specs):
        """Returns a function as a graph that is made once a model, not once a call.

        Args:
            key: Hashable, tells functions apart.
            function: Function of tensors.
            *specs: `tf.TensorSpec` of each argument.

        Returns:
            A `tf.function`.
        """
        kept = self.__dict__.setdefault("_functions", {})
        if key not in kept:
            kept[key] = graph_function(function, input_signature=specs)
        return kept[key]

    def export(self, filepath, format="tf_saved_model", *, verbose=False):
        """Writes a SavedModel of what `predict` gives for token ids.

        Its endpoint `serve` takes `tokens`, int32 `[B, T]`. For signatures on text,
        which encode, decode and generate, use `tfvae.serving.export`.

        Args:
            filepath: Path of the folder to write.
            format: `"tf_saved_model"`.
            verbose: Whether Keras prints the endpoints. Defaults to `False`.

        Raises:
            ValueError: If another format is asked for, or the model has a condition.
        """
        writing.require_no_condition(self)
        if format != "tf_saved_model":
            raise ValueError(
                "`format` must be 'tf_saved_model', the one that has all operations "
                f"of a text model. Received: format={format!r}"
            )
        archive = keras.export.ExportArchive()
        archive.track(self)
        archive.add_endpoint(
            "serve",
            lambda tokens: self.predict_step({"tokens": tokens}),
            [tf.TensorSpec([None, None], tf.int32, name="tokens")],
        )
        archive.write_out(filepath, verbose=verbose)


def build(component, **widths):
    """Builds a component unless it is: one that models share keeps its weights."""
    if not component.built:
        component.build(**widths)


def check_tokenizer(tokenizer, decoder):
    """Refuses a tokenizer of another vocabulary size than the decoder's.

    A tokenizer that is being loaded gets its vocabulary after the constructor.

    Raises:
        ValueError: If the sizes differ.
    """
    if tokenizer is None or not tokenizer.has_vocabulary:
        return
    if tokenizer.vocabulary_size != decoder.vocabulary_size:
        raise ValueError(
            "`tokenizer` and `decoder` need one `vocabulary_size`. Received: "
            f"{tokenizer.vocabulary_size} and {decoder.vocabulary_size}"
        )
