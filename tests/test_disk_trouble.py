"""A full disk and lost permissions in the middle of every operation: one clear error, a sound index, and again."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fault_worker import OPERATIONS

WORKER = Path(__file__).with_name("fault_worker.py")
FREE = [0, 150_000]
"""Bytes that are left free: none at all, and so many that an operation fails in its middle."""
EVERY_FOURTH_PAGE = [4096 * pages for pages in range(0, 65, 4)]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Where the small disk is mounted, an index to copy to it, and the files of that index."""
    folder = tmp_path_factory.mktemp("trouble")
    for name in ("disk", "files"):
        (folder / name).mkdir()
    run = subprocess.run(
        [sys.executable, str(WORKER), "full", *(str(folder / name) for name in ("disk", "whole", "files")), "add"],
        capture_output=True, text=True, check=False, cwd=WORKER.parents[1],
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return [str(folder / name) for name in ("disk", "whole", "files")]


def outcomes(run, numbers):
    told = [json.loads(line) for line in run.stdout.splitlines()]
    assert (run.returncode, len(told)) == (0, len(numbers)), (told, run.stderr[-3000:])
    return [message for _, _, message in told]


@pytest.mark.parametrize("free", [FREE, pytest.param(EVERY_FOURTH_PAGE, marks=pytest.mark.slow)], ids=["some", "many"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_full_disk_in_any_operation_is_a_clear_error_and_it_can_be_done_again(places, operation, free):
    if os.getuid() != 0 or not shutil.which("unshare"):
        pytest.skip("mounting a small disk needs root")
    command = [sys.executable, str(WORKER), "full", *places, operation, *map(str, free)]
    mounted = f"mount -t tmpfs -o size=12m none {places[0]} && exec " + shlex.join(command)
    run = subprocess.run(
        ["unshare", "-m", "sh", "-c", mounted], capture_output=True, text=True, check=False, cwd=WORKER.parents[1]
    )
    messages = outcomes(run, free)
    assert all(message.startswith("no space left on the disk that holds ") for message in messages if message)
    assert messages[0], "the disk was not full"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_folder_that_becomes_read_only_is_a_clear_error_and_it_can_be_done_again(places, operation):
    numbers = [0, 1]
    command = [sys.executable, str(WORKER), "refused", *places, operation, *map(str, numbers)]
    if os.getuid() == 0:  # whom permissions stop only without these rights
        if not shutil.which("setpriv"):
            pytest.skip("root is stopped by permissions only without its rights, which setpriv takes away")
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=WORKER.parents[1])
    messages = outcomes(run, numbers)
    assert all("cannot be written" in message for message in messages if message)
    assert messages[0], "nothing was refused"
