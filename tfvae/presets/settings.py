"""The papers' networks and training regimes, by name, and their optimizer."""

import dataclasses

import keras
import tensorflow as tf

from tfvae.objectives import Linear, Peaking, Schedule


@dataclasses.dataclass(frozen=True)
class PaperSetting:
    """Everything about a paper's base system that is not its method.

    Attributes:
        name: Str.
        source: Str, the paper, with what its code does otherwise and what is assumed.
        cell: `"lstm"`, `"layer_norm_lstm"` or `"gru"`.
        embedding_dim: Int, width of embeddings.
        encoder_dim: Int, width of the encoder's state in each direction.
        decoder_dim: Int, width of the decoder's state.
        latent_dim: Int `Z`.
        bidirectional: Whether the encoder reads both ways.
        use_cell: Whether the code includes the LSTM's memory cell.
        add_bos: Whether the encoder reads `<s>` before the words.
        add_eos: Whether it reads `</s>` after them.
        share_embedding: Whether encoder and decoder share embeddings.
        share_encoder: Whether, with contexts, sentences and contexts are read by one
            encoder.
        context_dim: Int, width of the GRU over the turns of a context, or `None` for
            that of a turn's code.
        context_dropout: Rate on the codes of turns.
        batch_normalization: Whether the posterior's heads are batch normalised, where
            it has such, see `ModelBuilder.posterior`.
        learned_prior: Whether, with a condition, the prior reads it and is learned
            where the objective trains it; otherwise it is a standard normal.
        bridge_dims: Tuple of ints, see `Bridge` and `ModelBuilder.bridge`.
        conditioning: Tuple of str, see `RecurrentDecoder`.
        state_activation: Activation of the decoder's initial state, or `None`.
        projection_dim: Width between decoder state and vocabulary, or `None`.
        encoder_dropout: Rate on the encoder's embeddings.
        input_dropout: Rate on the decoder's embeddings.
        memory_dropout: Rate on the memory at each step.
        output_dropout: Rate on the decoder's states.
        weight_range: Half-width of uniform initial weights of encoder, posterior and
            decoder, or `None` for PyTorch's.
        embedding_range: The same for embeddings, or `None` for a standard normal.
        optimizer: `"adam"` or `"sgd"`.
        learning_rate: Float.
        decay: `"none"`; `"step"`, by half each `decay_every` after `decay_start`;
            `"cosine"`, to zero at the end of training; or `"plateau"`, by half after
            `decay_patience` epochs without a better validation metric.
        decay_start: Number of units, for `"step"`.
        decay_every: Number of units, for `"step"`.
        decay_patience: Int, epochs, for `"plateau"`.
        clip_norm: Bound on the global norm of the gradient, or `None`.
        clip_value: Bound on each component of the gradient, or `None`.
        batch_size: Int, sentences.
        unit: `"steps"` or `"epochs"`, what budget, decay and annealing count in.
        budget: Number of units of training.
        annealing: `Schedule` of the KL weight, in units.
        cycles: Number of units that cyclical annealing fills.
        target_kl: Nats per sentence that the divergence is to come to, by a weight
            that follows it in place of `annealing`; or `None`.
        kl_control: `"pi"`, `"geco"` or `"minimum_rate"`, how that weight moves; see
            `PIControl`, `GECO` and `MinimumRate`.
        kl_control_rate: Positive float, how fast: `integral` of the first, `rate` of
            the others; or `None` for its default.
        max_tokens: Largest vocabulary, or `None`.
        min_count: Least count of a word in the vocabulary.
        lowercase: Whether text is lowercased.
        max_length: Int, longest sentence in words.
    """

    name: str
    source: str
    cell: str
    embedding_dim: int
    encoder_dim: int
    decoder_dim: int
    latent_dim: int
    conditioning: tuple
    annealing: Schedule
    budget: float
    cycles: float
    target_kl: float | None = None
    kl_control: str = "pi"
    kl_control_rate: float | None = None
    learned_prior: bool = True
    bidirectional: bool = False
    use_cell: bool = False
    add_bos: bool = True
    add_eos: bool = True
    share_embedding: bool = False
    share_encoder: bool = False
    context_dim: int | None = None
    context_dropout: float = 0.0
    batch_normalization: bool = False
    bridge_dims: tuple = ()
    state_activation: str | None = None
    projection_dim: int | None = None
    encoder_dropout: float = 0.0
    input_dropout: float = 0.0
    memory_dropout: float = 0.0
    output_dropout: float = 0.0
    weight_range: float | None = None
    embedding_range: float | None = None
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    decay: str = "none"
    decay_start: float = 0
    decay_every: float = 1
    decay_patience: int = 2
    clip_norm: float | None = None
    clip_value: float | None = None
    batch_size: int = 32
    unit: str = "epochs"
    max_tokens: int | None = None
    min_count: int = 1
    lowercase: bool = False
    max_length: int = 200


_ALL = [
    PaperSetting(
        name="copula",
        source="Wang and Wang 2019, sizes and dropout rate of the paper (the released "
        "code: 200, 200 and 0.2), vocabulary, heads, epochs (the paper: 30) and "
        "annealing of the code, whose step counter runs 2000 an epoch; the weight is 0 "
        "for 4 epochs and 1 after 24. The code learns its vocabulary from the training "
        "and the validation text, here it is learned from the training text alone.",
        cell="lstm",
        embedding_dim=512,
        encoder_dim=512,
        decoder_dim=512,
        latent_dim=32,
        use_cell=True,
        add_eos=False,
        share_embedding=True,
        batch_normalization=True,
        conditioning=("state", "cell"),
        state_activation="tanh",
        input_dropout=0.5,
        encoder_dropout=0.5,
        output_dropout=0.5,
        budget=48,
        annealing=Linear(20, start=4),
        cycles=20,
        max_tokens=20000,
        min_count=2,
        lowercase=True,
    ),
    PaperSetting(
        name="coupled",
        source="Wu et al. 2020 and its released code on PTB: a bidirectional encoder, "
        "a decoder twice as wide (the paper: one-layer GRUs of 128). On Yelp and Yahoo "
        "both are twice as wide as here.",
        cell="gru",
        embedding_dim=200,
        encoder_dim=128,
        decoder_dim=256,
        latent_dim=32,
        bidirectional=True,
        add_bos=False,
        add_eos=False,
        share_embedding=True,
        bridge_dims=(200, 200),
        conditioning=("bos", "inputs"),
        projection_dim=200,
        encoder_dropout=0.2,
        input_dropout=0.2,
        memory_dropout=0.2,
        output_dropout=0.2,
        decay="step",
        decay_start=30000,
        decay_every=2000,
        clip_norm=30.0,
        unit="steps",
        budget=60000,
        annealing=Linear(40000, start=2000),
        cycles=40000,
    ),
    PaperSetting(
        name="mine",
        source="Qian and Cheung 2019; the paper gives no learning rate, clip, batch "
        "size or number of epochs: the first three and the initial weights are of the "
        "lagging encoder's code, which trains for up to 100 epochs and, from epoch 15 "
        "on, halves the rate and goes back to the best weights; here it is 40 epochs, "
        "and the rate is halved from the start and without going back. The annealing "
        "is that of the paper's baselines, the posterior's heads are affine (the "
        "paper: an MLP), and the encoder has the dropout that the paper gives to the "
        "decoder.",
        cell="lstm",
        embedding_dim=128,
        encoder_dim=512,
        decoder_dim=512,
        latent_dim=64,
        conditioning=("state", "inputs"),
        state_activation="tanh",
        encoder_dropout=0.5,
        input_dropout=0.5,
        output_dropout=0.5,
        weight_range=0.01,
        embedding_range=0.1,
        optimizer="sgd",
        learning_rate=1.0,
        decay="plateau",
        clip_norm=5.0,
        budget=40,
        annealing=Linear(10, first=0.1),
        cycles=40,
        max_tokens=20000,
    ),
    PaperSetting(
        name="wae",
        source="Bahuleyan et al. 2019 and its released code, whose cost is a mean over "
        "tokens: the weight is multiplied by 11, the tokens of a sentence there, and "
        "its clip of 5 on a batch's sum is 0.43 here. Embeddings are trained (there: "
        "word2vec, frozen) and the LSTM has no layer normalisation. Sentences have up "
        "to 200 words as they are written (the paper: 20, its code in lower case and "
        "without punctuation), and the decoder has no word dropout (the paper's VAE "
        "baseline: 0.05 more an epoch, up to 0.5).",
        cell="lstm",
        embedding_dim=300,
        encoder_dim=100,
        decoder_dim=200,
        latent_dim=100,
        bidirectional=True,
        conditioning=("inputs",),
        encoder_dropout=0.2,
        input_dropout=0.2,
        memory_dropout=0.2,
        embedding_range=0.1,
        clip_value=0.43,
        batch_size=128,
        unit="steps",
        budget=80000,
        annealing=Peaking(scale=11.0),
        cycles=80000,
        max_tokens=30000,
    ),
    PaperSetting(
        name="ivae",
        source="Fang et al. 2019 and its released code on PTB; gradients are clipped "
        "together (there: encoder and decoder apart), and models are chosen on "
        "validation data (there: measured on the test set after each epoch).",
        cell="lstm",
        embedding_dim=256,
        encoder_dim=256,
        decoder_dim=256,
        latent_dim=32,
        conditioning=("state", "inputs"),
        input_dropout=0.5,
        output_dropout=0.5,
        weight_range=0.1,
        embedding_range=0.1,
        clip_norm=5.0,
        budget=40,
        annealing=Linear(9, first=0.1),
        cycles=40,
    ),
    PaperSetting(
        name="wae_dialogue",
        source="Bahuleyan et al. 2019, section 4.2, and its released code for "
        "dialogue, whose cost is a mean over tokens: the weight is multiplied by 13, "
        "the tokens of a reply of DailyDialog that is cut at 20 words, and its clip of "
        "5 on a batch's sum is 0.5 here. The learning rate is halved each 34 epochs "
        "(there: times 0.98 each epoch, as fast). Embeddings are trained (there: "
        "word2vec, frozen), and posts and replies have one vocabulary, of the training "
        "text (there: two, of all texts).",
        cell="layer_norm_lstm",
        embedding_dim=300,
        encoder_dim=500,
        decoder_dim=1000,
        latent_dim=300,
        bidirectional=True,
        conditioning=("inputs",),
        encoder_dropout=0.2,
        input_dropout=0.2,
        memory_dropout=0.2,
        embedding_range=0.1,
        decay="step",
        decay_every=34,
        clip_value=0.5,
        batch_size=128,
        budget=200,
        # Counted in steps by the code, of 594 to an epoch of DailyDialog.
        annealing=Peaking(4500 / 594, 1000 / 594, 2300 / 594, scale=13.0),
        cycles=200,
        max_tokens=20000,
        lowercase=True,
        max_length=20,
    ),
    PaperSetting(
        name="dialogue",
        source="Gu et al. 2019, DialogWAE, and Fang et al. 2019 for dialogue, whose "
        "nets are the former's, sizes of the released code (the papers: a decoder of "
        "300). There SGD of rate 1 learns the reconstruction and RMSprop of rate 5e-5 "
        "the codes' distance, in turn and with the encoders held in the latter; here "
        "one Adam learns both. Their clip of 1 stands beside a mean over tokens, 15.5 "
        "of a turn of DailyDialog. The decoder's first state is affine in code and "
        "context (there: both side by side), initial weights are PyTorch's (there: "
        "linear layers within 0.02, orthogonal GRUs, GloVe).",
        cell="gru",
        embedding_dim=200,
        encoder_dim=300,
        decoder_dim=500,
        latent_dim=200,
        bidirectional=True,
        share_embedding=True,
        share_encoder=True,
        context_dim=300,
        context_dropout=0.25,
        conditioning=("state",),
        encoder_dropout=0.5,
        clip_norm=15.5,
        budget=100,
        annealing=Linear(1, first=1.0),
        cycles=100,
        max_tokens=10000,
        lowercase=True,
        max_length=40,
    ),
    PaperSetting(
        name="style",
        source="Zhao et al. 2018 (ARAE) and Fang et al. 2019, the released code of "
        "both for style transfer on Yelp. The cost there is a mean over tokens, here "
        "a sum: the learning rate is a tenth and the clip tenfold, for sentences of "
        "10 tokens. Critics have optimizers of their own, while encoder, generator "
        "and decoders share one (there: Adam for the generator, and for each cost a "
        "step of its own).",
        cell="lstm",
        embedding_dim=128,
        encoder_dim=128,
        decoder_dim=128,
        latent_dim=128,
        conditioning=("inputs",),
        weight_range=0.1,
        embedding_range=0.1,
        optimizer="sgd",
        learning_rate=0.1,
        clip_norm=10.0,
        batch_size=64,
        budget=25,
        annealing=Linear(1, first=1.0),
        cycles=25,
        max_tokens=30000,
        max_length=25,
    ),
]

SETTINGS = {setting.name: setting for setting in _ALL}


@keras.saving.register_keras_serializable("tfvae")
class Adam(keras.optimizers.Adam):
    """Keras's Adam in few passes over the weights.

    The arithmetic is that of `keras.optimizers.Adam`, which outside XLA passes over a
    weight, its gradient and both moments a dozen times and makes a temporary each time.
    Here an update is one kernel of TensorFlow, and so is a bound of a gradient's values
    or its squared norm.

    Args:
        *args: See `keras.optimizers.Adam`.
        **options: See `keras.optimizers.Adam`.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Updates a variable and its moments in place; see the base class."""
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        dtype = variable.dtype
        beta_1, beta_2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        step = tf.cast(self.iterations.value + 1, dtype)
        place = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[place]),
            v=_handle(self._velocities[place]),
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )

    def _clip_gradients(self, grads):
        """Bounds the gradients; see the base class, which calls it."""
        if self.global_clipnorm:
            return tf.clip_by_global_norm(grads, self.global_clipnorm)[0]
        if self.clipvalue:
            return [None if g is None else self._clipped(g) for g in grads]
        return super()._clip_gradients(grads)

    def _clipped(self, gradient):
        bound = tf.cast(self.clipvalue, gradient.dtype)
        return tf.raw_ops.ClipByValue(
            t=gradient, clip_value_min=-bound, clip_value_max=bound
        )


def _handle(variable):
    """Returns what TensorFlow's kernels know a variable by."""
    if isinstance(variable, keras.Variable):
        variable = variable.value
    return variable.handle


@keras.saving.register_keras_serializable("tfvae")
class StepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A constant learning rate that from some step on is halved again and again.

    Computes `learning_rate * 0.5 ** max(0, floor((step - start) / every))`.

    Args:
        learning_rate: Positive float.
        start: Int, steps before the first interval.
        every: Positive int, steps between halvings.

    Example:
    >>> rate = StepDecay(1.0, 30000, 2000)
    >>> [float(rate(step)) for step in (31999, 32000, 34000)]
    [1.0, 0.5, 0.25]

    References:
        Wu et al. 2020, released code: each 2000 iterations once past 30000.
    """

    def __init__(self, learning_rate, start, every):
        super().__init__()
        self.learning_rate = learning_rate
        self.start = start
        self.every = every

    def __call__(self, step):
        """Returns the rate at `step`."""
        past = tf.cast(step, tf.float32) - self.start
        halvings = tf.maximum(tf.floor(past / self.every), 0.0)
        return self.learning_rate * tf.pow(0.5, halvings)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "learning_rate": self.learning_rate,
            "start": self.start,
            "every": self.every,
        }
