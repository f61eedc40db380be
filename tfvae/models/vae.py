"""The variational autoencoder, assembled from components."""

import keras
import tensorflow as tf

from tfvae.checks import require
from tfvae.decoders import Bridge
from tfvae.latents import Gaussian, SphericalUniform, StandardNormal, VonMisesFisher
from tfvae.models import conditional, inference, writing
from tfvae.models.inputs import rows_of
from tfvae.models.text_model import TextModel, build, check_tokenizer
from tfvae.objectives import KL, Reconstruction
from tfvae.objectives.kl import kl_divergence
from tfvae.seeds import as_seed

# Of the posterior, for the likelihood in validation; Wu et al. 2020 take as many.
_TEST_SAMPLES = 10


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
        prior: `Latent`, or `None` for `StandardNormal`; with a condition that the
            prior reads, `None` for a `Gaussian` that is learned. On the sphere it is
            `SphericalUniform` and `VonMisesFisher`.
        bridge: `Bridge` from latent to memory, or `None` for the latent itself.
        condition: `Condition` that the model knows beside the sentence, or `None`.
        context_to: Tuple of `"posterior"`, `"prior"` and `"bridge"`, what reads the
            condition. Defaults to all three.
        encoder_reads: `"text"`, the sentence, or `"context"`, one text in its place:
            then no part of the model reads the sentence, and reconstruction plus KL is
            no bound of its likelihood. Defaults to `"text"`.
        objective: List of `Term`s, or `None` for `Reconstruction` and `KL`.
        loop: `TrainingLoop` such as `Lagging`, or `None` for one joint update a batch.
        refiner: `SVIRefiner` that improves the posterior's parameters sentence by
            sentence, or `None`.
        share_embedding: Whether the decoder, and the encoders of a condition, use the
            encoder's embeddings.
        tokenizer: Tokenizer that made the ids, or `None`; saved with the model.
        num_samples: Positive int `S`, samples of the latent in training. Defaults
            to `1`.
        monitor: Str, the validation metric by which the best model is chosen. With
            `"val_nll"` validation takes 10 samples of the latent and logs the
            importance-weighted `nll`. Defaults to `"val_loss"`, the objective with
            final weights.
        seed: Int, of dropout and latent noise in training and tests. Defaults to
            `0`. Initial weights follow `keras.utils.set_random_seed`.

    Raises:
        ValueError: If components do not fit together; the message names them.

    References:
        Kingma and Welling 2014, Auto-Encoding Variational Bayes; Bowman et al. 2016,
        Generating Sentences from a Continuous Space.
    """

    def __init__(
        self,
        encoder,
        posterior,
        decoder,
        *,
        prior=None,
        bridge=None,
        condition=None,
        context_to=("posterior", "prior", "bridge"),
        encoder_reads="text",
        objective=None,
        loop=None,
        refiner=None,
        share_embedding=False,
        tokenizer=None,
        num_samples=1,
        monitor="val_loss",
        seed=0,
        name=None,
    ):
        super().__init__(name=name)
        self.encoder = encoder
        self.posterior = posterior
        self.decoder = decoder
        self.condition = condition
        self.context_to = tuple(context_to)
        self.encoder_reads = encoder_reads
        self.prior = prior or self._default_prior()
        self.bridge = bridge or Bridge()
        self.refiner = refiner
        self.share_embedding = share_embedding
        self.tokenizer = tokenizer
        self.num_samples = num_samples
        self.monitor = monitor
        self._check_components()
        self._build_components()
        if objective is None:
            objective = [Reconstruction(), KL()]
        self._set_objective(objective, seed, loop)
        if refiner is not None:
            refiner.bind(self)

    def _default_prior(self):
        on_sphere = self.posterior.support == "sphere"
        if not self.prior_reads_context:
            kind = SphericalUniform if on_sphere else StandardNormal
        elif on_sphere:
            kind = VonMisesFisher
        else:
            kind = Gaussian if self.posterior.has_density else StandardNormal
        return kind(self.posterior.latent_dim)

    @property
    def prior_reads_context(self):
        """Whether the prior's parameters are computed from the condition."""
        return self.condition is not None and "prior" in self.context_to

    def _check_condition(self):
        unknown = set(self.context_to) - {"posterior", "prior", "bridge"}
        if unknown or not self.context_to:
            raise ValueError(
                "`context_to` must hold some of 'posterior', 'prior' and 'bridge'. "
                f"Received: context_to={self.context_to}"
            )
        reads = self.encoder_reads
        is_known = reads in ("text", "context")
        require("encoder_reads", repr(reads), is_known, "'text' or 'context'")
        size = None if self.condition is None else self.condition.vocabulary_size
        if size not in (None, self.decoder.vocabulary_size):
            raise ValueError(
                "`condition` and `decoder` need one `vocabulary_size`. "
                f"Received: {size} and {self.decoder.vocabulary_size}"
            )

    def _check_components(self):
        self._check_condition()
        require("num_samples", self.num_samples, self.num_samples >= 1, "positive")
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
        shared = ["embedding_dim"] if self.share_embedding else []
        for name in ("vocabulary_size", *shared):
            sizes = getattr(self.encoder, name), getattr(self.decoder, name)
            if sizes[0] != sizes[1]:
                raise ValueError(
                    f"`encoder` and `decoder` need one `{name}`"
                    + (" to share embeddings" if self.share_embedding else "")
                    + f". Received: {sizes[0]} and {sizes[1]}"
                )
        check_tokenizer(self.tokenizer, self.decoder)
        self.decoder.check_model(self)

    def _build_components(self):
        build(self.encoder)
        if self.condition is not None:
            if self.share_embedding:
                for each in self.condition.encoders:
                    each.embedding = self.encoder.embedding
            build(self.condition)
        build(self.posterior, code_dim=self._code_dim)
        build(self.prior, code_dim=self.context_dim if self.prior_reads_context else 0)
        build(
            self.bridge,
            latent_dim=self.posterior.latent_dim,
            context_dim=self._memory_context_dim,
        )
        if self.share_embedding:
            self.decoder.embedding = self.encoder.embedding
        build(self.decoder, memory_dim=self.bridge.memory_dim)

    @property
    def context_dim(self):
        """The width `K` of the condition, `None` without one."""
        return None if self.condition is None else self.condition.context_dim

    @property
    def _code_dim(self):
        """The width of what the posterior reads."""
        is_read = self.condition is not None and "posterior" in self.context_to
        return self.encoder.code_dim + (self.context_dim if is_read else 0)

    @property
    def _code_context_dim(self):
        """The width of what posteriors or priors are given beside the sentence."""
        is_read = {"posterior", "prior"} & set(self.context_to)
        return self.context_dim if is_read else None

    @property
    def _memory_context_dim(self):
        return self.context_dim if "bridge" in self.context_to else None

    @property
    def memory_requires(self):
        """The keys of a batch that are read to write given a code, a tuple of str."""
        return super().memory_requires if "bridge" in self.context_to else ()

    def memory(self, z, context=None):
        """Computes what the decoder reads.

        Args:
            z: Float tensor `[S, B, Z]`.
            context: Float tensor `[B, K]`, or `None` without a condition.

        Returns:
            Float tensor `[S, B, U]`.
        """
        return self.bridge(z, context if "bridge" in self.context_to else None)

    @property
    def widths(self):
        """The widths of what components hand on, a dict of ints."""
        return {
            "code_dim": self._code_dim,
            "latent_dim": self.posterior.latent_dim,
            "context_dim": self.context_dim,
            "code_context_dim": self._code_context_dim,
            "memory_context_dim": self._memory_context_dim,
            "memory_dim": self.bridge.memory_dim,
            "vocabulary_size": self.decoder.vocabulary_size,
            "num_labels": None if self.label_names is None else len(self.label_names),
        }

    @property
    def has_density(self):
        """Whether likelihood bounds are defined: posterior and prior have densities."""
        return self.posterior.has_density and self.prior.has_density

    @property
    def encoder_variables(self):
        """The trainable variables of encoder and posterior, shared embeddings too."""
        return [*self.encoder.trainable_variables, *self.posterior.trainable_variables]

    def prior_params(self, batch_size, context=None, training=False):
        """Computes the prior's parameters.

        Args:
            batch_size: Int, or int scalar tensor.
            context: Float tensor `[batch_size, K]`, needed where the prior reads it.
            training: Whether batch normalisation takes the batch's statistics.

        Returns:
            Dict of float32 tensors `[batch_size, ...]`.

        Raises:
            ValueError: If the prior reads a context and there is none.
        """
        if not self.prior_reads_context:
            return self.prior(tf.zeros([batch_size, 0]), training=training)
        if context is None:
            raise ValueError(
                "The prior of this model reads a context. Use `respond`, or pass the "
                "context of each row. Received: context=None"
            )
        return self.prior(context, training=training)

    def posterior_params(self, inputs, training=False, seed=None):
        """Computes the posterior's parameters, refined where there is a refiner.

        Args:
            inputs: Dict of tensors, `"tokens"` int `[B, T]` among them.
            training: Whether dropout acts. Defaults to `False`.
            seed: Int, pair of ints or int tensor `[2]`; `None` for the model's.

        Returns:
            Dict of float32 tensors `[B, ...]`.
        """
        seed = as_seed(self.seed if seed is None else seed)
        return inference.encode(self, inputs, seed, training).params

    def forward(
        self, inputs, *, num_samples=None, seed=None, training=False, at_mode=False
    ):
        """Passes a batch through the model; see `TextModel.forward`.

        With `at_mode` the decoder reads the posterior's mode, not the samples, and
        nothing is refined: the model is an autoencoder.
        """
        seed = self.pass_seed(seed, training)
        encoded = inference.encode(self, inputs, seed, training, refine=not at_mode)
        z, log_q = inference.sample_posterior(
            self, encoded.params, num_samples or self.num_samples, seed
        )
        read = self.posterior.mode(encoded.params)[None] if at_mode else z
        decoded = inference.decode(
            self, inputs["tokens"], read, encoded.context, seed, training
        )
        return inference.record(self, encoded, z, log_q, *decoded, seed, training)

    def likelihood_metrics(self, forward):
        """Computes `nelbo` and `kl`, float32 `[B]`, where there are densities."""
        if not self.has_density:
            return {}
        kl = kl_divergence(forward)
        if self.encoder_reads == "context":
            return {"kl": kl}
        reconstruction = -tf.reduce_mean(forward.log_likelihood, 0)
        return {"nelbo": kl + reconstruction, "kl": kl}

    def test_forward(self, inputs):
        """Computes the `Forward` of a batch that validation measures."""
        num_samples = _TEST_SAMPLES if self._watches_nll else None
        seed = self.batch_seed(inputs)
        return self.forward(inputs, num_samples=num_samples, seed=seed)

    def test_metrics(self, forward):
        """Computes `nll` where the best model is chosen by it; see `Trainer`."""
        if not self._watches_nll:
            return {}
        return {"nll": inference.likelihoods(self, forward)["nll"]}

    @property
    def _watches_nll(self):
        return self.monitor == "val_nll" and self.has_density

    def predict_step(self, data):
        """Returns, for `predict`, `z` (the posterior's mode), `nelbo` and `kl`."""
        inputs = keras.utils.unpack_x_y_sample_weight(data)[0]
        forward = self.forward(inputs, seed=self.batch_seed(inputs))
        z = self.posterior.mode(forward.params)
        return {"z": z, **self.likelihood_metrics(forward)}

    def sample_prior(self, num, seed, context=None):
        """Samples `num` latent codes from the prior, float32 `[num, Z]`."""
        params = self.prior_params(num, context)
        return self.prior.sample(params, 1, as_seed(seed))[0][0]

    def sample_memory(self, num, seed, context=None):
        """Samples what the decoder reads, float `[num, U]`; see `TextModel`."""
        z = self.sample_prior(num, seed, context)
        return self.memory(z[None], context)[0]

    def decode_ids(
        self,
        z,
        *,
        context=None,
        sampler="greedy",
        max_length=60,
        seed=None,
        prefix_ids=(),
    ):
        """Writes a sentence for each latent code, as ids; works in a graph.

        Args:
            z: Float tensor `[N, Z]`.
            context: Float tensor `[N, K]`, or `None` without a condition.
            sampler: `Sampler` or its name. Defaults to `"greedy"`.
            max_length: Positive int, the most ids, `</s>` included. Defaults to `60`.
            seed: Int, pair of ints or int tensor `[2]`; `None` for the model's.
            prefix_ids: Sequence of int, the words that every sentence begins with.
                Defaults to `()`.

        Returns:
            Int32 tensor `[N, max_length]`, what comes after `prefix_ids`, `</s>` and
            padding after the last word.
        """
        memory = self.memory(z[None], context)[0]
        seed = as_seed(self.seed if seed is None else seed)
        return self._write(memory, sampler, max_length, seed, prefix_ids)

    def encode(
        self,
        texts,
        *,
        contexts=None,
        labels=None,
        num_samples=None,
        max_length=None,
        seed=0,
    ):
        """Encodes sentences into latent codes.

        Args:
            texts: List of str; a single str counts as a list of one.
            contexts: List of what each sentence answers, see `respond`; `None` for a
                model that reads no contexts.
            labels: List of str or int, one for each sentence, or `None` for a model
                that reads none.
            num_samples: Positive int `S`, codes sampled from each posterior, or `None`
                for the posterior's mode. Defaults to `None`.
            max_length: Int, words after which a sentence is cut, or `None`.
            seed: Int, of the samples. Defaults to `0`.

        Returns:
            Float32 array `[N, Z]`, or `[S, N, Z]` with `num_samples`.

        Raises:
            ValueError: If the model has no tokenizer, a sentence or context has no
                words, or contexts or labels are missing or not wanted.
        """
        return writing.encode_all(
            self,
            texts,
            contexts,
            labels,
            num_samples=num_samples,
            max_length=max_length,
            seed=seed,
        )

    def decode(
        self,
        codes,
        *,
        contexts=None,
        labels=None,
        sampler="greedy",
        max_length=60,
        seed=0,
        return_ids=False,
    ):
        """Writes a sentence for each latent code.

        Args:
            codes: Float array `[N, Z]`; a single code `[Z]` counts as one of one.
            contexts: List of what each sentence answers, see `respond`; `None` for a
                model that reads no contexts.
            labels: List of str or int, one for each code, or `None` for a model that
                reads none.
            sampler: `Sampler` or its name. Defaults to `"greedy"`.
            max_length: Positive int, the most ids, `</s>` included. Defaults to `60`.
            seed: Int, of a sampler that draws. Defaults to `0`.
            return_ids: Whether ids are returned. Defaults to `False`.

        Returns:
            List of `N` str; with `return_ids` an int32 array `[N, max_length]`.

        Raises:
            ValueError: If the codes have another width, the model has no tokenizer, or
                contexts or labels are missing or not wanted.
        """
        return writing.decode(
            self, codes, sampler, max_length, seed, return_ids, contexts, labels
        )

    def reconstruct(
        self,
        texts,
        *,
        contexts=None,
        labels=None,
        num_samples=None,
        sampler="greedy",
        max_length=60,
        seed=0,
        batch_size=100,
    ):
        """Encodes sentences and writes them back.

        Args:
            texts: List of str; a single str counts as a list of one.
            contexts: List of what each sentence answers, see `respond`; `None` for a
                model that reads no contexts.
            labels: List of str or int, one for each sentence, or `None` for a model
                that reads none.
            num_samples: Positive int, codes sampled from each posterior, or `None` for
                the posterior's mode. Defaults to `None`.
            sampler: `Sampler` or its name. Defaults to `"greedy"`.
            max_length: Positive int, the most words read, and the most ids written.
                Defaults to `60`.
            seed: Int. Defaults to `0`.
            batch_size: Positive int, sentences at once. Defaults to `100`.

        Returns:
            List of str, one for each sentence; with `num_samples` as many for each,
            one after the other.

        Raises:
            ValueError: If the model has no tokenizer, its posterior does not read the
                sentence, a sentence or context has no words, or contexts or labels are
                missing or not wanted.
        """
        pairs = writing.reconstruct(
            self,
            rows_of(self, texts, contexts, labels),
            num_samples=num_samples,
            sampler=sampler,
            max_length=max_length,
            seed=seed,
            batch_size=batch_size,
        )
        return [reconstruction for _, reconstruction in pairs]

    def interpolate(
        self,
        text_a,
        text_b,
        *,
        context=None,
        label=None,
        num_steps=7,
        path="auto",
        sampler="greedy",
        max_length=60,
        seed=0,
    ):
        """Writes the sentences on the way between two.

        The codes lie between the two posteriors' modes, both ends included. A context
        or label is that of both sentences and of all in between.

        Args:
            text_a: Str.
            text_b: Str.
            context: Str, or list of str for a model of several turns, the oldest first;
                `None` for a model that reads no contexts.
            label: Str or int, or `None` for a model that reads none.
            num_steps: Int of at least 2, sentences written. Defaults to `7`.
            path: `"line"`, `"sphere"` for the great circle, or `"auto"` for the one
                that stays in the posterior's support. Defaults to `"auto"`.
            sampler: `Sampler` or its name. Defaults to `"greedy"`.
            max_length: Positive int, the most words read, and the most ids written.
                Defaults to `60`.
            seed: Int, of a sampler that draws. Defaults to `0`.

        Returns:
            List of `num_steps` str.

        Raises:
            ValueError: If `num_steps` is below 2, `path` is unknown, a sentence has no
                words, the model has no tokenizer, or a context or label is missing or
                not wanted.
        """
        steps = writing.interpolate(
            self,
            text_a,
            text_b,
            context=context,
            label=label,
            num_steps=num_steps,
            path=path,
            sampler=sampler,
            max_length=max_length,
            seed=seed,
        )
        return [text for _, text in steps]

    def transfer(
        self,
        texts,
        labels,
        *,
        sampler="greedy",
        max_length=60,
        max_read=None,
        seed=0,
        batch_size=100,
    ):
        """Writes sentences again with other labels, such as another sentiment.

        Each is encoded into its posterior's mode, which does not read the label, and
        written given the wanted one.

        Args:
            texts: List of str; a single str counts as a list of one.
            labels: Str or int, one of `label_names` for all sentences; or a list of
                them, one for each.
            sampler: `Sampler` or its name. Defaults to `"greedy"`.
            max_length: Positive int, the most ids written, `</s>` included, and the
                most words read unless `max_read` is given. Defaults to `60`.
            max_read: Positive int, words after which a sentence is cut, or `None`.
            seed: Int, of a sampler that draws. Defaults to `0`.
            batch_size: Positive int, sentences at once. Defaults to `100`.

        Returns:
            List of str, one for each sentence.

        Raises:
            ValueError: If the model reads no label, its posterior reads it, a label is
                unknown, a sentence has no words, or the model has no tokenizer.
        """
        return conditional.transfer(
            self, texts, labels, sampler, max_length, max_read, seed, batch_size
        )
