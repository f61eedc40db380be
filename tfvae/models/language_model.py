"""A decoder without a latent."""

import keras
import tensorflow as tf

from tfvae.models.forward import Forward
from tfvae.models.text_model import TextModel, build, check_tokenizer
from tfvae.objectives import Reconstruction
from tfvae.seeds import as_seed, fold_in


@keras.saving.register_keras_serializable("tfvae")
class LanguageModel(TextModel):
    """An autoregressive language model, the papers' LSTM-LM and GRU-LM.

    The likelihood is exact: `nll` is `-log p(x)` in nats a sentence, `</s>`
    included.

    Args:
        decoder: `Decoder` that injects no memory.
        objective: List of `Term`s, or `None` for `Reconstruction`.
        tokenizer: Tokenizer that made the ids, or `None`; saved with the model.
        seed: Int, of dropout in training. Defaults to `0`.

    Raises:
        ValueError: If the decoder injects a memory, or sizes do not fit.
    """

    has_density = True

    def __init__(self, decoder, *, objective=None, tokenizer=None, seed=0, name=None):
        super().__init__(name=name)
        if getattr(decoder, "inject", ()):
            raise ValueError(
                "`LanguageModel` has no latent: its decoder needs `inject=()`. "
                f"Received: inject={decoder.inject}"
            )
        check_tokenizer(tokenizer, decoder)
        self.decoder = decoder
        self.tokenizer = tokenizer
        build(decoder, 0)
        shapes = {"memory": 0, "vocabulary": decoder.vocabulary_size}
        if objective is None:
            objective = [Reconstruction()]
        self._set_objective(objective, shapes, seed)

    def forward(self, inputs, *, num_samples=None, seed=None, training=False):
        """Passes a batch through the model; there is one sample whatever is asked."""
        seed = as_seed(self.seed if seed is None else seed)
        tokens = inputs["tokens"]
        memory = tf.zeros([1, tf.shape(tokens)[0], 0])
        log_likelihood = self.decoder.log_prob(
            tokens, memory, seed=fold_in(seed, 2), training=training
        )
        nothing = dict.fromkeys(
            ("code", "context", "posterior", "prior", "params", "z", "log_q")
        )
        return Forward(
            inputs=inputs,
            **nothing,
            memory=memory,
            log_likelihood=log_likelihood,
            seed=fold_in(seed, 3),
            training=training,
        )

    def bounds(self, forward):
        """Gives the exact `nll`, float32 `[B]`."""
        return {"nll": -forward.log_likelihood[0]}

    def predict_step(self, data):
        """Gives `nll` for `predict`."""
        inputs = keras.utils.unpack_x_y_sample_weight(data)[0]
        return self.bounds(self.forward(inputs))

    def draw_memory(self, num, seed):
        """Gives a memory without components: nothing is drawn."""
        return tf.zeros([num, 0])
