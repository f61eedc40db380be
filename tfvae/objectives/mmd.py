"""The discrepancy between the codes of a batch and draws of the prior."""

from functools import partial

import keras
import tensorflow as tf

from tfvae.checks import require_one_of
from tfvae.distributions.divergences import inverse_multiquadratic, mmd, rbf
from tfvae.distributions.sampling import sample
from tfvae.objectives.term import Term
from tfvae.seeds import Stream, fold_in

_KERNELS = {"inverse_multiquadratic": inverse_multiquadratic, "rbf": rbf}


@keras.saving.register_keras_serializable("tfvae")
class MMD(Term):
    """The squared maximum mean discrepancy of the aggregated posterior and the prior.

    Compares the batch's codes with as many fresh draws of the prior, by the unbiased
    estimate; with several samples of the latent, each sample of the whole batch apart
    and then averaged, since samples of one sentence are not independent. A batch of
    one sentence has no pair of codes, and its cost says nothing, but is finite.

    Needs no densities. With a stochastic posterior add `UnitVarianceKL` or `KL`, or
    the noise tends to vanish.

    Args:
        weight: Float or `Schedule`. Papers' values go with their reconstruction term:
            Bahuleyan et al. average it over tokens, so multiply theirs by the mean
            length. Defaults to `1.0`.
        kernel: `"inverse_multiquadratic"` or `"rbf"`. Defaults to the former.
        base: Positive float; the kernels' constants are `base * Z * scale`. 2 in
            Tolstikhin et al. and Coupled-VAE, 4 in the released code of Bahuleyan et
            al. Defaults to `2.0`.
        scales: Tuple of positive floats over which the kernel is summed.

    Raises:
        ValueError: If `kernel` is unknown or a constant is not positive.

    References:
        Tolstikhin et al. 2018, Wasserstein Auto-Encoders, algorithm 2; Bahuleyan et al.
        2019, Stochastic Wasserstein Autoencoder, equation 3, which lacks the factor 2
        of the cross term.
    """

    requires_latent = True
    pools_codes = True

    def __init__(
        self,
        weight=1.0,
        kernel="inverse_multiquadratic",
        base=2.0,
        scales=(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
        *,
        name="mmd",
        dtype=None,
    ):
        super().__init__(weight, name=name, dtype=dtype)
        require_one_of("kernel", kernel, sorted(_KERNELS))
        if base <= 0 or not scales or min(scales) <= 0:
            raise ValueError(
                "`base` and `scales` must be positive. "
                f"Received: base={base}, scales={scales}"
            )
        self.kernel = kernel
        self.base = base
        self.scales = tuple(scales)

    def check(self, model):
        """Refuses a prior that reads a condition.

        Codes of many contexts, compared as one sample, would let it ignore its own.
        """
        super().check(model)
        if model.prior_reads_context:
            raise ValueError(
                "`MMD` compares the codes of a batch as one sample, so a prior that "
                "reads a context could ignore it. Use `prior=StandardNormal(...)` and "
                "`context_to=('posterior', 'bridge')`, or `DualKL`. "
                f"Received: prior={type(model.prior).__name__}, which reads a context"
            )

    def cost(self, forward):
        """Computes the estimate, `[B]` of one value; it may be negative."""
        z = tf.cast(forward.z, tf.float32)
        seed = fold_in(forward.seed, Stream.MMD)
        fresh = sample(forward.prior, tf.shape(z)[0], seed)
        kernel = partial(_KERNELS[self.kernel], base=self.base, scales=self.scales)
        estimate = tf.reduce_mean(mmd(z, fresh, kernel))
        return tf.fill([tf.shape(z)[1]], estimate)
