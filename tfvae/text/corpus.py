"""Writes a corpus of the grammar, whose best possible scores are known."""

import json
import os

from tfvae.text.grammar import ATTRIBUTES, default_grammar


def write_corpus(folder, num_train=10000, num_valid=1000, num_test=1000, seed=0):
    """Writes sentences and question-answer pairs drawn from the default grammar.

    For each of `train`, `valid` and `test` it writes `train.txt`, one sentence a line;
    `train.tsv`, the same sentences with their attributes as ints and their
    log-probability in nats; `train_pairs.tsv`, as many answers in the same way, each
    with its question in the column `context` and its log-probability given that.
    `attributes.json` names the ints. All sentences are drawn independently, so a few
    short ones occur in more than one file; a split does not depend on the others' size.

    Args:
        folder: Path of the folder; it is made where missing, and files of these names
            are replaced.
        num_train: Int. Sentences, and pairs, to train on. Defaults to `10000`.
        num_valid: Int. Defaults to `1000`.
        num_test: Int. Defaults to `1000`.
        seed: Int. Defaults to `0`.

    Raises:
        ValueError: If a number is not positive.
    """
    sizes = {"train": num_train, "valid": num_valid, "test": num_test}
    if min(sizes.values()) < 1:
        raise ValueError(f"Every split needs a sentence. Received: {sizes}")
    os.makedirs(folder, exist_ok=True)
    grammar = default_grammar()
    for split, num in sizes.items():
        sentences = list(grammar.sample(num, f"{seed} {split}"))
        lines = (sentence.text for sentence in sentences)
        _write(folder, f"{split}.txt", lines)
        _write(folder, f"{split}.tsv", _table(sentences, ["text"]))
        pairs = grammar.sample_pairs(num, f"{seed} {split}")
        _write(folder, f"{split}_pairs.tsv", _table(pairs, ["context", "text"]))
    _write(folder, "attributes.json", [json.dumps(ATTRIBUTES, indent=2)])


def _table(sentences, columns):
    columns = [*columns, *ATTRIBUTES, "log_prob"]
    yield "\t".join(columns)
    for sentence in sentences:
        yield "\t".join(str(getattr(sentence, column)) for column in columns)


def _write(folder, name, lines):
    with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
