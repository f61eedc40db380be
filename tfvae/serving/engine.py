"""What the signatures of an export compute with."""

import math

import tensorflow as tf

from tfvae.kernels.sequences import lengths
from tfvae.models import Forward
from tfvae.models.sampling import generate
from tfvae.objectives.kl import kl_divergence, kl_method
from tfvae.serving.reading import Reader
from tfvae.serving.rows import RowSampler, draw_codes, draw_noise


class Engine:
    """Runs a model on batches whose rows do not see each other.

    Args:
        model: `VAE` or `LanguageModel` with a tokenizer.
        max_length: Positive int, the most words read or written.
        num_samples: Positive int, latent samples of a likelihood. A model without
            densities uses one.

    Attributes:
        kl_method: `"closed_form"` or `"monte_carlo"`, or `None` without densities.
    """

    def __init__(self, model, max_length, num_samples):
        self.model = model
        self.max_length = max_length
        self.has_latent = model.posterior is not None
        self.num_samples = num_samples if self.has_latent and model.has_density else 1
        self.reader = Reader(model.tokenizer, max_length)
        self.kl_method = None
        if self.has_latent and model.has_density:
            params = model.encode({"tokens": tf.zeros([1, 1], tf.int32)})
            self.kl_method = kl_method(
                model.posterior.distribution(params),
                model.prior.distribution(model.prior_params(1)),
            )

    def read(self, text):
        """Reads texts `[B]`: ids, int32 `[B, T]`, and whether cut off, bool `[B]`."""
        return self.reader(text)

    def encode(self, tokens):
        """Gives the posterior's parameters of ids `[B, T]`."""
        return self.model.encode({"tokens": tokens})

    def point(self, text):
        """Gives the posterior's point of texts, float32 `[B, Z]`, and the cuts."""
        tokens, truncated = self.read(text)
        return self.model.posterior.point(self.encode(tokens)), truncated

    def sample_posterior(self, params, seed, num_samples):
        """Draws codes; see `draw_codes`. The draws are those of `model.forward`."""
        return draw_codes(self.model.posterior, params, seed, 1, num_samples)

    def sample_prior(self, seed):
        """Draws a code for each seed `[B, 2]`, float32 `[B, Z]`."""
        params = self.model.prior_params(tf.shape(seed)[0])
        return draw_codes(self.model.prior, params, seed, 0, 1)[0][0]

    def write(self, z, seed, temperature):
        """Writes a sentence for each row.

        Args:
            z: Float tensor `[B, Z]`, or `None` without a latent.
            seed: Int32 tensor `[B, 2]`.
            temperature: Float32 tensor `[B]`; at 0 the most probable words.

        Returns:
            Dict of `text` `[B]`, `token_ids`, int32 `[B, max_length + 1]`, and
            `lengths`, int32 `[B]`, the ids before the padding, `</s>` included.
        """
        memory = tf.zeros([tf.shape(seed)[0], 0])
        if self.has_latent:
            memory = self.model.bridge(z[None])[0]
        num_ids = self.max_length + 1
        ids = generate(
            self.model.decoder,
            memory,
            RowSampler(temperature),
            num_ids,
            draw_noise(seed, 2, num_ids),
        )
        ids = tf.ensure_shape(ids, [None, num_ids])
        text = self.model.tokenizer.detokenize(ids)
        return {"text": text, "token_ids": ids, "lengths": lengths(ids)}

    def score(self, tokens, seed):
        """Gives the costs of ids `[B, T]` that the model defines, a dict.

        All are float32 `[B]`, in nats a sentence with `</s>`; see `evaluate`.
        """
        if not self.has_latent:
            memory = tf.zeros([1, tf.shape(tokens)[0], 0])
            return {"nll": -self.model.decoder.log_prob(tokens, memory)[0]}
        params = self.encode(tokens)
        z, log_q = self.sample_posterior(params, seed, self.num_samples)
        log_likelihood = self._log_likelihood(tokens, z)
        reconstruction = -tf.reduce_mean(log_likelihood, axis=0)
        if not self.model.has_density:
            return {"reconstruction": reconstruction}
        prior_params = self.model.prior_params(tf.shape(tokens)[0])
        nothing = dict.fromkeys(Forward._fields)
        record = Forward(**nothing)._replace(
            posterior=self.model.posterior.distribution(params),
            prior=self.model.prior.distribution(prior_params),
            z=z,
            log_q=log_q,
        )
        kl = kl_divergence(record)
        log_weights = log_likelihood + record.prior.log_prob(z) - log_q
        return {
            "reconstruction": reconstruction,
            "kl": kl,
            "nelbo": reconstruction + kl,
            "nll": math.log(self.num_samples)
            - tf.reduce_logsumexp(log_weights, axis=0),
        }

    def _log_likelihood(self, tokens, z):
        """Gives `log p(x|z)`, float32 `[S, B]`, of codes `[S, B, Z]`."""

        def decode(z):
            return self.model.decoder.log_prob(tokens, self.model.bridge(z[None]))[0]

        # One sample after the other: memory stays that of one, whatever their number.
        spec = tf.TensorSpec([None], tf.float32)
        return tf.map_fn(decode, z, parallel_iterations=1, fn_output_signature=spec)
