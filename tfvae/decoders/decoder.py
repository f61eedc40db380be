"""What every decoder offers."""

from tfvae.layers.part import Part


class Decoder(Part):
    """Scores and writes sentences given a memory.

    A subclass creates its weights in `build(memory_dim)` and implements the methods
    below. `embedding` may be replaced before `build` by an encoder's, to share it.

    Attributes:
        vocabulary_size: Int `V`.
        embedding_dim: Int, width of the word vectors.
        embedding: Layer that maps word ids to vectors.
    """

    vocabulary_size = None
    embedding_dim = None
    embedding = None

    def log_prob(self, tokens, memory, seed=None, training=False):
        """Scores sentences.

        Args:
            tokens: Int tensor `[B, T]`, right-padded words without marks.
            memory: Float tensor `[S, B, U]`.
            seed: Int tensor `[2]` for dropout, needed in training only.
            training: Whether dropout acts. Defaults to `False`.

        Returns:
            Float32 tensor `[S, B]`: `log p(x|z)` in nats, summed over the words and
            `</s>`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `log_prob`.")

    def logits(self, tokens, memory):
        """Gives next-word logits `[S, B, T + 1, V]`, for inspection only."""
        raise NotImplementedError(f"{type(self).__name__} must implement `logits`.")

    def initial_state(self, memory):
        """Gives the state before the first word, a tuple of tensors `[N, ...]`.

        Args:
            memory: Float tensor `[N, U]`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `initial_state`."
        )

    def step(self, token_ids, memory, state):
        """Advances by one word.

        Args:
            token_ids: Int tensor `[N]`, the last word of each row, `<s>` at first.
            memory: Float tensor `[N, U]`.
            state: Tuple of tensors from `initial_state` or the last `step`.

        Returns:
            Tuple of logits, float32 `[N, V]`, and the next state.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `step`.")
