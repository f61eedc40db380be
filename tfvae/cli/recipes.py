"""What the commands that train share: the arguments of a recipe."""

import ast


def add_recipe(parser):
    """Declares what a recipe holds beside its preset and texts."""
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


def recipe_of(args):
    """Makes the `Recipe` of parsed arguments."""
    from tfvae.training import Recipe

    return Recipe(
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
