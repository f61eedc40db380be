"""No reported bound may lie below what the corpus's own generator needs."""

import dataclasses

import numpy as np
import pytest

from tfvae.evaluation import evaluate
from tfvae.presets import SETTINGS, Blueprint, get_preset
from tfvae.text import Batches, WordTokenizer, default_grammar


@pytest.fixture(scope="module")
def corpus():
    grammar = default_grammar()
    return {
        split: list(grammar.sample(num, f"entropy {split}"))
        for split, num in (("train", 4000), ("test", 600))
    }


def _train(preset, corpus):
    texts = [sentence.text for sentence in corpus["train"]]
    tokenizer = WordTokenizer()
    tokenizer.adapt(texts)
    setting = dataclasses.replace(
        SETTINGS["ivae"],
        embedding_dim=32,
        encoder_dim=32,
        decoder_dim=64,
        latent_dim=8,
        input_dropout=0.0,
        output_dropout=0.0,
        learning_rate=1e-2,
    )
    blueprint = Blueprint(setting, tokenizer=tokenizer, steps_per_epoch=62)
    model = get_preset(preset)(blueprint)
    model.compile(blueprint.optimizer(), jit_compile=False)
    batches = Batches(texts, tokenizer, 64)
    model.fit(
        batches.repeated(), steps_per_epoch=62, epochs=10, verbose=0, shuffle=False
    )
    return model


@pytest.mark.parametrize("preset", ["language_model", "vae"])
def test_bounds_stay_above_the_entropy(preset, corpus):
    model = _train(preset, corpus)
    texts = [sentence.text for sentence in corpus["test"]]
    true = -np.array([sentence.log_prob for sentence in corpus["test"]])
    batches = Batches(texts, model.tokenizer, 50, shuffle=False)
    result = evaluate(model, batches.dataset(), num_samples=10, per_sentence=True)
    for name in {"nll", "nelbo"} & set(result):
        excess = result["per_sentence"][name] - true
        error = excess.std(ddof=1) / np.sqrt(len(excess))
        assert excess.mean() > -4 * error
        # Learned well enough for the bound to mean something.
        assert excess.mean() < 6.0
