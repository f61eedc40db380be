import numpy as np
import pytest
import tensorflow as tf

from tests.evaluation import linear_gaussian as toy
from tests.support import (
    LENGTHS,
    VOCABULARY_SIZE,
    ToyCritic,
    forward_record,
    log_softmax,
    make_decoder,
    make_vae,
)
from tfvae.latents import Deterministic
from tfvae.models import LanguageModel
from tfvae.objectives import (
    KL,
    BagOfWords,
    CriticTerm,
    ImportanceWeighted,
    Linear,
    Reconstruction,
    Term,
)

COSTS = {"first": tf.constant([1.0, 3.0]), "second": tf.constant([10.0, 20.0])}


def test_weighted_sums_the_means_of_all_parts():
    term = Term(Linear(10, first=1, last=3), name="both")
    total, weights = term.weighted(COSTS, tf.constant(5, tf.int64))
    assert float(total) == pytest.approx(2.0 * (2.0 + 15.0))
    assert {name: float(w) for name, w in weights.items()} == {"both_weight": 2.0}


@pytest.mark.parametrize("weight", [Linear(10, first=1, last=3), 3, 3.0])
def test_without_a_step_the_final_weight_counts(weight):
    total, weights = Term(weight, name="both").weighted(COSTS, None)
    assert float(total) == pytest.approx(3.0 * 17.0)
    assert float(weights["both_weight"]) == 3.0
    assert weights["both_weight"].dtype == tf.float32


def test_costs_carry_the_name_of_the_term():
    class Half(Term):
        def cost(self, forward):
            return 0.5 * forward

    found = Half(name="half").costs(np.array([2.0]))
    assert set(found) == {"half"}
    assert found["half"].tolist() == [1.0]


def test_check_refuses_a_latent_without_density():
    with pytest.raises(ValueError, match="`KL` needs a posterior.*Deterministic"):
        make_vae(posterior=Deterministic(2), objective=[Reconstruction(), KL()])
    with pytest.raises(ValueError, match="`KL` needs a prior.*prior=Deterministic"):
        make_vae(prior=Deterministic(2))


def test_a_term_must_implement_cost():
    with pytest.raises(NotImplementedError, match="must implement `cost`"):
        Term().cost(None)


def test_errors():
    with pytest.raises(ValueError, match="`num_critic_steps` must be positive.*=0"):
        ToyCritic(num_critic_steps=0)
    with pytest.raises(NotImplementedError, match="must implement `critic_cost`"):
        CriticTerm().critic_cost(None, 0)


def test_the_optimizer_is_built_on_the_critic_before_the_first_step():
    term = ToyCritic(critic_optimizer="adam")
    term.build(code_dim=3)
    slots = [variable.shape for variable in term.critic_optimizer.variables]
    # The counter, the rate and two moments for each of kernel and bias.
    assert slots.count((3, 1)) == 2
    assert slots.count((1,)) == 2


def test_cost_is_the_mean_over_samples():
    forward = forward_record(
        log_likelihood=tf.constant([[-1.0, -2.0, 0.0], [-3.0, -6.0, -1.0]])
    )
    assert Reconstruction().cost(forward).numpy().tolist() == [2.0, 4.0, 0.5]


def test_cost_sums_the_words_and_averages_the_samples(tokens, rng):
    term = BagOfWords(hidden_dim=6)
    term.build(latent_dim=2, vocabulary_size=VOCABULARY_SIZE)
    z = rng.normal(size=(3, len(LENGTHS), 2)).astype("float32")
    found = term.cost(forward_record(inputs={"tokens": tokens}, z=z))
    kernel, bias = term.hidden.get_weights()
    last_kernel, last_bias = term.output_layer.get_weights()
    expected = np.zeros(len(LENGTHS))
    for row, length in enumerate(LENGTHS):
        for sample in range(3):
            hidden = np.tanh(z[sample, row] @ kernel + bias)
            scores = log_softmax(hidden @ last_kernel + last_bias)
            expected[row] -= sum(scores[w] for w in tokens[row, :length]) / 3
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert float(found[3]) == 0.0


def test_gradients_reach_the_latent(tokens):
    term = BagOfWords(hidden_dim=6)
    term.build(latent_dim=2, vocabulary_size=VOCABULARY_SIZE)
    z = tf.ones([1, len(LENGTHS), 2])
    with tf.GradientTape() as tape:
        tape.watch(z)
        cost = term.cost(forward_record(inputs={"tokens": tokens}, z=z))
    moved = np.abs(tape.gradient(cost, z)[0]).max(-1) > 0
    assert moved.tolist() == [length > 0 for length in LENGTHS]


def test_needs_a_latent():
    with pytest.raises(ValueError, match="`BagOfWords` reads latent codes"):
        LanguageModel(make_decoder(conditioning=()), objective=[BagOfWords()])


NUM = 4000


@pytest.fixture(scope="module")
def sentence():
    """One sentence, its negative log-likelihood and the toy's exact bound."""
    tokens = toy.random_tokens(1)
    x = toy.features(tokens).numpy()[0]
    nll = -toy.marginal().logpdf(x)
    gain, bias, covariance = toy.true_posterior()
    loc = gain @ x + bias
    # The bound is above the likelihood by the divergence from the true posterior.
    wrong = 0.8**2 * np.eye(toy.LATENT_DIM)
    return tokens, nll, nll + toy.gaussian_kl(loc, wrong, loc, covariance)


def costs(model, tokens, num_samples, num_rows):
    inputs = {"tokens": tf.repeat(tokens, num_rows, axis=0)}
    forward = model.forward(inputs, num_samples=num_samples, seed=1)
    return ImportanceWeighted().cost(forward).numpy()


def standard_error(values):
    return values.std() / np.sqrt(len(values))


@pytest.mark.parametrize("num_samples", [1, 3])
def test_the_true_posterior_has_weights_without_variance(sentence, num_samples):
    tokens, nll, _ = sentence
    found = costs(toy.full_vae(), tokens, num_samples, 10)
    np.testing.assert_allclose(found, nll, rtol=1e-4)


def test_one_sample_is_the_bound_in_expectation(sentence):
    tokens, nll, nelbo = sentence
    found = costs(toy.diagonal_vae(), tokens, 1, NUM)
    assert nelbo > nll + 10 * standard_error(found)
    assert found.mean() == pytest.approx(nelbo, abs=4 * standard_error(found))


def test_more_samples_tighten_it_up_to_the_likelihood(sentence):
    tokens, nll, nelbo = sentence
    model = toy.diagonal_vae()
    few, many = costs(model, tokens, 5, NUM), costs(model, tokens, 500, 100)
    error = 4 * standard_error(few)
    assert nll + error < few.mean() < nelbo - error
    # The bias is half the weights' variance over their number, below a thousandth.
    weights = np.exp(nll - costs(model, tokens, 1, NUM))
    bias = 0.5 * weights.var() / 500
    assert bias < 0.01
    expected = nll + bias
    assert many.mean() == pytest.approx(expected, abs=4 * standard_error(many) + bias)


def test_by_hand():
    class Prior:
        def log_prob(self, z):
            return -tf.reduce_sum(z, -1)

    record = forward_record(
        log_likelihood=tf.constant([[-3.0], [-1.0]]),
        z=tf.constant([[[1.0]], [[2.0]]]),
        log_q=tf.constant([[0.5], [-0.5]]),
        prior=Prior(),
    )
    # Log weights -4.5 and -2.5.
    expected = -np.log((np.exp(-4.5) + np.exp(-2.5)) / 2)
    np.testing.assert_allclose(ImportanceWeighted().cost(record), [expected], rtol=1e-6)
    assert ImportanceWeighted().name == "importance_weighted"


def test_needs_densities():
    with pytest.raises(ValueError, match="`ImportanceWeighted` needs.*Deterministic"):
        make_vae(posterior=Deterministic(2), objective=[ImportanceWeighted()])
