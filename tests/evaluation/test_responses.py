import functools

import numpy as np
import pytest
from nltk.translate import bleu_score as nltk_bleu

from tests import support
from tfvae.decoders import Bridge
from tfvae.encoders import ContextEncoder
from tfvae.evaluation import generation
from tfvae.evaluation.embeddings import WordEmbeddings, embed, similarities
from tfvae.evaluation.evaluate import evaluate, why_undefined
from tfvae.evaluation.generation import generation_quality
from tfvae.evaluation.metrics import METRICS, of_group
from tfvae.evaluation.responses import response_quality, score_responses
from tfvae.models import VAE, LanguageModel
from tfvae.objectives import Reconstruction
from tfvae.samplers import Ancestral, Greedy
from tfvae.text import Batches, CharacterTokenizer, WordTokenizer, default_grammar

VECTORS = {
    "a": np.array([1.0, 0.0]),
    "b": np.array([0.0, 2.0]),
    "c": np.array([-3.0, 1.0]),
}
REFERENCES = ["a b c", "b <unk>", "c a"]
RESPONSES = [["a b c a", "a"], ["b <unk>", ""], ["b b", "b b"]]
# The last response to the first context is cut.
ENDED = np.array([[True, False], [True, True], [True, True]])


def split(texts):
    return [text.split() for text in texts]


def score(references=REFERENCES, responses=RESPONSES, **options):
    options = {"of_words": WordEmbeddings("by hand", VECTORS)} | options
    return score_responses(split(references), list(map(split, responses)), **options)


def nltk_scores(references, responses, method, weights):
    smoothing = getattr(nltk_bleu.SmoothingFunction(), method)
    return np.array(
        [
            [
                nltk_bleu.sentence_bleu(
                    [reference], words, weights, smoothing_function=smoothing
                )
                for words in each
            ]
            for reference, each in zip(references, responses, strict=True)
        ],
        float,
    )


def test_bleu_against_nltk():
    result = score(ended=ENDED)
    # What is unknown in a reference matches nothing, save in the papers' variant.
    masked = split(["a b c", "b ?", "c a"])
    scores = nltk_scores(masked, map(split, RESPONSES), "method2", (0.25,) * 4)
    ends = [[["</s>"] * int(end) for end in row] for row in ENDED]
    with_ends = [
        [words + end for words, end in zip(split(each), row, strict=True)]
        for each, row in zip(RESPONSES, ends, strict=True)
    ]
    references = [words + ["</s>"] for words in split(REFERENCES)]
    papers = nltk_scores(references, with_ends, "method7", (1 / 3,) * 3)
    for suffix, values in (("", scores), ("_method7", papers)):
        recall, precision = values.max(1).mean(), values.mean()
        assert result[f"response_bleu_recall{suffix}"] == pytest.approx(recall)
        assert result[f"response_bleu_precision{suffix}"] == pytest.approx(precision)
        assert result[f"response_bleu_f1{suffix}"] == pytest.approx(
            2 * recall * precision / (recall + precision)
        )
    firsts = [each.split() for each, _ in RESPONSES]
    lists = [[reference] for reference in masked]
    expected = nltk_bleu.corpus_bleu(lists, firsts, (0.5, 0.5))
    assert result["response_bleu_2"] == pytest.approx(expected)
    # No four words in a row match.
    assert result["response_bleu_2"] > 0.3 and result["response_bleu_4"] < 1e-9


def test_similarities():
    result = score(seed=2)
    of = [
        [
            [similarities(embed(r, VECTORS), embed(w, VECTORS)) for w in split(each)]
            for each in RESPONSES
        ]
        for r in split(REFERENCES)
    ]
    own = np.array([of[i][i] for i in range(3)])
    for kind, mean, largest in zip(
        ("average", "extrema", "greedy"),
        own.mean((0, 1)),
        own.max(1).mean(0),
        strict=True,
    ):
        assert result[f"bow_{kind}"] == pytest.approx(mean)
        assert result[f"bow_{kind}_max"] == pytest.approx(largest)
        # Three contexts exchange references in one of two ways.
        k = ("average", "extrema", "greedy").index(kind)
        floors = [
            np.mean([np.array(of[(i + shift) % 3][i])[:, k] for i in range(3)])
            for shift in (1, 2)
        ]
        assert min(abs(result[f"bow_{kind}_random"] - each) for each in floors) < 1e-12
    assert result["embedding"] == "by hand"
    # Of 7 words of references and 11 of responses, two are unknown.
    assert result["embedding_coverage"] == pytest.approx(16 / 18)
    assert result["num_contexts_embedded"] == 3


def test_references_without_a_vector_are_left_out():
    whole = score()
    result = score([*REFERENCES, "<unk>"], [*RESPONSES, ["a", "b"]])
    assert result["num_contexts_embedded"] == 3
    assert result["bow_average"] == pytest.approx(whole["bow_average"])
    none = score(["x", "y"], [["a"], ["b"]])
    assert none["num_contexts_embedded"] == 0 and "bow_average" not in none
    single = score(["a"], [["a"]])
    assert single["bow_greedy"] == 1.0 and "bow_greedy_random" not in single


def test_diversity_by_hand():
    result = score(ended=ENDED)
    # Shares of each response's words: 3/4 1 | 1 - | 1/2 1/2; of pairs: 1 - | 1 - | 1 1.
    assert result["intra_dist_1"] == pytest.approx((0.75 + 1 + 1 + 0.5 + 0.5) / 5)
    assert result["intra_dist_ivae_1"] == pytest.approx(3.75 / 6)
    assert result["intra_dist_2"] == 1.0
    assert result["intra_dist_ivae_2"] == pytest.approx(4 / 6)
    assert result["inter_dist_1"] == pytest.approx((3 / 5 + 1 + 1 / 4) / 3)
    assert result["inter_dist_2"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    # Of the first ones: a b c a | b <unk> | b b.
    assert result["corpus_dist_1"] == 4 / 8
    assert result["corpus_dist_2"] == 1.0
    assert result["corpus_dist_wae_2"] == 6 / 8
    shares = np.array([2, 4, 1, 1]) / 8
    assert result["response_entropy"] == pytest.approx(-(shares * np.log(shares)).sum())
    assert result["distinct_responses"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert result["response_length"] == 11 / 6
    assert result["reference_length"] == 7 / 3
    assert result["response_cut_share"] == pytest.approx(1 / 6)
    assert result["num_empty_responses"] == 1
    assert (result["num_responses"], result["num_contexts"]) == (2, 3)
    assert set(result) - {"seed"} == set(of_group("responses"))


@pytest.mark.parametrize(
    ("references", "responses"),
    [([], []), (["a"], []), (["a"], [[]]), (["a", "b"], [["a"], ["a", "b"]])],
)
def test_numbers_that_differ(references, responses):
    with pytest.raises(ValueError, match="equally many lists of words"):
        score(references, responses)


def test_answers_of_the_grammar():
    grammar = default_grammar()
    pairs = list(grammar.sample_pairs(300, 1))
    references = [pair.text for pair in pairs]
    own = [grammar.sample_answers(p.context, 10, seed=i) for i, p in enumerate(pairs)]
    texts = [[answer.text for answer in each] for each in own]
    truth = score(references, texts, of_words=None)
    # Answers to other questions, and one answer that is repeated.
    foreign = score(references, texts[1:] + texts[:1], of_words=None)
    repeated = score(references, [each[:1] * 10 for each in texts], of_words=None)
    for key in ("recall", "precision", "f1"):
        for suffix in ("", "_method7"):
            key_of = f"response_bleu_{key}{suffix}"
            assert truth[key_of] > foreign[key_of] + 0.05
    assert truth["response_bleu_recall"] > truth["response_bleu_precision"] + 0.1
    # As the papers' row of SeqGAN has it.
    recall, precision = (
        repeated[f"response_bleu_{key}"] for key in ("recall", "precision")
    )
    assert recall == pytest.approx(precision)
    # The first responses are the same, and of all of them the mean is as large.
    assert repeated["corpus_dist_2"] == truth["corpus_dist_2"]
    error = 4 * 0.25 / 300**0.5
    assert abs(precision - truth["response_bleu_precision"]) < error
    assert repeated["distinct_responses"] == pytest.approx(0.1)
    assert truth["distinct_responses"] > 0.9
    assert repeated["inter_dist_2"] < 0.2 * truth["inter_dist_2"]


ROWS = [
    {"text": "a b c", "context": "c b"},
    {"text": "b zebra", "context": "a"},
    {"text": "c a", "context": "b b"},
]


def make_model(cls=VAE, **overrides):
    tokenizer = WordTokenizer(vocabulary=list("abcdefg"))
    parts = {
        "condition": ContextEncoder(support.make_encoder()),
        "tokenizer": tokenizer,
    }
    if cls is VAE:
        return support.make_vae(**parts | {"bridge": Bridge((6,))} | overrides)
    return LanguageModel(support.make_decoder(conditioning=("state",)), **parts)


def quality(model, rows=ROWS, **options):
    batches = Batches(rows, model.tokenizer, 2, max_length=9).for_evaluation()
    options = {"num_responses": 4, "max_length": 7, "sampler": Ancestral()} | options
    return response_quality(model, batches, **options)


@pytest.fixture(scope="module")
def model():
    support.reseed(1)
    return make_model()


def test_of_a_model(model, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("a 1 0\nb 0 2\nzebra 1 1\n")
    result = quality(model, embeddings_file=path, seed=3)
    assert result == quality(model, embeddings_file=path, seed=3)
    assert set(result) - {"seed", "response_entropy"} <= set(of_group("responses"))
    other = quality(model, embeddings_file=path, seed=4)
    assert other["response_length"] != result["response_length"]
    assert (result["num_responses"], result["num_contexts"]) == (4, 3)
    assert result["reference_length"] == 7 / 3
    assert result["embedding"] == str(path)
    assert 0 < result["response_length"] < 7


def test_greedy_responses_of_a_model_without_a_latent_are_one():
    result = quality(make_model(LanguageModel), sampler=None)
    assert result["distinct_responses"] == 1 / 4
    assert result["response_bleu_recall"] == pytest.approx(
        result["response_bleu_precision"]
    )
    assert "need `train_texts`" in result["notes"][0]


def test_responses_are_of_their_own_contexts():
    # A greedy language model's response is a function of the context alone.
    model = make_model(LanguageModel)
    expected = model.respond(
        [row["context"] for row in ROWS], sampler="greedy", max_length=7
    )
    rows = [
        {**row, "text": text or "g"}
        for row, (text,) in zip(ROWS, expected, strict=True)
    ]
    result = quality(model, rows, sampler=None)
    lengths = [len(text.split()) for (text,) in expected]
    assert result["response_length"] == pytest.approx(np.mean(lengths))
    texts = [text.split() for (text,) in expected]
    exact = score_responses([r["text"].split() for r in rows], [[t] for t in texts])
    assert result["response_bleu_precision"] == pytest.approx(
        exact["response_bleu_precision"]
    )


def test_as_a_group(model):
    batches = Batches(ROWS, model.tokenizer, 2, max_length=9)
    train = [row["text"] for row in ROWS]
    result = evaluate(
        model, batches, groups="responses", train_texts=train, num_responses=2
    )
    assert result["embedding"].startswith("ppmi-svd") and "notes" not in result
    assert set(result) <= set(METRICS)
    assert result["num_responses"] == 2 and "nll" not in result


def test_words_of_a_file_that_wordpieces_may_make(tmp_path, monkeypatch):
    # Of other tokens than words, responses may hold any word of the training text.
    rows = [{"text": "ab ba", "context": "a b"}, {"text": "ba", "context": "b"}]
    tokenizer = CharacterTokenizer()
    batches = Batches(rows, tokenizer, 2, max_length=9, shuffle=False)
    support.reseed(1)
    monkeypatch.setattr(support, "VOCABULARY_SIZE", tokenizer.vocabulary_size)
    model = make_model(tokenizer=tokenizer)
    path = tmp_path / "vectors.txt"
    path.write_text("ab 1.0 2.0\nabba 2.0 0.5\nzebra 1.0 1.0\n")
    options = {"embeddings_file": path, "num_responses": 2, "max_length": 5}
    result = response_quality(
        model, batches, train_texts=lambda: iter(["abba"]), **options
    )
    assert result["num_contexts_embedded"] == 1
    path.write_text("zebra 1.0 1.0\n")
    with pytest.raises(ValueError, match="any of the 3 words"):
        response_quality(model, batches, train_texts=lambda: iter(["abba"]), **options)


def test_where_there_are_none(model):
    assert "answers no contexts" in why_undefined(support.make_vae(), "responses")
    assert "no tokenizer" in why_undefined(make_model(tokenizer=None), "responses")
    untrained = make_model(objective=[Reconstruction()])
    assert "sample of the prior" in why_undefined(untrained, "responses")
    assert why_undefined(model, "responses") is None
    for options, message in (
        ({"num_responses": 0}, "`num_responses` must be positive"),
        ({"train_texts": lambda: iter(["a"])}, "none that do so more than by chance"),
    ):
        with pytest.raises(ValueError, match=message):
            quality(model, **options)


@pytest.mark.parametrize("cls", [VAE, LanguageModel])
def test_generation_answers_the_contexts_in_turn(cls):
    support.reseed(2)
    model = make_model(cls)
    batches = Batches(ROWS, model.tokenizer, 2, max_length=9).for_evaluation()
    texts = [row["text"] for row in ROWS]
    options = {"num_generated": 7, "num_distinct": 4, "num_ivae": 5}
    options |= {"num_self_bleu": 3, "max_length": 6}
    read = functools.partial(iter, texts)
    with pytest.raises(ValueError, match="Pass `batches` that hold"):
        generation_quality(model, read, read, **options)
    result = generation_quality(model, read, read, batches=batches, **options)
    assert result["num_samples_generated"] == 7
    assert result["num_samples_distinct_coupled"] == 4
    assert set(result) <= {*METRICS, "notes"}


def test_generation_is_of_the_contexts():
    # A greedy language model's answer is a function of its context.
    model = make_model(LanguageModel)
    contexts = [row["context"] for row in ROWS]
    answers = model.respond(contexts, sampler="greedy", max_length=6)
    batches = Batches(ROWS, model.tokenizer, 2, max_length=9, shuffle=False).dataset()
    ids = generation._responses(
        model, batches, 5, sampler=Greedy(), max_length=6, seed=0
    )
    texts = list(generation._read(model.tokenizer, ids, None)[0])
    assert texts == [text for (text,) in [*answers, *answers[:2]]]
