"""`tfvae train`: train a preset on a text file."""

import ast

HELP = "train a preset on a text file"
DESCRIPTION = """\
Train a preset on a text and keep everything about the run in one folder:
  model.keras   the best model by validation (the last one without --valid)
  last.keras    the state after the last whole epoch, for --resume
  recipe.json   everything needed to repeat the run
  history.csv   one row an epoch; logs/ holds the same for TensorBoard

The text is one sentence a line, or the column named by --column of a .tsv (with a
header) or .jsonl file. Words are what stands between white space.

example:
  tfvae train vae --train train.txt --valid valid.txt --out runs/vae --epochs 10
  tfvae train beta_vae --train train.txt --out runs/b --set beta=0.5 latent_dim=16
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("preset", help="see `tfvae presets`")
    parser.add_argument("--train", required=True, metavar="FILE", help="training text")
    parser.add_argument("--valid", metavar="FILE", help="validation text")
    parser.add_argument("--out", required=True, metavar="DIR", help="run folder")
    parser.add_argument(
        "--setting",
        default="ivae",
        metavar="NAME",
        help="network and training regime of a paper: copula, coupled, mine, wae or "
        "ivae (default: ivae)",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        action="extend",
        metavar="KEY=VALUE",
        help="change an option of the preset or a field of the setting, such as "
        "beta=0.5 or latent_dim=16; `tfvae presets --keys` lists them",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=int, metavar="N", help="passes over the text")
    length.add_argument("--steps", type=int, metavar="N", help="batches to train on")
    parser.add_argument(
        "--scale-schedules",
        action="store_true",
        help="shrink or stretch annealing and learning-rate decay to the length of "
        "training; without it they take the paper's number of steps or epochs",
    )
    parser.add_argument("--batch-size", type=int, metavar="N", help="sentences")
    parser.add_argument(
        "--max-length", type=int, metavar="N", help="longest sentence in words"
    )
    parser.add_argument(
        "--too-long",
        choices=["error", "truncate", "drop"],
        default="error",
        help="what becomes of longer sentences (default: error)",
    )
    parser.add_argument(
        "--column", default="text", help="column of .tsv and .jsonl files"
    )
    parser.add_argument("--tokenizer", choices=["word", "wordpiece"], default="word")
    parser.add_argument(
        "--patience",
        type=int,
        metavar="N",
        help="stop after N epochs without a better validation figure",
    )
    parser.add_argument(
        "--no-xla",
        action="store_true",
        help="start at once, without compiling a program for each length of batch, "
        "and train more slowly: for small texts",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--strategy",
        choices=["none", "mirrored", "multi_worker"],
        default="none",
        help="share each batch among all GPUs of this machine, or among the machines "
        "of the environment variable TF_CONFIG, where the same command is run on each "
        "and the first keeps --out (default: none)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --out after its last whole epoch",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="a line an epoch instead of a bar"
    )


def run(args):
    """Runs the command."""
    from tfvae.evaluation.callbacks import LatentMeasures
    from tfvae.training import Recipe, train

    recipe = Recipe(
        preset=args.preset,
        train=args.train,
        setting=args.setting,
        valid=args.valid,
        overrides=parse_overrides(args.set),
        epochs=args.epochs,
        steps=args.steps,
        batch_size=args.batch_size,
        max_length=args.max_length,
        too_long=args.too_long,
        column=args.column,
        tokenizer=args.tokenizer,
        patience=args.patience,
        scale_schedules=args.scale_schedules,
        xla=not args.no_xla,
        seed=args.seed,
    )
    verbose = 2 if args.quiet else "auto"
    callbacks = [LatentMeasures(_batches(recipe))] if recipe.valid else []
    folder = train(
        recipe,
        args.out,
        resume=args.resume,
        strategy=args.strategy,
        verbose=verbose,
        callbacks=callbacks,
    )
    if folder is None:
        print("This worker is done; the first one keeps the run folder.")
        return
    state = folder.load_state()
    best = "" if state["best"] is None else f", best {state['best']:.3f}"
    print(f"{folder.path}: {state['epoch']} epochs{best} (epoch {state['best_epoch']})")
    print("Next:")
    print(f"  tfvae evaluate {folder.path} --data {args.valid or args.train}")
    print(f"  tfvae generate {folder.path} --num 10")


def _batches(recipe):
    """Gives a function of a model, the validation sentences as batches."""
    from tfvae.text import read_texts
    from tfvae.training.train import batches_of

    return lambda model: batches_of(
        lambda: read_texts(recipe.valid, recipe.column),
        model.tokenizer,
        recipe,
        shuffle=False,
    ).dataset()


def parse_overrides(pairs):
    """Reads `key=value` pairs; values are Python literals, `true`, `false` or words.

    Raises:
        ValueError: If a pair has no `=`.
    """
    overrides = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ValueError(f"--set takes KEY=VALUE. Received: {pair!r}")
        try:
            overrides[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            overrides[key] = {"true": True, "false": False}.get(value, value)
    return overrides
