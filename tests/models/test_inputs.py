"""Sentences, contexts and labels as batches of ids."""

import numpy as np
import pytest

from tests.support import make_encoder, make_vae
from tfvae.encoders import (
    ContextEncoder,
    JoinedConditions,
    LabelEncoder,
    TurnEncoder,
)
from tfvae.models.inputs import batch_of, rows_of
from tfvae.text import WordTokenizer

# Ids 4 to 10, after padding, <s>, </s> and <unk>.
TOKENIZER = WordTokenizer(vocabulary=list("abcdefg"))


@pytest.fixture
def dialogue():
    """A model of several turns and of a label with names."""
    turns = TurnEncoder(make_encoder(), 5)
    label = LabelEncoder(2, label_names=["no", "yes"])
    return make_vae(condition=JoinedConditions([turns, label]), tokenizer=TOKENIZER)


def test_rows_become_a_batch(dialogue):
    rows = rows_of(
        dialogue, ["a b c", "d"], [["e", "f g"], ["g"]], labels=["yes", "no"]
    )
    batch = batch_of(dialogue, rows, ("tokens", "context", "label"))
    assert batch["tokens"].numpy().tolist() == [[4, 5, 6], [7, 0, 0]]
    # The last turn stands last, and those that there are not before the first.
    wanted = [[[8, 0], [9, 10]], [[0, 0], [10, 0]]]
    assert batch["context"].numpy().tolist() == wanted
    assert batch["label"].numpy().tolist() == [1, 0]
    cut = batch_of(dialogue, rows, ("tokens", "context"), 2, 1)
    assert cut["tokens"].numpy().tolist() == [[4, 5], [7, 0]]
    assert cut["context"].numpy().tolist() == [[[8], [9]], [[0], [10]]]


def test_one_text_is_no_dialogue():
    model = make_vae(condition=ContextEncoder(make_encoder()), tokenizer=TOKENIZER)
    rows = rows_of(model, contexts="a b")
    found = batch_of(model, rows, ("context",))["context"]
    np.testing.assert_array_equal(found, [[4, 5]])
    with pytest.raises(ValueError, match="turns"):
        batch_of(model, rows_of(model, contexts=[["a", "b"]]), ("context",))


def test_sentences_alone_stay_texts():
    assert rows_of(make_vae(), ["a", "b"]) == ["a", "b"]
    assert rows_of(make_vae(), "a") == ["a"]


def test_refuses_what_does_not_fit(dialogue):
    with pytest.raises(ValueError, match="reads a context. Received: contexts=None"):
        rows_of(dialogue, ["a"], labels=["no"])
    with pytest.raises(ValueError, match="does not read a label"):
        rows_of(make_vae(), ["a"], labels=["no"])
    with pytest.raises(ValueError, match="2 texts, 1 contexts, 1 labels"):
        rows_of(dialogue, ["a", "b"], [["c"]], labels=["no"])
    with pytest.raises(ValueError, match="Give contexts too. Received: 'a'"):
        batch_of(dialogue, ["a"], ("context",))
    rows = [{"text": "a", "context": ["b"], "label": "maybe"}]
    with pytest.raises(ValueError, match="must be one of no, yes"):
        batch_of(dialogue, rows, ("label",))
