"""Speed of training, likelihood and generation; prints one JSON line.

    train        tokens a second through `fit`: words and `</s>`, padding not counted
    likelihood   sentence-samples a second of the importance-weighted nll
    greedy       sentences a second, 30 words each, of the most probable words
    sample       the same of sampled words (--top-p for a nucleus)
    stalls       seconds from the last step of 30 short fits, each with validation, to
                 their return; the longest

Before a clock starts, one batch of each shape that will be timed has run, so that
compilation is left out; how long that took is printed as `compile_seconds`. Every
repeat is printed, and the median counts.

With --beside COMMAND another program runs before each repeat, so that both meet the
same moments of the machine. The last line that it prints is a JSON object with
`units_per_second`, of the unit above; the ratio of the two is printed, each repeat's
and their median.
"""

import argparse
import itertools
import json
import shlex
import subprocess
import sys
import time

from tfvae.cli.main import import_tensorflow

SAMPLES = 100
WORDS = 30
FITS = 30


class Workload:
    """A model with its data; each task returns a function to time and its units."""

    def __init__(self, args):
        import keras

        from tfvae.cli.train import parse_overrides
        from tfvae.training import RunConfiguration

        self.args = args
        configuration = RunConfiguration(
            args.preset,
            args.data,
            setting=args.setting,
            xla=args.xla,
            overrides=parse_overrides(args.set),
            context_column=args.context_column,
            max_turns=args.max_turns,
            too_long=args.too_long,
        )
        keras.utils.set_random_seed(configuration.seed)
        self.batches = configuration.training_batches()
        tokenizer = self.batches.tokenizer
        self.model = configuration.make_model(tokenizer, len(self.batches))
        self.batch_size = self.batches.batch_size
        self.timed = list(itertools.islice(self.batches.arrays(), args.steps))
        shapes = {
            tuple(value.shape for value in batch.values()): batch
            for batch in self.timed
        }
        self.one_of_each = list(shapes.values())

    def train(self):
        """Passes over the batches; words of contexts are counted apart."""
        import numpy as np

        def words(key):
            return sum(int(np.count_nonzero(batch[key])) for batch in self.timed)

        num_tokens = words("tokens") + sum(len(each["tokens"]) for each in self.timed)
        computed = sum(each["tokens"].size + len(each["tokens"]) for each in self.timed)
        about = {
            "tokens": num_tokens,
            "padding_share": round(1.0 - num_tokens / computed, 4),
            "shapes": len(self.one_of_each),
        }
        if self.args.context_column is not None:
            about["context_words"] = words("context")
        warm_up = lambda: self._fit(self.one_of_each)  # noqa: E731
        return warm_up, lambda: self._fit(self.timed), num_tokens, about

    def likelihood(self):
        """Scores the sentences of the batches."""
        from tfvae.evaluation.likelihood import SentenceScorer

        scorer = SentenceScorer(self.model, SAMPLES)

        def score(batches):
            for batch in batches:
                scorer(batch).nll.numpy()

        num = SAMPLES * sum(len(batch["tokens"]) for batch in self.timed)
        warm_up = lambda: score(self.one_of_each)  # noqa: E731
        return warm_up, lambda: score(self.timed), num, {"samples": SAMPLES}

    def greedy(self):
        """Writes as many batches of sentences, none of which ends early."""
        return self._writing("greedy")

    def sample(self):
        """Samples as many batches of sentences, none of which ends early."""
        from tfvae.samplers import Ancestral, Nucleus

        p = self.args.top_p
        return self._writing(Ancestral() if p is None else Nucleus(p))

    def _writing(self, sampler):
        from tfvae.text import EOS_ID

        # An untrained model would end some sentences at once.
        bias = self.model.decoder.output_layer.bias.numpy()
        bias[EOS_ID] = -1e9
        self.model.decoder.output_layer.bias.assign(bias)
        num = self.args.batch_size or self.batch_size

        def write(steps=self.args.steps):
            for step in range(steps):
                ids = self.model.generate(
                    num,
                    sampler=sampler,
                    max_length=WORDS,
                    seed=step,
                    return_ids=True,
                )
                assert ids.shape == (num, WORDS) and (ids > 0).all()

        about = {"words": WORDS, "batch_size": num}
        return lambda: write(1), write, num * self.args.steps, about

    def stalls(self):
        """Fits a few batches again and again, and keeps the longest wait."""
        import keras

        some = self.timed[:4]
        waits = []

        class LastStep(keras.callbacks.Callback):
            def on_test_batch_end(self, batch, logs=None):
                self.ended = time.perf_counter()

        def fit():
            last = LastStep()
            validation = self._dataset(self.one_of_each[:1])
            self._fit(some, validation_data=validation, callbacks=[last])
            waits.append(time.perf_counter() - last.ended)

        def fits():
            for _ in range(FITS):
                fit()

        # Filled by the time it is printed.
        return fit, fits, FITS, {"waits": waits}

    def _fit(self, batches, **options):
        self.model.fit(self._dataset(batches), verbose=0, **options)

    def _dataset(self, batches):
        import tensorflow as tf

        signature = {
            key: tf.TensorSpec([None] * value.ndim, tf.int32)
            for key, value in batches[0].items()
        }
        dataset = tf.data.Dataset.from_generator(
            lambda: iter(batches), output_signature=signature
        )
        cardinality = tf.data.experimental.assert_cardinality(len(batches))
        return dataset.apply(cardinality).prefetch(8)


UNITS = {
    "train": "tokens_per_second",
    "likelihood": "sentence_samples_per_second",
    "greedy": "sentences_per_second",
    "sample": "sentences_per_second",
    "stalls": "fits_per_second",
}


def seconds_of(run):
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def speed_of(command):
    """Runs another program and returns the `units_per_second` that it prints."""
    done = subprocess.run(shlex.split(command), capture_output=True, text=True)
    try:
        return float(json.loads(done.stdout.splitlines()[-1])["units_per_second"])
    except (LookupError, ValueError, TypeError):
        raise ValueError(
            f"The last line that {command!r} prints must be a JSON object with "
            f"`units_per_second`. It ended with {done.returncode} and printed: "
            f"{(done.stdout + done.stderr)[-300:]!r}"
        ) from None


def measure(args):
    import_tensorflow()
    import numpy as np

    work = Workload(args)
    warm_up, run, num, about = getattr(work, args.task)()
    compile_seconds = seconds_of(warm_up)
    seconds, beside = [], []
    for _ in range(args.repeats):
        if args.beside is not None:
            beside.append(speed_of(args.beside))
        seconds.append(seconds_of(run))
    if beside:
        ratios = num / np.array(seconds) / beside
        about["beside"] = {
            "units_per_second": beside,
            "ratios": ratios.round(3).tolist(),
            "ratio": round(float(np.median(ratios)), 3),
        }
    if args.task == "stalls":
        about["longest_wait"] = round(max(about.pop("waits")[1:]), 3)
    return {
        "task": args.task,
        "preset": args.preset,
        "setting": args.setting,
        UNITS[args.task]: round(num / float(np.median(seconds)), 1),
        "seconds": [round(value, 3) for value in seconds],
        "steps": len(work.timed),
        **about,
        "compile_seconds": round(compile_seconds, 1),
        "vocabulary_size": work.batches.tokenizer.vocabulary_size,
        "xla": bool(work.model.jit_compile),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=UNITS, default="train")
    parser.add_argument("--data", required=True, metavar="FILE")
    parser.add_argument("--preset", default="vae")
    parser.add_argument("--setting", default="ivae")
    parser.add_argument("--steps", type=int, default=60, help="batches timed (60)")
    parser.add_argument(
        "--repeats", type=int, default=1, help="passes over them; the median counts"
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="sentences written at once (the setting's)",
    )
    parser.add_argument("--top-p", type=float, metavar="P", help="nucleus of `sample`")
    parser.add_argument(
        "--beside", metavar="COMMAND", help="program that is timed in turn with this"
    )
    parser.add_argument("--context-column", metavar="NAME", help="column of contexts")
    parser.add_argument("--max-turns", type=int, metavar="N", help="turns of a context")
    parser.add_argument(
        "--too-long", choices=["error", "truncate", "drop"], default="error"
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="as of tfvae train"
    )
    parser.add_argument("--xla", choices=["auto", "always", "never"], default="auto")
    parser.add_argument("--json", default="-", metavar="FILE")
    args = parser.parse_args()
    try:
        line = json.dumps(measure(args))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if args.json == "-":
        sys.stdout.write(line + "\n")
    else:
        with open(args.json, "w", encoding="utf-8") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
