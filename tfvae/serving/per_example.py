"""What signatures compute with: a model whose rows do not see each other."""

import functools

import tensorflow as tf

from tfvae.checks import require
from tfvae.evaluation.posterior import PosteriorSampler
from tfvae.models import inference
from tfvae.models.inputs import input_specs
from tfvae.objectives import KL, BagOfWords, Reconstruction
from tfvae.objectives.kl import kl_method
from tfvae.ops.sequences import PAD_ID, lengths
from tfvae.samplers.sampler import Ancestral
from tfvae.seeds import Stream, fold_in, uniform
from tfvae.text import WordpieceTokenizer
from tfvae.text.vocabulary import SPECIAL_TOKENS
from tfvae.text.wordpiece import MOST_BYTES


class InferenceEngine:
    """Runs a model on texts, each row by itself whatever it is batched with.

    Args:
        model: `VAE` or `LanguageModel` with a tokenizer.
        max_length: Positive int, the most words read or written.
        num_samples: Positive int, latent samples of a likelihood. A model without
            densities uses one.
        max_context_length: Positive int, the most words read of a context, or of a turn
            of one; `None` for `max_length`.

    Attributes:
        num_samples: Int, samples of the posterior behind a cost; 1 without a latent.
        num_prior_samples: Int, samples of a prior without a density behind `nll`; see
            `PosteriorSampler`. `None` for other models.
        kl_method: `"closed_form"` or `"monte_carlo"`, or `None` without densities or
            where the posterior does not read the sentence.
        tables: List of the lookup tables that texts are read and written by.

    Raises:
        ValueError: If an argument is out of range, the model has no tokenizer with a
            vocabulary, or it has a refiner and a term that sees a whole batch.
    """

    def __init__(self, model, max_length, num_samples, max_context_length=None):
        _check(model, max_length, num_samples)
        self.model = model
        self.max_length = max_length
        self.max_context_length = max_context_length or max_length
        self.has_latent = model.posterior is not None
        self.num_samples, self.num_prior_samples = 1, None
        if self.has_latent:
            sampler = PosteriorSampler(model, num_samples)
            self.num_prior_samples = sampler.num_prior_samples
            if model.has_density or sampler.nll_method == "context_samples":
                self.num_samples = sampler.num_samples
        self.tokenize = model.tokenizer.tokenize
        if isinstance(model.tokenizer, WordpieceTokenizer):
            self.tokenize = WordpieceLookup(model.tokenizer)
        found = [*vars(model.tokenizer).values(), getattr(self.tokenize, "table", None)]
        self.tables = [t for t in found if isinstance(t, tf.lookup.StaticHashTable)]
        self.kl_method = None
        if self.has_latent and model.has_density and model.encoder_reads == "text":
            specs = input_specs(model, ("tokens", *model.requires))
            encoded = self.encode(
                {
                    name: tf.zeros([1] * len(spec.shape), spec.dtype)
                    for name, spec in specs.items()
                }
            )
            self.kl_method = kl_method(
                model.posterior.distribution(encoded.params),
                model.prior.distribution(encoded.prior_params),
            )

    def read(self, text):
        """Reads texts; see `read_texts`."""
        return read_texts(text, self.tokenize, self.max_length)

    def read_inputs(self, text=None, context=None, label=None):
        """Turns what a client sends into a batch.

        Args:
            text: String tensor `[B]`, or `None`.
            context: String tensor `[B, N]`, turns of which the last is answered, or
                `None`. Those without words count as none.
            label: Int32 tensor `[B]`, or `None`.

        Returns:
            Tuple of a dict with those of `"tokens"`, `"context"` and `"label"` that are
            given, and a dict of bool `[B]` for the answer: `truncated`, whether the end
            of a text or of a turn was cut off, and `unknown_label`, whether a label is
            none of the model's, so that its row is answered as one without.
        """
        inputs, flags, cuts = {}, {}, []
        if text is not None:
            inputs["tokens"], cut = self.read(text)
            cuts.append(cut)
        if context is not None:
            num_rows, num_turns = tf.shape(context)[0], context.shape[1]
            flat = tf.reshape(context, [-1])
            turns, cut = read_texts(flat, self.tokenize, self.max_context_length)
            turns = tf.reshape(turns, [num_rows, num_turns, tf.shape(turns)[1]])
            cuts.append(tf.reduce_any(tf.reshape(cut, [num_rows, num_turns]), 1))
            inputs["context"] = turns[:, -1]
            if self.model.reads_turns:
                # A model knows empty turns before the others alone.
                is_there = tf.cast(turns[:, :, 0] != PAD_ID, tf.int32)
                order = tf.argsort(is_there, axis=1, stable=True)
                inputs["context"] = tf.gather(turns, order, batch_dims=1)
        if label is not None:
            inputs["label"] = label
            names = self.model.label_names
            if names is not None:
                flags["unknown_label"] = (label < 0) | (label >= len(names))
        if cuts:
            flags["truncated"] = functools.reduce(tf.logical_or, cuts)
        return inputs, flags

    def encode(self, inputs):
        """Encodes a batch of `read_inputs`; returns an `inference.Encoded`."""
        return inference.encode(self.model, inputs, None)

    def encode_condition(self, inputs):
        """Encodes what stands beside sentences, float `[B, K]` or `None`."""
        return inference.encode_condition(self.model, inputs, None)

    def sample_posterior(self, params, seed, num_samples):
        """Samples codes as `model.forward` does; see `sample_per_example`."""
        latent = self.model.posterior
        return sample_per_example(latent, params, seed, Stream.LATENT, num_samples)

    def sample_prior(self, seed, context=None):
        """Samples a code for each seed `[B, 2]`, float32 `[B, Z]`."""
        params = self.model.prior_params(tf.shape(seed)[0], context)
        return sample_per_example(self.model.prior, params, seed, Stream.PRIOR, 1)[0][0]

    def sample_response(self, inputs, context, seed):
        """Samples a code to answer each context, float32 `[B, Z]`.

        It is of the prior given the context; of the posterior where the encoder reads
        the context in place of the sentence.
        """
        latent, params = inference.response_params(self.model, inputs, context)
        stream = Stream.PRIOR if latent is self.model.prior else Stream.LATENT
        return sample_per_example(latent, params, seed, stream, 1)[0][0]

    def generate(self, z, seed, temperature, context=None):
        """Writes a sentence for each row.

        Args:
            z: Float tensor `[B, Z]`, or `None` without a latent.
            seed: Int32 tensor `[B, 2]`.
            temperature: Float32 tensor `[B]`; at 0 the most probable words.
            context: Float tensor `[B, K]`, or `None` without a condition.

        Returns:
            Dict of `text` `[B]`, `token_ids`, int32 `[B, max_length + 1]`, and
            `lengths`, int32 `[B]`, the ids before the padding, `</s>` included.
        """
        if self.has_latent:
            memory = self.model.memory(z[None], context)[0]
        elif context is not None:
            memory = context
        else:
            memory = tf.zeros([tf.shape(seed)[0], 0])
        num_ids = self.max_length + 1
        sampler = PerExampleSampler(temperature)
        noise = sample_noise(seed, Stream.DECODER, num_ids)
        ids = sampler(self.model.decoder, memory, num_ids, noise)
        ids = tf.ensure_shape(ids, [None, num_ids])
        text = self.model.tokenizer.detokenize(ids)
        return {"text": text, "token_ids": ids, "lengths": lengths(ids)}

    def score(self, inputs, seed):
        """Computes the costs of sentences that the model defines.

        Args:
            inputs: Dict of `read_inputs`, `"tokens"` int `[B, T]` among them.
            seed: Int32 tensor `[B, 2]`.

        Returns:
            Dict of float32 `[B]`, in nats per sentence with `</s>`; see
            `inference.likelihoods`.
        """
        model, encoded = self.model, self.encode(inputs)
        z = log_q = None
        if self.has_latent:
            z, log_q = self.sample_posterior(encoded.params, seed, self.num_samples)
        log_likelihood = self._log_likelihood(encoded, z)
        record = inference.record(model, encoded, z, log_q, None, log_likelihood, None)
        costs = inference.likelihoods(model, record)
        if self.num_prior_samples is None:
            return costs
        count, params = self.num_prior_samples, encoded.prior_params
        z, _ = sample_per_example(model.prior, params, seed, Stream.PROPOSAL, count)
        log_likelihood = self._log_likelihood(encoded, z)
        no_ratio = tf.zeros_like(log_likelihood)
        return {**costs, "nll": inference.importance_weighted(log_likelihood, no_ratio)}

    def _log_likelihood(self, encoded, z):
        """Computes `log p(x|z)` of codes `[S, B, Z]`, float32 `[S, B]` in nats.

        One sample after the other: memory stays that of one, whatever their number.
        """
        model, context, tokens = self.model, encoded.context, encoded.inputs["tokens"]
        if z is None:
            return inference.decode(model, tokens, None, context)[1]
        log_likelihood = tf.map_fn(
            lambda z: inference.decode(model, tokens, z[None], context)[1][0],
            z,
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([None], tf.float32),
        )
        return tf.ensure_shape(log_likelihood, [z.shape[0], None])


def _check(model, max_length, num_samples):
    require("max_length", max_length, max_length >= 1, "positive")
    require("num_samples", num_samples, num_samples >= 1, "positive")
    if model.tokenizer is None or not model.tokenizer.has_vocabulary:
        raise ValueError(
            "An export reads and writes text and needs a tokenizer with a vocabulary. "
            "Build the model with `tokenizer=...`. Received: "
            f"tokenizer={model.tokenizer}"
        )
    if model.refiner is None:
        return
    shared = [term.name for term in model.objective if not _is_by_sentence(term)]
    if shared:
        raise ValueError(
            "A refined posterior follows the objective, and a row's answer must not "
            "depend on what a server batches it with: every term must be of a "
            "sentence by itself, `Reconstruction`, `BagOfWords` or `KL` without "
            f"`free_bits_over='batch'`. Export a model with `refiner=None`. Received: "
            f"objective with {shared}"
        )


def _is_by_sentence(term):
    """Tells whether a term's cost of a sentence follows from that sentence alone."""
    if type(term) is KL:
        return not term.free_bits or term.free_bits_over == "sentence"
    return type(term) in (Reconstruction, BagOfWords)


def read_texts(text, tokenize, max_length):
    """Tokenizes whatever a client may send.

    Bytes that are not UTF-8 become U+FFFD, so the word around them is unknown. A text
    without words is a row of padding. A longer text than allowed loses its end.

    Args:
        text: String tensor `[B]`.
        tokenize: Function of UTF-8 texts to an int32 `RaggedTensor` `[B, None]`.
        max_length: Positive int, ids kept of a text.

    Returns:
        Tuple of ids, int32 `[B, T]`, right-padded and at least one wide, and bool
        `[B]`, whether the end was cut off.
    """
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
    ids = tokenize(text)
    tokens = ids[:, :max_length].to_tensor(PAD_ID)
    missing = tf.maximum(1 - tf.shape(tokens)[1], 0)
    tokens = tf.pad(tokens, [[0, 0], [0, missing]], constant_values=PAD_ID)
    return tokens, ids.row_lengths() > max_length


_SUFFIX = "##"


class WordpieceLookup:
    """Computes the ids of a `WordpieceTokenizer` by core TensorFlow operations.

    All words of a batch are cut side by side: each round looks up one candidate piece
    of every word, from the longest that the vocabulary could hold to the shortest.

    Args:
        tokenizer: `WordpieceTokenizer` with a vocabulary.

    Attributes:
        table: The lookup table of the pieces, to be tracked by an export.
    """

    def __init__(self, tokenizer):
        words = tokenizer.vocabulary
        self.tokenizer = tokenizer
        self.longest = max(len(word.removeprefix(_SUFFIX)) for word in words)
        with tf.init_scope():
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    words, list(range(len(words))), tf.string, tf.int32
                ),
                default_value=-1,
            )

    def __call__(self, text):
        """Computes ids, string `[B]` to int32 `RaggedTensor` `[B, None]`."""
        split = self.tokenizer.split(text)
        words = split.flat_values
        pieces, is_known = self._cut(words)
        is_known &= tf.strings.length(words) <= MOST_BYTES
        special = tf.constant(SPECIAL_TOKENS)
        is_known &= ~tf.reduce_any(words[:, None] == special, axis=1)
        unknown = tf.fill([tf.size(words), 1], self.tokenizer.unk_id)
        pieces = tf.where(is_known[:, None], pieces, -1)
        unknown = tf.where(is_known[:, None], -1, unknown)
        ids = tf.concat([unknown, pieces], axis=1)
        of_words = tf.ragged.boolean_mask(ids, ids >= 0)
        return split.with_flat_values(of_words).merge_dims(1, 2)

    def _cut(self, words):
        """Returns piece ids `[W, rounds]`, -1 for none, and whether a word is whole."""
        num_chars = tf.strings.length(words, unit="UTF8_CHAR")
        num_chars = tf.where(tf.strings.length(words) <= MOST_BYTES, num_chars, 0)

        def look_up(index, start, size, found):
            end_is_open = start < num_chars
            candidate = tf.strings.substr(words, start, size, unit="UTF8_CHAR")
            marked = tf.where(start > 0, _SUFFIX, "") + candidate
            ids = tf.where(end_is_open & (size > 0), self.table.lookup(marked), -1)
            found = found.write(index, ids)
            start = tf.where(ids >= 0, start + size, start)
            longest = tf.minimum(self.longest, num_chars - start)
            # A word whose shortest piece is unknown stays at size 0 and is done.
            size = tf.where(ids >= 0, longest, tf.maximum(size - 1, 0))
            return index + 1, start, size, found

        start = tf.zeros_like(num_chars)
        found = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[None])
        index, start, _, found = tf.while_loop(
            lambda index, start, size, found: tf.reduce_any(size > 0),
            look_up,
            (0, start, tf.minimum(self.longest, num_chars), found),
        )
        # Without a round there is nothing to stack.
        found = found.write(index, tf.fill([tf.size(words)], -1))
        return tf.transpose(found.stack()), start >= num_chars


def sample_per_example(latent, params, seed, stream, num_samples):
    """Samples codes of each row from a seed of its own.

    A row's codes are those that `latent.sample` draws for that row alone with
    `fold_in(seed, stream)`.

    Args:
        latent: `Latent`.
        params: Dict of float tensors `[B, ...]`, its parameters.
        seed: Int32 tensor `[B, 2]`.
        stream: `Stream` or int, which of a seed's draws this is.
        num_samples: Positive int `S`.

    Returns:
        Tuple of `z`, float32 `[S, B, Z]`, and its log-density, float32 `[S, B]` in
        nats, or `None` without a density.
    """

    def sample(row):
        alone = {name: value[None] for name, value in row["params"].items()}
        seed = fold_in(row["seed"], stream)
        z, log_q = latent.sample(alone, num_samples, seed)
        return (z[:, 0],) if log_q is None else (z[:, 0], log_q[:, 0])

    specs = [tf.TensorSpec([num_samples, latent.latent_dim], tf.float32)]
    if latent.has_density:
        specs.append(tf.TensorSpec([num_samples], tf.float32))
    drawn = tf.map_fn(
        sample, {"params": params, "seed": seed}, fn_output_signature=tuple(specs)
    )
    z = tf.transpose(drawn[0], [1, 0, 2])
    return z, tf.transpose(drawn[1]) if latent.has_density else None


def sample_noise(seed, stream, num_steps):
    """Samples what a sampler needs for each row from a seed of its own.

    Args:
        seed: Int32 tensor `[B, 2]`.
        stream: `Stream` or int, which of a seed's draws this is.
        num_steps: Positive int `L`.

    Returns:
        Float32 tensor `[B, L, 2]`, in `(0, 1)`.
    """
    return tf.map_fn(
        lambda row: uniform([num_steps, 2], fold_in(row, stream)),
        seed,
        fn_output_signature=tf.TensorSpec([num_steps, 2], tf.float32),
    )


class PerExampleSampler(Ancestral):
    """Samples words at a temperature and by noise of each row.

    Rows of a temperature that is not above 0 get the most probable word. To be called
    with `sample_noise(...)` as its seed.

    Args:
        temperature: Float32 tensor `[B]`; what lies between 0 and 1e-6 counts as 1e-6.
    """

    def __init__(self, temperature):
        self.is_drawn = temperature > 0.0
        # Greedy rows are left as they are.
        super().__init__(tf.where(self.is_drawn, tf.maximum(temperature, 1e-6), 1.0))

    def noise(self, seed, step, num_rows):
        """Picks a step of the noise `[B, L, 2]`; -1 marks the greedy rows."""
        return tf.where(self.is_drawn[:, None], seed[:, step], -1.0)

    def choose(self, logits, noise):
        """Picks a word for each row."""
        greedy = tf.argmax(logits, -1, output_type=tf.int32)
        is_drawn = noise[:, 0] >= 0.0
        return tf.where(is_drawn, super().choose(logits, tf.abs(noise)), greedy)
