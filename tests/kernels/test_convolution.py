import numpy as np
import pytest
import tensorflow as tf

from tfvae.kernels.convolution import causal_convolution


def reference(values, kernel, dilation):
    """Convolves channel by channel with a kernel spread out by zeros."""
    spread = np.zeros(((len(kernel) - 1) * dilation + 1, *kernel.shape[1:]))
    spread[::dilation] = kernel
    result = np.zeros((*values.shape[:2], kernel.shape[2]))
    for row in range(values.shape[1]):
        for i in range(kernel.shape[1]):
            for o in range(kernel.shape[2]):
                # `np.convolve` turns the kernel round: its first entry is the present.
                full = np.convolve(values[:, row, i], spread[::-1, i, o])
                result[:, row, o] += full[: len(values)]
    return result


@pytest.mark.parametrize("num_steps", [1, 2, 7])
@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (2, 3), (3, 1), (3, 4)])
def test_agrees_with_numpy(rng, num_steps, kernel_size, dilation):
    values = rng.normal(size=(num_steps, 2, 3))
    kernel = rng.normal(size=(kernel_size, 3, 4))
    found = causal_convolution(tf.constant(values), tf.constant(kernel), dilation)
    np.testing.assert_allclose(found, reference(values, kernel, dilation), rtol=1e-10)


@pytest.mark.parametrize("num_steps", [2, 7])
def test_gradients(rng, num_steps):
    # Linear in each argument, so the difference is exact at any step.
    values = rng.normal(size=(num_steps, 2, 3))
    kernel = rng.normal(size=(3, 3, 4))
    upstream = rng.normal(size=(num_steps, 2, 4))
    arguments = [tf.constant(values), tf.constant(kernel)]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        total = tf.reduce_sum(upstream * causal_convolution(*arguments, 2))
    slopes = tape.gradient(total, arguments)
    for place, slope in enumerate(slopes):
        direction = rng.normal(size=slope.shape)
        moved = [values, kernel]
        moved[place] = direction
        expected = np.sum(upstream * reference(*moved, 2))
        np.testing.assert_allclose(np.sum(slope * direction), expected, rtol=1e-10)
