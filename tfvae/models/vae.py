"""The variational autoencoder, assembled from parts."""

import keras
import tensorflow as tf

from tfvae.decoders import Bridge
from tfvae.latents import StandardNormal
from tfvae.models.forward import Forward
from tfvae.models.sampling import generate, get_sampler
from tfvae.models.text_model import TextModel, build, check_tokenizer
from tfvae.objectives import KL, Reconstruction
from tfvae.objectives.kl import kl_divergence
from tfvae.seeds import as_seed, fold_in


@keras.saving.register_keras_serializable("tfvae")
class VAE(TextModel):
    """An autoencoder of sentences with a latent code.

    Minimises `sum over terms of weight(step) * mean cost`. With the default
    objective that is the negative evidence lower bound,
    `-E_q[log p(x|z)] + KL(q(z|x) || p(z))`, a sum over tokens, a mean over
    sentences.

    Args:
        encoder: `Encoder`.
        posterior: `Latent`, from the encoder's code to `q(z|x)`.
        decoder: `Decoder`.
        prior: `Latent`, or `None` for `StandardNormal`.
        bridge: `Bridge` from latent to memory, or `None` for the latent itself.
        objective: List of `Term`s, or `None` for `Reconstruction` and `KL`.
        pattern: `TrainingPattern` such as `Lagging`, or `None` for one joint update a
            batch.
        refiner: `SVIRefiner` that improves the posterior's parameters sentence by
            sentence, or `None`.
        share_embedding: Whether the decoder uses the encoder's word vectors.
        tokenizer: Tokenizer that made the ids, or `None`; saved with the model.
        num_samples: Positive int `S`, samples of the latent in training. Defaults
            to `1`.
        seed: Int, of dropout and latent noise in training and tests. Defaults to
            `0`. Initial weights follow `keras.utils.set_random_seed`.

    Raises:
        ValueError: If parts do not fit together; the message names them.
    """

    def __init__(
        self,
        encoder,
        posterior,
        decoder,
        *,
        prior=None,
        bridge=None,
        objective=None,
        pattern=None,
        refiner=None,
        share_embedding=False,
        tokenizer=None,
        num_samples=1,
        seed=0,
        name=None,
    ):
        super().__init__(name=name)
        self.encoder = encoder
        self.posterior = posterior
        self.decoder = decoder
        self.prior = prior or StandardNormal(posterior.latent_dim)
        self.bridge = bridge or Bridge()
        self.refiner = refiner
        self.share_embedding = share_embedding
        self.tokenizer = tokenizer
        self.num_samples = num_samples
        self._check_parts()
        self._build_parts()
        shapes = {
            "code": encoder.code_dim,
            "z": posterior.latent_dim,
            "memory": self.bridge.memory_dim,
            "vocabulary": decoder.vocabulary_size,
        }
        if objective is None:
            objective = [Reconstruction(), KL()]
        self._set_objective(objective, shapes, seed, pattern)
        if refiner is not None:
            refiner.check(self)

    def _check_parts(self):
        if self.num_samples < 1:
            raise ValueError(
                "`num_samples` must be positive. "
                f"Received: num_samples={self.num_samples}"
            )
        if self.prior.latent_dim != self.posterior.latent_dim:
            raise ValueError(
                "`prior` and `posterior` need one `latent_dim`. Received: "
                f"prior={self.prior.latent_dim}, posterior={self.posterior.latent_dim}"
            )
        if self.prior.support != self.posterior.support:
            raise ValueError(
                "`prior` and `posterior` need one support. Received: "
                f"prior on {self.prior.support!r}, "
                f"posterior on {self.posterior.support!r}"
            )
        sizes = {
            name: (getattr(self.encoder, name), getattr(self.decoder, name))
            for name in ("vocabulary_size", "embedding_dim")
        }
        wanted = sizes if self.share_embedding else ["vocabulary_size"]
        for name in wanted:
            if sizes[name][0] != sizes[name][1]:
                raise ValueError(
                    f"`encoder` and `decoder` need one `{name}`"
                    + (" to share word vectors" if self.share_embedding else "")
                    + f". Received: {sizes[name][0]} and {sizes[name][1]}"
                )
        check_tokenizer(self.tokenizer, self.decoder)

    def _build_parts(self):
        build(self.encoder, None)
        build(self.posterior, (None, self.encoder.code_dim))
        build(self.prior, (None, 0))
        build(self.bridge, self.posterior.latent_dim)
        if self.share_embedding:
            self.decoder.embedding = self.encoder.embedding
        build(self.decoder, self.bridge.memory_dim)

    @property
    def has_density(self):
        """Whether likelihood bounds are defined: posterior and prior have densities."""
        return self.posterior.has_density and self.prior.has_density

    @property
    def encoder_variables(self):
        """The trainable variables of encoder and posterior, shared word vectors too."""
        return [*self.encoder.trainable_variables, *self.posterior.trainable_variables]

    @property
    def monitor(self):
        """The validation figure to watch."""
        return "val_nelbo" if self.has_density else "val_reconstruction"

    def encode(self, inputs, training=False, seed=None):
        """Gives the posterior's parameters, refined ones where they are.

        Args:
            inputs: Dict of tensors, `"tokens"` int `[B, T]` among them.
            training: Whether dropout acts. Defaults to `False`.
            seed: Int, pair of ints or int tensor `[2]`; `None` for the model's.

        Returns:
            Dict of float32 tensors `[B, ...]`.
        """
        seed = as_seed(self.seed if seed is None else seed)
        code = self.encoder(inputs["tokens"], seed=fold_in(seed, 0), training=training)
        return self._params(inputs, code, seed, training)

    def prior_params(self, batch_size):
        """Gives the prior's parameters for `batch_size` rows."""
        return self.prior(tf.zeros([batch_size, 0]))

    def forward(
        self, inputs, *, num_samples=None, seed=None, training=False, at_point=False
    ):
        """Passes a batch through the model; see `TextModel.forward`.

        With `at_point` the decoder reads the posterior's point, not the samples, and
        nothing is refined: the model is an autoencoder.
        """
        seed = as_seed(self.seed if seed is None else seed)
        tokens = inputs["tokens"]
        code = self.encoder(tokens, seed=fold_in(seed, 0), training=training)
        num_samples = num_samples or self.num_samples
        if not at_point:
            params = self._params(inputs, code, seed, training)
            return self._decoded(inputs, code, params, num_samples, seed, training)
        params = self.posterior(code, training=training)
        read = self.posterior.point(params)[None]
        return self._decoded(inputs, code, params, num_samples, seed, training, read)

    def _params(self, inputs, code, seed, training):
        """Gives the posterior's parameters, refined where there is a refiner."""
        params = self.posterior(code, training=training)
        if self.refiner is None:
            return params
        code = tf.stop_gradient(code)
        step = self.step.value if training else None

        def cost(params, seed):
            record = self._decoded(inputs, code, params, 1, seed, training)
            return self.loss_and_costs(record, step)[0]

        return self.refiner.refine(cost, params, fold_in(seed, 5))

    def _decoded(self, inputs, code, params, num_samples, seed, training, read=None):
        """Samples the posterior and decodes the samples, or `read` `[S, B, Z]`."""
        tokens = inputs["tokens"]
        prior_params = self.prior_params(tf.shape(tokens)[0])
        z, log_q = self.posterior.sample(params, num_samples, fold_in(seed, 1))
        memory = self.bridge(z if read is None else read)
        log_likelihood = self.decoder.log_prob(
            tokens, memory, seed=fold_in(seed, 2), training=training
        )
        return Forward(
            inputs=inputs,
            code=code,
            context=None,
            posterior=self.posterior.distribution(params),
            prior=self.prior.distribution(prior_params),
            params=params,
            z=z,
            log_q=log_q,
            memory=memory,
            log_likelihood=log_likelihood,
            seed=fold_in(seed, 3),
            training=training,
        )

    def bounds(self, forward):
        """Gives `nelbo` and `kl`, float32 `[B]`, where there are densities."""
        if not self.has_density:
            return {}
        kl = kl_divergence(forward)
        return {"nelbo": kl - tf.reduce_mean(forward.log_likelihood, 0), "kl": kl}

    def predict_step(self, data):
        """Gives, for `predict`, `z` (the posterior's point), `nelbo` and `kl`."""
        inputs = keras.utils.unpack_x_y_sample_weight(data)[0]
        forward = self.forward(inputs, seed=self.batch_seed(inputs))
        return {"z": self.posterior.point(forward.params), **self.bounds(forward)}

    def sample_prior(self, num, seed):
        """Draws `num` latent codes from the prior, float32 `[num, Z]`."""
        return self.prior.sample(self.prior_params(num), 1, as_seed(seed))[0][0]

    def draw_memory(self, num, seed):
        """Draws from the prior what the decoder reads, float `[num, U]`."""
        return self.bridge(self.sample_prior(num, seed)[None])[0]

    def decode(self, z, *, sampler="greedy", max_length=60, seed=None):
        """Writes a sentence for each latent code.

        Args:
            z: Float tensor `[N, Z]`.
            sampler: `Sampler` or its name. Defaults to `"greedy"`.
            max_length: Positive int, the most ids, `</s>` included. Defaults to `60`.
            seed: Int, pair of ints or int tensor `[2]`; `None` for the model's.

        Returns:
            Int32 tensor `[N, max_length]`, `</s>` and padding after the last word.
        """
        memory = self.bridge(z[None])[0]
        seed = as_seed(self.seed if seed is None else seed)
        sampler = get_sampler(sampler)
        return generate(self.decoder, memory, sampler, max_length, seed)
