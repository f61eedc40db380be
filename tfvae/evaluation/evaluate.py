"""All metrics of a model on one set of sentences."""

import keras
import numpy as np
import tensorflow as tf

from tfvae.evaluation import embeddings
from tfvae.evaluation.generation import generation_quality, reconstruction_quality
from tfvae.evaluation.latent import (
    active_units,
    active_units_threshold,
    aggregate_metrics,
    gradient_norms,
    marginal_kl,
    mutual_information,
    standard_error,
)
from tfvae.evaluation.likelihood import (
    SentenceScorer,
    context_gain,
    decoder_information,
    perplexity,
)
from tfvae.evaluation.metrics import GROUPS, METRICS
from tfvae.evaluation.posterior import ExactGaussian
from tfvae.evaluation.responses import response_quality
from tfvae.evaluation.transfer import check_classifiers, transfer_quality
from tfvae.models.conditional import require_trained_prior, require_transfer
from tfvae.models.inputs import require_tokenizer, text_of
from tfvae.ops.sequences import UNK_ID
from tfvae.seeds import as_seed, fold_in
from tfvae.text import Batches, reader_errors

# Share of unknown words from which on a likelihood needs a note.
_MANY_UNKNOWN = 0.05


def evaluate(
    model,
    batches,
    *,
    groups=None,
    num_samples=100,
    seed=0,
    mi_samples=1,
    mi_batch_size=32,
    loo_samples=512,
    exchanged_codes=32,
    proposal=None,
    chunk_size=None,
    jit_compile=None,
    per_sentence=False,
    texts=None,
    train_texts=None,
    num_reconstructions=10,
    num_generated=100_000,
    language_model=None,
    num_responses=10,
    embeddings_file=None,
    progress=None,
):
    """Measures a model on sentences.

    `METRICS` says what each metric means. Two estimates of mutual information compare
    a sentence with the others of its block; blocks are drawn at random, since the
    sentences may come sorted by length (papers take batches of one length or the order
    of the corpus).

    Args:
        model: `VAE` or `LanguageModel`.
        batches: `Batches`, all sentences of which are measured, whatever they were
            made for; or a finite iterable of dicts, `"tokens"` int `[B, T]` among
            them, that can be read again, such as a `tf.data.Dataset`.
        groups: Names of `GROUPS`; `"all"` for those that are defined for the model;
            or `None` for what there is of likelihood and latent.
        num_samples: Int, posterior samples per sentence, or `0` to leave out `nll` and
            reconstruct from one sample. A prior without a density takes ten times as
            many of its own for `nll`. Defaults to `100`.
        seed: Int, of everything. Defaults to `0`.
        mi_samples: Int, posterior samples per sentence for mutual information, or `0`
            to leave it out. Defaults to `1`.
        mi_batch_size: Positive int, sentences in each batch of `mi_batch`. Defaults
            to `32`.
        loo_samples: Positive int, other sentences in each block of `mi_loo`. Defaults
            to `512`.
        exchanged_codes: Int of at least 2, codes that each sentence is scored with for
            `latent_gain` and `decoder_mi`, its own among them. Defaults to `32`.
        proposal: `FittedProposal` for `nll`, or `None` for the posterior itself where
            its density is known and a default one elsewhere.
        chunk_size: Positive int, samples decoded at once, or `None` to choose by the
            size of a batch. Bounds memory and does not change results.
        jit_compile: Whether XLA compiles the decoder, or `None` for what the model was
            compiled with.
        per_sentence: Whether to add the key `"per_sentence"`, a dict of NumPy arrays
            `[N]`: `num_tokens`, `num_unknown` and what there is of `reconstruction`,
            `kl`, `nelbo`, `nll` and the papers' own metrics. `Batches` are then
            measured in the order of their texts, not by length. Defaults to `False`.
        texts: Sentences of `batches`, for generation: `Batches`, a list of str, or a
            callable that returns a fresh iterator of str; `None` for those of
            `batches` where these are `Batches`.
        train_texts: Sentences that the model was trained on, alike, for generation, and
            for embeddings of words that responses are compared by.
        num_reconstructions: Int, posterior samples per sentence that are decoded for
            reconstruction. Defaults to `10`.
        num_generated: Positive int, sentences to generate. Defaults to `100_000`.
        language_model: `LanguageModel` that scores generated sentences, or `None`.
        num_responses: Positive int, responses to each context. Defaults to `10`.
        embeddings_file: Path of embeddings of words in the text format of GloVe or
            word2vec, or `None` to learn them from `train_texts`.
        progress: Callable of a total, or `None` where it is not known, and a unit's
            name that returns an object with `update(num_done)`, such as
            `keras.utils.Progbar`; or `None`.

    Returns:
        Dict of floats, ints and strings, which JSON can hold, in nats. `"notes"`, a
        list of sentences, says what is left out and why.

    Raises:
        ValueError: If there is no sentence, the dataset has no end, a count is out of
            range, or a group is unknown, not defined for the model or lacks its texts.
    """
    _check_counts(num_samples, mi_samples, mi_batch_size, loo_samples)
    if exchanged_codes < 2:
        raise ValueError(
            "`exchanged_codes` must be at least 2, the own code and another one. "
            f"Received: exchanged_codes={exchanged_codes}"
        )
    source = batches
    if isinstance(batches, Batches):
        texts = batches if texts is None else texts
        batches = batches.for_evaluation(sort=not per_sentence).dataset()
    total = _num_batches(batches)
    chosen, notes = _choose(model, groups, texts, train_texts, embeddings_file)

    def bar():
        return progress and progress(total, "batch")

    result = {}
    with reader_errors(source, texts, train_texts):
        if {"likelihood", "latent"} & set(chosen):
            num_samples = num_samples if "likelihood" in chosen else 0
            mi_samples = mi_samples if "latent" in chosen else 0
            scorer = SentenceScorer(
                model,
                num_samples or 1,
                num_draws=max(num_samples or 1, mi_samples),
                proposal=proposal,
                chunk_size=chunk_size,
                jit_compile=jit_compile,
            )
            scores, latents = _score(scorer, batches, seed, mi_samples, bar())
            if latents and not num_samples:
                scores.pop("nll", None)
            found = _likelihoods(scores) | _methods(scorer, "nll" in scores)
            if latents:
                found |= {"num_samples": scorer.num_samples, "seed": seed}
                posterior = scorer.posterior_sampler.posterior
                if scorer.kl_method == "closed_form":
                    latents["kl"] = scores["kl"]
                threshold = active_units_threshold(posterior)
                if model.prior_reads_context:
                    # Of means in units of the prior's scale.
                    threshold = 0.01
                of_latent = _latent(
                    posterior, latents, threshold, seed, mi_batch_size, loo_samples
                )
                found |= of_latent if not model.requires else _of_both(of_latent)
                if mi_samples and len(latents["z"]) > 1:
                    found |= decoder_information(
                        scorer.log_likelihood,
                        batches,
                        latents["z"][:, 0],
                        num_codes=exchanged_codes,
                        seed=seed,
                    ).metrics()
                if "likelihood" in chosen:
                    notes += describe(scorer, num_samples)
            if "likelihood" in chosen:
                if model.requires and len(scores.get("nll", ())) > 1:
                    found |= context_gain(
                        lambda inputs, index: (
                            scorer(inputs, fold_in(as_seed(seed), index)).nll
                        ),
                        batches,
                        model.requires,
                        scores["nll"],
                        seed=seed,
                    )
                notes += cautions(found)
            result |= _of_groups(found, chosen)
            if per_sentence:
                result["per_sentence"] = scores
        if "aggregate" in chosen:
            result |= aggregate_metrics(model, batches, seed=seed, progress=bar())
        if "reconstruction" in chosen:
            result |= reconstruction_quality(
                model,
                batches,
                num_samples=num_reconstructions,
                seed=seed,
                progress=bar(),
            )
        if "generation" in chosen:
            result |= generation_quality(
                model,
                _reader(train_texts),
                _reader(texts),
                num_generated=num_generated,
                language_model=language_model,
                batches=batches if model.requires else None,
                seed=seed,
                progress=progress,
            )
            notes += result.pop("notes", [])
        if "responses" in chosen:
            result |= response_quality(
                model,
                batches,
                train_texts=None if train_texts is None else _reader(train_texts),
                embeddings_file=embeddings_file,
                num_responses=num_responses,
                seed=seed,
                progress=bar(),
            )
            notes += result.pop("notes", [])
        if "transfer" in chosen:
            result |= transfer_quality(
                model,
                _records(texts),
                _records(train_texts),
                seed=seed,
                progress=progress,
            )
        if "gradients" in chosen:
            result |= gradient_norms(model, batches, seed=seed)
    return result | {"notes": notes} if notes else result


def check_groups(names):
    """Returns names of groups, or a single one, as a list without repetition.

    Raises:
        ValueError: If there is none, or one is unknown.
    """
    names = [names] if isinstance(names, str) else names
    unknown = [name for name in names if name not in GROUPS]
    if unknown or not names:
        raise ValueError(
            f"Groups of metrics must be some of {', '.join(GROUPS)}, or all. "
            f"Received: {', '.join(unknown) or 'none'}"
        )
    return list(dict.fromkeys(names))


def _check_counts(num_samples, mi_samples, mi_batch_size, loo_samples):
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


def _num_batches(batches):
    """Returns the number of batches where it is known, else `None`."""
    if not isinstance(batches, tf.data.Dataset):
        return len(batches) if hasattr(batches, "__len__") else None
    total = int(batches.cardinality())
    if total == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "`batches` must end, since all sentences are measured. Use one epoch. "
            "Received: a dataset of infinite cardinality"
        )
    return None if total < 0 else total


def _choose(model, groups, texts, train_texts, embeddings_file):
    """Returns the groups to measure and notes on those left out."""
    if groups is None:
        return ["likelihood", "latent"], []
    chosen, notes = [], []
    for name in GROUPS if groups == "all" else check_groups(groups):
        if groups == "all" and name == "responses" and not model.requires:
            continue
        if groups == "all" and name == "transfer" and model.label_names is None:
            continue
        reason = why_undefined(model, name, texts, train_texts, embeddings_file)
        if not reason:
            chosen.append(name)
            continue
        note = f"The group {name!r} is not defined for the model. {reason}"
        if groups != "all":
            raise ValueError(note)
        notes.append(note)
    return chosen, notes


def why_undefined(model, group, texts=None, train_texts=None, embeddings_file=None):
    """Returns why a group of metrics is not defined for a model, `None` where it is.

    Args:
        model: `VAE` or `LanguageModel`.
        group: One of `GROUPS`.
        texts: As in `evaluate`.
        train_texts: As in `evaluate`.
        embeddings_file: As in `evaluate`.
    """
    if group == "likelihood":
        if SentenceScorer(model, 1).nll_method is None:
            return (
                f"The posterior `{type(model.posterior).__name__}` or the prior "
                f"`{type(model.prior).__name__}` has no density."
            )
    elif group == "generation":
        if model.tokenizer is None:
            return "The model has no tokenizer to write text with."
        if texts is None or train_texts is None:
            missing = "texts" if texts is None else "train_texts"
            return f"It needs `texts` and `train_texts`. Received: {missing}=None"
    elif group == "responses":
        return _why_no_responses(model, train_texts, embeddings_file)
    elif group == "transfer":
        return _why_no_transfer(model, texts, train_texts)
    elif model.posterior is None:
        return f"A {type(model).__name__} has no latent; use a VAE."
    return None


def _why_no_responses(model, train_texts, embeddings_file):
    if not model.requires:
        return "The model answers no contexts; train it with --context-column."
    if model.tokenizer is None:
        return "The model has no tokenizer to write text with."
    try:
        require_trained_prior(model)
        if train_texts is not None and embeddings_file is None:
            embeddings.check_extra()
    except ValueError as error:
        return str(error)
    return None


def _why_no_transfer(model, texts, train_texts):
    try:
        require_tokenizer(model)
        require_transfer(model)
        check_classifiers()
    except ValueError as error:
        return str(error)
    if texts is None or train_texts is None:
        missing = "texts" if texts is None else "train_texts"
        return (
            f"It needs `texts` and `train_texts` with labels. Received: {missing}=None"
        )
    return None


def _reader(texts):
    """Creates a callable that returns a fresh iterator of str."""
    return lambda: map(text_of, _records(texts))


def _records(texts):
    """Returns an iterable of str or of dicts."""
    if isinstance(texts, Batches):
        texts = texts.texts
    return texts() if callable(texts) else texts


def _of_groups(metrics, groups):
    """Keeps the metrics of some groups, and those that have no definition."""
    kept = {*groups, "general"}
    return {
        key: value
        for key, value in metrics.items()
        if key not in METRICS or METRICS[key].group in kept
    }


def _score(scorer, batches, seed, mi_samples, bar):
    """Scores every batch.

    Returns:
        Tuple of a dict of metrics `[N]` and one of what `_latent` needs, `[N, ...]`,
        empty for a model without a latent.
    """
    sentences, latents = [], []
    for index, batch in enumerate(batches):
        inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
        scores = scorer(inputs, fold_in(as_seed(seed), index))
        costs = scores._asdict()
        samples = costs.pop("samples")
        unknown = np.count_nonzero(np.asarray(inputs["tokens"]) == UNK_ID, axis=1)
        reported = costs.pop("reported")
        sentences.append(reported | costs | {"num_unknown": unknown})
        if samples is not None:
            codes = (samples.z, samples.log_prior)
            z, log_prior = (
                None if each is None else np.moveaxis(each[:mi_samples], 1, 0)
                for each in codes
            )
            latents.append(
                {
                    "mean": samples.mean,
                    "mean_noise": samples.mean_noise,
                    "params": samples.encoded.params,
                    "z": z,
                    "log_prior": log_prior,
                }
            )
        if bar is not None:
            bar.update(index + 1)
    if not sentences:
        raise ValueError("`batches` must hold at least one batch. Received: none")
    return _joined(sentences), _joined(latents) if latents else {}


def _joined(rows):
    """Joins the arrays of batches; leaves out what is `None`."""
    return {
        name: tf.nest.map_structure(
            lambda *parts: np.concatenate(parts), *(row[name] for row in rows)
        )
        for name in rows[0]
        if rows[0][name] is not None
    }


def _likelihoods(sentences):
    """Computes means over sentences, their standard errors and perplexities."""
    num_sentences = len(sentences["num_tokens"])
    num_tokens, num_unknown = (
        int(sentences[name].sum()) for name in ("num_tokens", "num_unknown")
    )
    result = {
        name: float(values.mean(dtype=np.float64))
        for name, values in sentences.items()
        if name not in ("num_tokens", "num_unknown")
    }
    for name, of_name in (("nelbo", "perplexity_nelbo"), ("nll", "perplexity")):
        if name in sentences:
            costs = sentences[name].astype(np.float64)
            result[of_name] = perplexity(costs.sum(), num_tokens)
            if num_sentences > 1:
                result[f"{name}_se"] = standard_error(costs)
    num_words = num_tokens - num_sentences
    return result | {
        "num_sentences": num_sentences,
        "num_tokens": num_tokens,
        "num_unknown": num_unknown,
        "unknown_share": num_unknown / max(num_words, 1),
    }


def _methods(scorer, has_nll):
    """Returns how the likelihood and the divergence were computed."""
    result = {}
    if has_nll:
        result["nll_method"] = scorer.nll_method
        if scorer.nll_method == "fitted_proposal":
            proposal = scorer.posterior_sampler.proposal
            from_prior = proposal.num_from_prior(scorer.num_samples)
            result["proposal_prior_share"] = from_prior / scorer.num_samples
            result["proposal_draws"] = proposal.num_draws
        if scorer.nll_method == "prior_samples":
            result["num_prior_samples"] = scorer.posterior_sampler.num_prior_samples
    if scorer.kl_method is not None:
        result["kl_method"] = scorer.kl_method
    return result


def _latent(posterior, latents, threshold, seed, mi_batch_size, loo_samples):
    """Computes active units and, where there is a density, mutual information."""
    result = {"latent_dim": posterior.latent_dim}
    means, noise = latents["mean"], latents.get("mean_noise")
    num_sentences = len(means)
    if num_sentences > 1:
        result["active_units"] = active_units(means, threshold, noise)[0]
        result["active_units_threshold"] = threshold
        if noise is not None:
            largest = noise.mean(axis=0, dtype=np.float64).max()
            result["active_units_noise"] = float(largest)
    if not latents["z"].shape[1] or not posterior.has_density:
        return result
    order = np.random.default_rng(seed).permutation(num_sentences)
    latents = tf.nest.map_structure(lambda values: values[order], latents)
    codes = (latents["params"], np.moveaxis(latents["z"], 1, 0))
    batch = mutual_information(posterior, *codes, block_size=mi_batch_size)
    whole = mutual_information(posterior, *codes)
    result |= {
        "mi_batch": batch.value,
        "mi_batch_size": batch.block_size,
        "mi_batch_cap": batch.cap,
        "mi": whole.value,
        "mi_cap": whole.cap,
    }
    if num_sentences > 1:
        others = mutual_information(
            posterior, *codes, block_size=loo_samples + 1, leave_one_out=True
        )
        result["mi_se"] = standard_error(whole.by_sentence)
        result["mi_loo"] = others.value
        result["mi_loo_samples"] = others.block_size - 1
    if "log_prior" in latents:
        log_prior = np.moveaxis(latents["log_prior"], 1, 0)
        marginal = marginal_kl(whole, log_prior, latents.get("kl"))
        result["marginal_kl"] = marginal.value
        result["marginal_kl_method"] = marginal.method
        if num_sentences > 1:
            result["marginal_kl_se"] = marginal.standard_error
    return result


def _of_both(metrics):
    """Renames what is measured of sentence and context together.

    A posterior of both is informative already where it repeats the context, so that
    these are no information about the sentence, and pooled codes have no one prior.
    """
    names = {"mi": "mi_with_context", "mi_se": "mi_with_context_se"}
    names |= {"mi_cap": "mi_with_context_cap"}
    dropped = {
        *("mi_batch", "mi_batch_size", "mi_batch_cap", "mi_loo", "mi_loo_samples"),
        *("marginal_kl", "marginal_kl_method", "marginal_kl_se"),
    }
    kept = {key: value for key, value in metrics.items() if key not in dropped}
    return {names.get(key, key): value for key, value in kept.items()}


def cautions(result):
    """Formats what makes numbers look better than they are.

    Args:
        result: Dict of metrics of the group `"likelihood"`.

    Returns:
        List of sentences.
    """
    notes = []
    share = result["unknown_share"]
    if share > _MANY_UNKNOWN:
        notes.append(
            f"{100 * share:.1f} % of the words are `<unk>` to the model. They share "
            "one probability, which makes perplexity and likelihood look better than "
            "they are."
        )
    if "critic_kl" in result and result.get("kl_method") == "closed_form":
        kl, critic_kl = result["kl"], result["critic_kl"]
        if kl - critic_kl > 1.0 and critic_kl < 0.5 * kl:
            notes.append(
                f"`critic_kl`, {critic_kl:.2f} nats, is far below the exact `kl`, "
                f"{kl:.2f} nats: the critic has not learned the divergence, and "
                "`critic_elbo` looks better than the model is."
            )
    return notes


def describe(scorer, num_samples):
    """Formats what a reader of the metrics should know of the model.

    Args:
        scorer: `SentenceScorer` of a model with a latent.
        num_samples: Int, latent samples that were asked for.

    Returns:
        List of sentences.
    """
    sampler = scorer.posterior_sampler
    posterior = type(sampler.model.posterior).__name__
    notes = []
    if isinstance(sampler.posterior, ExactGaussian):
        notes.append(
            f"The posterior `{posterior}` has a linear network, which makes it a "
            "Gaussian: `kl`, `nelbo`, `nll` and mutual information take its exact "
            "density."
        )
    if sampler.nll_method == "context_samples":
        notes.append(
            "The encoder reads the context in place of the sentence: reconstruction "
            "plus KL is no bound of the sentence's likelihood, and there is no `nelbo`."
        )
    if not sampler.has_density:
        notes.append(_without_density(sampler, posterior))
        if sampler.nll_method and not num_samples:
            notes.append("`nll` was left out, as asked.")
    elif not num_samples:
        notes.append("`nll` was left out, as asked; `nelbo` is looser.")
    return notes


def _without_density(sampler, posterior):
    prior = type(sampler.model.prior).__name__
    if sampler.nll_method == "context_samples":
        return (
            f"The posterior `{posterior}` or the prior `{prior}` has no density, so KL "
            "is not defined; `nll` takes codes of the context alone."
        )
    if sampler.nll_method == "prior_samples":
        return (
            f"The prior `{prior}` has no density, so KL and the bounds by it are not "
            f"defined. `nll` is of {sampler.num_prior_samples} samples of the prior, "
            "looser than one that is importance weighted; compare the two with care."
        )
    if sampler.nll_method is None:
        return (
            f"The posterior `{posterior}` is a single code and has no density, so "
            "bounds of the likelihood and KL are not defined; `reconstruction` is no "
            "bound of them."
        )
    return (
        f"The posterior `{posterior}` can be sampled and has no density: `kl`, "
        "`nelbo` and mutual information are left out, and `nll` takes a proposal "
        "fitted to its samples."
    )
