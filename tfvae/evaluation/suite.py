"""All measures of a model on one set of sentences."""

import math
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from tfvae.evaluation.figures import DEFINITIONS as DEFINITIONS
from tfvae.evaluation.figures import format_table as format_table
from tfvae.evaluation.latent import active_units, marginal_kl, mutual_information
from tfvae.evaluation.likelihood import SentenceScorer, perplexity
from tfvae.seeds import as_seed, fold_in

# Where sentences lie, if not first.
_SENTENCE_AXIS = {"z": 1, "log_prior": 1}


def evaluate(
    model,
    batches,
    *,
    num_samples=100,
    seed=0,
    mi_samples=1,
    mi_batch_size=32,
    loo_samples=512,
    chunk_size=None,
    jit_compile=None,
    per_sentence=False,
    progress=None,
):
    """Measures a model on sentences.

    Gives those figures that are defined for the model; `DEFINITIONS` says what each
    means. Two estimates of mutual information compare a sentence with the others of
    its block; blocks are drawn at random, since the sentences may come sorted by
    length (papers take batches of one length or the order of the corpus).

    Args:
        model: `VAE` or `LanguageModel`.
        batches: Finite iterable of dicts, `"tokens"` int `[B, T]` among them, such as
            a `tf.data.Dataset`.
        num_samples: Int, posterior samples a sentence, or `0` to leave out `nll` and
            reconstruct from one sample. Defaults to `100`.
        seed: Int. Defaults to `0`.
        mi_samples: Int, posterior samples a sentence for mutual information, or `0`
            to leave it out, as for a posterior whose density is known at its own
            samples only. Defaults to `1`.
        mi_batch_size: Positive int, sentences in each batch of `mi_batch`. Defaults
            to `32`.
        loo_samples: Positive int, other sentences in each block of `mi_loo`. Defaults
            to `512`.
        chunk_size: Positive int, samples decoded at once, or `None` to choose by the
            size of a batch. Bounds memory and does not change results.
        jit_compile: Whether XLA compiles the decoder, or `None` for what the model was
            compiled with.
        per_sentence: Whether to add the key `"per_sentence"`, a dict of NumPy arrays
            `[N]`: `num_tokens` and what there is of `reconstruction`, `kl`, `nelbo`
            and `nll`. Defaults to `False`.
        progress: Object whose `update(num_batches_done)` is called after each batch,
            such as `keras.utils.Progbar`, or `None`.

    Returns:
        Dict of floats, ints and strings, which JSON can hold, in nats. `"notes"`, a
        list of sentences, says what is left out and why.

    Raises:
        ValueError: If there is no sentence, the dataset has no end, or a count is out
            of range.
    """
    if num_samples is not None and num_samples < 0 or mi_samples < 0:
        raise ValueError(
            "`num_samples` and `mi_samples` must not be negative. Received: "
            f"num_samples={num_samples}, mi_samples={mi_samples}"
        )
    if mi_batch_size < 1 or loo_samples < 1:
        raise ValueError(
            "`mi_batch_size` and `loo_samples` must be positive. Received: "
            f"mi_batch_size={mi_batch_size}, loo_samples={loo_samples}"
        )
    scorer = SentenceScorer(
        model,
        num_samples or 1,
        num_draws=max(num_samples or 1, mi_samples),
        chunk_size=chunk_size,
        jit_compile=jit_compile,
    )
    scores = _score(scorer, batches, seed, mi_samples, progress)
    if model.posterior is not None and not num_samples:
        scores.pop("nll", None)
    sentences, latents = _split(scores)
    result = _likelihoods(sentences)
    if scorer.kl_method is not None:
        result["kl_method"] = scorer.kl_method
    if latents:
        result["latent_dim"] = model.posterior.latent_dim
        result.update(_activity(model, latents))
        if mi_samples and model.posterior.has_density:
            latents = _shuffled(latents, seed)
            result.update(_information(model, latents, mi_batch_size, loo_samples))
        result["num_samples"] = scorer.num_samples
        result["seed"] = seed
    notes = _notes(model, num_samples)
    if notes:
        result["notes"] = notes
    if per_sentence:
        result["per_sentence"] = sentences
    return result


def _score(scorer, batches, seed, mi_samples, progress):
    """Scores every batch; gives a dict of arrays over all sentences."""
    if isinstance(batches, tf.data.Dataset):
        if batches.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                "`batches` must end, since all sentences are measured. Use one epoch. "
                "Received: a dataset of infinite cardinality"
            )
    collected = []
    for index, batch in enumerate(batches):
        inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
        scores = scorer(inputs, fold_in(as_seed(seed), index))._asdict()
        scores.pop("log_q")
        for name in _SENTENCE_AXIS:
            if scores[name] is not None:
                scores[name] = scores[name][:mi_samples]
        scores = {name: value for name, value in scores.items() if value is not None}
        collected.append(tf.nest.map_structure(np.asarray, scores))
        if progress is not None:
            progress.update(index + 1)
    if not collected:
        raise ValueError("`batches` must hold at least one batch. Received: none")
    return {
        name: tf.nest.map_structure(
            partial(_join, axis=_SENTENCE_AXIS.get(name, 0)),
            *(scores[name] for scores in collected),
        )
        for name in collected[0]
    }


def _join(*parts, axis):
    return np.concatenate(parts, axis)


def _split(scores):
    """Parts the scores into figures of sentences `[N]` and what latents need."""
    names = ("reconstruction", "kl", "nelbo", "nll", "num_tokens")
    sentences = {name: scores.pop(name) for name in names if name in scores}
    return sentences, scores


def _likelihoods(sentences):
    num_sentences = len(sentences["num_tokens"])
    num_tokens = int(sentences["num_tokens"].sum())
    result = {}
    for name in ("reconstruction", "kl", "nelbo", "nll"):
        if name in sentences:
            result[name] = float(sentences[name].mean(dtype=np.float64))
    for name, of_name in (("nelbo", "perplexity_nelbo"), ("nll", "perplexity")):
        if name in sentences:
            costs = sentences[name].astype(np.float64)
            result[of_name] = perplexity(costs.sum(), num_tokens)
            if num_sentences > 1:
                error = costs.std(ddof=1) / math.sqrt(num_sentences)
                result[f"{name}_se"] = float(error)
    result.update(num_sentences=num_sentences, num_tokens=num_tokens)
    return result


def _activity(model, latents):
    if model.posterior.support != "real" or len(latents["point"]) < 2:
        return {}
    return {"active_units": active_units(latents["point"])[0]}


def _shuffled(latents, seed):
    """Puts the sentences in a random order."""
    num_sentences = latents["z"].shape[1]
    order = np.random.default_rng(seed).permutation(num_sentences)
    return {
        name: tf.nest.map_structure(
            partial(np.take, indices=order, axis=_SENTENCE_AXIS.get(name, 0)), value
        )
        for name, value in latents.items()
    }


def _information(model, latents, mi_batch_size, loo_samples):
    codes = [latents[name] for name in ("params", "z")]
    batch = mutual_information(model.posterior, *codes, block_size=mi_batch_size)
    whole = mutual_information(model.posterior, *codes)
    result = {
        "mi_batch": batch.value,
        "mi_batch_size": batch.block_size,
        "mi_batch_cap": batch.cap,
        "mi": whole.value,
        "mi_cap": whole.cap,
    }
    if latents["z"].shape[1] > 1:
        others = mutual_information(
            model.posterior, *codes, block_size=loo_samples + 1, leave_one_out=True
        )
        result["mi_loo"] = others.value
        result["mi_loo_samples"] = others.block_size - 1
    if "log_prior" in latents:
        result["marginal_kl"] = marginal_kl(whole.log_marginal, latents["log_prior"])
    return result


def _notes(model, num_samples):
    notes = []
    if model.posterior is None:
        return notes
    if not model.has_density:
        role = "prior" if model.posterior.has_density else "posterior"
        latent = type(getattr(model, role)).__name__
        notes.append(
            f"The {role} `{latent}` has no density, so likelihood, its bounds and KL "
            "are not defined; `reconstruction` is no bound of them."
        )
    elif not num_samples:
        notes.append("`nll` was left out, as asked; `nelbo` is looser.")
    if model.posterior.support != "real":
        notes.append(
            "Active units depend on the scale of the code and are not reported for "
            "codes on a sphere."
        )
    return notes
