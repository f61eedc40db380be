"""What each process of `run_workers` runs: `python -m tfvae.tuning.worker FOLDER`."""

import os
import sys

from tfvae.tuning.workers import end_with_parent


def main(folder):
    """Runs the chief or a worker of a search, as the environment says.

    Args:
        folder: Path of the search.
    """
    end_with_parent()
    from tfvae.tuning.sweep import Sweep

    sweep = Sweep.load(os.path.join(folder, "sweep.json"))
    sweep.make_tuner(folder, verbose=2).search()


if __name__ == "__main__":
    main(sys.argv[1])
