"""The presets by name, and how any of them is coupled with a deterministic path."""

import dataclasses
import inspect
import typing

from tfvae.checks import unknown
from tfvae.objectives import Coupling
from tfvae.presets import (
    baselines,
    conditional,
    copula,
    coupled_vae,
    implicit,
    mine,
    stochastic_wae,
    style,
)
from tfvae.presets.builder import as_builder


@dataclasses.dataclass(frozen=True)
class Preset:
    """A published model, a row of `PRESETS`.

    Attributes:
        name: Str.
        function: Callable from a setting, data and options to a compiled model; a
            coupled form has that of its base.
        paper: Str, where the model is from.
        published: Dict from a data set to what papers report there, in words.
        coupled_form_of: Name of the preset that this one couples with a deterministic
            path, or `None`.
        matching_weight: Float, the default of that option of a coupled form.
        needs_context: Whether it answers contexts and cannot do without them.
        needs_label: Whether it tells labels apart and cannot do without them.
    """

    name: str
    function: typing.Callable
    paper: str
    published: dict = dataclasses.field(default_factory=dict)
    coupled_form_of: str | None = None
    matching_weight: float = 0.1
    needs_context: bool = False
    needs_label: bool = False

    @property
    def summary(self):
        """The first line of the function's docstring."""
        line = inspect.getdoc(self.function).splitlines()[0]
        if self.coupled_form_of is None:
            return line
        return (
            f"The coupled form of `{self.coupled_form_of}`: "
            f"{line[:1].lower()}{line[1:]}"
        )

    @property
    def options(self):
        """The options, a dict from name to default."""
        defaults = {p.name: p.default for p in self._parameters()}
        if self.coupled_form_of is not None:
            defaults["matching_weight"] = self.matching_weight
        return defaults

    @property
    def option_types(self):
        """The types of the options, annotated or of the defaults, a dict by name."""
        defaults = self.options
        return {
            p.name: type(defaults[p.name]) if p.annotation is p.empty else p.annotation
            for p in self._parameters()
        }

    def _parameters(self):
        functions = [self.function]
        if self.coupled_form_of is not None:
            functions.append(coupled)
        return [
            parameter
            for function in functions
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind == parameter.KEYWORD_ONLY
        ]

    def __call__(self, setting, data=None, **options):
        """Assembles the model.

        Args:
            setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
            data: `Batches` of the training text, or `None`.
            **options: Options of the preset.

        Returns:
            A compiled model.

        Raises:
            ValueError: If an option is unknown.
        """
        for name in options:
            if name not in self.options:
                raise ValueError(unknown("option", name, self.options))
        if self.coupled_form_of is None:
            return self.function(setting, data, **options)
        options = {"matching_weight": self.matching_weight, **options}
        return coupled(self.function, setting, data, **options)


def coupled(
    preset,
    setting,
    data=None,
    *,
    reconstruction_weight=1.0,
    matching_weight=None,
    distance="rational_quadratic",
    **options,
):
    """Couples the model of a preset with a deterministic path, as in Coupled-VAE.

    In a setting without a bridge the model gets the paper's; see
    `ModelBuilder.bridge`.

    Args:
        preset: Function or name of a preset that builds a `VAE`.
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        reconstruction_weight: Float or `Schedule`, weight of that path's
            reconstruction. Defaults to `1.0`.
        matching_weight: Float or `Schedule`, weight of the distance of the memories;
            `None` for that of the preset's row in `PRESETS`, `0.1` where it has none.
        distance: `"rational_quadratic"` or `"squared_euclidean"`. Defaults to the
            former.
        **options: Options of the preset.

    Returns:
        A compiled `VAE` whose objective ends with a `Coupling`.

    Raises:
        ValueError: If the preset is unknown, or its model has no latent.

    References:
        Wu et al. 2020, On the Encoder-Decoder Incompatibility in Variational Text
        Modeling and Beyond; see `Coupling`.
    """
    function = get_preset(preset).function if isinstance(preset, str) else preset
    if matching_weight is None:
        forms = [row for row in _ROWS if row.coupled_form_of]
        weights = {row.function: row.matching_weight for row in forms}
        matching_weight = weights.get(function, 0.1)
    coupling = Coupling(reconstruction_weight, matching_weight, distance)
    builder = dataclasses.replace(as_builder(setting, data), coupling=coupling)
    return function(builder, **options)


def get_preset(name):
    """Returns a preset by name.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if name not in PRESETS:
        raise ValueError(unknown("preset", name, PRESETS))
    return PRESETS[name]


_ROWS = [
    Preset(
        "language_model",
        baselines.language_model,
        "Bengio et al. 2003; as in Wu et al. 2020, Table 1, and Qian and Cheung 2019",
        {"ptb": "GRU-LM nll 105.8, perplexity 125.3 (coupled); LSTM-LM 102.85 (mine)"},
    ),
    Preset(
        "dae",
        baselines.dae,
        "Wu et al. 2020 (DAE, deterministic autoencoder)",
    ),
    Preset(
        "vae",
        baselines.vae,
        "Kingma and Welling 2014; Bowman et al. 2016",
        {
            "ptb": "nll 103.6, kl 8.6 (coupled); nelbo 102.6, kl 1.08 (ivae); "
            "nelbo 105.2, kl 1.74 (copula)"
        },
    ),
    Preset(
        "coupled_vae",
        baselines.vae,
        "Wu et al. 2020, on Kingma and Welling 2014; Bowman et al. 2016",
        {
            "ptb": "nll 103.1, kl 9.5 (coupled)",
            "yelp13": "nll 191.2, kl 8.0 (coupled)",
            "yahoo": "nll 342.4, kl 12.8 (coupled)",
        },
        coupled_form_of="vae",
    ),
    Preset(
        "beta_vae",
        baselines.beta_vae,
        "Higgins et al. 2017; as in Wu et al. 2020 and Fang et al. 2019",
        {"ptb": "beta 0.8: nll 103.8, kl 11.0 (coupled); beta 0.5: nelbo 104.5 (ivae)"},
    ),
    Preset(
        "coupled_beta_vae",
        baselines.beta_vae,
        "Wu et al. 2020, on Higgins et al. 2017; as in Wu et al. 2020 and Fang et al. "
        "2019",
        {
            "ptb": "beta 0.8: nll 103.3, kl 12.1; beta 1.2: nll 102.9, kl 8.6 "
            "(coupled)",
            "yelp13": "beta 0.8: nll 191.5, kl 12.2; beta 1.2: nll 191.2, kl 6.9 "
            "(coupled)",
            "yahoo": "beta 0.8: nll 342.8, kl 17.0; beta 1.2: nll 342.3, kl 11.3 "
            "(coupled)",
        },
        coupled_form_of="beta_vae",
    ),
    Preset(
        "cyclical_vae",
        baselines.cyclical_vae,
        "Fu et al. 2019; as in Wu et al. 2020 and Fang et al. 2019",
        {"ptb": "nll 104.2, kl 1.6 (coupled); nelbo 103.1, kl 3.48 (ivae)"},
    ),
    Preset(
        "coupled_cyclical_vae",
        baselines.cyclical_vae,
        "Wu et al. 2020, on Fu et al. 2019; as in Wu et al. 2020 and Fang et al. 2019",
        {
            "ptb": "nll 103.7, kl 2.4 (coupled)",
            "yelp13": "nll 190.8, kl 2.0 (coupled)",
            "yahoo": "nll 342.4, kl 4.4 (coupled)",
        },
        coupled_form_of="cyclical_vae",
    ),
    Preset(
        "word_dropout_vae",
        baselines.word_dropout_vae,
        "Bowman et al. 2016; VAE-.5 in Qian and Cheung 2019",
        {"ptb": "nelbo 104.06, kl 0.03 (mine)"},
    ),
    Preset(
        "bow_vae",
        baselines.bow_vae,
        "Zhao et al. 2017; VAE-BOW in Qian and Cheung 2019",
        {"ptb": "nelbo 105.58, kl 4.35 (mine)"},
    ),
    Preset(
        "free_bits_vae",
        baselines.free_bits_vae,
        "Kingma et al. 2016; threshold of Wu et al. 2020",
    ),
    Preset(
        "target_kl_vae",
        baselines.target_kl_vae,
        "Shao et al. 2020 (ControlVAE); Rezende and Viola 2018 (GECO); Pelsmaeker and "
        "Aziz 2020 (minimum desired rate)",
    ),
    Preset(
        "copula_vae",
        copula.copula_vae,
        "Wang and Wang 2019",
        {"ptb": "nelbo - log c 92.2, kl 7.3 (copula); no bound, see CopulaLikelihood"},
    ),
    Preset(
        "copula_prior_vae",
        copula.copula_prior_vae,
        "Wang and Wang 2019, section 4.3 (copula posterior and prior)",
    ),
    Preset(
        "full_covariance_vae",
        copula.full_covariance_vae,
        "Wang and Wang 2019 (non-diag-VAE)",
        {"ptb": "nelbo 105.1, kl 4.9 (copula)"},
    ),
    Preset(
        "wae",
        coupled_vae.wae,
        "Wu et al. 2020 (WAE)",
        {"ptb": "nll 103.7, kl 11.0 (coupled)"},
    ),
    Preset(
        "coupled_wae",
        coupled_vae.wae,
        "Wu et al. 2020, on Wu et al. 2020 (WAE)",
        {
            "ptb": "nll 103.2, kl 12.5 (coupled)",
            "yelp13": "nll 191.3, kl 12.5 (coupled)",
            "yahoo": "nll 343.3, kl 18.2 (coupled)",
        },
        coupled_form_of="wae",
    ),
    Preset(
        "vmf_vae",
        coupled_vae.vmf_vae,
        "Xu and Durrett 2018; as in Wu et al. 2020, learned concentration",
        {"ptb": "nll 103.6, kl 2.0 (coupled)"},
    ),
    Preset(
        "coupled_vmf_vae",
        coupled_vae.vmf_vae,
        "Wu et al. 2020, on Xu and Durrett 2018; as in Wu et al. 2020, learned "
        "concentration",
        {
            "ptb": "nll 103.0, kl 3.0 (coupled)",
            "yelp13": "nll 191.2, kl 2.8, matching weight 7 (coupled)",
            "yahoo": "nll 342.2, kl 4.0, matching weight 5 (coupled)",
        },
        coupled_form_of="vmf_vae",
        # Of the released configuration for PTB, where the others have 0.1.
        matching_weight=7.5,
    ),
    Preset(
        "vmf_vae_fixed",
        coupled_vae.vmf_vae_fixed,
        "Xu and Durrett 2018, fixed concentration",
        {
            "ptb": "nelbo 96.0, kl 5.7 (copula), which does not say whether the "
            "concentration was fixed"
        },
    ),
    Preset(
        "planar_vae",
        coupled_vae.planar_vae,
        "Rezende and Mohamed 2015; VAE-NF in Wu et al. 2020",
        {
            "ptb": "nll 103.3, kl 5.5 (coupled); nelbo 96.8, kl 0.87 (copula), which "
            "does not name the flow"
        },
    ),
    Preset(
        "coupled_planar_vae",
        coupled_vae.planar_vae,
        "Wu et al. 2020, on Rezende and Mohamed 2015; VAE-NF in Wu et al. 2020",
        {
            "ptb": "nll 102.6, kl 5.7 (coupled)",
            "yelp13": "nll 191.8, kl 5.6 (coupled)",
            "yahoo": "nll 342.6, kl 8.8 (coupled)",
        },
        coupled_form_of="planar_vae",
    ),
    Preset(
        "planar_wae",
        coupled_vae.planar_wae,
        "Wu et al. 2020 (WAE-NF)",
        {"ptb": "nll 103.4, kl 6.7 (coupled)"},
    ),
    Preset(
        "coupled_planar_wae",
        coupled_vae.planar_wae,
        "Wu et al. 2020, on Wu et al. 2020 (WAE-NF)",
        {
            "ptb": "nll 102.7, kl 7.4 (coupled)",
            "yelp13": "nll 192.1, kl 7.4 (coupled)",
            "yahoo": "nll 342.7, kl 11.0 (coupled)",
        },
        coupled_form_of="planar_wae",
    ),
    Preset(
        "cnn_vae",
        coupled_vae.cnn_vae,
        "Yang et al. 2017; as in Wu et al. 2020",
        {"ptb": "nll 118.5, kl 29.6 (coupled)"},
    ),
    Preset(
        "coupled_cnn_vae",
        coupled_vae.cnn_vae,
        "Wu et al. 2020, on Yang et al. 2017; as in Wu et al. 2020",
        {
            "ptb": "nll 118.2, kl 30.2 (coupled)",
            "yelp13": "nll 193.9, kl 13.7, matching weight 0.1 (coupled)",
            "yahoo": "nll 343.3, kl 22.4, matching weight 0.1 (coupled)",
        },
        coupled_form_of="cnn_vae",
        # Of the released configuration for PTB: the paths share the encoder alone.
        matching_weight=0.0,
    ),
    Preset(
        "ivae",
        implicit.ivae,
        "Fang et al. 2019 (iVAE)",
        {
            "ptb": "critic_elbo 87.6, critic_kl 6.32, critic_mi 3.5 (ivae), by critics "
            "and no bounds"
        },
    ),
    Preset(
        "ivae_mi",
        implicit.ivae_mi,
        "Fang et al. 2019 (iVAE-MI)",
        {
            "ptb": "critic_elbo 87.2, critic_kl 12.51, critic_mi 12.2 (ivae), by "
            "critics and no bounds"
        },
    ),
    Preset(
        "mine_vae",
        mine.mine_vae,
        "Qian and Cheung 2019 (VAE-MINE)",
        {"ptb": "nelbo 100.91, kl 4.86 (mine)"},
    ),
    Preset(
        "info_vae",
        mine.info_vae,
        "Zhao et al. 2019 (InfoVAE)",
        {"ptb": "nelbo 108.37, kl 0.02 (mine)"},
    ),
    Preset(
        "lagging_vae",
        baselines.lagging_vae,
        "He et al. 2019 (Lagging); as in Wu et al. 2020 and Qian and Cheung 2019",
        {"ptb": "nll 98.8, kl 6.0 (coupled); nelbo 100.93, kl 4.84 (mine)"},
    ),
    Preset(
        "coupled_lagging_vae",
        baselines.lagging_vae,
        "Wu et al. 2020, on He et al. 2019 (Lagging); as in Wu et al. 2020 and Qian "
        "and Cheung 2019",
        {"ptb": "nll 98.7, kl 11.0 (coupled)"},
        coupled_form_of="lagging_vae",
    ),
    Preset(
        "sa_vae",
        baselines.sa_vae,
        "Kim et al. 2018 (SA-VAE); as in Wu et al. 2020 and Fang et al. 2019",
        {"ptb": "nll 100.7, kl 7.7 (coupled); nelbo 102.6, kl 1.23 (ivae)"},
    ),
    Preset(
        "prefb_vae",
        baselines.prefb_vae,
        "Li et al. 2019 (PreFB); as in Wu et al. 2020",
        {"ptb": "nll 103.4, kl 14.6 (coupled)"},
    ),
    Preset(
        "coupled_prefb_vae",
        baselines.prefb_vae,
        "Wu et al. 2020, on Li et al. 2019 (PreFB); as in Wu et al. 2020",
        {"ptb": "nll 103.3, kl 15.6 (coupled)"},
        coupled_form_of="prefb_vae",
    ),
    Preset(
        "seq2seq",
        conditional.seq2seq,
        "Sutskever et al. 2014; GRU encoder-decoder in Wu et al. 2020, Table 8",
        {"switchboard": "nll 53.9, perplexity 41.6 (coupled)"},
        needs_context=True,
    ),
    Preset(
        "cvae",
        conditional.cvae,
        "Sohn et al. 2015; Zhao et al. 2017; as in Wu et al. 2020, Table 8",
        {"switchboard": "nll 54.0, kl 3.8, perplexity 41.8 (coupled)"},
        needs_context=True,
    ),
    Preset(
        "coupled_cvae",
        conditional.cvae,
        "Wu et al. 2020, on Sohn et al. 2015; Zhao et al. 2017; as in Wu et al. 2020, "
        "Table 8",
        {"switchboard": "perplexity 42.2 (coupled)"},
        coupled_form_of="cvae",
        needs_context=True,
    ),
    Preset(
        "ded",
        conditional.ded,
        "Bahuleyan et al. 2019 (DED)",
        {"dailydialog": "bleu-2 3.96, bleu-4 0.85, dist-2 0.275 (wae)"},
        needs_context=True,
    ),
    Preset(
        "ved",
        conditional.ved,
        "Bahuleyan et al. 2019 (VED)",
        {"dailydialog": "bleu-2 3.26, bleu-4 0.59, dist-2 0.204 (wae)"},
        needs_context=True,
    ),
    Preset(
        "wed_deterministic",
        conditional.wed_deterministic,
        "Bahuleyan et al. 2019 (WED-D)",
        {"dailydialog": "bleu-2 4.05, bleu-4 0.98, dist-2 0.272 (wae)"},
        needs_context=True,
    ),
    Preset(
        "wed_stochastic",
        conditional.wed_stochastic,
        "Bahuleyan et al. 2019 (WED-S)",
        {"dailydialog": "bleu-2 3.72, bleu-4 0.69, dist-2 0.309 (wae)"},
        needs_context=True,
    ),
    Preset(
        "ivae_dialogue",
        conditional.ivae_dialogue,
        "Fang et al. 2019 (iVAE-MI, dialogue)",
        {"dailydialog": "bleu recall .355, precision .239, f1 .285 (ivae)"},
        needs_context=True,
    ),
    Preset(
        "dialogue_wae",
        conditional.dialogue_wae,
        "Gu et al. 2019 (DialogWAE)",
        {"dailydialog": "bleu recall .341, precision .278, f1 .306 (ivae)"},
        needs_context=True,
    ),
    Preset(
        "dialogue_wae_gmp",
        conditional.dialogue_wae_gmp,
        "Gu et al. 2019 (DialogWAE-GMP)",
        needs_context=True,
    ),
    Preset(
        "wae_deterministic",
        stochastic_wae.wae_deterministic,
        "Bahuleyan et al. 2019 (WAE-D)",
    ),
    Preset(
        "wae_stochastic",
        stochastic_wae.wae_stochastic,
        "Bahuleyan et al. 2019 (WAE-S)",
    ),
    Preset(
        "vae_transfer",
        style.vae_transfer,
        "Kingma et al. 2014 (M2, every label known), as a baseline of style transfer",
        needs_label=True,
    ),
    Preset(
        "dae_transfer",
        style.dae_transfer,
        "the autoencoder of Zhao et al. 2018 (ARAE), section 5.2, as a baseline",
        needs_label=True,
    ),
    Preset(
        "ivae_transfer",
        style.ivae_transfer,
        "Fang et al. 2019 (iVAE-MI), section 4.3",
        {"yelp": "accuracy 92, BLEU 36.7, perplexity 6.2, reverse perplexity 285"},
        needs_label=True,
    ),
    Preset(
        "arae",
        style.arae,
        "Zhao et al. 2018 (ARAE), section 5.2; as in Fang et al. 2019, Table 7",
        {"yelp": "accuracy 95, BLEU 32.5, perplexity 6.8, reverse perplexity 395"},
        needs_label=True,
    ),
    Preset("bn_vae", baselines.bn_vae, "Zhu et al. 2020 (BN-VAE)"),
    Preset("pooling_vae", baselines.pooling_vae, "Long et al. 2019"),
    Preset("skip_vae", baselines.skip_vae, "Dieng et al. 2019 (Skip-VAE)"),
    Preset("delta_vae", baselines.delta_vae, "Razavi et al. 2019 (delta-VAE)"),
    Preset("iwae_vae", baselines.iwae_vae, "Burda et al. 2016 (IWAE)"),
]

PRESETS = {row.name: row for row in _ROWS}
