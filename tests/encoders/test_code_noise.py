import numpy as np
import pytest
import tensorflow as tf

from tests.support import make_decoder, make_encoder, make_vae
from tfvae.encoders import CodeNoise
from tfvae.seeds import as_seed, fold_in

TOKENS = tf.constant([[4, 5, 6], [7, 0, 0]])


def made(**options):
    encoder = CodeNoise(make_encoder(), **options)
    encoder.build()
    return encoder


def test_codes_are_on_the_sphere_and_without_noise_outside_of_training():
    encoder = made(stddev=5.0)
    code = encoder(TOKENS)
    np.testing.assert_allclose(tf.norm(code, axis=-1), 1.0, rtol=1e-6)
    raw = encoder.encoder(TOKENS)
    lengths = np.linalg.norm(raw, axis=-1, keepdims=True)
    np.testing.assert_allclose(code, raw / lengths, rtol=1e-5)
    np.testing.assert_array_equal(made(normalize=False).encoder(TOKENS).shape, [2, 4])
    assert int(encoder.num_passes.numpy()) == 0


@pytest.mark.parametrize("xla", [False, True])
def test_the_noise_fades_by_training_passes(xla):
    encoder = made(stddev=0.5, decay=0.5, every=2)
    rows = tf.repeat(TOKENS[:1], 4000, 0)
    run = tf.function(
        lambda seed: encoder(rows, seed=seed, training=True), jit_compile=xla
    )
    for step, stddev in enumerate((0.5, 0.5, 0.25, 0.25, 0.125)):
        code = run(fold_in(as_seed(3), step)).numpy()
        # 16,000 numbers: four standard errors are 2.3 percent.
        noise = code - encoder(rows[:1]).numpy()
        assert noise.std() == pytest.approx(stddev, rel=0.023)
        assert abs(noise.mean()) < 4 * stddev / np.sqrt(noise.size)
    assert int(encoder.num_passes.numpy()) == 5


def test_the_seed_decides_the_noise():
    first, second, other = (
        made_noise(seed) for seed in (as_seed(1), as_seed(1), as_seed(2))
    )
    np.testing.assert_allclose(first, second, atol=1e-6)
    assert not np.allclose(first, other)


def made_noise(seed):
    encoder = made()
    return encoder(TOKENS, seed=seed, training=True) - encoder(TOKENS)


def test_embeddings_may_be_shared():
    encoder = CodeNoise(make_encoder())
    model = make_vae(encoder=encoder, decoder=make_decoder(), share_embedding=True)
    assert model.decoder.embedding is encoder.encoder.embedding


def test_refuses_numbers_out_of_range():
    for options in ({"stddev": -1.0}, {"decay": 0.0}, {"decay": 1.1}, {"every": 0}):
        with pytest.raises(ValueError, match="`stddev` must not be negative"):
            CodeNoise(make_encoder(), **options)
