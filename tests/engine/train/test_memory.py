"""Memory that runs out, for real: an address space with a limit, a shared memory of a few megabytes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

#: Trains with batches of 8, of which each image takes 40 MB more than once, where 600 MB are left.
TRAIN = """
import resource, sys
from pathlib import Path
import torch
from test_loop import Line, RuntimeSettings, Trained, open_runtime
from registry.engine.train.summary import later_caveats

class Wide(Line):
    def forward(self, batch):
        pixel = batch["image"].mean((1, 2, 3))[:, None]
        wide = (pixel.expand(-1, 10_000_000) * self.model.weight[0, 0]).exp()
        return {"loss": (wide.mean(1) - 2 * pixel[:, 0]).square().mean()}

    def evaluate(self, batch):
        if "evaluating" in sys.argv:
            torch.zeros(1_000_000_000)

runtime = open_runtime(RuntimeSettings(device="cpu"), "fp32", "contiguous", "as the test says")
settings = {"batch_size": int(sys.argv[2]), "epochs": 1, "auto_batch": sys.argv[3] == "auto"}
trained = Trained(Path(sys.argv[1]), runtime, Wide([0.5]), **settings)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[4]) * 1_000_000,) * 2)
try:
    trained.fit()
    print("weight", trained.weight, *later_caveats(trained.run))
except Exception as error:
    print(type(error).__name__, error, "hint:", error.hint)
"""


def trained(*words: object) -> str:
    """What the script prints."""
    code = f"import sys; sys.path[:0] = {[str(ROOT), str(ROOT / 'tests'), str(Path(__file__).parent)]}\n{TRAIN}"
    command = [sys.executable, "-c", code, *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()[-1]


def test_a_batch_that_does_not_fit_is_named_with_one_that_does(tmp_path: Path) -> None:
    text = trained(tmp_path, 8, "whole", 600)
    assert text.startswith("OutOfMemory a training batch of 8 images does not fit into memory in epoch 1, step 1:")
    fitting = re.search(r"hint: (\d) images? fits?: set trainer.batch_size to \1, or trainer.auto_batch: true", text)
    assert fitting is not None and int(fitting[1]) in (1, 2, 4), text


def test_auto_batch_takes_the_same_step_in_parts(tmp_path: Path) -> None:
    limited = trained(tmp_path / "limited", 8, "auto", 600)
    assert re.search(r"batches were computed [124] images? at a time for want of memory", limited), limited
    roomy = trained(tmp_path / "roomy", 8, "auto", 20_000)
    assert "at a time" not in roomy
    assert float(limited.split()[1]) == pytest.approx(float(roomy.split()[1]), rel=1e-5)


def test_an_evaluation_that_does_not_fit_names_its_setting(tmp_path: Path) -> None:
    text = trained(tmp_path, 1, "whole", 600, "evaluating")
    assert "OutOfMemory an evaluation batch of 4 images does not fit" in text and "trainer.eval_batch_size" in text


#: Loads batches of 24 MB with a worker.
LOAD = """
import sys
import numpy as np
from registry.engine.data.augmented import Augmented
from registry.engine.data.loader import EpochOrder, batches, close, make_loader

class Large:
    names = tuple("abcdefgh")
    def __len__(self):
        return 8
    def __getitem__(self, index):
        return {"image": np.zeros((2000, 2000, 3), np.uint8), "name": self.names[index]}

if __name__ == "__main__":
    order = EpochOrder(8, 2, seed=None)
    loader = make_loader(Augmented(Large(), None, seed=1), order, workers=1, pin_memory=False, timeout=60)
    try:
        print(len(list(batches(loader))), "batches")
    except Exception as error:
        print(type(error).__name__, error, "hint:", error.hint)
    finally:
        close(loader)  # as every run does
"""


def test_a_full_shared_memory_names_itself_and_the_workers(tmp_path: Path) -> None:
    script = tmp_path / "load.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{LOAD}")
    alone = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"], capture_output=True).returncode:
        pytest.skip("this system allows no file systems of one's own")
    words = f"mount -t tmpfs -o size=8m tmpfs /dev/shm && {sys.executable} {script}"
    ended = subprocess.run([*alone, "sh", "-c", words], capture_output=True, text=True, timeout=300)
    assert "Hw1Error shared memory (/dev/shm) is full" in ended.stdout, ended.stderr
    assert "runtime.workers" in ended.stdout
