"""Uses an installed tfvae once: trains two steps, saves, loads, evaluates, exports.

It runs wherever the package is, without the rest of this repository; see
`scripts/check_versions`.
"""

import json
import math
import os
import shlex
import sys
import tempfile

import tfvae
from tfvae.cli.main import import_tensorflow, main

SIZES = "embedding_dim=8 encoder_dim=8 decoder_dim=8 latent_dim=2"
COMMANDS = f"""
train beta_vae --train train.txt --valid valid.txt --out run --epochs 1 --set {SIZES}
evaluate run --data test.txt --samples 2 --metrics likelihood,reconstruction,generation --num-generated 8 --short --json test.json
generate run --num 2
report run --data test.txt --out report.html
export run --to exports/run
tune beta_vae --train train.txt --valid valid.txt --out sweep --epochs 1 --search beta=0.5:1 --tuner bayesian --trials 4 --set {SIZES}
"""  # noqa: E501


def smoke():
    import_tensorflow()
    from tfvae.text import write_corpus

    # Two batches of 32.
    write_corpus(".", 64, 32, 32)
    for command in COMMANDS.strip().splitlines():
        print(f"$ tfvae {command}", flush=True)
        if main(shlex.split(command)):
            sys.exit(f"failed: tfvae {command}")
    with open("test.json", encoding="utf-8") as file:
        nelbo = json.load(file)["nelbo"]
    assert math.isfinite(nelbo), nelbo
    print(f"tfvae {tfvae.__version__} from {os.path.dirname(tfvae.__file__)}")
    print(f"nelbo {nelbo:.4f} after two steps")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        smoke()
