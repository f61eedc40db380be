import dataclasses
import json
import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from tests import support
from tests.evaluation import linear_gaussian as toy
from tfvae.decoders import Bridge
from tfvae.encoders import ContextEncoder, TurnEncoder
from tfvae.evaluation.evaluate import (
    cautions,
    check_groups,
    describe,
    evaluate,
    why_undefined,
)
from tfvae.evaluation.likelihood import SentenceScorer
from tfvae.evaluation.metrics import METRICS, format_table, of_group
from tfvae.latents import (
    Deterministic,
    Gaussian,
    Implicit,
    Latent,
    PlanarFlow,
    SphericalUniform,
    VonMisesFisher,
)
from tfvae.models import LanguageModel
from tfvae.objectives import DualKL, Reconstruction, Term
from tfvae.presets import SETTINGS, ModelBuilder, get_preset
from tfvae.text import Batches, WordTokenizer, default_grammar

tfd = tfp.distributions

WORDS = list("abcdefg")
TEXTS = ["a b c", "d", "e f g a b", "c d", "g"]
FITTED = {
    *("proposal_prior_share", "proposal_draws", "active_units_noise"),
    "num_prior_samples",
}
REPORTED = {
    *("critic_elbo", "critic_kl", "critic_marginal_kl", "critic_mi"),
    "nelbo_minus_log_copula",
}
# What a condition adds, in the place of what has no meaning with one.
WITH_CONTEXT = {
    key
    for group in ("likelihood", "latent")
    for key in of_group(group)
    if "context" in key
}
LATENT = set(of_group("latent")) - FITTED - REPORTED - WITH_CONTEXT
COUNTS = {"num_sentences", "num_tokens", "num_unknown", "unknown_share"}
GENERAL = COUNTS | {"num_samples", "seed"}
# What a posterior with a density has.
ALL_KEYS = set(of_group("likelihood")) - FITTED - REPORTED - WITH_CONTEXT
ALL_KEYS |= LATENT | GENERAL


def measure(model, tokens, batch_size=None, **options):
    options = {"num_samples": 3, "jit_compile": False} | options
    return evaluate(model, support.dataset(tokens, batch_size), **options)


def test_linear_gaussian_from_end_to_end():
    tokens = toy.random_tokens(400)
    result = measure(
        toy.full_vae(), tokens, 150, mi_samples=4, per_sentence=True, seed=6
    )
    of_sentence = result.pop("per_sentence")
    assert set(result) == ALL_KEYS
    assert json.loads(json.dumps(result)) == result

    true_nll = -toy.marginal().logpdf(toy.features(tokens).numpy())
    np.testing.assert_allclose(of_sentence["nll"], true_nll, rtol=1e-5)
    assert result["nll"] == pytest.approx(true_nll.mean(), rel=1e-5)
    assert result["nll_se"] == pytest.approx(true_nll.std(ddof=1) / 20, rel=1e-4)
    # Four words and `</s>` each; the bound of the true posterior is tight.
    assert (result["num_sentences"], result["num_tokens"]) == (400, 2000)
    assert result["perplexity"] == pytest.approx(np.exp(true_nll.sum() / 2000), 1e-5)
    gap = of_sentence["nelbo"] - true_nll
    assert abs(gap.mean()) < 4 * gap.std() / 20
    expected = np.exp(result["nelbo"] * 400 / 2000)
    assert result["perplexity_nelbo"] == pytest.approx(expected, 1e-5)

    gain, bias, covariance = toy.true_posterior()
    loc = toy.features(tokens).numpy() @ gain.T + bias
    kl = [toy.gaussian_kl(one, covariance, np.zeros(2), np.eye(2)) for one in loc]
    np.testing.assert_allclose(of_sentence["kl"], kl, rtol=1e-4)
    assert result["kl_method"] == "closed_form"
    assert result["active_units"] == (loc.var(0, ddof=1) > 0.01).sum() == 2
    noise = np.random.default_rng(1).multivariate_normal([0, 0], covariance, 400)
    log_q = stats.multivariate_normal([0, 0], covariance).logpdf(noise)
    spread = (log_q - stats.norm.logpdf(loc + noise).sum(-1) - kl).std()
    identity = result["kl"] - result["mi"] - result["marginal_kl"]
    assert abs(identity) < 4 * spread / 1600**0.5
    assert 0 < result["marginal_kl_se"] < result["mi_se"] < 0.1
    assert 0 < result["mi_batch"] < result["mi_batch_cap"] == math.log(32)
    assert 0 < result["mi"] < result["mi_cap"] == math.log(400)
    assert (result["mi_batch_size"], result["mi_loo_samples"]) == (32, 399)


def test_collapsed_model():
    model = support.make_vae()
    for head in model.posterior.heads.values():
        head.kernel.assign(tf.zeros_like(head.kernel))
        head.bias.assign(tf.zeros_like(head.bias))
    result = measure(model, support.batch((3, 5, 1, 4) * 5), 8)
    assert result["active_units"] == 0
    for key in ("kl", "mi", "mi_batch", "mi_loo", "marginal_kl"):
        assert abs(result[key]) < 1e-5
    assert result["nelbo"] == pytest.approx(result["reconstruction"])


def test_aggregate_of_a_collapsed_model_that_is_not_the_prior():
    model = support.make_vae()
    for head in model.posterior.heads.values():
        head.kernel.assign(tf.zeros_like(head.kernel))
        head.bias.assign([0.3, -0.1])
    result = measure(model, support.batch((3, 5, 1, 4) * 5), 8)
    # Two means and two log-variances of 0.3 and -0.1: all sentences are alike.
    expected = sum(0.5 * (m**2 + np.exp(m) - 1 - m) for m in (0.3, -0.1))
    assert result["marginal_kl"] == pytest.approx(expected, abs=1e-5)
    assert result["marginal_kl_method"] == "kl_minus_mi"
    assert max(result["marginal_kl_se"], result["mi_se"]) < 1e-5
    assert "-0.000" not in format_table(result)


def test_caps_and_leave_one_out_of_separated_codes():
    model = toy.diagonal_vae(scale=0.01)
    head = model.posterior.heads["loc"]
    head.kernel.assign(30 * head.kernel)
    # 40 different sentences in 2 batches.
    tokens = np.stack([np.arange(4, 44)] * 4, axis=1).astype("int32")
    result = measure(model, tokens, 25, mi_batch_size=8, loo_samples=9)
    assert result["mi_batch"] == pytest.approx(np.log(8), abs=1e-3)
    assert result["mi"] == pytest.approx(np.log(40), abs=1e-3)
    assert result["mi_loo"] > 100
    assert result["mi_loo_samples"] == 9


def test_independent_of_chunks_and_reproducible():
    model, tokens = toy.diagonal_vae(), toy.random_tokens(5)
    first = measure(model, tokens, 2, seed=3, chunk_size=1)
    again = measure(model, tokens, 2, seed=3, chunk_size=2)
    other = measure(model, tokens, 2, seed=4)
    for key in ("nll", "mi", "reconstruction"):
        assert first[key] == pytest.approx(again[key], rel=1e-5)
        assert first[key] != other[key]
    assert measure(model, tokens, 2, seed=3, chunk_size=1) == first


def test_full_covariance_posterior():
    model = support.make_vae(posterior=Gaussian(3, covariance="full"))
    result = measure(model, support.batch(), 3)
    assert set(result) == ALL_KEYS
    assert result["kl_method"] == "closed_form"
    assert result["latent_dim"] == 3


def test_monte_carlo_kl_of_a_posterior_without_a_closed_form():
    class Laplace(Gaussian):
        sample = Latent.sample

        def distribution(self, params):
            scale = tf.exp(0.5 * params["log_variance"])
            return tfd.Independent(tfd.Laplace(params["loc"], scale), 1)

    model = support.make_vae(posterior=Laplace(1))
    tokens = np.repeat(support.batch(), 400, axis=0)
    result = measure(model, tokens, num_samples=2, per_sentence=True, loo_samples=9)
    assert result["kl_method"] == "monte_carlo"
    assert result["marginal_kl_method"] == "sampled"
    params = model.posterior_params({"tokens": support.batch()})
    loc = params["loc"].numpy()[:, 0]
    scale = np.exp(params["log_variance"].numpy()[:, 0] / 2)
    # E[log q] = -1 - log(2 scale); E[z^2] = loc^2 + 2 scale^2.
    cross = 0.5 * np.log(2 * np.pi) + 0.5 * (loc**2 + 2 * scale**2)
    expected = cross - 1 - np.log(2 * scale)
    error = result["per_sentence"]["kl"].std() / 2000**0.5
    assert abs(result["kl"] - expected.mean()) < 4 * error


@pytest.mark.long
@pytest.mark.parametrize("of_turns", [False, True])
def test_with_a_condition(of_turns):
    encoder, context = support.make_encoder(), support.batch(seed=1)
    condition = TurnEncoder(encoder, 3) if of_turns else ContextEncoder(encoder)
    if of_turns:
        context = np.stack([context, context[::-1]], 1)
    model = support.make_vae(posterior=Gaussian(3), condition=condition)
    inputs = {"tokens": support.batch(), "context": context}
    data = tf.data.Dataset.from_tensor_slices(inputs).batch(3)
    result = evaluate(model, data, num_samples=3, jit_compile=False)
    # The posterior knows the context too, and there are as many priors as contexts.
    without = {key for key in ALL_KEYS if key.startswith(("mi", "marginal"))}
    assert set(result) == ALL_KEYS - without | WITH_CONTEXT
    assert result["nelbo"] >= result["nll"]
    found = evaluate(model, data, groups=["aggregate"])
    assert set(found) == set(of_group("aggregate"))


def test_a_linear_implicit_posterior_has_exact_metrics():
    tokens = toy.random_tokens(60)
    result = measure(toy.implicit_vae(DualKL(hidden_dims=(4,))), tokens, 20)
    critic = {"critic_kl", "critic_elbo"}
    assert set(result) == ALL_KEYS | critic | {"notes"}
    true_nll = -toy.marginal().logpdf(toy.features(tokens).numpy())
    assert result["nll"] == pytest.approx(true_nll.mean(), rel=1e-5)
    total = result["reconstruction"] + result["critic_kl"]
    assert result["critic_elbo"] == pytest.approx(total, rel=1e-5)
    assert "linear network" in result["notes"][0]
    # The critic is not trained: its value is about 0.
    assert result["kl"] > 1 > 2 * abs(result["critic_kl"])
    assert "`critic_kl`, " in result["notes"][1]
    assert f"exact `kl`, {result['kl']:.2f} nats" in result["notes"][1]


@pytest.mark.parametrize(
    ("kl", "critic_kl", "method", "is_far"),
    [
        (3.0, 1.4, "closed_form", True),
        (3.0, -0.5, "closed_form", True),
        (3.0, 1.6, "closed_form", False),
        (0.9, 0.0, "closed_form", False),
        (1.5, 0.6, "closed_form", False),
        (3.0, 1.4, "monte_carlo", False),
    ],
)
def test_a_critic_far_below_an_exact_divergence(kl, critic_kl, method, is_far):
    result = {"unknown_share": 0.05, "kl": kl, "kl_method": method}
    assert cautions(result) == []
    found = cautions(result | {"critic_kl": critic_kl})
    assert len(found) == is_far
    assert all("critic has not learned" in note for note in found)


def test_a_sampled_posterior_has_no_divergence():
    model = support.make_vae(
        posterior=Implicit(2, hidden_dims=(4,)), objective=[Reconstruction()]
    )
    posterior = model.posterior
    # An ignored sentence: the noise alone moves the code.
    posterior.of_code.kernel.assign(0.0 * posterior.of_code.kernel)
    tokens = support.batch((3, 5, 1, 4) * 50)
    result = measure(model, tokens, 100, num_samples=20)
    draws = posterior.sample(
        model.posterior_params({"tokens": tokens[:1]}), 4000, [0, 0]
    )[0]
    expected = draws.numpy().var(0).max() / 128
    assert result["active_units_noise"] == pytest.approx(expected, rel=0.1)
    assert result["active_units"] == 0
    absent = {"kl", "kl_method", "nelbo", "nelbo_se", "perplexity_nelbo", "marginal_kl"}
    absent |= {key for key in ALL_KEYS if key.startswith(("mi", "marginal"))}
    absent.add("num_prior_samples")
    assert set(result) == (ALL_KEYS | FITTED | {"notes"}) - absent
    assert result["nll_method"] == "fitted_proposal"
    assert (result["proposal_prior_share"], result["proposal_draws"]) == (0.1, 512)
    assert "`Implicit`" in result["notes"][0]
    short = measure(model, tokens, 100, num_samples=0)
    assert not {"nll", "nll_method", "proposal_draws"} & set(short)


def test_active_units_of_a_flow_that_ignores_the_sentence():
    model = support.make_vae(posterior=PlanarFlow(2, 2))
    for head in model.posterior.base.heads.values():
        head.kernel.assign(tf.zeros_like(head.kernel))
    result = measure(model, support.batch((3, 5, 1, 4) * 50), 100, num_samples=1)
    # 1/128 of a variance of about 1, which would be close to the threshold.
    assert 0.006 < result["active_units_noise"] < 0.01
    assert result["active_units"] == 0


def test_active_units_on_a_sphere():
    model = support.make_vae(
        encoder=toy.FeatureEncoder(),
        posterior=VonMisesFisher(3, 30.0),
        prior=SphericalUniform(3),
        decoder=toy.GaussianDecoder(),
        bridge=Bridge((2,)),
    )
    result = measure(model, toy.random_tokens(50), num_samples=1, mi_samples=0)
    assert result["active_units"] == 3
    assert result["active_units_threshold"] == pytest.approx(0.01 / 3)


def test_language_model():
    tokens = support.batch()
    model = LanguageModel(support.make_decoder(conditioning=()))
    result = measure(model, tokens, 2, per_sentence=True)
    whole = -model.decoder.log_prob(tokens, tf.zeros([1, 5, 0]))[0].numpy()
    np.testing.assert_allclose(result.pop("per_sentence")["nll"], whole, rtol=1e-5)
    assert set(result) == {"nll", "nll_method", "nll_se", "perplexity", *COUNTS}
    assert result["num_tokens"] == sum(support.LENGTHS) + 5
    expected = np.exp(whole.sum() / result["num_tokens"])
    assert result["perplexity"] == pytest.approx(expected, rel=1e-5)


def test_deterministic_codes_have_reconstruction_only():
    model = support.make_vae(posterior=Deterministic(2), objective=[Reconstruction()])
    result = measure(model, support.batch())
    assert set(result) == {
        *("reconstruction", "active_units", "active_units_threshold", "latent_dim"),
        *("latent_gain", "latent_gain_se", "decoder_mi", "decoder_mi_se"),
        *("decoder_mi_cap", "decoder_mi_codes"),
        *("num_samples", "seed", "notes", *COUNTS),
    }
    assert result["num_samples"] == 1
    assert "Deterministic" in result["notes"][0]
    assert result["notes"][0] in format_table(result)


@pytest.mark.parametrize("num_samples", [0, None])
def test_without_samples_there_is_a_bound_and_no_likelihood(num_samples):
    result = measure(
        toy.diagonal_vae(), toy.random_tokens(5), num_samples=num_samples, mi_samples=0
    )
    assert not {"nll", "perplexity", "nll_se", "mi", "marginal_kl"} & set(result)
    assert {"nelbo", "perplexity_nelbo", "kl", "active_units"} < set(result)
    assert result["num_samples"] == 1
    assert result["notes"]


def test_one_sentence():
    result = measure(toy.diagonal_vae(), toy.random_tokens(5)[:1])
    absent = {"nll_se", "nelbo_se", "mi_se", "marginal_kl_se", "mi_loo", "active_units"}
    assert not absent & set(result)
    assert result["num_sentences"] == 1
    assert result["marginal_kl"] == pytest.approx(result["kl"], abs=1e-5)
    assert abs(result["mi"]) < 1e-5


def test_reads_any_iterable_of_dicts():
    model, tokens = toy.diagonal_vae(), toy.random_tokens(5)
    result = evaluate(model, [{"tokens": tokens}], num_samples=3, jit_compile=False)
    assert result == measure(model, tokens)


@pytest.mark.parametrize(
    "options",
    [{"num_samples": -1}, {"mi_samples": -1}, {"mi_batch_size": 0}, {"loo_samples": 0}],
)
def test_refuses_counts(options):
    with pytest.raises(ValueError, match="Received: .*=(-1|0)"):
        measure(toy.diagonal_vae(), toy.random_tokens(5), **options)


def test_refuses_no_data_and_endless_data():
    model = toy.diagonal_vae()
    with pytest.raises(ValueError, match="at least one batch"):
        evaluate(model, [])
    with pytest.raises(ValueError, match="infinite"):
        evaluate(model, support.dataset(toy.random_tokens(5)).repeat())


def test_table_names_every_metric():
    result = measure(toy.diagonal_vae(), toy.random_tokens(5))
    assert len(format_table(result).split("\n")) == len(set(result) & ALL_KEYS)


@pytest.fixture(scope="module")
def toy_model():
    return toy.diagonal_vae(), support.dataset(toy.random_tokens(6), 3)


@pytest.fixture(scope="module")
def both(toy_model):
    """What is measured if nothing else is asked for."""
    return evaluate(*toy_model, num_samples=2, jit_compile=False)


def run(model, batches, groups, **options):
    options = {"num_samples": 2, "jit_compile": False} | options
    return evaluate(model, batches, groups=groups, **options)


def test_likelihood_and_latent_are_what_is_measured_by_default(toy_model, both):
    # With XLA, the others without.
    result = run(*toy_model, ["likelihood", "latent"], jit_compile=True)
    assert set(result) == set(both)
    assert result["nll"] == pytest.approx(both["nll"], rel=1e-5)
    assert result["mi"] == pytest.approx(both["mi"], rel=1e-4)


def test_one_of_the_two(toy_model, both):
    likelihood = run(*toy_model, ["likelihood"])
    latent = run(*toy_model, "latent")
    assert {"nll", "kl", "perplexity"} < set(likelihood)
    assert {"mi", "mi_batch", "active_units", "marginal_kl"} < set(latent)
    shared = set(likelihood) & set(latent)
    assert shared <= GENERAL
    assert set(both) <= set(likelihood) | set(latent)
    assert likelihood["nll"] == pytest.approx(both["nll"], rel=1e-5)


@pytest.mark.slow
def test_every_group_measures_its_own_metrics():
    model = support.make_vae(tokenizer=WordTokenizer(vocabulary=WORDS))
    result = run(
        model,
        Batches(TEXTS, model.tokenizer, 2),
        "all",
        train_texts=TEXTS,
        num_generated=20,
        num_reconstructions=2,
    )
    absent = FITTED | REPORTED | WITH_CONTEXT
    absent |= {*of_group("responses"), *of_group("transfer")}
    absent |= {key for key in METRICS if "coupled_recon" in key}
    absent |= {"language_model_perplexity", "num_tokens_language_model"}
    assert set(METRICS) - absent <= set(result) <= {*METRICS, "notes"}
    assert json.loads(json.dumps(result)) == result
    table = format_table(result)
    assert len(table.splitlines()) == len(result) - ("notes" in result)


def test_all_leaves_out_what_is_not_defined():
    model = LanguageModel(support.make_decoder(conditioning=()))
    result = run(model, support.dataset(support.batch()), "all")
    assert "nll" in result and "bleu_1" not in result
    groups = ("latent", "aggregate", "reconstruction", "generation", "gradients")
    assert [note.split(" is not defined")[0] for note in result["notes"]] == [
        f"The group '{name}'" for name in groups
    ]


def test_refuses_a_likelihood_without_a_density():
    model = support.make_vae(posterior=Deterministic(2), objective=[Reconstruction()])
    with pytest.raises(ValueError, match="'likelihood' is not defined.*`Determinist"):
        run(model, support.dataset(support.batch()), ["likelihood"])


@pytest.mark.parametrize(
    "group", ["reconstruction", "latent", "gradients", "aggregate"]
)
def test_refuses_what_needs_a_latent(group):
    model = LanguageModel(support.make_decoder(conditioning=()))
    with pytest.raises(ValueError, match=f"'{group}' is not defined.*has no latent"):
        run(model, support.dataset(support.batch()), [group])


def test_refuses_generation_without_tokenizer_or_texts(toy_model):
    with pytest.raises(ValueError, match="no tokenizer"):
        run(*toy_model, ["generation"])
    model = support.make_vae(tokenizer=WordTokenizer(vocabulary=WORDS))
    rows = support.dataset(support.batch())
    with pytest.raises(ValueError, match="needs `texts` and `train_texts`.*ed: texts"):
        run(model, rows, ["generation"], train_texts=TEXTS)
    with pytest.raises(ValueError, match="Received: train_texts=None"):
        run(model, Batches(TEXTS, model.tokenizer), ["generation"])
    assert why_undefined(model, "generation", TEXTS, TEXTS) is None


@pytest.mark.parametrize("groups", [[], ["latents"], ["latent", "all"], "latents"])
def test_refuses_other_groups(groups):
    with pytest.raises(ValueError, match="Groups of metrics must be some of"):
        check_groups(groups)


def test_groups_without_repetition():
    names = ["latent", "gradients", "latent"]
    assert check_groups(names) == ["latent", "gradients"]
    assert check_groups("latent") == ["latent"]


@pytest.mark.parametrize("group", ["reconstruction", "likelihood", "aggregate"])
def test_reports_progress(group):
    asked, done = [], []

    class Bar:
        update = staticmethod(done.append)

    def progress(total, unit_name):
        asked.append((total, unit_name))
        return Bar()

    tokens = np.tile(support.batch((3, 2)), (2, 1))
    rows = support.dataset(tokens, 2)
    result = run(
        support.make_vae(), rows, [group], num_reconstructions=0, progress=progress
    )
    assert asked == [(2, "batch")] and done == [1, 2]
    assert set(result) <= set(METRICS)
    # The number of batches may be unknown.
    rows = rows.filter(lambda row: True)
    run(support.make_vae(), rows, [group], num_reconstructions=0, progress=progress)
    assert asked[1:] == [(None, "batch")]


def test_measures_every_sentence_of_batches():
    tokenizer = WordTokenizer(vocabulary=WORDS)
    model = support.make_vae(tokenizer=tokenizer)
    options = {"num_samples": 2, "jit_compile": False, "per_sentence": True}
    for_training = evaluate(model, Batches(TEXTS, tokenizer, 2), **options)
    assert for_training["num_sentences"] == 5
    lengths = [len(text.split()) + 1 for text in TEXTS]
    assert for_training["per_sentence"]["num_tokens"].tolist() == lengths
    dropping = Batches(
        TEXTS, tokenizer, 2, shuffle=True, drop_remainder=True, sort=True, seed=5
    )
    assert sum(len(batch["tokens"]) for batch in dropping.dataset()) == 4
    found = evaluate(model, dropping, **options)
    np.testing.assert_equal(found, for_training)
    batches = Batches(TEXTS, tokenizer, 2, shuffle=False)
    assert evaluate(model, batches.dataset(), **options)["nll"] == for_training["nll"]
    options["per_sentence"] = False
    by_length = evaluate(model, batches.for_evaluation().dataset(), **options)
    assert evaluate(model, batches, **options) == by_length


def test_unknown_words_are_counted_and_warned_of():
    tokenizer = WordTokenizer(vocabulary=WORDS)
    model = LanguageModel(support.make_decoder(conditioning=()), tokenizer=tokenizer)
    options = {"jit_compile": False, "per_sentence": True}
    # 1 word of 20 is unknown, then 2 of 20, one of them spelled so.
    known = ["a b c d e f g a b c", "a b c d e f zebra g a b"]
    result = evaluate(model, Batches(known, tokenizer, 2), **options)
    assert (result["num_unknown"], result["unknown_share"]) == (1, 1 / 20)
    assert result["num_tokens"] == 22 and "notes" not in result
    known[0] = known[0].replace("d", "<unk>")
    batches = Batches(known, tokenizer, 1)
    result = evaluate(model, batches, **options)
    assert (result["num_unknown"], result["unknown_share"]) == (2, 2 / 20)
    assert result["per_sentence"]["num_unknown"].tolist() == [1, 1]
    (note,) = result["notes"]
    assert note.startswith("10.0 % of the words are `<unk>`")
    assert note.endswith("makes perplexity and likelihood look better than they are.")
    # The warning is one of likelihoods.
    model = support.make_vae(tokenizer=tokenizer)
    result = evaluate(model, batches, groups="latent", jit_compile=False)
    assert result["num_unknown"] == 2 and "notes" not in result


def test_empty_sentences_have_no_share_of_unknown_words():
    model = LanguageModel(support.make_decoder(conditioning=()))
    result = measure(model, np.zeros([2, 1], "int32"))
    assert (result["num_unknown"], result["unknown_share"]) == (0, 0.0)


def test_a_term_of_ones_own_reports_a_metric():
    class Lengths(Term):
        def cost(self, forward):
            return tf.zeros_like(forward.log_likelihood[0])

        def reported(self, forward):
            words = tf.math.count_nonzero(forward.inputs["tokens"], axis=1)
            return {"words": tf.cast(words, tf.float32)}

    model = support.make_vae(objective=[Reconstruction(), Lengths(name="lengths")])
    result = measure(model, support.batch(), 3, per_sentence=True)
    assert result["words"] == pytest.approx(np.mean(support.LENGTHS))
    np.testing.assert_array_equal(result["per_sentence"]["words"], support.LENGTHS)


def notes(model, num_samples=3):
    scorer = SentenceScorer(model, num_samples or 1, jit_compile=False)
    return describe(scorer, num_samples)


def test_usual_models_need_no_note():
    assert notes(toy.diagonal_vae()) == []


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"posterior": Implicit(2)}, "`Implicit` has a linear network"),
        ({"posterior": Implicit(2, 1)}, "`Implicit` can be sampled"),
        ({"posterior": Deterministic(2)}, "`Deterministic` is a single code"),
        ({"prior": Implicit(2)}, "prior `Implicit` has no density"),
    ],
)
def test_says_what_is_missing_and_why(parts, words):
    model = support.make_vae(objective=[Reconstruction()], **parts)
    (note,) = notes(model)
    assert words in note and note.endswith(".") and "\n" not in note


def test_says_that_the_likelihood_was_not_asked_for():
    assert "`nelbo` is looser" in notes(toy.diagonal_vae(), 0)[0]
    first, second = notes(toy.implicit_vae(layers=True), 0)
    assert "can be sampled" in first and second == "`nll` was left out, as asked."


@pytest.fixture(scope="module")
def corpus():
    grammar = default_grammar()
    return {
        split: list(grammar.sample(num, f"entropy {split}"))
        for split, num in (("train", 2000), ("test", 300))
    }


def trained(preset, corpus):
    setting = dataclasses.replace(
        SETTINGS["ivae"],
        embedding_dim=32,
        encoder_dim=32,
        decoder_dim=64,
        latent_dim=8,
        input_dropout=0.0,
        output_dropout=0.0,
        learning_rate=2e-2,
    )
    batches = Batches([sentence.text for sentence in corpus["train"]], batch_size=32)
    model = get_preset(preset)(ModelBuilder(setting, batches, jit_compile=False))
    model.fit(batches, epochs=5, verbose=0)
    return model


@pytest.mark.long
@pytest.mark.parametrize("preset", ["language_model", "vae"])
def test_bounds_stay_above_the_entropy(preset, corpus):
    """No reported bound may lie below what the corpus's own generator needs."""
    model = trained(preset, corpus)
    texts = [sentence.text for sentence in corpus["test"]]
    true = -np.array([sentence.log_prob for sentence in corpus["test"]])
    batches = Batches(texts, model.tokenizer, 50)
    result = evaluate(
        model, batches, num_samples=10, per_sentence=True, jit_compile=False
    )
    for name in {"nll", "nelbo"} & set(result):
        excess = result["per_sentence"][name] - true
        error = excess.std(ddof=1) / np.sqrt(len(excess))
        assert excess.mean() > -4 * error
        # Learned well enough for the bound to mean something.
        assert excess.mean() < 6.0
