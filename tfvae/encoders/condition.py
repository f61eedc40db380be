"""What a model knows beside the sentence: a text, several turns, a label."""

import keras
import tensorflow as tf

from tfvae.layers import RNN, dropout, require_rate
from tfvae.layers.component import Component
from tfvae.layers.dense import dense
from tfvae.ops.sequences import state_at
from tfvae.seeds import fold_in


class Condition(Component):
    """Maps what a batch holds beside its sentences to one vector for each row.

    A subclass sets `requires` and, in its constructor or in `build()`, `context_dim`,
    and implements `call`, which reads those keys of a batch and no other: the sentence
    itself must never reach what is known before it.

    Attributes:
        requires: Tuple of str, the keys of a batch that it reads.
        reads_turns: Whether `"context"` is the turns of a dialogue, `[B, N, T']`.
        context_dim: Int, the width `K` of the vector.
        vocabulary_size: Int `V` of the words that it reads, or `None`.
        label_names: Sequence of str, the names of the labels that it reads, by number;
            or `None`.
        encoders: Tuple of the `Encoder`s within, whose embeddings a model may share.
    """

    requires = ()
    reads_turns = False
    context_dim = None
    vocabulary_size = None
    label_names = None
    encoders = ()

    def call(self, inputs, seed=None, training=False):
        """Encodes the condition of a batch.

        Args:
            inputs: Dict of tensors, those of `requires` among them.
            seed: Int tensor `[2]` for dropout, needed in training only.
            training: Whether dropout acts. Defaults to `False`.

        Returns:
            Float tensor `[B, K]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `call`.")


@keras.saving.register_keras_serializable("tfvae")
class ContextEncoder(Condition):
    """Encodes one text, `"context"` of a batch, by any encoder.

    Args:
        encoder: `Encoder`.

    References:
        Wu et al. 2020, On the Encoder-Decoder Incompatibility, section 4.5: the post
        that a response answers.
    """

    requires = ("context",)

    def __init__(self, encoder, *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.encoder = encoder
        self.context_dim = encoder.code_dim
        self.vocabulary_size = encoder.vocabulary_size

    @property
    def encoders(self):
        """The encoder."""
        return (self.encoder,)

    def build(self):
        """Creates the encoder's weights."""
        if not self.encoder.built:
            self.encoder.build()
        self.built = True

    def call(self, inputs, seed=None, training=False):
        """Encodes contexts `[B, T']`; of several turns, the last one, `[B, N, T']`."""
        context = inputs["context"]
        if context.shape.rank == 3:
            context = context[:, -1]
        return self.encoder(context, seed=seed, training=training)


@keras.saving.register_keras_serializable("tfvae")
class TurnEncoder(ContextEncoder):
    """Encodes the turns of a dialogue: each turn, then the sequence of them.

    The turns come oldest first, `[B, N, T']`, those that a dialogue lacks before its
    first one empty. A GRU runs over the codes of the turns that are there; its last
    state is the context. A dialogue without turns has a context of zeros.

    Args:
        encoder: `Encoder` of one turn.
        hidden_dim: Positive int, width of the GRU over turns.
        speakers: Whether each turn's code is followed by whether its speaker is the
            one of the sentence, `[1, 0]`, or the other one, `[0, 1]`: turns are taken
            to alternate, so that the last one is the other's. Defaults to `True`.
        dropout: Rate in `[0, 1)` on the codes of turns. Defaults to `0.0`.

    Raises:
        ValueError: If a width or a rate is out of range.

    References:
        Serban et al. 2016, Building End-To-End Dialogue Systems Using Generative
        Hierarchical Neural Network Models; the speakers as in Gu et al. 2019,
        DialogWAE, and Fang et al. 2019, appendix.
    """

    reads_turns = True

    def __init__(
        self, encoder, hidden_dim, speakers=True, dropout=0.0, *, name=None, dtype=None
    ):
        super().__init__(encoder, name=name, dtype=dtype)
        self.recurrence = RNN(hidden_dim, "gru", name="turns")
        require_rate("dropout", dropout)
        self.hidden_dim = hidden_dim
        self.speakers = speakers
        self.dropout = dropout
        self.context_dim = hidden_dim

    def build(self):
        """Creates the weights."""
        super().build()
        width = self.encoder.code_dim + (2 if self.speakers else 0)
        self.recurrence.build(input_dim=width)

    def call(self, inputs, seed=None, training=False):
        """Encodes turns `[B, N, T']`; one text `[B, T']` is a single turn."""
        turns = inputs["context"]
        if turns.shape.rank == 2:
            turns = turns[:, None]
        num_rows, num_turns, num_words = tf.unstack(tf.shape(turns))
        flat = tf.reshape(turns, [-1, num_words])
        codes = self.encoder(flat, seed=seed, training=training)
        codes = tf.reshape(codes, [num_rows, num_turns, self.encoder.code_dim])
        if training and self.dropout:
            codes = dropout(codes, self.dropout, fold_in(seed, 1))
        if self.speakers:
            codes = tf.concat([codes, self._speakers(num_rows, num_turns, codes)], -1)
        # The empty turns come first: moved behind the others, they are not read.
        counts = tf.reduce_sum(tf.cast(turns[:, :, 0] > 0, tf.int32), 1)
        place = tf.range(num_turns)[None] + num_turns - counts[:, None]
        order = tf.math.floormod(place, num_turns)
        codes = tf.gather(codes, order, batch_dims=1)
        return state_at(self.recurrence(tf.transpose(codes, [1, 0, 2])), counts)

    def _speakers(self, num_rows, num_turns, codes):
        is_other = tf.math.floormod(num_turns - tf.range(num_turns), 2)
        marks = tf.one_hot(is_other, 2, dtype=codes.dtype)
        return tf.broadcast_to(marks[None], [num_rows, num_turns, 2])


@keras.saving.register_keras_serializable("tfvae")
class LabelEncoder(Condition):
    """Encodes a label, `"label"` of a batch, ints `[B]` from 0.

    Args:
        num_labels: Int of at least 2.
        embedding_dim: Positive int, width of a learned vector for each label, or
            `None` for the label as one of `num_labels` ones. Defaults to `None`.
        label_names: Sequence of `num_labels` str, which commands and methods of models
            call the labels by; `None` for their numbers. Defaults to `None`.

    Raises:
        ValueError: If a number is out of range, or names are too few, too many or not
            distinct.
    """

    requires = ("label",)

    def __init__(
        self, num_labels, embedding_dim=None, label_names=None, *, name=None, dtype=None
    ):
        super().__init__(name=name, dtype=dtype)
        if num_labels < 2 or (embedding_dim is not None and embedding_dim < 1):
            raise ValueError(
                "`num_labels` must be at least 2 and `embedding_dim` positive or None. "
                f"Received: num_labels={num_labels}, embedding_dim={embedding_dim}"
            )
        if label_names is None:
            label_names = map(str, range(num_labels))
        label_names = list(label_names)
        if len(label_names) != num_labels or len(set(label_names)) != num_labels:
            raise ValueError(
                "`label_names` must be one name for each label, no two the same. "
                f"Received: num_labels={num_labels}, label_names={label_names}"
            )
        self.num_labels = num_labels
        self.embedding_dim = embedding_dim
        self.label_names = label_names
        self.context_dim = embedding_dim or num_labels

    def build(self):
        """Creates the vectors, where they are learned."""
        self.vectors = None
        if self.embedding_dim is not None:
            self.vectors = dense(
                self.embedding_dim, self.num_labels, use_bias=False, name="vectors"
            )
        self.built = True

    def call(self, inputs, seed=None, training=False):
        """Encodes labels `[B]`."""
        marks = tf.one_hot(inputs["label"], self.num_labels, dtype=self.compute_dtype)
        return marks if self.vectors is None else self.vectors(marks)


@keras.saving.register_keras_serializable("tfvae")
class JoinedConditions(Condition):
    """Several conditions side by side.

    Args:
        conditions: List of `Condition`s, at least one.

    Raises:
        ValueError: If there is none.
    """

    def __init__(self, conditions, *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        if not conditions:
            raise ValueError("`conditions` must hold a condition. Received: []")
        self.conditions = list(conditions)
        keys = (key for each in self.conditions for key in each.requires)
        self.requires = tuple(dict.fromkeys(keys))
        self.reads_turns = any(each.reads_turns for each in self.conditions)
        self.context_dim = sum(each.context_dim for each in self.conditions)
        self.vocabulary_size = self._first("vocabulary_size")
        self.label_names = self._first("label_names")

    def _first(self, attribute):
        """Returns the attribute of the first condition that has one."""
        found = (getattr(each, attribute) for each in self.conditions)
        return next((value for value in found if value is not None), None)

    @property
    def encoders(self):
        """The encoders of all."""
        return tuple(encoder for each in self.conditions for encoder in each.encoders)

    def build(self):
        """Creates the weights of each."""
        for each in self.conditions:
            if not each.built:
                each.build()
        self.built = True

    def call(self, inputs, seed=None, training=False):
        """Joins the vectors of all."""
        parts = [
            each(inputs, seed=fold_in(seed, number), training=training)
            for number, each in enumerate(self.conditions)
        ]
        return tf.concat(parts, -1)
