"""Randomness that belongs to a row of a batch, so that a server may batch at will."""

import tensorflow as tf

from tfvae.models.sampling import Ancestral
from tfvae.seeds import fold_in, uniform


def draw_codes(latent, params, seed, number, num_samples):
    """Draws codes of each row from a seed of its own.

    The draw of a row is the one that `latent.sample` makes of that row alone with
    `fold_in(seed, number)`.

    Args:
        latent: `Latent`.
        params: Dict of float tensors `[B, ...]`, its parameters.
        seed: Int32 tensor `[B, 2]`.
        number: Int, which of a seed's draws this is.
        num_samples: Positive int `S`.

    Returns:
        Tuple of `z`, float32 `[S, B, Z]`, and its log-density, float32 `[S, B]` in
        nats, or `None` without a density.
    """

    def draw(row):
        alone = {name: value[None] for name, value in row["params"].items()}
        seed = fold_in(row["seed"], number)
        z, log_q = latent.sample(alone, num_samples, seed)
        return (z[:, 0],) if log_q is None else (z[:, 0], log_q[:, 0])

    specs = [tf.TensorSpec([num_samples, latent.latent_dim], tf.float32)]
    if latent.has_density:
        specs.append(tf.TensorSpec([num_samples], tf.float32))
    drawn = tf.map_fn(
        draw, {"params": params, "seed": seed}, fn_output_signature=tuple(specs)
    )
    z = tf.transpose(drawn[0], [1, 0, 2])
    return z, tf.transpose(drawn[1]) if latent.has_density else None


def draw_noise(seed, number, num_steps):
    """Draws what a sampler needs for each row from a seed of its own.

    Args:
        seed: Int32 tensor `[B, 2]`.
        number: Int, which of a seed's draws this is.
        num_steps: Positive int `L`.

    Returns:
        Float32 tensor `[B, L, 2]`, in `(0, 1)`.
    """

    def draw(row):
        return uniform([num_steps, 2], fold_in(row, number))

    spec = tf.TensorSpec([num_steps, 2], tf.float32)
    return tf.map_fn(draw, seed, fn_output_signature=spec)


class RowSampler(Ancestral):
    """Draws words at a temperature and by noise of each row.

    Rows of a temperature that is not above 0 get the most probable word. To be called
    with `draw_noise(...)` as its seed.

    Args:
        temperature: Float32 tensor `[B]`; what lies between 0 and 1e-6 counts as 1e-6.
    """

    def __init__(self, temperature):
        self.is_drawn = temperature > 0.0
        # Greedy rows are left as they are.
        super().__init__(tf.where(self.is_drawn, tf.maximum(temperature, 1e-6), 1.0))

    def noise(self, seed, step, num_rows):
        """Picks a step of the noise `[B, L, 2]`; -1 marks the greedy rows."""
        return tf.where(self.is_drawn[:, None], seed[:, step], -1.0)

    def choose(self, logits, noise):
        """Picks a word for each row."""
        greedy = tf.argmax(logits, -1, output_type=tf.int32)
        is_drawn = noise[:, 0] >= 0.0
        return tf.where(is_drawn, super().choose(logits, tf.abs(noise)), greedy)
