import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfvae import seeds
from tfvae.seeds import (
    as_seed,
    fold_in,
    normal,
    random_bits,
    seeds_of_rows,
    uniform,
)


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (7, [7, 0]),
        (np.int64(7), [7, 0]),
        (2**31 + 5, [5, 1]),
        ((3, 4), [3, 4]),
        (np.array([3, 4]), [3, 4]),
        (tf.constant([3, 4]), [3, 4]),
    ],
)
def test_as_seed(seed, expected):
    found = as_seed(seed)
    assert found.dtype == tf.int32
    assert found.numpy().tolist() == expected


def test_negative_seeds_are_seeds_of_their_own():
    seeds = {tuple(as_seed(seed).numpy()) for seed in range(-3, 4)}
    assert len(seeds) == 7


def test_fold_in_gives_another_seed_for_each_number():
    seeds = [tuple(fold_in(as_seed(0), number).numpy()) for number in range(50)]
    assert len(set(seeds)) == 50
    assert seeds[3] == tuple(fold_in(as_seed(0), 3).numpy())
    assert seeds[3] != tuple(fold_in(as_seed(1), 3).numpy())


def test_fold_in_takes_a_step_counter():
    found = fold_in(as_seed(0), tf.constant(3, tf.int64))
    assert (found.numpy() == fold_in(as_seed(0), 3).numpy()).all()


def test_fold_in_leaves_none():
    assert fold_in(None, 3) is None


# Seed and shape are arguments: with constants, TensorFlow draws before XLA sees it.
@pytest.mark.parametrize("name", ["random_bits", "uniform", "normal"])
def test_compiled_draws_are_those_of_the_plain_run(name):
    draw = {"random_bits": random_bits, "uniform": uniform, "normal": normal}[name]

    def run(seed, like):
        return draw(tf.shape(like), fold_in(seed, like[0, 0]))

    arguments = as_seed(5), tf.constant([[3, 0, 0], [0, 0, 0]])
    found = tf.function(run, jit_compile=True)(*arguments)
    np.testing.assert_allclose(found, run(*arguments), rtol=1e-5, atol=1e-6)


def test_random_bits_fill_the_range():
    bits = random_bits([20000], as_seed(1)).numpy().astype("int64")
    error = 2**32 / 12**0.5 / 20000**0.5
    assert abs(bits.mean()) < 4 * error
    # The chance that no draw falls into the outer thousandth is exp(-20).
    assert bits.min() < -(2**31) * 0.999
    assert bits.max() > 2**31 * 0.999


def test_uniform_draws_are_uniform_and_open():
    draws = uniform([20000], as_seed(1)).numpy()
    assert draws.min() > 0.0
    assert draws.max() < 1.0
    assert stats.kstest(draws, "uniform").pvalue > 1e-3


def test_normal_draws_are_normal():
    draws = normal([20000, 2], as_seed(1)).numpy()
    assert stats.kstest(draws.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(draws.T)[0, 1]) < 4 / 20000**0.5


def test_extreme_bits_stay_inside(monkeypatch):
    extremes = tf.constant([-(2**31), 2**31 - 1, -1, 0])
    monkeypatch.setattr(seeds, "random_bits", lambda shape, seed: extremes)
    found = uniform([4], as_seed(0)).numpy().tolist()
    middle = 0.5 + 2.0**-24
    assert found == [2.0**-24, 1.0 - 2.0**-24, 1.0 - middle, middle]


@pytest.mark.parametrize("name", ["random_bits", "uniform", "normal"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_seed_of_each_row_gives_what_it_gives_alone(name, jit_compile):
    draw = {"random_bits": random_bits, "uniform": uniform, "normal": normal}[name]
    rows = tf.constant([[1, 2], [-3, 4], [1, 2]])

    @tf.function(jit_compile=jit_compile)
    def run(seeds):
        return draw([4, 3, 2], fold_in(seeds, 7))

    found = run(rows)
    assert found.shape == (4, 3, 2)
    for row in range(3):
        alone = draw([4, 1, 2], fold_in(rows[row], 7))[:, 0]
        np.testing.assert_allclose(found[:, row], alone, rtol=1e-5, atol=1e-6)
    assert (found[:, 0] != found[:, 1]).numpy().all()


def test_seeds_of_rows_follow_from_the_words_alone(rng):
    tokens = rng.integers(1, 50, (400, 6))
    found = seeds_of_rows(tokens, as_seed(3)).numpy()
    assert len({tuple(seed) for seed in found}) == len(np.unique(tokens, axis=0))
    padded = np.pad(tokens[::-1], [[0, 0], [0, 4]])
    np.testing.assert_array_equal(seeds_of_rows(padded, as_seed(3)), found[::-1])
    # The order of the words counts, and so does the seed.
    assert (seeds_of_rows(tokens[:, ::-1], as_seed(3)).numpy() != found).any(1).all()
    assert (seeds_of_rows(tokens, as_seed(4)).numpy() != found).any(1).all()
