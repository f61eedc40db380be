import math

import numpy as np
import pytest
from scipy import stats

from tfvae.text import default_grammar

TRUE = {"negative": (0.6, 0.2, 0.2), "positive": (0.2, 0.2, 0.6)}


@pytest.fixture(scope="module")
def grammar():
    return default_grammar()


@pytest.fixture(scope="module")
def asked(grammar):
    return [pair.context for pair in grammar.sample_pairs(300, 1)]


@pytest.fixture(scope="module")
def answered(grammar, asked):
    return [
        [answer.text for answer in grammar.sample_answers(question, 10, seed)]
        for seed, question in enumerate(asked)
    ]


def test_answers_to_one_question(grammar, asked):
    answers = grammar.sample_answers(asked[0], 2000, 1)
    assert answers[:5] == grammar.sample_answers(asked[0], 5, 1)
    assert {answer.context for answer in answers} == {asked[0]}
    assert len({answer.text for answer in answers}) > 1000
    for answer in answers[:100]:
        log_prob = grammar.pair_log_prob(asked[0], answer.text)
        assert log_prob == pytest.approx(answer.log_prob)
    own = grammar.parse(asked[0]).sentiment
    same = np.mean([answer.sentiment == own for answer in answers])
    assert abs(same - 0.6) < 4 * (0.24 / 2000) ** 0.5
    with pytest.raises(ValueError, match="must be a question.*'so what'"):
        grammar.sample_answers("so what", 1)


def test_entropy_of_answers(grammar):
    # By probabilities of the answers alone, summed over all questions.
    asked = grammar.pcfg.rules["Asked"]
    answers = [symbol.replace("Question", "Answer") for (symbol,), _ in asked]
    shares = [share for _, share in asked]
    costs = []
    for pair in grammar.sample_pairs(300, 2):
        given = grammar.pcfg.probabilities(pair.text.split(), answers)
        costs.append(-math.log(np.dot(shares, given)))
    error = np.std(costs) / 300**0.5
    assert abs(np.mean(costs) - grammar.answer_entropy()) < 4 * error
    information = grammar.answer_entropy() - grammar.pair_entropy()
    assert information == pytest.approx(4.654, abs=2e-3)


def test_an_oracle_agrees_in_everything(grammar, asked, answered):
    found = grammar.answer_agreement(asked, answered)
    for name in ("allowed", "well_formed", "topic", "verb", "tense"):
        assert found[f"{name}_share"] == 1.0
    # About half of what a chi-squared of 6 degrees is, over 3,000 answers.
    assert found["sentiment_kl"] < stats.chi2(6).ppf(0.999) / 2 / 3000
    floor = found["sentiment_kl_of_question_floor"]
    assert abs(found["sentiment_kl_of_question"] - floor) < 4 * 0.1 / 300**0.5


def test_the_floor_by_sampling(grammar, asked, answered):
    floor = grammar.answer_agreement(asked, answered)["sentiment_kl_of_question_floor"]
    drawn = np.random.default_rng(0).multinomial(10, TRUE["negative"], 100_000) / 10
    kl = stats.entropy(drawn, np.broadcast_to(TRUE["negative"], drawn.shape), axis=1)
    assert abs(kl.mean() - floor) < 4 * kl.std() / 100_000**0.5


def test_an_answer_to_another_question(grammar, asked, answered):
    found = grammar.answer_agreement(asked, answered[1:] + answered[:1])
    questions = [grammar.parse(question) for question in asked]
    for name, place in (("topic", "topic"), ("tense", "tense")):
        same = [
            getattr(one, place) == getattr(other, place)
            for one, other in zip(questions, questions[1:] + questions[:1], strict=True)
        ]
        assert found[f"{name}_share"] == pytest.approx(np.mean(same))
    allowed = [
        grammar.pair_log_prob(question, answer) > -math.inf
        for question, each in zip(asked, answered[1:] + answered[:1], strict=True)
        for answer in each
    ]
    assert found["allowed_share"] == pytest.approx(np.mean(allowed))
    assert found["allowed_share"] <= found["verb_share"] <= found["topic_share"] < 0.4
    assert found["well_formed_share"] == 1.0


def test_broken_answers(grammar, asked):
    found = grammar.answer_agreement(asked, [["yes yes .", ""] for _ in asked])
    assert found == dict.fromkeys(
        [
            f"{name}_share"
            for name in ("allowed", "well_formed", "topic", "verb", "tense")
        ],
        0.0,
    )
    question = "did the kind chef cook the soup yesterday ?"
    right, wrong = "sure , they happily cooked it at home .", "sure , they cooked it ."
    present = right.replace("cooked", "cook")
    found = grammar.answer_agreement([question], [[right, wrong, present, present]])
    shares = {k: v for k, v in found.items() if k.endswith("share")}
    assert shares == {
        "allowed_share": 0.25,
        "well_formed_share": 0.75,
        "topic_share": 0.75,
        "verb_share": 0.75,
        "tense_share": 0.25,
    }
    # Positive alone, where it has the probability 0.6.
    assert found["sentiment_kl"] == pytest.approx(-math.log(0.6))
    assert found["sentiment_kl_of_question"] == pytest.approx(-math.log(0.6))
    for contexts, answers in (([], []), ([question], []), ([question], [[]])):
        with pytest.raises(ValueError, match="a list for each of `contexts`"):
            grammar.answer_agreement(contexts, answers)


def test_one_sentiment_a_question_is_seen(grammar, asked, answered):
    # The right sentiments over all questions, but each question has one alone.
    repeated = [each[:1] * 10 for each in answered]
    found = grammar.answer_agreement(asked, repeated)
    assert found["sentiment_kl"] < 0.05
    expected = -0.6 * math.log(0.6) - 0.4 * math.log(0.2)
    assert abs(found["sentiment_kl_of_question"] - expected) < 4 * 0.55 / 300**0.5
    assert found["sentiment_kl_of_question_floor"] < 0.15
