import shutil
import sys
import types

import pytest

from tfvae.evaluation.kenlm import KenlmModel
from tfvae.evaluation.ngram import NgramModel
from tfvae.text import default_grammar


def test_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "kenlm", None)
    with pytest.raises(ValueError, match=r"tfvae\[lm\]"):
        KenlmModel.fit(["a b"])


def test_says_that_the_program_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "kenlm", types.ModuleType("kenlm"))
    with pytest.raises(ValueError, match="not found.*'no_such_program'"):
        KenlmModel.fit(["a b"], lmplz="no_such_program")


@pytest.mark.parametrize("unknown", ["word", "skipped"])
def test_agrees_with_our_own(unknown):
    pytest.importorskip("kenlm")
    if shutil.which("lmplz") is None:
        pytest.skip("KenLM's lmplz is not on PATH")
    texts = [s.text.replace("the", "<unk>") for s in default_grammar().sample(2000, 0)]
    others = [s.text.replace("the", "<unk>") for s in default_grammar().sample(100, 1)]
    ours = NgramModel.fit(texts, 4, unknown=unknown).score(others)
    theirs = KenlmModel.fit(texts, 4, unknown=unknown).score(others)
    assert theirs[2:] == ours[2:]
    # KenLM counts an empty <unk> besides the word, and its last n-gram otherwise.
    assert theirs.perplexity() == pytest.approx(ours.perplexity(), rel=2e-3)
    assert theirs.perplexity(count_end=False) == pytest.approx(
        ours.perplexity(count_end=False), rel=2e-3
    )
