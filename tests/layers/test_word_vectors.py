import keras
import numpy as np

from tfvae.layers import word_vectors


def test_start_as_a_standard_normal():
    layer = word_vectors(2000, 50)
    layer.build()
    values = np.asarray(layer.embeddings)
    # Four standard errors of 100,000 draws.
    assert abs(values.mean()) < 4.0 / np.sqrt(values.size)
    assert abs(values.var() - 1.0) < 4.0 * np.sqrt(2.0 / values.size)


def test_start_as_asked():
    layer = word_vectors(4, 3, keras.initializers.Constant(0.5))
    layer.build()
    np.testing.assert_array_equal(layer(np.array([1, 3])), np.full((2, 3), 0.5))
