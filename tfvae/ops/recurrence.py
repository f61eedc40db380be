"""Recurrent layers, a step or unrolled over a padded batch with gradients of their own.

`lstm` and `gru` take the input projection of every position at once and leave only
the state-to-state product in the loop. The gradient of the recurrent kernel is one
matrix product after the backward loop instead of one per iteration, which is where
an automatically differentiated loop spends its time.
"""

import tensorflow as tf

# Beside a variance, where units are equal.
_EPSILON = 1e-6


def _stack(num_steps, dtype, shape):
    return tf.TensorArray(
        dtype, size=num_steps, element_shape=shape, clear_after_read=False
    )


def _in_turn(step, num_steps, *start):
    """Calls a step with each place in turn and what the step before it returned."""
    return tf.while_loop(
        lambda t, *_: t < num_steps, step, (0, *start), maximum_iterations=num_steps
    )


def lstm_step(inputs, state, cell, kernel):
    """Computes one step of `lstm`.

    Args:
        inputs: Float tensor `[N, 4H]`, projected inputs of the step.
        state: Float tensor `[N, H]`.
        cell: Float tensor `[N, H]`.
        kernel: Float tensor `[H, 4H]`.

    Returns:
        Tuple of the next state and memory cell, `[N, H]`, and the four gates, a tuple
        of float tensors `[N, H]`.
    """
    i, f, g, o = tf.split(inputs + tf.matmul(state, kernel), 4, axis=-1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    cell = f * cell + i * g
    return o * tf.tanh(cell), cell, (i, f, g, o)


def gru_step(inputs, state, kernel, bias):
    """Computes one step of `gru`.

    Args:
        inputs: Float tensor `[N, 3H]`, projected inputs of the step.
        state: Float tensor `[N, H]`.
        kernel: Float tensor `[H, 3H]`.
        bias: Float tensor `[3H]`.

    Returns:
        Tuple of the next state `[N, H]` and what its gradient needs: the gates `z`, `r`
        and `n` and the last third of the product, float tensors `[N, H]`.
    """
    z, r, n = tf.split(inputs, 3, axis=-1)
    rz, rr, rn = tf.split(tf.matmul(state, kernel) + bias, 3, axis=-1)
    z, r = tf.sigmoid(z + rz), tf.sigmoid(r + rr)
    n = tf.tanh(n + r * rn)
    return n + z * (state - n), (z, r, n, rn)


def lstm(inputs, state, cell, kernel):
    """Runs a long short-term memory layer over time.

    Computes, for each step, `i, f, g, o = inputs[t] + state @ kernel` and then
    `cell = sigmoid(f) * cell + sigmoid(i) * tanh(g)` and
    `state = sigmoid(o) * tanh(cell)`.

    Args:
        inputs: Float tensor `[T, N, 4H]`, projected inputs with the bias added, in
            the gate order input, forget, candidate, output.
        state: Float tensor `[N, H]`, the state before the first step.
        cell: Float tensor `[N, H]`, the memory cell before the first step.
        kernel: Float tensor `[H, 4H]`, the state-to-state weights.

    Returns:
        Tuple of float tensors `(states, cells)`, each `[T, N, H]`, after each step.
    """

    @tf.custom_gradient
    def run(inputs, state, cell, kernel):
        num_steps = tf.shape(inputs)[0]
        shape = state.shape
        dtype = inputs.dtype

        def step(t, h, c, states, cells, gates):
            h, c, at_t = lstm_step(inputs[t], h, c, kernel)
            gates = gates.write(t, tf.concat(at_t, -1))
            return t + 1, h, c, states.write(t, h), cells.write(t, c), gates

        arrays = [_stack(num_steps, dtype, shape) for _ in range(2)]
        arrays.append(_stack(num_steps, dtype, inputs.shape[1:]))
        *_, states, cells, gates = _in_turn(step, num_steps, state, cell, *arrays)
        states, cells, gates = states.stack(), cells.stack(), gates.stack()

        def gradient(d_states, d_cells):
            transposed = tf.transpose(kernel)
            cells_before = tf.concat([cell[None], cells[:-1]], 0)
            states_before = tf.concat([state[None], states[:-1]], 0)

            def step_back(t, d_h, d_c, d_inputs):
                i, f, g, o = tf.split(gates[t], 4, axis=-1)
                squashed = tf.tanh(cells[t])
                d_h += d_states[t]
                d_c += d_cells[t] + d_h * o * (1.0 - squashed * squashed)
                d_gates = tf.concat(
                    [
                        d_c * g * i * (1.0 - i),
                        d_c * cells_before[t] * f * (1.0 - f),
                        d_c * i * (1.0 - g * g),
                        d_h * squashed * o * (1.0 - o),
                    ],
                    -1,
                )
                d_h = tf.matmul(d_gates, transposed)
                return t - 1, d_h, d_c * f, d_inputs.write(t, d_gates)

            _, d_state, d_cell, d_inputs = tf.while_loop(
                lambda t, *_: t >= 0,
                step_back,
                (
                    num_steps - 1,
                    tf.zeros_like(state),
                    tf.zeros_like(cell),
                    _stack(num_steps, dtype, inputs.shape[1:]),
                ),
                maximum_iterations=num_steps,
            )
            d_inputs = d_inputs.stack()
            d_kernel = _outer(states_before, d_inputs)
            return d_inputs, d_state, d_cell, d_kernel

        return (states, cells), gradient

    # A function with a gradient of its own takes no variable of `tf.distribute`.
    return run(*map(tf.convert_to_tensor, (inputs, state, cell, kernel)))


def layer_norm_lstm_step(inputs, state, cell, kernel, scale, bias):
    """Computes one step of `layer_norm_lstm`.

    Args:
        inputs: Float tensor `[N, 4H]`, projected inputs of the step.
        state: Float tensor `[N, H]`.
        cell: Float tensor `[N, H]`.
        kernel: Float tensor `[H, 4H]`.
        scale: Float tensor `[5H]`.
        bias: Float tensor `[5H]`.

    Returns:
        Tuple of the next state and memory cell, `[N, H]`.
    """
    width = kernel.shape[0]
    scale, bias = tf.reshape(scale, [5, width]), tf.reshape(bias, [5, width])
    gates = tf.reshape(inputs + tf.matmul(state, kernel), [-1, 4, width])
    gates = _layer_norm(gates) * scale[:4] + bias[:4]
    i, f, g, o = tf.unstack(gates, axis=1)
    cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
    cell = _layer_norm(cell) * scale[4] + bias[4]
    return tf.sigmoid(o) * tf.tanh(cell), cell


def layer_norm_lstm(inputs, state, cell, kernel, scale, bias):
    """Runs a long short-term memory layer whose gates are normalised over time.

    It is `lstm`, but each of the four parts of `inputs[t] + state @ kernel` and the
    new memory cell are centred, divided by their standard deviation over the `H` units
    and then scaled and shifted, unit by unit. No gate can be driven to saturation by
    inputs that all have in common.

    Args:
        inputs: Float tensor `[T, N, 4H]`, projected inputs without a bias, in the gate
            order input, forget, candidate, output.
        state: Float tensor `[N, H]`, the state before the first step.
        cell: Float tensor `[N, H]`, the memory cell before the first step.
        kernel: Float tensor `[H, 4H]`, the state-to-state weights.
        scale: Float tensor `[5H]`, of the gates in their order, then of the cell.
        bias: Float tensor `[5H]`, in the same order.

    Returns:
        Tuple of float tensors `(states, cells)`, each `[T, N, H]`, after each step.

    References:
        Ba et al. 2016, Layer Normalization, supplementary material, where input and
        state are normalised apart and the next step reads the plain memory cell; here
        their sum is, and it reads the normalised one, as in the layer of TensorFlow 1
        that Bahuleyan et al. 2019 use.
    """
    num_steps = tf.shape(inputs)[0]

    def step(t, h, c, states, cells):
        h, c = layer_norm_lstm_step(inputs[t], h, c, kernel, scale, bias)
        return t + 1, h, c, states.write(t, h), cells.write(t, c)

    arrays = [_stack(num_steps, inputs.dtype, state.shape) for _ in range(2)]
    *_, states, cells = _in_turn(step, num_steps, state, cell, *arrays)
    return states.stack(), cells.stack()


def _layer_norm(values):
    """Centres values and divides them by their deviation over the last axis."""
    values -= tf.reduce_mean(values, -1, keepdims=True)
    variance = tf.reduce_mean(tf.square(values), -1, keepdims=True)
    return values * tf.math.rsqrt(variance + _EPSILON)


def gru(inputs, state, kernel, bias):
    """Runs a gated recurrent unit over time, the reset gate after the product.

    Computes, for each step, with `rz, rr, rn = state @ kernel + bias` and
    `z, r, n = inputs[t]`: `z = sigmoid(z + rz)`, `r = sigmoid(r + rr)`,
    `n = tanh(n + r * rn)`, `state = (1 - z) * n + z * state`. This is the layer of
    PyTorch and of Keras with `reset_after=True`.

    Args:
        inputs: Float tensor `[T, N, 3H]`, projected inputs with their bias added, in
            the gate order update, reset, candidate.
        state: Float tensor `[N, H]`, the state before the first step.
        kernel: Float tensor `[H, 3H]`, the state-to-state weights.
        bias: Float tensor `[3H]`, the bias of the state-to-state product.

    Returns:
        Float tensor `[T, N, H]`, the state after each step.
    """

    @tf.custom_gradient
    def run(inputs, state, kernel, bias):
        num_steps = tf.shape(inputs)[0]
        dtype = inputs.dtype

        def step(t, h, states, saved):
            h, at_t = gru_step(inputs[t], h, kernel, bias)
            saved = saved.write(t, tf.concat(at_t, -1))
            return t + 1, h, states.write(t, h), saved

        width = None if state.shape[-1] is None else 4 * state.shape[-1]
        arrays = (
            _stack(num_steps, dtype, state.shape),
            _stack(num_steps, dtype, [state.shape[0], width]),
        )
        *_, states, saved = _in_turn(step, num_steps, state, *arrays)
        states, saved = states.stack(), saved.stack()

        def gradient(d_states):
            transposed = tf.transpose(kernel)
            states_before = tf.concat([state[None], states[:-1]], 0)

            def step_back(t, d_h, d_inputs, d_products):
                z, r, n, rn = tf.split(saved[t], 4, axis=-1)
                d_h += d_states[t]
                d_n = d_h * (1.0 - z) * (1.0 - n * n)
                d_z = d_h * (states_before[t] - n) * z * (1.0 - z)
                d_r = d_n * rn * r * (1.0 - r)
                d_product = tf.concat([d_z, d_r, d_n * r], -1)
                d_h = d_h * z + tf.matmul(d_product, transposed)
                d_inputs = d_inputs.write(t, tf.concat([d_z, d_r, d_n], -1))
                return t - 1, d_h, d_inputs, d_products.write(t, d_product)

            _, d_state, d_inputs, d_products = tf.while_loop(
                lambda t, *_: t >= 0,
                step_back,
                (
                    num_steps - 1,
                    tf.zeros_like(state),
                    _stack(num_steps, dtype, inputs.shape[1:]),
                    _stack(num_steps, dtype, inputs.shape[1:]),
                ),
                maximum_iterations=num_steps,
            )
            d_products = d_products.stack()
            d_kernel = _outer(states_before, d_products)
            d_bias = tf.reduce_sum(d_products, [0, 1])
            return d_inputs.stack(), d_state, d_kernel, d_bias

        return states, gradient

    return run(*map(tf.convert_to_tensor, (inputs, state, kernel, bias)))


def _outer(left, right):
    """Sums the outer products of `[T, N, A]` and `[T, N, B]` over time and batch."""
    left = tf.reshape(left, [-1, tf.shape(left)[-1]])
    right = tf.reshape(right, [-1, tf.shape(right)[-1]])
    return tf.matmul(left, right, transpose_a=True)
