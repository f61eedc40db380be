"""Training speed in tokens per second, through `fit`; prints one JSON line.

Tokens are words and `</s>`, padding not counted. Before the clock starts, one batch of
each shape that will be timed is trained on, so that compilation is left out; how long
that took is printed as `compile_seconds`.
"""

import argparse
import itertools
import json
import sys
import time

from tfvae.cli.main import import_tensorflow


def measure(args):
    import_tensorflow()
    import keras
    import numpy as np
    import tensorflow as tf

    from tfvae.training import RunConfiguration

    configuration = RunConfiguration(
        args.preset, args.data, setting=args.setting, xla=not args.no_xla
    )
    keras.utils.set_random_seed(configuration.seed)
    batches = configuration.training_batches()
    model = configuration.make_model(batches.tokenizer, len(batches))

    timed = list(itertools.islice(batches.arrays(), args.steps))
    one_of_each = {batch["tokens"].shape: batch for batch in timed}.values()

    def fit(some):
        signature = {"tokens": tf.TensorSpec([None, None], tf.int32)}
        dataset = tf.data.Dataset.from_generator(
            lambda: iter(some), output_signature=signature
        )
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(some)))
        started = time.perf_counter()
        model.fit(dataset.prefetch(8), verbose=0)
        return time.perf_counter() - started

    compile_seconds = fit(list(one_of_each))
    seconds = [fit(timed) for _ in range(args.repeats)]
    num_tokens = sum(
        int(np.count_nonzero(batch["tokens"])) + len(batch["tokens"]) for batch in timed
    )
    num_computed = sum(batch["tokens"].size + len(batch["tokens"]) for batch in timed)
    return {
        "task": "train",
        "preset": args.preset,
        "setting": args.setting,
        "tokens_per_second": round(num_tokens / float(np.median(seconds)), 1),
        "seconds": [round(value, 3) for value in seconds],
        "steps": len(timed),
        "tokens": num_tokens,
        "padding_share": round(1.0 - num_tokens / num_computed, 4),
        "shapes": len(one_of_each),
        "compile_seconds": round(compile_seconds, 1),
        "vocabulary_size": batches.tokenizer.vocabulary_size,
        "xla": bool(model.jit_compile),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, metavar="FILE")
    parser.add_argument("--preset", default="vae")
    parser.add_argument("--setting", default="ivae")
    parser.add_argument("--steps", type=int, default=60, help="batches timed (60)")
    parser.add_argument(
        "--repeats", type=int, default=1, help="passes over them; the median counts"
    )
    parser.add_argument("--no-xla", action="store_true")
    parser.add_argument("--json", default="-", metavar="FILE")
    args = parser.parse_args()
    line = json.dumps(measure(args))
    if args.json == "-":
        sys.stdout.write(line + "\n")
    else:
        with open(args.json, "w", encoding="utf-8") as file:
            file.write(line + "\n")
