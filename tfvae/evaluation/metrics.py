"""Every metric of the library: its name, unit, definition, group and source."""

import typing


class Metric(typing.NamedTuple):
    """What a metric is.

    Attributes:
        name: Str, for people; indented where it explains the metric before it.
        unit: Str, or `""` for none.
        definition: Str, whole sentences on one line.
        group: One of `GROUPS`, or `"general"` for what belongs to each of them.
        source: Str, the paper that defines it, or `""`.
    """

    name: str
    unit: str
    definition: str
    group: str
    source: str = ""


GROUPS = (
    *("likelihood", "latent", "aggregate"),
    *("reconstruction", "generation", "responses", "transfer", "gradients"),
)

_BAHULEYAN = "Bahuleyan et al. 2019, Stochastic Wasserstein Autoencoder"
_BURDA = "Burda et al. 2016, Importance Weighted Autoencoders"
_FANG = "Fang et al. 2019, Implicit Deep Latent Variable Models for Text Generation"
_HE = "He et al. 2019, Lagging Inference Networks and Posterior Collapse"
_LI = "Li et al. 2016, A Diversity-Promoting Objective Function"
_QIAN = "Qian and Cheung 2019 (VAE-MINE), section 5.3"
_LIU = "Liu et al. 2016, How NOT To Evaluate Your Dialogue System"
_GU = "Gu et al. 2019, DialogWAE, section 4.2"
_WANG = "Wang and Wang 2019, Neural Gaussian Copula for Variational Autoencoder"
_WU = "Wu et al. 2020, On the Encoder-Decoder Incompatibility"
_ZHAO = "Zhao et al. 2017, Learning Discourse-level Diversity for Neural Dialog Models"

_LIKELIHOOD = {
    "reconstruction": (
        "reconstruction",
        "nats/sentence",
        "-E_q[log p(x|z)] by sampling the posterior, `</s>` included.",
    ),
    "kl": ("KL", "nats/sentence", "KL(q(z|x) || p(z)), computed as `kl_method` says."),
    "kl_method": (
        "KL method",
        "",
        "How `kl` was computed: closed_form, or monte_carlo as the mean over samples "
        "of log q(z|x) - log p(z).",
    ),
    "nelbo": (
        "negative ELBO",
        "nats/sentence",
        "Negative evidence lower bound, reconstruction + kl; an upper bound of the "
        "negative log-likelihood.",
    ),
    "nelbo_se": (
        "  its standard error",
        "nats/sentence",
        "Standard error of `nelbo` as a mean over sentences.",
    ),
    "nll": (
        "NLL",
        "nats/sentence",
        "Negative log-likelihood, computed as `nll_method` says; unless exact, an "
        "upper bound in expectation that tightens with `num_samples`.",
        f"{_BURDA}, equation 8",
    ),
    "nll_method": (
        "  its method",
        "",
        "How `nll` was computed: exact, without a latent; importance_weighted with "
        "codes of the posterior, -log(mean p(z) p(x|z) / q(z|x)); or fitted_proposal, "
        "with codes of a mixture of the prior and a Gaussian fitted to other samples "
        "of the posterior in the place of q(z|x); or, looser, -log(mean p(x|z)): "
        "prior_samples, with codes of a prior that has no density, or context_samples, "
        "with those of a posterior that reads the context alone.",
    ),
    "num_prior_samples": (
        "  samples of the prior",
        "per sentence",
        "Codes of the prior behind an `nll` of prior_samples, ten times `num_samples`.",
    ),
    "proposal_prior_share": (
        "  prior in its proposal",
        "",
        "Share of the prior in the mixture of a fitted_proposal.",
        "Hesterberg 1995, Weighted Average Importance Sampling",
    ),
    "proposal_draws": (
        "  samples fitted",
        "per sentence",
        "Posterior samples that the Gaussian of a fitted_proposal is fitted to; other "
        "samples than those weighted.",
    ),
    "nll_se": (
        "  its standard error",
        "nats/sentence",
        "Standard error of `nll` as a mean over sentences.",
    ),
    "perplexity": (
        "perplexity (NLL)",
        "",
        "exp(total nats / total tokens) of `nll`; tokens are words and `</s>`. All "
        "unknown words share one probability, that of `<unk>`: compare models of the "
        "same vocabulary only.",
    ),
    "perplexity_nelbo": (
        "perplexity (negative ELBO)",
        "",
        "exp(total nats / total tokens) of `nelbo`; tokens and unknown words as in "
        "`perplexity`.",
    ),
    "critic_elbo": (
        "critic's negative ELBO",
        "nats/sentence",
        "reconstruction + critic_kl, which papers print as a negative ELBO; no bound "
        "of the likelihood, since critic_kl is below the KL.",
        _FANG,
    ),
    "critic_kl": (
        "critic's KL",
        "nats/sentence",
        "E_q[nu] - E_p[exp(nu)] + 1 of the trained critic nu(x, z), from 128 samples "
        "or `num_samples` if more; in expectation at most KL(q(z|x) || p(z)), and "
        "lower by an unknown amount. By the term's form "
        "donsker_varadhan E_q[nu] - log E_p[exp(nu)], which few samples raise.",
        _FANG,
    ),
    "context_gain": (
        "context gain",
        "nats/sentence",
        "Rise of `nll` when a sentence gets the context of another one, drawn at "
        "random: what the context is worth to the model, 0 where it is not used. It "
        "may exceed the information that both share, since a wrong context misleads.",
    ),
    "context_gain_se": (
        "  its standard error",
        "nats/sentence",
        "Standard error of `context_gain` as a mean over sentences.",
    ),
    "nelbo_minus_log_copula": (
        "negative ELBO - log copula",
        "nats/sentence",
        "reconstruction + kl - log c of the objective's copula, as the Copula-VAE's "
        "paper reports; no bound of the likelihood.",
        _WANG,
    ),
}

_LATENT = {
    "latent_gain": (
        "latent gain",
        "nats/sentence",
        "Rise of -log p(x|z) when the code z of a sentence is exchanged for that of "
        "another one, drawn at random: 0 where the decoder ignores the code, whatever "
        "KL, mutual information and active units say.",
    ),
    "latent_gain_se": (
        "  its standard error",
        "nats/sentence",
        "Standard error of `latent_gain` as a mean over sentences.",
    ),
    "decoder_mi": (
        "mutual information, decoder",
        "nats",
        "E[log p(x|z)] - E[log p(x)], p(x) the mean of p(x|z) over the own code and "
        "those of other sentences, `decoder_mi_codes` in all: what the decoder reads "
        "of I(x;z), in expectation below it; at most `decoder_mi_cap`.",
        "van den Oord et al. 2018, Contrastive Predictive Coding, as to the bound",
    ),
    "decoder_mi_se": (
        "  its standard error",
        "nats",
        "Standard error of `decoder_mi` as a mean over sentences.",
    ),
    "decoder_mi_cap": (
        "  its cap",
        "nats",
        "log(decoder_mi_codes), the largest `decoder_mi` possible.",
    ),
    "decoder_mi_codes": (
        "  its codes",
        "per sentence",
        "Codes that each sentence is scored with, its own among them.",
    ),
    "mi_batch": (
        "mutual information, batch",
        "nats",
        "I(x;z) = E[log q(z|x)] - E[log q(z)], q(z) the mean of the posteriors of "
        "`mi_batch_size` random sentences, the own one included; at most "
        "`mi_batch_cap`.",
        _HE,
    ),
    "mi_batch_size": (
        "  its batch size",
        "sentences",
        "Sentences in each q(z) of `mi_batch`.",
    ),
    "mi_batch_cap": (
        "  its cap",
        "nats",
        "log(mi_batch_size), the largest `mi_batch` possible.",
    ),
    "mi": (
        "mutual information",
        "nats",
        "I(x;z) = E[log q(z|x)] - E[log q(z)], q(z) the mean of the posteriors of all "
        "sentences, the own one included; at most `mi_cap`.",
        "Li et al. 2019, A Surprisingly Effective Fix for Deep Latent Variable Models",
    ),
    "mi_se": (
        "  its standard error",
        "nats",
        "Standard error of `mi` as a mean over sentences. `mi` itself may be slightly "
        "negative where there is no information, and is then printed as 0.",
    ),
    "mi_cap": ("  its cap", "nats", "log(num_sentences), the largest `mi` possible."),
    "mi_with_context": (
        "mutual information with context",
        "nats",
        "I((x, c); z) of sentence and context together with the code, by the estimator "
        "of `mi`; large where the code repeats the context. Of a context whose answers "
        "are one each, I(x; z | c) is at most `kl`.",
    ),
    "mi_with_context_se": (
        "  its standard error",
        "nats",
        "Standard error of `mi_with_context` as a mean over sentences.",
    ),
    "mi_with_context_cap": (
        "  its cap",
        "nats",
        "log(num_sentences), the largest `mi_with_context` possible.",
    ),
    "mi_loo": (
        "mutual information, leave-one-out",
        "nats",
        "I(x;z) with q(z) the mean of the other posteriors in blocks of "
        "`mi_loo_samples` + 1 random sentences; without a cap and biased upwards, "
        "to be compared with metrics of the same definition only.",
        _WU,
    ),
    "mi_loo_samples": (
        "  its other posteriors",
        "sentences",
        "Other posteriors in each q(z) of `mi_loo`; the last block may hold fewer.",
    ),
    "marginal_kl": (
        "KL of aggregate posterior",
        "nats",
        "KL(q(z) || p(z)), q(z) as in `mi`, computed as `marginal_kl_method` says; "
        "kl = mi + marginal_kl in expectation.",
    ),
    "marginal_kl_method": (
        "  its method",
        "",
        "How `marginal_kl` was computed: sampled, the mean of log q(z) - log p(z); or "
        "kl_minus_mi, where `kl` is exact and the standard error of that is smaller.",
    ),
    "marginal_kl_se": (
        "  its standard error",
        "nats",
        "Standard error of `marginal_kl` as a mean over sentences.",
    ),
    "critic_marginal_kl": (
        "critic's KL of aggregate posterior",
        "nats",
        "E_q[nu] - E_p[exp(nu)] + 1 of the trained critic nu(z), or by the form "
        "of `critic_kl`; in expectation at most KL(q(z) || p(z)).",
        _FANG,
    ),
    "critic_mi": (
        "critics' mutual information",
        "nats",
        "critic_kl - critic_marginal_kl; a difference of two lower bounds, itself no "
        "bound in either direction.",
        _FANG,
    ),
    "active_units": (
        "active units",
        "dimensions",
        "Latent dimensions in which the posterior's mean E[z|x] has a variance over "
        "sentences above `active_units_threshold`; where the prior reads a context, "
        "less the prior's mean and in units of its scale.",
        f"{_BURDA}, section 5.2",
    ),
    "active_units_threshold": (
        "  threshold",
        "",
        "Variance above which a unit is active: 0.01, or 0.01 / latent_dim for unit "
        "vectors, 1% of the variance of a standard normal or uniform prior.",
    ),
    "active_units_noise": (
        "  noise of the means",
        "",
        "Where means are of 128 samples of a posterior, the variance that this adds, "
        "the largest of all dimensions; it was subtracted before the comparison.",
    ),
    "latent_dim": (
        "  of latent dimensions",
        "dimensions",
        "Dimensions of the latent code.",
    ),
}

_GENERAL = {
    "num_sentences": ("sentences", "", "Sentences evaluated."),
    "num_tokens": ("tokens", "", "Their words and one `</s>` each."),
    "num_unknown": (
        "  unknown",
        "",
        "Tokens equal to `<unk>`: words that the model does not know, or that the text "
        "spells so.",
    ),
    "unknown_share": (
        "  share of words",
        "",
        "Share of the words, `</s>` not counted, that are `<unk>`.",
    ),
    "num_samples": (
        "latent samples",
        "per sentence",
        "Latent samples per sentence behind `reconstruction`, `nll` and a Monte-Carlo "
        "`kl`, of the posterior but in an `nll` of fitted_proposal or prior_samples.",
    ),
    "seed": ("seed", "", "Seed of all sampling."),
}

_AGGREGATE = {
    "posterior_scale": (
        "posterior scale",
        "",
        "Mean over sentences and dimensions of the posterior's standard deviation, "
        "exact for a Gaussian, else of 100 samples; where the prior reads a context, "
        "in units of the prior's.",
        f"{_BAHULEYAN}, appendix A, figure 2",
    ),
    "posterior_scale_below": (
        "  share below 0.1",
        "",
        "Share of sentences and dimensions whose standard deviation is below 0.1: near "
        "1 the posteriors have become points.",
    ),
    "moment_kl": (
        "moment KL of aggregate posterior",
        "nats",
        "KL(N(m, C) || N(0, I)) of the mean and covariance of codes, one sampled for "
        "each sentence: a lower bound of the aggregated posterior's divergence; where "
        "the prior reads a context, of codes less its mean and in units of its scale.",
    ),
    "aggregated_mmd": (
        "MMD of aggregate posterior",
        "",
        "Squared maximum mean discrepancy of the same codes, at most 500 of them, from "
        "samples of the prior; inverse multiquadratic kernel, seven scales, unbiased; "
        "where the prior reads a context, all relative to it as in `moment_kl`.",
        "Tolstikhin et al. 2018, Wasserstein Auto-Encoders, algorithm 2",
    ),
    "num_aggregated": ("sentences aggregated", "", "Sentences behind these."),
}

_RECONSTRUCTION = {
    **{
        f"bleu_{n}": (
            f"BLEU-{n}, reconstruction",
            "",
            f"Corpus BLEU-{n} of sentences decoded greedily from the posterior's mode "
            "against themselves, 0 to 1: NLTK without smoothing, the geometric mean of "
            f"the precisions of 1- to {n}-grams by equal weights; `<unk>` matches "
            "`<unk>`.",
            "Papineni et al. 2002, BLEU",
        )
        for n in (1, 2, 3, 4)
    },
    **{
        f"bleu_known_{n}": (
            f"BLEU-{n}, unknown words wrong",
            "",
            f"BLEU-{n} as above, except that `<unk>` matches nothing: two of them may "
            "be different words.",
        )
        for n in (1, 2, 3, 4)
    },
    "bleu_wae_3": (
        "BLEU-3 with the WAE's weights",
        "",
        "BLEU-3 as above by weights .34, .33, .33, as the WAE's code has it; its other "
        "orders are the same as above.",
        _BAHULEYAN,
    ),
    **{
        f"bleu_coupled_{n}": (
            f"Coupled-VAE's BLEU-{n}",
            "",
            f"The Coupled-VAE's BLEU-{n}, 0 to 1: precision of {n}-grams alone times "
            "brevity penalty over `num_samples_bleu_coupled` posterior samples per "
            "sentence, greedy, `<unk>` never written.",
            f"{_WU}, table 2",
        )
        for n in (1, 2)
    },
    "num_samples_bleu_coupled": (
        "  its samples",
        "per sentence",
        "Posterior samples per sentence behind them.",
    ),
    "exact_match": (
        "exact match",
        "",
        "Share of sentences that greedy decoding of the posterior's mode reconstructs "
        "word for word.",
    ),
    "token_error_rate": (
        "token error rate",
        "",
        "Words to insert, delete or replace to turn that reconstruction into the "
        "sentence, as a share of its words; `</s>` not counted, may exceed 1.",
    ),
    "reconstructed_cut_share": (
        "reconstructions cut",
        "",
        "Share of these reconstructions that were cut before `</s>`, at 200 ids "
        "by default.",
    ),
    "num_reconstructed": ("sentences reconstructed", "", "Sentences compared."),
    "num_words_reconstructed": ("  their words", "", "Without `</s>`."),
}

_GENERATION = {
    "forward_perplexity": (
        "forward perplexity",
        "",
        "Perplexity of the generated sentences under an n-gram model of the training "
        "text; words and `</s>` counted, `<unk>` a word like any other, the vocabulary "
        "the tokenizer's.",
        _QIAN,
    ),
    "num_tokens_forward": (
        "  its tokens",
        "",
        "Words and `</s>` of the generated sentences.",
    ),
    "reverse_perplexity": (
        "reverse perplexity",
        "",
        "Perplexity of the measured text under an n-gram model of the generated "
        "sentences, counted alike; words never generated share in the uniform "
        "distribution.",
        _QIAN,
    ),
    "num_tokens_reverse": (
        "  its tokens",
        "",
        "Words and `</s>` of the measured text.",
    ),
    "ngram_order": (
        "  order of n-grams",
        "",
        "Of every n-gram model: interpolated, modified Kneser-Ney.",
        "Chen and Goodman 1999; Heafield et al. 2013",
    ),
    "language_model_perplexity": (
        "language model's perplexity",
        "",
        "Perplexity of the generated sentences under another trained language model; "
        "words and `</s>` counted.",
    ),
    "num_tokens_language_model": ("  its tokens", "", "Its words and `</s>`s."),
    **{
        f"distinct_{n}": (
            f"Dist-{n}",
            "",
            f"Different {n}-grams as a share of all, within sentences, over the first "
            "`num_samples_distinct` generated; falls with their number.",
            _LI,
        )
        for n in (1, 2)
    },
    **{
        f"distinct_wae_{n}": (
            f"WAE's Dist-{n}",
            "",
            f"The WAE's Dist-{n}: the same sentences joined, n-grams across their "
            "borders, as a share of all words.",
            _BAHULEYAN,
        )
        for n in (1, 2)
    },
    "num_samples_distinct": ("  their sentences", "", "Sentences behind Dist-n."),
    "self_bleu": (
        "self-BLEU-4",
        "",
        "Mean BLEU-4 of each of the first `num_samples_self_bleu` generated sentences "
        "that have words against all the others, NLTK's smoothing method 1; lower is "
        "more varied, and it grows with their number.",
        "Zhu et al. 2018, Texygen",
    ),
    "num_samples_self_bleu": (
        "  its sentences",
        "",
        "Each has all but itself as references.",
    ),
    "unigram_kl": (
        "unigram KL",
        "nats",
        "sum(p * log(p / q)) over words, p of the generated sentences and q of the "
        "training text; words that the latter lacks are left out.",
        f"{_BAHULEYAN}, table 1",
    ),
    "unigram_kl_skipped": ("  left out", "", "Share of p of words that are left out."),
    "unigram_entropy": (
        "unigram entropy",
        "nats",
        "Entropy of the words of the generated sentences, not corrected for their "
        "number.",
        f"{_BAHULEYAN}, table 1",
    ),
    "average_length": (
        "average length",
        "words",
        "Words per generated sentence, `</s>` not counted.",
        f"{_BAHULEYAN}, table 1",
    ),
    "num_samples_generated": (
        "sentences generated",
        "",
        "Sentences from samples of the prior, each word sampled from the model's "
        "distribution; where the model reads contexts, answers to those in turn.",
    ),
    "num_words_generated": ("  their words", "", "Without `</s>`."),
    "generated_cut_share": (
        "  cut",
        "",
        "Share of generated sentences that were cut before `</s>`, at 200 ids "
        "by default.",
    ),
    "num_empty_generated": (
        "  without words",
        "",
        "Generated sentences that ended at once; they count.",
    ),
    **{
        f"distinct_coupled_{n}": (
            f"Coupled-VAE's Dist-{n}",
            "",
            f"The Coupled-VAE's Dist-{n}: different {n}-grams as a share of all, over "
            "`num_samples_distinct_coupled` sentences decoded greedily from the prior, "
            "`<unk>` never written.",
            f"{_WU}, table 6",
        )
        for n in (1, 2)
    },
    "num_samples_distinct_coupled": ("  their sentences", "", "Sentences behind them."),
    "forward_perplexity_ivae": (
        "iVAE's forward perplexity",
        "",
        "Perplexity of `num_samples_ivae` sentences, decoded greedily from the prior "
        "and at most 80 ids long, under an n-gram model of the vocabulary, one word a "
        "line, and the training text without `<unk>`; words counted, `</s>` not.",
        f"{_FANG}, table 5",
    ),
    "num_words_forward_ivae": ("  its words", "", "Of the sentences decoded."),
    "reverse_perplexity_ivae": (
        "iVAE's reverse perplexity",
        "",
        "Perplexity of the training text under an n-gram model of the vocabulary and "
        "those sentences, without `<unk>`; words counted, `</s>` not.",
        f"{_FANG}, table 5",
    ),
    "num_words_reverse_ivae": ("  its words", "", "Of the training text."),
    "num_samples_ivae": (
        "  its sentences",
        "",
        "Sentences decoded greedily from samples of the prior.",
    ),
}

# How a response is compared with its reference by embeddings of words.
_COMPARED = {
    "average": "of the means of the words' vectors",
    "extrema": "of the vectors that hold, by dimension, the words' value of largest "
    "magnitude",
    "greedy": "of each word with the nearest one of the other sentence, averaged over "
    "words and both directions",
}

_RESPONSES = {
    **{
        f"response_bleu_{name}": (
            f"BLEU {name}",
            "",
            f"{definition} BLEU-4 of a sentence against its one reference, 0 to 1, one "
            "added to the counts above unigrams; an `<unk>` of the reference matches "
            "nothing.",
            f"{_ZHAO}; smoothing of Lin and Och 2004, ORANGE",
        )
        for name, definition in (
            (
                "recall",
                "Of the `num_responses` responses to a context the largest BLEU, "
                "averaged over contexts; grows with their number.",
            ),
            ("precision", "Mean BLEU of all responses."),
            ("f1", "Harmonic mean of BLEU recall and precision, of the two averages."),
        )
    },
    **{
        f"response_bleu_{name}_method7": (
            f"  papers' BLEU {name}",
            "",
            f"The same {name} as papers on dialogue report it: orders 1 to 3 by equal "
            "weights, NLTK's smoothing 7, `</s>` a word, `<unk>` matches `<unk>`.",
            f"{_ZHAO}, its code; {_GU}",
        )
        for name in ("recall", "precision", "f1")
    },
    **{
        f"response_bleu_{n}": (
            f"BLEU-{n} of first responses",
            "",
            f"Corpus BLEU-{n} of the first response to each context, 0 to 1: NLTK "
            "without smoothing; an `<unk>` of the reference matches nothing.",
            f"{_BAHULEYAN}, table 2",
        )
        for n in (2, 4)
    },
    **{
        f"bow_{kind}{suffix}": (
            f"{indent}embedding {kind}{name}",
            "",
            f"Cosine {compared}, of response and reference; {over}. A response of "
            "no word with a vector counts 0. Compare by one `embedding` only.",
            source,
        )
        for kind, compared in _COMPARED.items()
        for suffix, indent, name, over, source in (
            ("", "", "", "mean over responses", _LIU),
            (
                *("_max", "  ", ", best response"),
                "the largest of a context's responses, as papers take it; grows with "
                "`num_responses`",
                _GU,
            ),
            (
                *("_random", "  ", ", random reference"),
                "mean over responses, the reference that of another context: the floor",
                "",
            ),
        )
    },
    "embedding": (
        "embeddings of words",
        "",
        "What the similarities above compare words by: a file, or the singular vectors "
        "of the positive pointwise mutual information of words of the training text.",
        "Levy et al. 2015, Improving Distributional Similarity, as to the latter",
    ),
    "embedding_coverage": (
        "  share of words that have one",
        "",
        "Share of the words of responses and references that have a vector.",
    ),
    "num_contexts_embedded": (
        "  contexts compared",
        "",
        "Contexts whose reference has a word with a vector; the others are left out.",
    ),
    **{
        f"intra_dist_{n}": (
            f"intra-Dist-{n}",
            "",
            f"Different {n}-grams of a response as a share of all of its own, averaged "
            "over responses that have any.",
            _GU,
        )
        for n in (1, 2)
    },
    **{
        f"intra_dist_ivae_{n}": (
            f"  papers' intra-Dist-{n}",
            "",
            f"The same, a response without {n}-grams counting 0.",
            f"{_FANG}; {_GU}",
        )
        for n in (1, 2)
    },
    **{
        f"inter_dist_{n}": (
            f"inter-Dist-{n}",
            "",
            f"Different {n}-grams of the `num_responses` responses to a context as a "
            "share of all, averaged over contexts; falls with their number.",
            _GU,
        )
        for n in (1, 2)
    },
    **{
        f"corpus_dist_{n}": (
            f"Dist-{n} of first responses",
            "",
            f"Different {n}-grams as a share of all, within sentences, over the first "
            "response to each context; falls with `num_contexts`. The Coupled-VAE's "
            "paper prints it in percent.",
            f"{_LI}; {_WU}, table 8",
        )
        for n in (1, 2)
    },
    **{
        f"corpus_dist_wae_{n}": (
            f"  WAE's Dist-{n}",
            "",
            f"The same sentences joined, {n}-grams across their borders, as a share of "
            "all words.",
            f"{_BAHULEYAN}, table 2",
        )
        for n in (1, 2)
    },
    "response_entropy": (
        "entropy of first responses",
        "nats",
        "Entropy of the words of the first responses, not corrected for their number.",
        f"{_BAHULEYAN}, table 2",
    ),
    "distinct_responses": (
        "distinct responses",
        "",
        "Different ones of the responses to a context as a share of all, averaged over "
        "contexts.",
    ),
    "response_length": (
        "response length",
        "words",
        "Words per response, `</s>` not counted.",
    ),
    "reference_length": ("  of the references", "words", "Words per reference."),
    "response_cut_share": (
        "  cut",
        "",
        "Share of responses that were cut before `</s>`, at 200 ids by default.",
    ),
    "num_empty_responses": (
        "  without words",
        "",
        "Responses that ended at once; they count, except in intra-Dist-n.",
    ),
    "num_responses": (
        "responses",
        "per context",
        "Responses to each context, of codes sampled from the prior given the context; "
        "each word is the most probable one.",
    ),
    "num_contexts": ("  contexts", "", "Contexts answered, with one reference each."),
}

# What is differentiated by the encoder's code.
_DIFFERENTIATED = {
    "reconstruction": "`-log p(x|z)` at one sample of the posterior",
    "coupled_reconstruction": "the reconstruction of the deterministic path",
    "regulariser": "KL(q(z|x) || p(z)), unweighted; without densities the objective's "
    "terms other than the reconstruction, by their final weights",
    "objective": "the whole objective, by its final weights",
}

_GRADIENTS = {
    **{
        f"gradient_{name}{suffix}": (
            f"gradient of {name.replace('_', ' ')}{of_name}",
            unit,
            f"Mean over sentences of the {norm} of the gradient of {what} by the "
            "encoder's code.",
            f"{_WU}, table 5",
        )
        for name, what in _DIFFERENTIATED.items()
        for suffix, of_name, unit, norm in (
            ("", "", "nats/unit", "Euclidean norm"),
            ("_squared", ", squared", "(nats/unit)^2", "squared Euclidean norm"),
        )
    },
    "gradient_memory": (
        "gradient of memory",
        "1/unit",
        "Mean over sentences of the Frobenius norm of the derivative of the decoder's "
        "memory by the encoder's code, over the norm of the memory.",
        f"{_WU}, table 5 and figure 2",
    ),
    "gradient_memory_squared": (
        "gradient of memory, squared",
        "1/unit^2",
        "The same with both norms squared.",
        f"{_WU}, table 5 and figure 2",
    ),
    "num_gradient_norms": (
        "sentences differentiated",
        "",
        "Sentences behind the gradient norms.",
    ),
    "gradient_norms_dropout": (
        "  with dropout",
        "",
        "Whether dropout was active in the gradient norms.",
    ),
}

# Of sentences that are written again with each other label, greedily; means over the
# directions from one label to another.
_TRANSFER = {
    "transfer_accuracy": (
        "transfer accuracy",
        "",
        "Share of transferred sentences that get the wanted label by a logistic "
        "regression on sequences of 1 to 3 words, which learned the training text.",
        f"{_FANG}, table 7, by another classifier",
    ),
    "transfer_classifier_accuracy": (
        "  its cap",
        "",
        "Share of untouched sentences that this classifier gives their own label.",
    ),
    "transfer_bayes_accuracy": (
        "transfer accuracy, Bayes",
        "",
        "The same by a naive Bayes classifier of the words, a check on the first.",
    ),
    "transfer_bayes_classifier_accuracy": (
        "  its cap",
        "",
        "Share of untouched sentences that this classifier gives their own label.",
    ),
    "transfer_self_bleu": (
        "BLEU with the source",
        "",
        "Corpus BLEU-4 of transferred sentences, their sources the references.",
        f"{_FANG}, table 7",
    ),
    "transfer_self_bleu_method7": (
        "  of sentences",
        "",
        "Mean over sentences of a smoothed BLEU-3, see `sentence_bleu_method7`.",
        "Fang et al. 2019, released code",
    ),
    "transfer_joint": (
        "accuracy and BLEU",
        "",
        "Geometric mean of transfer_accuracy and transfer_self_bleu in each direction: "
        "one fixed sentence wins the first, copying the second.",
    ),
    "transfer_perplexity": (
        "perplexity of transfers",
        "",
        "Of transferred sentences under a 5-gram model of the training sentences of "
        "the wanted label, `</s>` included.",
    ),
    "transfer_reverse_perplexity": (
        "reverse perplexity",
        "",
        "Of untouched sentences of the wanted label under a 5-gram model of the "
        "transferred ones, `</s>` included.",
        f"{_FANG}, table 7, there of all sentences",
    ),
    "transfer_copy": (
        "copies",
        "",
        "Share of transferred sentences that are their sources unchanged.",
    ),
    "num_transferred": (
        "sentences transferred",
        "",
        "Pairs of a sentence and another label than its own.",
    ),
}

METRICS = {
    key: Metric(name, unit, definition, group, *source)
    for group, metrics in (
        ("likelihood", _LIKELIHOOD),
        ("latent", _LATENT),
        ("general", _GENERAL),
        ("aggregate", _AGGREGATE),
        ("reconstruction", _RECONSTRUCTION),
        ("generation", _GENERATION),
        ("responses", _RESPONSES),
        ("transfer", _TRANSFER),
        ("gradients", _GRADIENTS),
    )
    for key, (name, unit, definition, *source) in metrics.items()
}

# What a table begins with.
_FIRST = (
    *("reconstruction", "kl", "nelbo", "nll", "perplexity", "context_gain"),
    *("latent_gain", "mi", "active_units"),
)
# What a newcomer needs to see, with the lines that explain it.
SUMMARY = (*_FIRST, "mi_cap", "latent_dim", "critic_elbo")
# What is positive or 0 by definition, though an estimate may lie below.
_NOT_NEGATIVE = ("mi_batch", "mi", "mi_loo", "marginal_kl", "decoder_mi")


def of_group(group):
    """Returns the metrics of a group.

    Args:
        group: One of `GROUPS`, or `"general"`.

    Returns:
        Dict from key to `Metric`, in the order of `METRICS`.

    Raises:
        ValueError: If there is no such group.
    """
    found = {key: each for key, each in METRICS.items() if each.group == group}
    if not found:
        raise ValueError(
            f"`group` must be one of {', '.join(GROUPS)}. Received: group={group!r}"
        )
    return found


def format_table(result, metrics=None):
    """Formats the result of `evaluate` as text.

    What tells most comes first: reconstruction, KL, negative ELBO, NLL, perplexity,
    latent gain, mutual information and active units, each with the lines that explain
    it.

    Args:
        result: Dict from `evaluate`; keys without a definition are left out.
        metrics: Dict from key to `Metric`, or `None` for all.

    Returns:
        String of aligned lines, notes last.

    Example:
    >>> print(format_table({"nll": 101.5, "num_tokens": 82430}))
    NLL     101.500  nats/sentence
    tokens    82430
    """
    metrics = metrics or METRICS
    rows = [
        (metrics[key].name, _text(key, result[key]), metrics[key].unit)
        for key in _by_importance(metrics)
        if key in result
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    lines = [
        f"{name:<{widths[0]}}  {value:>{widths[1]}}  {unit}".rstrip()
        for name, value, unit in rows
    ]
    lines += [f"Note: {note}" for note in result.get("notes", ())]
    return "\n".join(lines)


def _by_importance(metrics):
    """Returns the keys of metrics, `_FIRST` first, details behind what they explain."""
    blocks, first = {}, None
    for key, metric in metrics.items():
        if first is None or not metric.name.startswith(" "):
            first = key
        blocks.setdefault(first, []).append(key)
    order = [key for key in _FIRST if key in blocks]
    order += [key for key in blocks if key not in _FIRST]
    return [key for first in order for key in blocks[first]]


def _text(key, value):
    if not isinstance(value, float):
        return str(value)
    value = max(value, 0.0) if key in _NOT_NEGATIVE else value
    # The sum has no negative zero.
    return f"{round(value, 3) + 0.0:.3f}"
