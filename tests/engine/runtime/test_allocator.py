"""glibc's allocator keeps large blocks, unless the user decides otherwise; in processes of their own."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from registry.engine.runtime.allocator import keep_large_blocks
changed = keep_large_blocks()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(64 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(changed, faults())
"""


def run(**variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC")} | variables
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    return output[0] == "True", int(output[1])


glibc = pytest.mark.skipif(os.confstr_names.get("CS_GNU_LIBC_VERSION") is None, reason="needs glibc")


@glibc
def test_a_large_block_is_not_mapped_again():
    changed, faults = run()
    kept, usual = run(HW1CLI_MALLOPT="0")
    assert changed and not kept
    assert faults < usual / 10


@glibc
@pytest.mark.parametrize("variable", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_the_users_own_settings_are_left_alone(variable):
    value = "134217728" if variable.startswith("MALLOC") else "glibc.malloc.check=0"
    assert run(**{variable: value})[0] is False
