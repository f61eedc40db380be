"""A decoder for each label, which share how states become words."""

import keras
import tensorflow as tf

from tfvae.decoders.decoder import Decoder
from tfvae.layers.component import Component


@keras.saving.register_keras_serializable("tfvae")
class LabelledDecoders(Decoder):
    """Writes a sentence by the decoder of its label.

    The label is the last part of the memory, as one of `num_labels` ones, which is what
    a `Bridge` without layers appends from a `LabelEncoder`; the decoders read what
    stands before. Each has embeddings and a recurrence of its own, and the vocabulary's
    layer, with the projection where there is one, is that of the first. All of them
    compute every row, so that the cost is that of `num_labels` decoders; a single
    decoder that reads the label in its memory is the cheaper way.

    Args:
        decoders: List of `Decoder`s of one kind and size, one for each label.

    Raises:
        ValueError: If there are fewer than two, or their sizes differ; in a model, if
            the label is not the last part of the memory.

    References:
        Zhao et al. 2018, Adversarially Regularized Autoencoders, section 5.2, and Fang
        et al. 2019, section 4.3: two decoders with one output layer.
    """

    def __init__(self, decoders, *, name=None, dtype=None):
        # Not that of `Decoder`, whose embeddings and layers are those of the parts.
        Component.__init__(self, name=name, dtype=dtype)
        decoders = list(decoders)
        sizes = {
            (each.vocabulary_size, each.embedding_dim, each.hidden_dim)
            for each in decoders
        }
        if len(decoders) < 2 or len(sizes) > 1:
            raise ValueError(
                "`decoders` must hold one for each label, two at least, of one size. "
                f"Received: {len(decoders)} of {len(sizes)} sizes"
            )
        self.decoders = decoders
        self.vocabulary_size = decoders[0].vocabulary_size
        self.embedding_dim = decoders[0].embedding_dim
        self.hidden_dim = decoders[0].hidden_dim

    @property
    def embedding(self):
        """The embeddings of the first decoder."""
        return self.decoders[0].embedding

    @embedding.setter
    def embedding(self, value):
        """Lets all decoders share embeddings."""
        for each in self.decoders:
            each.embedding = value

    def check_model(self, model):
        """Refuses a memory that does not end with the label."""
        num_labels = 0 if model.label_names is None else len(model.label_names)
        bridge = getattr(model, "bridge", None)
        is_mixed = bridge is None or bridge.hidden_dims
        if num_labels != len(self.decoders) or is_mixed:
            raise ValueError(
                "`LabelledDecoders` needs a memory that ends with the label: a "
                "`Bridge` without layers, which reads a `LabelEncoder` of as many "
                "labels as there are decoders. Received: "
                f"{len(self.decoders)} decoders, "
                f"{num_labels} labels, bridge="
                + ("None" if bridge is None else f"Bridge({bridge.hidden_dims})")
            )

    def build(self, *, memory_dim):
        """Creates the weights for a memory of width `memory_dim`, the label's included.

        Raises:
            ValueError: If the memory is not wider than the labels.
        """
        width = memory_dim - len(self.decoders)
        if width < 1:
            raise ValueError(
                "The memory of `LabelledDecoders` must hold a code before the label. "
                f"Received: memory_dim={memory_dim}, {len(self.decoders)} decoders"
            )
        first = self.decoders[0]
        for each in self.decoders:
            if each is not first:
                each.output_layer = first.output_layer
                each.projection = first.projection
            if not each.built:
                each.build(memory_dim=width)
        self.built = True

    @property
    def output_layer(self):
        """The vocabulary's layer, which all decoders share."""
        return self.decoders[0].output_layer

    @property
    def projection(self):
        """The layer between states and vocabulary, which all decoders share."""
        return self.decoders[0].projection

    def hidden(self, tokens, memory, seed=None, training=False):
        """Runs over sentences; see `Decoder.hidden`."""
        read, marks = self._split(memory)
        rows = tf.reshape(marks, [-1, marks.shape[-1]])
        return self._chosen(
            [each.hidden(tokens, read, seed, training) for each in self.decoders], rows
        )

    def initial_state(self, memory, max_length=None):
        """Returns the states of all decoders; see `Decoder.initial_state`."""
        read, _ = self._split(memory)
        return tuple(each.initial_state(read, max_length) for each in self.decoders)

    def step(self, token_ids, memory, state):
        """Advances by one word; see `Decoder.step`."""
        read, marks = self._split(memory)
        taken = [
            each.step(token_ids, read, own)
            for each, own in zip(self.decoders, state, strict=True)
        ]
        hidden = self._chosen([values for values, _ in taken], marks)
        return hidden, tuple(own for _, own in taken)

    def readout(self, hidden, memory, seed=None, training=False):
        """Computes the inputs of the vocabulary's layer; see `Decoder.readout`."""
        read, _ = self._split(memory)
        return self.decoders[0].readout(hidden, read, seed, training)

    def _split(self, memory):
        """Splits memory `[..., U]` into what decoders read and the label's marks."""
        width = memory.shape[-1] - len(self.decoders)
        return memory[..., :width], memory[..., width:]

    def _chosen(self, values, marks):
        """Adds up each row's values, of `[..., N, H]` for every label, by its marks."""
        parts = [
            part * tf.cast(marks[:, index, None], part.dtype)
            for index, part in enumerate(values)
        ]
        return tf.add_n(parts)
