"""`tfvae train` and `tfvae presets`: train a preset, list what can be trained."""

from tfvae.cli.options import (
    Command,
    add_configuration,
    add_json,
    check_outputs,
    command_to_write,
    make_configuration,
    show,
)


def _add_train(parser):
    parser.add_argument("preset", help="see `tfvae presets`")
    parser.add_argument("--train", required=True, metavar="FILE", help="training text")
    parser.add_argument("--valid", metavar="FILE", help="validation text")
    parser.add_argument("--out", required=True, metavar="DIR", help="run folder")
    add_configuration(parser)
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
        help="continue the run in --out after its last whole epoch; with more --epochs "
        "than it had, train it longer",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="a line an epoch instead of a bar"
    )


def _train(args):
    from tfvae.training import train
    from tfvae.training.callbacks import LatentMetrics

    configuration = make_configuration(args)
    callbacks = []
    if configuration.valid is not None:
        callbacks.append(
            LatentMetrics(
                lambda model: configuration.validation_batches(model.tokenizer)
            )
        )
    folder = train(
        configuration,
        args.out,
        resume=args.resume,
        strategy=args.strategy,
        verbose=2 if args.quiet else "auto",
        callbacks=callbacks,
        log=print,
    )
    if folder is None:
        print("This worker is done; the first one keeps the run folder.")
        return
    state = folder.load_state()
    length = _counted(state["epoch"], "epoch")
    if configuration.steps is not None and state["finished"]:
        length = _counted(configuration.steps, "step")
    best = "" if state["best"] is None else f", best {state['best']:.3f}"
    print(f"{folder.path}: {length}{best} (epoch {state['best_epoch']})")
    print("Next:")
    print(f"  tfvae evaluate {folder.path} --data {args.valid or args.train}")
    print(f"  {command_to_write(folder, args.valid or args.train)}")


def _counted(number, noun):
    return f"{number} {noun}" + ("" if number == 1 else "s")


TRAIN = Command(
    "train a preset on a text file",
    """\
Train a preset on a text and keep everything about the run in one folder:
  model.keras   the best model by validation (the last one without --valid)
  last.keras    the state after the last whole epoch, for --resume
  recipe.json   everything needed to repeat the run
  history.csv   one row an epoch; logs/ holds the same for TensorBoard

The text is one sentence a line, or the column named by --column of a .csv, .tsv or
.jsonl file; .gz may follow. Words are what stands between white space.

example:
  tfvae train vae --train train.txt --valid valid.txt --out runs/vae --epochs 10
  tfvae train beta_vae --train train.txt --out runs/b --set beta=0.5 latent_dim=16
  tfvae train vae --from runs/vae --train other.txt --out runs/other --epochs 2
""",
    _add_train,
    _train,
)


def _add_presets(parser):
    parser.add_argument("--keys", action="store_true", help="list what --set changes")
    add_json(parser)


def _presets(args):
    from tfvae.presets import PRESETS, SETTINGS
    from tfvae.training.run_configuration import setting_fields

    check_outputs(args, "json")
    result = {
        "presets": {
            name: {
                "summary": preset.summary,
                "paper": preset.paper,
                "options": preset.options,
                "published": preset.published,
            }
            for name, preset in PRESETS.items()
        },
        "settings": {
            name: {
                "source": setting.source,
                "fields": {key: getattr(setting, key) for key in setting_fields()},
            }
            for name, setting in SETTINGS.items()
        },
    }
    show(args, result, _list_presets(result, args.keys))


def _list_presets(result, with_keys):
    lines = ["Presets:"]
    width = 2 + max(map(len, result["presets"]))
    indent = " " * (2 + width)
    for name, preset in result["presets"].items():
        lines.append(f"  {name:{width}}{preset['summary']}")
        lines.append(f"{indent}paper: {preset['paper']}")
        for data, metrics in preset["published"].items():
            lines.append(f"{indent}published, {data}: {metrics}")
        if with_keys and preset["options"]:
            options = (f"{key}={value!r}" for key, value in preset["options"].items())
            lines.append(f"{indent}--set {' '.join(options)}")
    lines += ["", "Settings (--setting NAME):"]
    for name, setting in result["settings"].items():
        lines.append(f"  {name:{width}}{setting['source']}")
    if with_keys:
        lines += ["", "Fields of the settings, for --set:"]
        settings = result["settings"]
        lines.append(f"  {'':20}" + "".join(f"{name:>13}" for name in settings))
        for key in next(iter(settings.values()))["fields"]:
            values = (str(each["fields"][key]) for each in settings.values())
            lines.append(f"  {key:20}" + "".join(f"{value:>13}" for value in values))
    return "\n".join(lines)


PRESETS = Command(
    "list presets, settings and what --set can change",
    """\
List the presets (published models), the settings (the papers' networks and training
regimes, which any preset can be trained in) and, with --keys, everything that
`tfvae train --set KEY=VALUE` can change, with its default.
""",
    _add_presets,
    _presets,
)
