"""A decoder without a latent."""

import keras
import tensorflow as tf

from tfvae.models import inference
from tfvae.models.text_model import TextModel, build, check_tokenizer
from tfvae.objectives import Reconstruction


@keras.saving.register_keras_serializable("tfvae")
class LanguageModel(TextModel):
    """An autoregressive language model, the papers' LSTM-LM and GRU-LM.

    The likelihood is exact: `nll` is `-log p(x)` in nats per sentence, `</s>`
    included.

    Args:
        decoder: `Decoder`, conditioned on no memory without a `condition`.
        condition: `Condition` that the decoder reads as its memory, which makes the
            model an encoder-decoder; or `None`.
        objective: List of `Term`s, or `None` for `Reconstruction`.
        tokenizer: Tokenizer that made the ids, or `None`; saved with the model.
        seed: Int, of dropout in training. Defaults to `0`.

    Raises:
        ValueError: If the decoder is conditioned on a memory and there is no condition,
            or the reverse, or sizes do not fit.
    """

    has_density = True
    monitor = "val_nll"

    def __init__(
        self,
        decoder,
        *,
        condition=None,
        objective=None,
        tokenizer=None,
        seed=0,
        name=None,
    ):
        super().__init__(name=name)
        conditioning = getattr(decoder, "conditioning", ())
        if conditioning and condition is None:
            raise ValueError(
                "`LanguageModel` has no latent: its decoder needs `conditioning=()`, "
                "or the model a `condition`. "
                f"Received: conditioning={decoder.conditioning}, condition=None"
            )
        if condition is not None and conditioning == ():
            raise ValueError(
                "The decoder of a `LanguageModel` with a `condition` must read it. Use "
                "a decoder with `conditioning=('state',)`, say. "
                "Received: conditioning=()"
            )
        check_tokenizer(tokenizer, decoder)
        self.decoder = decoder
        self.condition = condition
        decoder.check_model(self)
        self.tokenizer = tokenizer
        if condition is not None:
            build(condition)
        build(decoder, memory_dim=self.widths["memory_dim"])
        if objective is None:
            objective = [Reconstruction()]
        self._set_objective(objective, seed)

    @property
    def widths(self):
        """The widths of what components hand on, a dict of ints."""
        return {
            "code_dim": 0,
            "latent_dim": 0,
            "memory_dim": 0 if self.condition is None else self.condition.context_dim,
            "vocabulary_size": self.decoder.vocabulary_size,
            "num_labels": None if self.label_names is None else len(self.label_names),
        }

    def forward(self, inputs, *, num_samples=None, seed=None, training=False):
        """Passes a batch through the model; there is one sample whatever is asked."""
        seed = self.pass_seed(seed, training)
        encoded = inference.encode(self, inputs, seed, training)
        decoded = inference.decode(
            self,
            inputs["tokens"],
            None,
            encoded.context,
            seed=seed,
            training=training,
        )
        return inference.record(self, encoded, None, None, *decoded, seed, training)

    def likelihood_metrics(self, forward):
        """Computes the exact `nll`, float32 `[B]`."""
        return inference.likelihoods(self, forward)

    def predict_step(self, data):
        """Returns `nll` for `predict`."""
        inputs = keras.utils.unpack_x_y_sample_weight(data)[0]
        return self.likelihood_metrics(self.forward(inputs))

    def sample_memory(self, num, seed, context=None):
        """Returns the context, or a memory without components: nothing is sampled."""
        return tf.zeros([num, 0]) if context is None else context
