"""Peak memory of counting a vocabulary and batching does not grow with the file."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# Also read by the environment: the size in MB of the large file.
LARGE = int(os.environ.get("TFVAE_MEMORY_TEST_MB", "100"))

PROGRAM = """
import resource, sys
from tfvae.text import Batches
batches = Batches(sys.argv[1], batch_size=64, max_tokens=10000)
num = sum(1 for _ in batches.dataset())
assert num == len(batches)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def write_text(path, megabytes):
    """Writes random sentences of about 20 words from 20,000, the frequent first."""
    generator = np.random.default_rng(0)
    words = np.array([f"word{index}" for index in range(20000)])
    share = 1 / np.arange(1, len(words) + 1)
    share /= share.sum()
    with open(path, "w") as file:
        while file.tell() < megabytes * 1e6:
            lengths = generator.integers(5, 36, 5000)
            drawn = words[generator.choice(len(words), lengths.sum(), p=share)]
            for sentence in np.split(drawn, np.cumsum(lengths)[:-1]):
                file.write(" ".join(sentence) + "\n")


def peak_megabytes(path):
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, path],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    return int(result.stdout)


@pytest.mark.slow
def test_peak_memory_does_not_grow_with_the_file(tmp_path):
    peaks = {}
    for megabytes in (10, LARGE):
        path = tmp_path / "text.txt"
        write_text(path, megabytes)
        peaks[megabytes] = peak_megabytes(path)
    # 10 MB are 67,000 sentences and fill one window already; the rest is the allocator.
    print(peaks)
    assert peaks[LARGE] < peaks[10] + 60
