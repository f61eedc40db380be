import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import LENGTHS, batch, dataset, make_vae, reseed
from tfvae.latents import Deterministic
from tfvae.models.trainer import Perplexity, of_any_size
from tfvae.objectives import KL, BagOfWords, Linear, Reconstruction


def compiled(optimizer="adam", **overrides):
    model = make_vae(**overrides)
    model.compile(optimizer, jit_compile=False, run_eagerly=True)
    return model


def values_of(model):
    return [variable.numpy() for variable in model.trainable_variables]


def test_fit_reduces_the_loss_and_logs_every_figure(dataset):
    objective = [Reconstruction(), KL(Linear(20, first=0.1)), BagOfWords(0.5, 6)]
    model = make_vae(objective=objective)
    model.compile(keras.optimizers.Adam(0.05), jit_compile=False)
    logs = model.fit(
        dataset, validation_data=dataset, epochs=12, verbose=0, shuffle=False
    ).history
    metrics = {"loss", "reconstruction", "kl", "bag_of_words", "nelbo", "perplexity"}
    weights = {"reconstruction_weight", "kl_weight", "bag_of_words_weight"}
    assert set(logs) == metrics | weights | {f"val_{name}" for name in metrics}
    assert logs["loss"][-1] < 0.8 * logs["loss"][0]
    assert logs["val_nelbo"][-1] < logs["val_nelbo"][0]
    assert int(model.step) == 12
    # One batch an epoch: the weights of steps 0 to 11.
    expected = [0.1 + 0.9 * step / 20 for step in range(12)]
    np.testing.assert_allclose(logs["kl_weight"], expected, rtol=1e-5)
    assert set(logs["bag_of_words_weight"]) == {0.5}
    total = np.array(logs["reconstruction"]) + 0.5 * np.array(logs["bag_of_words"])
    total += np.array(expected) * np.array(logs["kl"])
    np.testing.assert_allclose(logs["loss"], total, rtol=1e-5)


def test_validation_uses_final_weights(inputs):
    model = compiled(objective=[Reconstruction(), KL(Linear(10, last=3))])
    logs = {name: float(v) for name, v in model.train_step(inputs).items()}
    assert logs["kl_weight"] == 0.0
    assert logs["loss"] == pytest.approx(logs["reconstruction"], rel=1e-6)
    model.reset_metrics()
    logs = {name: float(v) for name, v in model.test_step(inputs).items()}
    expected = logs["reconstruction"] + 3.0 * logs["kl"]
    assert logs["loss"] == pytest.approx(expected, rel=1e-6)
    assert logs["kl"] > 0.01
    assert logs["nelbo"] == pytest.approx(logs["reconstruction"] + logs["kl"])
    assert "kl_weight" not in logs


def test_perplexity_counts_words_and_ends():
    metric = Perplexity()
    metric.update_state(tf.constant([6.0, 2.0]), tf.constant([3, 1]))
    metric.update_state(tf.constant([4.0]), tf.constant([2]))
    assert float(metric.result()) == pytest.approx(np.exp(12.0 / 6.0), rel=1e-6)


def test_perplexity_is_of_the_corpus_not_of_batches(tokens):
    model = compiled()
    rows = dataset(tokens, 2)
    logs = model.evaluate(rows, verbose=0, return_dict=True)
    nelbo = model.predict(rows, verbose=0)["nelbo"]
    num_tokens = sum(length + 1 for length in LENGTHS)
    assert logs["nelbo"] == pytest.approx(nelbo.mean(), rel=1e-5)
    expected = np.exp(nelbo.sum() / num_tokens)
    assert logs["perplexity"] == pytest.approx(expected, rel=1e-5)


def test_a_model_without_density_has_no_bound(inputs):
    model = compiled(posterior=Deterministic(2), objective=[Reconstruction()])
    logs = model.train_step(inputs)
    assert set(logs) == {"loss", "reconstruction", "reconstruction_weight"}
    assert model.monitor == "val_loss"
    assert make_vae(monitor="val_nelbo").monitor == "val_nelbo"


def test_clipping_is_of_the_norm_over_all_gradients(inputs):
    updates = []
    for clip in (None, 0.1):
        reseed(0)
        model = compiled(keras.optimizers.SGD(1.0, global_clipnorm=clip))
        before = values_of(model)
        model.train_step(inputs)
        after = values_of(model)
        updates.append([b - a for a, b in zip(before, after, strict=True)])
    free, clipped = updates
    norm = np.sqrt(sum((update**2).sum() for update in free))
    assert norm > 0.2
    for one, other in zip(free, clipped, strict=True):
        np.testing.assert_allclose(other, one * 0.1 / norm, rtol=1e-3, atol=1e-6)


def test_the_update_is_the_gradient_of_the_objective(inputs):
    model = compiled(keras.optimizers.SGD(1.0))
    variables = [variable.value for variable in model.trainable_variables]
    before = values_of(model)
    seed = tf.random.experimental.stateless_fold_in([0, 0], 0, alg="philox")
    with tf.GradientTape() as tape:
        forward = model.forward(inputs, seed=seed, training=True)
        kl = tf.reduce_mean(forward.log_q - forward.prior.log_prob(forward.z), 0)
        params = forward.params
        variance = tf.exp(params["log_variance"])
        terms = variance + params["loc"] ** 2 - 1.0 - params["log_variance"]
        kl = 0.5 * tf.reduce_sum(terms, -1)
        loss = tf.reduce_mean(kl - tf.reduce_mean(forward.log_likelihood, 0))
    gradients = tape.gradient(loss, variables)
    model.train_step(inputs)
    for old, new, gradient in zip(before, values_of(model), gradients, strict=True):
        gradient = tf.convert_to_tensor(gradient)
        np.testing.assert_allclose(old - new, gradient, rtol=1e-3, atol=1e-5)


def test_noise_follows_the_step_and_the_seed(inputs):
    def losses(seed):
        reseed(0)
        model = compiled(keras.optimizers.SGD(0.0), seed=seed)
        found = []
        for _ in range(2):
            found.append(float(model.train_step(inputs)["loss"]))
            model.reset_metrics()
        return found

    first, second = losses(1)
    assert first != second
    assert losses(1) == [first, second]
    assert losses(2)[0] != first


def test_prediction_is_deterministic_and_free_of_order():
    tokens = batch([3, 4, 2, 5, 1, 0])
    model = compiled()
    forwards = model.predict(dataset(tokens, 2), verbose=0)
    again = model.predict(dataset(tokens, 2), verbose=0)
    order = [4, 5, 2, 3, 0, 1]
    shuffled = model.predict(dataset(tokens[order], 2), verbose=0)
    assert set(forwards) == {"z", "nelbo", "kl"}
    for name, values in forwards.items():
        assert (values == again[name]).all()
        assert (values[order] == shuffled[name]).all()


def test_tests_are_free_of_the_order_of_batches():
    tokens = batch([3, 4, 2, 5, 1, 0])
    model = compiled()
    found = [
        model.evaluate(dataset(tokens[rows], 2), verbose=0, return_dict=True)
        for rows in ([0, 1, 2, 3, 4, 5], [4, 5, 2, 3, 0, 1])
    ]
    for name, value in found[0].items():
        assert value == pytest.approx(found[1][name], rel=1e-6)


def test_call_scores_at_one_sample(inputs):
    model = make_vae()
    expected = model.forward(inputs, num_samples=1).log_likelihood[0]
    np.testing.assert_allclose(model(inputs), expected, rtol=1e-6)


def test_objective_needs_different_names():
    with pytest.raises(ValueError, match="different names.*'kl', 'kl'"):
        make_vae(objective=[KL(), KL(0.5)])
    make_vae(objective=[KL(), KL(0.5, name="more_kl")])


def test_xla_by_itself_on_an_accelerator_alone(monkeypatch):
    model = make_vae()
    model.compile()
    assert not model.jit_compile
    model.compile(jit_compile=True)
    assert model.jit_compile
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    model.compile()
    assert model.jit_compile
    model.compile(run_eagerly=True)
    assert not model.jit_compile
    model.compile(jit_compile=False)
    assert not model.jit_compile


def test_optimizer_is_built_by_compile():
    model = make_vae()
    model.compile("adam")
    slots = 2 * len(model.trainable_variables)
    # The two moments of every weight, the counter and the rate.
    assert len(model.optimizer.variables) == slots + 2


def test_a_function_of_any_size_is_traced_once():
    traces = []

    def total(nest):
        inputs, nothing, weights = nest
        assert nothing is None
        traces.append(inputs["tokens"].shape)
        return tf.reduce_sum(tf.cast(inputs["tokens"], tf.float32)) + weights[0]

    run = of_any_size(total)
    for shape in ((2, 3), (2, 5), (4, 1)):
        batch = ({"tokens": tf.ones(shape, tf.int32)}, None, tf.ones([1]))
        assert float(run(batch)) == shape[0] * shape[1] + 1.0
    assert [each.as_list() for each in traces] == [[None, None]]
