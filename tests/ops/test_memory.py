import os
import platform
import subprocess
import sys

import pytest

# Allocates and frees 64 MB again and again, and counts the pages that this takes.
CODE = """
import resource
from tfvae.ops.runtime import keep_freed_memory
done = keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(2 ** 26)
before = faults()
for _ in range(5):
    bytearray(2 ** 26)
print(done, faults() - before)
"""


def outcome(**environment):
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only the GNU C library has mallopt"
)
def test_freed_memory_is_used_again_without_a_page_fault():
    kept, faults = outcome()
    assert kept
    released, many = outcome(TFVAE_RELEASE_MEMORY="1")
    assert not released
    # 5 times 64 MB are 81,920 pages of 4 kB, of 2 MB where huge pages are on.
    assert faults < 10 < many


def test_it_is_done_once():
    from tfvae.ops.runtime import keep_freed_memory

    assert keep_freed_memory() is keep_freed_memory()
