import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tests.support import make_decoder, make_vae
from tfvae.decoders import Bridge, LabelledDecoders
from tfvae.encoders import LabelEncoder
from tfvae.samplers import Greedy
from tfvae.seeds import as_seed

TOKENS = tf.constant([[4, 5, 6], [7, 8, 0], [9, 0, 0]])
EYE = np.eye(2, dtype="float32")


def made(**options):
    decoder = LabelledDecoders([make_decoder(**options) for _ in range(2)])
    decoder.build(memory_dim=5)
    return decoder


def memory(labels, rng, num_samples=2):
    z = rng.normal(size=(num_samples, len(labels), 3)).astype("float32")
    marks = np.broadcast_to(EYE[labels], (num_samples, len(labels), 2))
    return tf.constant(z), tf.constant(np.concatenate([z, marks], -1))


@pytest.mark.parametrize("options", [{}, {"projection_dim": 6, "cell": "gru"}])
def test_each_row_is_scored_by_the_decoder_of_its_label(rng, options):
    decoder = made(**options)
    labels = [1, 0, 1]
    z, read = memory(labels, rng)
    found = decoder.log_prob(TOKENS, read)
    each = [own.log_prob(TOKENS, z).numpy() for own in decoder.decoders]
    assert not np.allclose(each[0], each[1])
    expected = np.stack([each[label][:, row] for row, label in enumerate(labels)], 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    logits = tf.nn.log_softmax(decoder.logits(TOKENS, read))
    first = tf.gather(logits[:, :, 0], TOKENS[:, 0], axis=2, batch_dims=0)
    assert first.shape == [2, 3, 3]


def test_each_row_is_written_by_the_decoder_of_its_label(rng):
    decoder = made()
    z, read = memory([1, 0, 1], rng, 1)
    ids = Greedy()(decoder, read[0], 6, as_seed(0)).numpy()
    for row, label in enumerate([1, 0, 1]):
        own = Greedy()(decoder.decoders[label], z[0, row : row + 1], 6, as_seed(0))
        np.testing.assert_array_equal(ids[row], own.numpy()[0])


def test_only_the_vocabulary_layer_is_shared(rng):
    decoder = made(projection_dim=6)
    first, second = decoder.decoders
    assert first.output_layer is second.output_layer is decoder.output_layer
    assert first.projection is second.projection
    assert first.embedding is not second.embedding
    alone = len(first.trainable_variables)
    # Projection and vocabulary layer have a kernel and a bias each.
    assert len(decoder.trainable_variables) == 2 * alone - 4


def test_the_other_decoder_gets_no_gradient(rng):
    decoder = made()
    _, read = memory([1, 1, 1], rng)
    own, other = (
        decoder.decoders[label].recurrence.trainable_variables for label in (1, 0)
    )
    with tf.GradientTape() as tape:
        cost = tf.reduce_sum(decoder.log_prob(TOKENS, read))
    found = tape.gradient(cost, [v.value for v in (*own, *other)])
    assert all(np.any(g) for g in found[: len(own)])
    assert not any(np.any(g) for g in found[len(own) :])


def labelled_vae(**options):
    parts = {
        "decoder": LabelledDecoders([make_decoder(), make_decoder()]),
        "condition": LabelEncoder(2),
        "context_to": ("bridge",),
    }
    return make_vae(**parts | options)


def test_in_a_model_that_is_saved(tmp_path):
    model = labelled_vae()
    model.compile(run_eagerly=True)
    inputs = {"tokens": TOKENS.numpy(), "label": np.array([0, 1, 1], "int32")}
    model.save(tmp_path / "m.keras")
    again = tfvae.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        model.forward(inputs, seed=1).log_likelihood,
        again.forward(inputs, seed=1).log_likelihood,
    )


def test_refuses_what_does_not_end_with_the_label():
    for options in (
        {"bridge": Bridge((5, 4))},
        {"condition": LabelEncoder(3)},
        {"condition": None},
    ):
        with pytest.raises(ValueError, match="a memory that ends with the label"):
            labelled_vae(**options)
    for decoders in ([make_decoder()], [make_decoder(), make_decoder(hidden_dim=5)]):
        with pytest.raises(ValueError, match="one for each label, two at least"):
            LabelledDecoders(decoders)
    with pytest.raises(ValueError, match="a code before the label"):
        LabelledDecoders([make_decoder(), make_decoder()]).build(memory_dim=2)
