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
from tfvae.evaluation.notes import describe
from tfvae.evaluation.reported import REPORTED
from tfvae.seeds import as_seed, fold_in

# Of a Gaussian's mean: 1% of the variance that a standard normal prior has.
_ACTIVE = 0.01
# Where sentences lie, if not first.
_SENTENCE_AXIS = {"z": 1, "log_prior": 1}
_COSTS = ("reconstruction", "kl", "nelbo", "nll")


def evaluate(
    model,
    batches,
    *,
    num_samples=100,
    seed=0,
    mi_samples=1,
    mi_batch_size=32,
    loo_samples=512,
    proposal=None,
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
            to leave it out. Defaults to `1`.
        mi_batch_size: Positive int, sentences in each batch of `mi_batch`. Defaults
            to `32`.
        loo_samples: Positive int, other sentences in each block of `mi_loo`. Defaults
            to `512`.
        proposal: `FittedProposal` for `nll`, or `None` for the posterior itself where
            its density is known and a default one elsewhere.
        chunk_size: Positive int, samples decoded at once, or `None` to choose by the
            size of a batch. Bounds memory and does not change results.
        jit_compile: Whether XLA compiles the decoder, or `None` for what the model was
            compiled with.
        per_sentence: Whether to add the key `"per_sentence"`, a dict of NumPy arrays
            `[N]`: `num_tokens` and what there is of `reconstruction`, `kl`, `nelbo`,
            `nll` and the papers' own figures. Defaults to `False`.
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
        proposal=proposal,
        chunk_size=chunk_size,
        jit_compile=jit_compile,
    )
    scores = _score(scorer, batches, seed, mi_samples, progress)
    if model.posterior is not None and not num_samples:
        scores.pop("nll", None)
    sentences, latents = _split(scores)
    result = _likelihoods(sentences)
    result.update(_methods(scorer, "nll" in sentences))
    if latents:
        posterior = scorer.codes.posterior
        result["latent_dim"] = posterior.latent_dim
        result.update(_activity(posterior, latents))
        if mi_samples and posterior.has_density:
            latents = _shuffled(latents, seed)
            result.update(_information(posterior, latents, mi_batch_size, loo_samples))
        result["num_samples"] = scorer.num_samples
        result["seed"] = seed
        notes = describe(scorer, num_samples)
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
        scores.update(scores.pop("reported") or {})
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
    names = (*_COSTS, *REPORTED, "num_tokens")
    sentences = {name: scores.pop(name) for name in names if name in scores}
    return sentences, scores


def _likelihoods(sentences):
    num_sentences = len(sentences["num_tokens"])
    num_tokens = int(sentences["num_tokens"].sum())
    result = {}
    for name in (*_COSTS, *REPORTED):
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


def _methods(scorer, has_nll):
    """Says how the likelihood and the divergence were computed."""
    result = {}
    if has_nll:
        result["nll_method"] = scorer.nll_method
        if scorer.nll_method == "fitted_proposal":
            proposal = scorer.codes.proposal
            from_prior = proposal.num_from_prior(scorer.num_samples)
            result["proposal_prior_share"] = from_prior / scorer.num_samples
            result["proposal_draws"] = proposal.num_draws
    if scorer.kl_method is not None:
        result["kl_method"] = scorer.kl_method
    return result


def _activity(posterior, latents):
    means, noise = latents["mean"], latents.get("mean_noise")
    if len(means) < 2:
        return {}
    # A uniform unit vector's coordinates have the variance 1 / Z, not 1.
    on_sphere = posterior.support == "sphere"
    threshold = _ACTIVE / posterior.latent_dim if on_sphere else _ACTIVE
    result = {
        "active_units": active_units(means, threshold, noise)[0],
        "active_units_threshold": threshold,
    }
    if noise is not None:
        largest = noise.mean(axis=0, dtype=np.float64).max()
        result["active_units_noise"] = float(largest)
    return result


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


def _information(posterior, latents, mi_batch_size, loo_samples):
    codes = [latents[name] for name in ("params", "z")]
    batch = mutual_information(posterior, *codes, block_size=mi_batch_size)
    whole = mutual_information(posterior, *codes)
    result = {
        "mi_batch": batch.value,
        "mi_batch_size": batch.block_size,
        "mi_batch_cap": batch.cap,
        "mi": whole.value,
        "mi_cap": whole.cap,
    }
    if latents["z"].shape[1] > 1:
        others = mutual_information(
            posterior, *codes, block_size=loo_samples + 1, leave_one_out=True
        )
        result["mi_loo"] = others.value
        result["mi_loo_samples"] = others.block_size - 1
    if "log_prior" in latents:
        result["marginal_kl"] = marginal_kl(whole.log_marginal, latents["log_prior"])
    return result
