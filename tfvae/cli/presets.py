"""`tfvae presets`: what can be trained."""

from tfvae.cli.output import add_json, show

HELP = "list presets, settings and what --set can change"
DESCRIPTION = """\
List the presets (published models), the settings (the papers' networks and training
regimes, which any preset can be trained in) and, with --keys, everything that
`tfvae train --set KEY=VALUE` can change, with its default.
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("--keys", action="store_true", help="list what --set changes")
    add_json(parser)


def run(args):
    """Runs the command."""
    from tfvae.presets import PRESETS, SETTINGS
    from tfvae.training.recipe import setting_fields

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
    show(args, result, _text(result, args.keys))


def _text(result, with_keys):
    lines = ["Presets:"]
    width = 2 + max(map(len, result["presets"]))
    indent = " " * (2 + width)
    for name, preset in result["presets"].items():
        lines.append(f"  {name:{width}}{preset['summary']}")
        lines.append(f"{indent}paper: {preset['paper']}")
        for data, figures in preset["published"].items():
            lines.append(f"{indent}published, {data}: {figures}")
        if with_keys and preset["options"]:
            options = (f"{key}={value!r}" for key, value in preset["options"].items())
            lines.append(f"{indent}--set {' '.join(options)}")
    lines.append("")
    lines.append("Settings (--setting NAME):")
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
