import numpy as np
import tensorflow as tf

from tfvae.layers.causal_block import CausalBlock


def test_steps_are_the_call(rng):
    block = CausalBlock(4, 3, 2, name="block")
    assert block.window == 4
    inputs = rng.normal(size=(7, 3, 4)).astype("float32")
    together = block(tf.constant(inputs)).numpy()
    state = block.initial_state(3)
    for place in range(7):
        found, state = block.step(inputs[place], state)
        assert state.shape == (3, 4, 4)
        np.testing.assert_allclose(found, together[place], rtol=1e-4, atol=1e-6)


def test_adds_what_is_not_negative_and_nothing_at_zero_scale(rng):
    block = CausalBlock(4, 2, 1, name="block")
    inputs = tf.constant(rng.normal(size=(5, 2, 4)).astype("float32"))
    assert (block(inputs).numpy() >= inputs.numpy()).all()
    block.last_norm.set_weights([np.zeros(4), np.zeros(4)])
    np.testing.assert_array_equal(block(inputs), inputs)


def test_each_position_is_normalised_by_itself(rng):
    # Scaling one position's input leaves what other positions add as it was.
    block = CausalBlock(4, 2, 1, name="block")
    inputs = rng.normal(size=(5, 2, 4)).astype("float32")
    scaled = inputs.copy()
    scaled[3, 1] *= 100.0
    before, after = (
        block(tf.constant(x), training=True).numpy() for x in (inputs, scaled)
    )
    changed = (before != after).any(-1)
    expected = np.zeros((5, 2), bool)
    expected[3:, 1] = True
    assert not changed[~expected].any()
    assert changed[3, 1]


def test_starts_as_pytorch_does():
    block = CausalBlock(64, 3, 1, name="block")
    for layer, width in ((block.first, 64), (block.past, 192), (block.last, 64)):
        for weight in layer.get_weights():
            assert np.abs(weight).max() <= width**-0.5
        # The mean size of a uniform draw is half its bound.
        assert abs(np.abs(layer.get_weights()[0]).mean() * width**0.5 - 0.5) < 0.03
