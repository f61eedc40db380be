"""What each figure of reconstructed and of generated sentences means."""

from tfvae.evaluation.figures import Figure

_BLEU = (
    "Corpus BLEU-{n} of sentences written greedily from the posterior's point against "
    "themselves, 0 to 1: NLTK without smoothing, the geometric mean of the precisions "
    "of 1- to {n}-grams by equal weights; `<unk>` matches `<unk>`."
)
_COUPLED = (
    "The Coupled-VAE's BLEU-{n}, 0 to 1: precision of {n}-grams alone times brevity "
    "penalty over `num_samples_bleu_coupled` posterior samples a sentence, greedy, "
    "`<unk>` never written."
)
_DISTINCT = (
    "Different {n}-grams as a share of all, within sentences, over the first "
    "`num_samples_distinct` drawn; falls with their number."
)
_WAE = (
    "The WAE's Dist-{n}: the same sentences joined, n-grams across their borders, as a "
    "share of all words."
)
_COUPLED_DISTINCT = (
    "The Coupled-VAE's Dist-{n}: different {n}-grams as a share of all, over "
    "`num_samples_distinct_coupled` sentences written greedily from the prior, "
    "`<unk>` never written."
)

RECONSTRUCTION_FIGURES = {
    **{
        f"bleu_{n}": Figure(f"BLEU-{n}, reconstruction", "", _BLEU.format(n=n))
        for n in (1, 2, 3, 4)
    },
    "bleu_wae_3": Figure(
        "BLEU-3 with the WAE's weights",
        "",
        "BLEU-3 as above by weights .34, .33, .33, as the WAE's code has it; its other "
        "orders are the same as above.",
    ),
    **{
        f"bleu_coupled_{n}": Figure(f"Coupled-VAE's BLEU-{n}", "", _COUPLED.format(n=n))
        for n in (1, 2)
    },
    "num_samples_bleu_coupled": Figure(
        "  its samples", "a sentence", "Posterior samples a sentence behind them."
    ),
    "exact_match": Figure(
        "exact match",
        "",
        "Share of sentences that greedy writing from the posterior's point gives "
        "again word for word.",
    ),
    "token_error_rate": Figure(
        "token error rate",
        "",
        "Words to insert, delete or replace to turn that writing into the sentence, "
        "as a share of its words; `</s>` not counted, may exceed 1.",
    ),
    "num_reconstructed": Figure("sentences reconstructed", "", "Sentences compared."),
    "num_words_reconstructed": Figure("  their words", "", "Without `</s>`."),
}

GENERATION_FIGURES = {
    "forward_perplexity": Figure(
        "forward perplexity",
        "",
        "Perplexity of the sentences drawn under an n-gram model of the training text; "
        "words and `</s>` counted, `<unk>` a word like any other, the vocabulary the "
        "tokenizer's.",
    ),
    "num_tokens_forward": Figure(
        "  its tokens", "", "Words and `</s>` of the sentences drawn."
    ),
    "reverse_perplexity": Figure(
        "reverse perplexity",
        "",
        "Perplexity of the measured text under an n-gram model of the sentences drawn, "
        "counted in the same way; words never drawn share in the uniform distribution.",
    ),
    "num_tokens_reverse": Figure(
        "  its tokens", "", "Words and `</s>` of the measured text."
    ),
    "ngram_order": Figure("  order of n-grams", "", "Of every n-gram model."),
    "ngram_model": Figure(
        "  n-gram model",
        "",
        "NgramModel, interpolated modified Kneser-Ney, or KenlmModel, KenLM's.",
    ),
    "language_model_perplexity": Figure(
        "language model's perplexity",
        "",
        "Perplexity of the sentences drawn under another trained language model; words "
        "and `</s>` counted.",
    ),
    "num_tokens_language_model": Figure("  its tokens", "", "Its words and `</s>`s."),
    "distinct_1": Figure("Dist-1", "", _DISTINCT.format(n=1)),
    "distinct_2": Figure("Dist-2", "", _DISTINCT.format(n=2)),
    "distinct_wae_1": Figure("WAE's Dist-1", "", _WAE.format(n=1)),
    "distinct_wae_2": Figure("WAE's Dist-2", "", _WAE.format(n=2)),
    "num_samples_distinct": Figure("  their sentences", "", "Sentences behind Dist-n."),
    "self_bleu": Figure(
        "self-BLEU-4",
        "",
        "Mean BLEU-4 of each of the first `num_samples_self_bleu` sentences drawn that "
        "have words against all the others, NLTK's smoothing method 1; lower is more "
        "varied, and it grows with their number.",
    ),
    "num_samples_self_bleu": Figure(
        "  its sentences", "", "Each has all but itself as references."
    ),
    "unigram_kl": Figure(
        "unigram KL",
        "nats",
        "sum(p * log(p / q)) over words, in nats, p of the sentences drawn and q of "
        "the training text; words that the latter lacks are left out.",
    ),
    "unigram_kl_skipped": Figure(
        "  left out", "", "Share of p of words that are left out."
    ),
    "unigram_entropy": Figure(
        "unigram entropy",
        "nats",
        "Entropy of the words of the sentences drawn, in nats, not corrected for "
        "their number.",
    ),
    "average_length": Figure(
        "average length", "words", "Words a sentence drawn, `</s>` not counted."
    ),
    "num_samples_generated": Figure(
        "sentences drawn",
        "",
        "Sentences from draws of the prior, each word drawn from the model's "
        "distribution.",
    ),
    "num_words_generated": Figure("  their words", "", "Without `</s>`."),
    "num_empty_generated": Figure(
        "  without words", "", "Sentences drawn that ended at once; they count."
    ),
    "distinct_coupled_1": Figure(
        "Coupled-VAE's Dist-1", "", _COUPLED_DISTINCT.format(n=1)
    ),
    "distinct_coupled_2": Figure(
        "Coupled-VAE's Dist-2", "", _COUPLED_DISTINCT.format(n=2)
    ),
    "num_samples_distinct_coupled": Figure(
        "  their sentences", "", "Sentences behind them."
    ),
    "forward_perplexity_ivae": Figure(
        "iVAE's forward perplexity",
        "",
        "Perplexity of `num_samples_ivae` sentences, written greedily from the prior "
        "and at most 80 ids long, under an n-gram model of the vocabulary, one word a "
        "line, and the training text without `<unk>`; words counted, `</s>` not.",
    ),
    "num_words_forward_ivae": Figure("  its words", "", "Of the sentences written."),
    "reverse_perplexity_ivae": Figure(
        "iVAE's reverse perplexity",
        "",
        "Perplexity of the training text under an n-gram model of the vocabulary and "
        "those sentences, without `<unk>`; words counted, `</s>` not.",
    ),
    "num_words_reverse_ivae": Figure("  its words", "", "Of the training text."),
    "num_samples_ivae": Figure(
        "  its sentences", "", "Sentences written greedily from draws of the prior."
    ),
}
