"""``bench``: what it measures adds up, and its advice follows from it."""

import json

import pytest

from registry.catalog.registry import Registry
from registry.engine.bench import PARTS, advice, bench, find_batch_size
from registry.errors import InputError
from registry.recipe.request import Request, planned


def plan(recipe, *sets):
    return planned(Request(recipe, sets=sets), Registry())


def test_the_command_prints_what_it_measured_and_writes_nothing(stranger, recipe, tmp_path, hw1cli):
    before = set(tmp_path.rglob("*"))
    done = hw1cli("bench", recipe, "--seconds", "0.2", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["images_per_second"]) == {"loader", "network", "both"}
    assert all(rate > 0 for rate in found["images_per_second"].values())
    assert set(found["step"]) == set(PARTS) and all(seconds > 0 for seconds in found["step"].values())
    assert found["batch_size"] == 4 and found["gflop"] > 0 and found["matrix_gflops"] > found["gflops"]
    assert found["advice"]
    assert {path for path in set(tmp_path.rglob("*")) - before if "cache" not in str(path)} == set()


def test_both_are_slower_than_each_alone(stranger, recipe, install):
    files = {
        "slow_loading.py": """
        import time
        def slow() -> "object":
            "Takes 20 ms for an image."
            import albumentations
            class Slow(albumentations.NoOp):
                def apply(self, img, **params):
                    time.sleep(0.02)
                    return img
            return Slow(p=1)
        """
    }
    install("slow-loading", {"augmentations/slow": "slow_loading:slow"}, files)
    from rich.console import Console

    found = bench(plan(recipe, "augment={train: [slow]}"), Console(quiet=True), 0.3)
    rates = found["images_per_second"]
    assert rates["loader"] < 50 and rates["both"] < rates["loader"] and rates["both"] < rates["network"], rates
    assert "loading limits" in found["advice"] and "runtime.workers" in found["advice"]


def test_batch_sizes_double(stranger, recipe):
    from rich.console import Console

    rows = find_batch_size(plan(recipe), Console(quiet=True), 0.05)
    assert [row["batch_size"] for row in rows] == [2 ** (number + 1) for number in range(len(rows))]
    assert rows[-1]["batch_size"] <= 8  # there are nine images
    assert all(row["images_per_second"] > 0 and row["peak_mb"] > 0 for row in rows)


def test_a_trainer_without_steps_is_refused(colored_images, tmp_path):
    from rich.console import Console

    recipe = tmp_path / "probe.yaml"
    recipe.write_text(f"trainer: knn\ndata: {{use: image_folders, root: {colored_images}}}\nbackbone: resnet18\n")
    with pytest.raises(InputError, match="no training steps"):
        bench(plan(recipe), Console(quiet=True), 0.1)


@pytest.mark.parametrize(
    ("rates", "step", "gflops", "words"),
    [
        ((100, 400, 90), (0, 1, 2, 0.1), 50, "loading limits"),
        ((1000, 100, 99), (0, 1, 2, 2), 50, "optimizer"),
        ((1000, 100, 99), (0, 1, 2, 0.1), 5, "trainer.batch_size"),
        ((1000, 100, 99), (0, 1, 2, 0.1), 80, "the network limits, at 80%"),
    ],
)
def test_advice(rates, step, gflops, words):
    found = {
        "images_per_second": dict(zip(("loader", "network", "both"), rates, strict=True)),
        "step": dict(zip(PARTS, step, strict=True)),
        "gflops": gflops,
        "matrix_gflops": 100,
        "workers": 0,
    }
    assert words in advice(found, "cpu")
