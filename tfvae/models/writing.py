"""Text in, text out: encoding, generating, reconstructing, interpolating.

These are streams for texts of any length; the methods of a model of the same names
return lists.
"""

import itertools

import numpy as np
import tensorflow as tf

from tfvae.models import inference
from tfvae.models.inputs import (
    SEED_SPEC,
    batch_of,
    input_specs,
    require_tokenizer,
    rows_of,
    text_of,
)
from tfvae.models.interpolation import interpolation_path
from tfvae.samplers import get_sampler
from tfvae.seeds import Stream, as_seed, fold_in

# Measured best for 10,000 words: more rows do not fit the processor's caches.
BATCH_SIZE = 500
_SIZE = tf.TensorSpec([], tf.int32)


def require_latent(model):
    """Refuses a model without a latent.

    Raises:
        ValueError: If there is no posterior.
    """
    if model.posterior is None:
        raise ValueError(
            f"A {type(model).__name__} has no latent to encode a sentence into; use "
            "a VAE. It can only generate."
        )


def require_codes_of_sentences(model):
    """Refuses a model whose codes say nothing of a sentence.

    Raises:
        ValueError: If there is no posterior, or it does not read the sentence.
    """
    require_latent(model)
    if model.encoder_reads == "context":
        raise ValueError(
            f"The encoder of this {type(model).__name__} reads the context in place of "
            "the sentence, so there is no code to write the sentence back from. Use "
            "`respond` (`tfvae respond`)."
        )


def require_no_condition(model):
    """Refuses a model that reads more than sentences or codes.

    Raises:
        ValueError: If it has a condition.
    """
    if model.requires:
        given = " and a ".join(model.requires)
        raise ValueError(
            f"This {type(model).__name__} writes given a {given}, and there is none. "
            "Use `respond` (`tfvae respond`)."
        )


def encode(
    model,
    rows,
    *,
    num_samples=None,
    max_length=None,
    max_context_length=None,
    seed=0,
    batch_size=100,
):
    """Encodes sentences in batches, in their order.

    Args:
        model: `VAE` with a tokenizer.
        rows: Iterable of str, which may have no end; for a model with a condition, of
            dicts as `rows_of` makes them.
        num_samples: Positive int `S`, codes sampled from each posterior, or `None` for
            the posterior's mode.
        max_length: Int, words after which a sentence is cut, or `None`.
        max_context_length: Int, the same of a context, or a turn of one, or `None`.
        seed: Int, of the samples. The same seed and `batch_size` give the same codes.
        batch_size: Positive int, sentences at once.

    Yields:
        Tuples of a list of `B` rows and their codes, float32 array `[B, Z]`, or
        `[S, B, Z]` with `num_samples`.

    Raises:
        ValueError: If the model has no latent or no tokenizer, a sentence has no words,
            a row lacks what the model reads, or `num_samples` is not positive.
    """
    require_tokenizer(model)
    require_latent(model)
    if num_samples is not None and num_samples < 1:
        raise ValueError(
            "`num_samples` must be positive, or None for the posterior's mode. "
            f"Received: num_samples={num_samples}"
        )

    keys = ("tokens", *model.requires)

    def compute_codes(inputs, seed):
        params = model.posterior_params(inputs)
        if num_samples is None:
            return model.posterior.mode(params)
        return model.posterior.sample(params, num_samples, seed)[0]

    specs = input_specs(model, keys)
    key = ("encode", num_samples)
    run = model.compiled_function(key, compute_codes, specs, SEED_SPEC)
    rows, seed = iter(rows), as_seed(seed)
    for number in itertools.count():
        batch = list(itertools.islice(rows, batch_size))
        if not batch:
            return
        inputs = batch_of(model, batch, keys, max_length, max_context_length)
        yield batch, run(inputs, fold_in(seed, number)).numpy()


def encode_all(model, texts, contexts=None, labels=None, **options):
    """Encodes sentences into one array; see `encode`.

    Args:
        model: `VAE` with a tokenizer.
        texts: Str, or iterable of str.
        contexts: List of contexts, see `rows_of`, or `None`.
        labels: List of str or int, or `None`.
        **options: Of `encode`.

    Returns:
        Float32 array `[N, Z]`, or `[S, N, Z]` with `num_samples`.
    """
    num_samples = options.get("num_samples")
    rows = rows_of(model, texts, contexts, labels)
    batches = [codes for _, codes in encode(model, rows, **options)]
    if not batches:
        shape = [0, model.posterior.latent_dim]
        return np.zeros(shape if num_samples is None else [num_samples, *shape], "f")
    return np.concatenate(batches, axis=0 if num_samples is None else 1)


def encode_means(model, texts, max_length=None, **options):
    """Returns the posterior's mode of each sentence, float32 `[N, Z]`."""
    return encode_all(model, texts, max_length=max_length, **options)


def posterior_codes(model, texts, *, max_length=None, seed=0, with_labels=False):
    """Samples a code from each sentence's posterior, over and over in their order.

    Args:
        model: `VAE` with a tokenizer.
        texts: Callable that returns a fresh iterator of str, or a list; for a model of
            labels, of dicts as `rows_of` makes them.
        max_length: Int, words after which a sentence is cut, or `None`.
        seed: Int.
        with_labels: Whether a code comes with its sentence's label. Defaults to
            `False`.

    Yields:
        Float32 arrays `[Z]`, or tuples of one and a label, without end.

    Raises:
        ValueError: If the model has no latent or no tokenizer, or a sentence has no
            words.
    """
    read = texts if callable(texts) else lambda: texts
    endless = itertools.chain.from_iterable(read() for _ in itertools.count())
    yield from _sampled(model, endless, max_length, seed, with_labels)


def aggregate_codes(model, texts, *, max_length=None, seed=0, with_labels=False):
    """Samples codes from the aggregated posterior, the mean of all posteriors.

    Each comes from the posterior of a sentence drawn at random, with replacement.

    Args:
        model: `VAE` with a tokenizer.
        texts: Iterable of str or dicts, at least one; all are held in memory.
        max_length: Int, words after which a sentence is cut, or `None`.
        seed: Int.
        with_labels: As in `posterior_codes`. Defaults to `False`.

    Yields:
        Float32 arrays `[Z]`, or tuples of one and a label, without end.

    Raises:
        ValueError: If there is no sentence, the model has no latent or no tokenizer,
            or a sentence has no words.
    """
    texts = list(texts)
    if not texts:
        raise ValueError("`texts` must hold a sentence. Received: none")
    random = np.random.default_rng(seed)
    endless = (texts[random.integers(len(texts))] for _ in itertools.count())
    yield from _sampled(model, endless, max_length, seed, with_labels)


def _sampled(model, texts, max_length, seed, with_labels):
    batches = encode(model, texts, num_samples=1, max_length=max_length, seed=seed)
    for rows, codes in batches:
        if with_labels:
            yield from zip(codes[0], (row["label"] for row in rows), strict=True)
        else:
            yield from codes[0]


def generate(model, num, **options):
    """Writes sentences, from samples of the prior where there is a latent.

    Args:
        model: `VAE` or `LanguageModel` with a tokenizer.
        num: Positive int. It does not change the sentences that come first.
        **options: Of `generate_ids`.

    Yields:
        Str, one sentence at a time.

    Raises:
        ValueError: As `generate_ids`, or if the model has no tokenizer.
    """
    tokenizer = require_tokenizer(model)
    for ids in generate_ids(model, num, **options):
        yield from texts_of(tokenizer, ids)


def generate_ids(
    model,
    num,
    *,
    sampler="ancestral",
    codes=None,
    label=None,
    max_length=60,
    seed=0,
    batch_size=BATCH_SIZE,
    prefix_ids=(),
):
    """Writes sentences as ids, from samples of the prior where there is a latent.

    Args:
        model: `VAE` or `LanguageModel`.
        num: Positive int. It does not change the sentences that come first.
        sampler: `Sampler` or its name. Defaults to `"ancestral"`.
        codes: Iterable of at least `num` latent codes, float arrays `[Z]`, to write
            from, or of tuples of one and its label, as `posterior_codes` gives them;
            `None` for the prior.
        label: Str or int, the label of all sentences, one of `model.label_names`;
            `None` for a model that reads none, and where codes come with labels.
        max_length: Positive int, the most ids, `</s>` included. Defaults to `60`.
        seed: Int. The same seed and `batch_size` write the same sentences.
        batch_size: Positive int, sentences written at once.
        prefix_ids: Sequence of `P` int, the words that every sentence begins with;
            `max_length` does not count them. Defaults to `()`.

    Yields:
        Int32 arrays `[B, P + max_length]`.

    Raises:
        ValueError: If `num` or `batch_size` is not positive, the label is missing,
            unknown or not wanted, or the model reads contexts.
    """
    has_own = codes is not None and label is None and model.requires == ("label",)
    number = 0 if has_own else check_label(model, label)
    if num < 1 or batch_size < 1:
        raise ValueError(
            "`num` and `batch_size` must be positive. Received: "
            f"num={num}, batch_size={batch_size}"
        )
    sampler, prefix_ids = get_sampler(sampler), tuple(map(int, prefix_ids))
    options = _options(sampler, max_length, prefix_ids)
    key = (sampler.key, max_length, prefix_ids)

    def from_prior(size, label, seed):
        # All are sampled, so that a smaller batch has the same.
        context = _context_of_label(model, label, batch_size)
        z = model.sample_prior(batch_size, fold_in(seed, Stream.PRIOR), context)[:size]
        context = None if context is None else context[:size]
        words = fold_in(seed, Stream.WORDS)
        return model.decode_ids(z, context=context, seed=words, **options)

    def from_nothing(size, label, seed):
        context = _context_of_label(model, label, size)
        return model.generate_ids(size, context=context, seed=seed, **options)

    if codes is not None:
        run, codes = _decoder(model, sampler, max_length, prefix_ids), iter(codes)
    elif model.posterior is not None:
        run = model.compiled_function(
            ("prior", batch_size, *key), from_prior, _SIZE, _SIZE, SEED_SPEC
        )
    else:
        run = model.compiled_function(
            ("generate", *key), from_nothing, _SIZE, _SIZE, SEED_SPEC
        )
    for start in range(0, num, batch_size):
        size = min(batch_size, num - start)
        read = (tf.constant(size), tf.constant(number))
        if codes is not None:
            z, numbers = list(itertools.islice(codes, size)), [number] * size
            if has_own:
                z, labels = zip(*z, strict=True)
                numbers = [model.label_number(each) for each in labels]
            given = {"label": tf.constant(numbers)} if model.memory_requires else {}
            read = (np.stack(z).astype("float32"), given)
        ids = run(*read, fold_in(as_seed(seed), start)).numpy()
        prefix = np.tile(np.array(prefix_ids, np.int32), [len(ids), 1])
        yield np.concatenate([prefix, ids], axis=1)


def check_label(model, label):
    """Checks the label to write given.

    Args:
        model: `VAE` or `LanguageModel`.
        label: Str or int, or `None`.

    Returns:
        Int, its number; 0 for a model that reads none.

    Raises:
        ValueError: If it is missing, unknown or not wanted, or contexts are read too.
    """
    if label is None and model.requires == ("label",):
        raise ValueError(
            f"This {type(model).__name__} writes sentences of a label. Give `label` "
            f"(--label), one of {', '.join(model.label_names)}."
        )
    if label is not None:
        number = model.label_number(label)
        if model.requires == ("label",):
            return number
    require_no_condition(model)
    return 0


def _context_of_label(model, label, size):
    """Encodes one label for `size` rows, `None` without a condition."""
    if model.condition is None:
        return None
    return inference.encode_condition(
        model, {"label": tf.fill([size], label)}, as_seed(0)
    )


def decode(
    model,
    codes,
    sampler,
    max_length,
    seed,
    return_ids,
    contexts=None,
    labels=None,
    max_context_length=None,
):
    """Writes a sentence for each latent code; see `VAE.decode`."""
    codes = np.atleast_2d(np.asarray(codes, np.float32))
    latent_dim = model.posterior.latent_dim
    if codes.size == 0:
        codes = codes.reshape([0, latent_dim])
    if codes.ndim != 2 or codes.shape[1] != latent_dim:
        raise ValueError(
            f"`codes` must have {latent_dim} columns, the model's latent dimensions. "
            f"Received: shape={codes.shape}"
        )
    tokenizer = None if return_ids else require_tokenizer(model)
    if not len(codes):
        return np.zeros([0, max_length], np.int32) if return_ids else []
    inputs = {}
    if model.requires or contexts is not None or labels is not None:
        rows = rows_of(model, contexts=contexts, labels=labels)
        if len(rows) != len(codes):
            raise ValueError(
                "Each code needs what it is written given. Received: "
                f"{len(codes)} codes, {len(rows)} {model.requires[0]}s"
            )
        keys = model.memory_requires
        inputs = batch_of(model, rows, keys, None, max_context_length)
    run = _decoder(model, get_sampler(sampler), max_length)
    ids = run(codes, inputs, as_seed(seed)).numpy()
    return ids if return_ids else list(texts_of(tokenizer, ids))


def reconstruct(
    model,
    rows,
    *,
    num_samples=None,
    sampler="greedy",
    max_length=60,
    max_read=None,
    max_context_length=None,
    seed=0,
    batch_size=100,
):
    """Encodes sentences and writes them back.

    Args:
        model: `VAE` with a tokenizer.
        rows: Iterable of str; for a model with a condition, of dicts as `rows_of` makes
            them.
        num_samples: Positive int, codes sampled from each posterior, or `None` for the
            posterior's mode.
        sampler: `Sampler` or its name. Defaults to `"greedy"`.
        max_length: Positive int, the most ids written, `</s>` included, and the most
            words read unless `max_read` is given. Defaults to `60`.
        max_read: Positive int, words after which a sentence is cut, or `None`.
        max_context_length: Positive int, the same of a context, or a turn of one, or
            `None`.
        seed: Int.
        batch_size: Positive int, sentences at once.

    Yields:
        Tuple of a sentence and its reconstruction; with `num_samples` as many tuples
        for each sentence, one after the other.

    Raises:
        ValueError: If the model has no latent or no tokenizer, its posterior does not
            read the sentence, a sentence has no words, or a row lacks what the model
            reads.
    """
    tokenizer = require_tokenizer(model)
    require_codes_of_sentences(model)
    run = _decoder(model, get_sampler(sampler), max_length)
    batches = encode(
        model,
        rows,
        num_samples=num_samples,
        max_length=max_read or max_length,
        max_context_length=max_context_length,
        seed=fold_in(as_seed(seed), 0),
        batch_size=batch_size,
    )
    for number, (held, codes) in enumerate(batches):
        codes = codes.reshape([-1, *codes.shape[-2:]])
        # A sentence's samples one after the other.
        z = codes.swapaxes(0, 1).reshape([-1, codes.shape[-1]])
        sources = [row for row in held for _ in range(len(codes))]
        inputs = batch_of(
            model, sources, model.memory_requires, None, max_context_length
        )
        ids = run(z, inputs, fold_in(as_seed(seed), number + 1)).numpy()
        yield from zip(map(text_of, sources), texts_of(tokenizer, ids), strict=True)


def interpolate_codes(
    model,
    first,
    last,
    *,
    num_steps=7,
    path="auto",
    sampler="greedy",
    max_length=60,
    seed=0,
    context=None,
    label=None,
    max_context_length=None,
):
    """Writes the sentences at equal steps between two codes, both ends included.

    Args:
        model: `VAE` with a tokenizer.
        first: Float array `[Z]`.
        last: Float array `[Z]`.
        num_steps: Int of at least 2, sentences written. Defaults to `7`.
        path: `"line"`, `"sphere"` for the great circle, or `"auto"` for the one that
            stays in the posterior's support. Defaults to `"auto"`.
        sampler: `Sampler` or its name. Defaults to `"greedy"`.
        max_length: Positive int, the most ids, `</s>` included. Defaults to `60`.
        seed: Int, of a sampler that draws.
        context: Str or list of str that all sentences are written given, or `None`.
        label: Int, the same, or `None`.
        max_context_length: Int, words after which a context, or a turn of one, is cut,
            or `None`.

    Returns:
        List of tuples of the fraction of the way and the sentence there.

    Raises:
        ValueError: If `num_steps` is below 2, `path` is unknown, the model has no
            latent or no tokenizer, or lacks a context or label that it reads.
    """
    require_tokenizer(model)
    require_latent(model)
    if path == "auto":
        path = "sphere" if model.posterior.support == "sphere" else "line"
    fractions, codes = interpolation_path(first, last, num_steps, path)
    held = _held(context, label, len(codes))
    held["max_context_length"] = max_context_length
    texts = decode(model, codes, sampler, max_length, seed, return_ids=False, **held)
    return list(zip(map(float, fractions), texts, strict=True))


def interpolate(
    model, text_a, text_b, *, max_length=60, context=None, label=None, **options
):
    """Writes the sentences on the way between two; see `VAE.interpolate`.

    Args:
        model: `VAE` with a tokenizer.
        text_a: Str.
        text_b: Str.
        max_length: Positive int, the most words read, and the most ids written.
        context: Str or list of str, or `None`.
        label: Str or int, or `None`.
        **options: Of `interpolate_codes`.

    Returns:
        List of tuples of the fraction of the way and the sentence there.

    Raises:
        ValueError: If a sentence has no words, or as `interpolate_codes`.
    """
    require_codes_of_sentences(model)
    held = _held(context, label, 2)
    held["max_context_length"] = options.get("max_context_length")
    first, last = encode_means(model, [text_a, text_b], max_length, **held)
    options |= {"context": context, "label": label}
    return interpolate_codes(model, first, last, max_length=max_length, **options)


def _held(context, label, num):
    """Repeats what is the same for all rows, as arguments of `rows_of`."""
    return {
        "contexts": None if context is None else [context] * num,
        "labels": None if label is None else [label] * num,
    }


def sample_endpoints(model, seed=0, context=None, label=None, max_context_length=None):
    """Samples two codes from the prior, for `interpolate_codes`.

    Args:
        model: `VAE`.
        seed: Int. Defaults to `0`.
        context: Str or list of str that both are given, or `None`.
        label: Int, the same, or `None`.
        max_context_length: Int, words after which a context, or a turn of one, is cut,
            or `None`.

    Returns:
        Float32 array `[2, Z]`.

    Raises:
        ValueError: If the model has no latent, or lacks a context or label that it
            reads.
    """
    require_latent(model)
    rows = rows_of(model, [""] * 2, **_held(context, label, 2))
    inputs = batch_of(model, rows, model.requires, None, max_context_length)
    read = inference.encode_condition(model, inputs, None)
    return model.sample_prior(2, fold_in(as_seed(seed), Stream.PRIOR), read).numpy()


def _decoder(model, sampler, max_length, prefix_ids=()):
    """Returns the compiled function that writes ids.

    Its arguments are codes `[N, Z]`, a batch of `model.memory_requires` and a seed.
    """
    options = _options(sampler, max_length, prefix_ids)

    def write(z, inputs, seed):
        context = inference.encode_condition(model, inputs, None) if inputs else None
        return model.decode_ids(z, context=context, seed=seed, **options)

    z_spec = tf.TensorSpec([None, model.posterior.latent_dim], tf.float32)
    specs = input_specs(model, model.memory_requires)
    key = ("decode", sampler.key, max_length, prefix_ids)
    return model.compiled_function(key, write, z_spec, specs, SEED_SPEC)


def _options(sampler, max_length, prefix_ids):
    options = {"sampler": sampler, "max_length": max_length}
    # A sampler of one's own need not know of beginnings.
    return options | ({"prefix_ids": prefix_ids} if prefix_ids else {})


def texts_of(tokenizer, ids):
    """Turns ids `[N, L]` into str, one at a time."""
    for text in tokenizer.detokenize(ids).numpy():
        yield text.decode("utf-8")
