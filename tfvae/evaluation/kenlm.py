"""KenLM in place of `NgramModel`, where it is installed."""

import itertools
import math
import os
import shutil
import subprocess
import tempfile

from tfvae.evaluation.ngram import NgramScore

# What `<unk>` in a text is called towards KenLM, which gives that name a meaning.
_UNKNOWN_WORD = "<unknown>"
_SPECIAL = ("<unk>", "<s>", "</s>")


class KenlmModel:
    """An n-gram model by KenLM's `lmplz`, with the methods of `NgramModel`.

    It estimates on disk, for texts that do not fit into memory. With the same text
    and vocabulary its probabilities are those of `NgramModel` but for single
    precision.

    Args:
        model: `kenlm.Model`.
        unknown: As in `fit`.
        vocabulary: Set of str, or `None`.
    """

    def __init__(self, model, unknown="word", vocabulary=None):
        self._model = model
        self._unknown = unknown
        self._vocabulary = vocabulary

    @classmethod
    def fit(cls, texts, order=5, *, vocabulary=None, unknown="word", lmplz="lmplz"):
        """Learns a model from sentences.

        Args:
            texts: Iterable of str, words separated by whitespace.
            order: Int of at least 2. Defaults to `5`.
            vocabulary: Iterable of str, the words to know, or `None` for all words of
                the texts; as in `NgramModel.fit`.
            unknown: As in `NgramModel.fit`.
            lmplz: Name or path of KenLM's program. Defaults to `"lmplz"`.

        Returns:
            A `KenlmModel`.

        Raises:
            ValueError: If KenLM is not installed or refuses the text.
        """
        kenlm, program = find_kenlm(lmplz)
        known = None if vocabulary is None else frozenset(vocabulary)
        with tempfile.TemporaryDirectory() as folder:
            arpa = os.path.join(folder, "model.arpa")
            plain = os.path.join(folder, "text")
            with open(plain, "w", encoding="utf-8") as file:
                for text in texts:
                    file.write(_prepared(text, known, unknown) + "\n")
            command = [program, "-o", str(order), "--discount_fallback"]
            command += ["-T", folder, "-S", "1G", "--skip_symbols"]
            if known is not None:
                # Words that the text lacks share in the uniform distribution.
                command += ["--vocab_pad", str(len(known) + len(_SPECIAL))]
            done = subprocess.run(
                [*command, "--text", plain, "--arpa", arpa],
                capture_output=True,
                text=True,
            )
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise ValueError(f"KenLM's `{program}` failed: {reason}")
            config = kenlm.Config()
            config.show_progress = False
            config.arpa_complain = kenlm.ARPALoadComplain.NONE
            model = kenlm.Model(arpa, config)
        return cls(model, unknown, known)

    def score(self, texts):
        """Scores sentences; see `NgramModel.score`."""
        words = nats = end_nats = sentences = unknown = 0
        for text in texts:
            sentence = _prepared(text, self._vocabulary, self._unknown, skip=False)
            scores = [
                (score, is_unknown or word in (_UNKNOWN_WORD, "<unk>"))
                for (score, _, is_unknown), word in zip(
                    self._model.full_scores(sentence, bos=True, eos=True),
                    itertools.chain(sentence.split(), [""]),
                    strict=True,
                )
            ]
            end_nats -= scores[-1][0] * math.log(10)
            nats -= sum(score for score, _ in scores[:-1]) * math.log(10)
            unknown += sum(is_unknown for _, is_unknown in scores[:-1])
            words += len(scores) - 1
            sentences += 1
        if words == unknown:
            raise ValueError(
                "`texts` must hold words that the n-gram model knows. Received: "
                f"{sentences} sentences, {unknown} unknown words"
            )
        return NgramScore(nats, end_nats, words, sentences, unknown)


def find_kenlm(lmplz="lmplz"):
    """Finds KenLM's module and its program for estimation.

    Args:
        lmplz: Name or path of the program. Defaults to `"lmplz"`.

    Returns:
        Tuple of the module and the program's path.

    Raises:
        ValueError: If either is not installed.
    """
    try:
        import kenlm
    except ImportError as error:
        raise ValueError(
            "KenLM is not installed. Install it by `pip install tfvae[lm]`, or use "
            "the n-gram model of tfvae."
        ) from error
    program = shutil.which(lmplz)
    if program is None:
        raise ValueError(
            "KenLM's program for estimation was not found. Build it from KenLM's "
            f"sources and put it on PATH. Received: {lmplz!r}"
        )
    return kenlm, program


def _prepared(text, known, unknown, skip=True):
    """Writes a sentence the way KenLM is to take it."""
    words = text.split()
    if known is not None:
        words = [word if word in known else "<unk>" for word in words]
    if unknown == "word":
        return " ".join(_UNKNOWN_WORD if w in _SPECIAL else w for w in words)
    if skip:
        return " ".join(w for w in words if w not in _SPECIAL)
    return " ".join("<unk>" if w in _SPECIAL else w for w in words)
