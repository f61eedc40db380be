"""`tfvae train`: train a preset on a text file."""

from tfvae.cli.recipes import add_recipe, recipe_of

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
    add_recipe(parser)
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
    from tfvae.training import train

    recipe = recipe_of(args)
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
