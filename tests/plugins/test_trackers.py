"""Trackers, each read back with its own library."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT
from runs import events, same, train, weights
from torch.nn import functional as F

from plugins.trainers.probability_counts import probability_counts
from registry import PluginError


@pytest.fixture
def recipe(tmp_path: Path, colored_images: Path, stranger: None) -> Path:
    """A tiny classification recipe over images of three colours, with one figure."""
    path = tmp_path / "tracked.yaml"
    path.write_text(
        dedent(f"""
        trainer: {{use: classification, epochs: 3, batch_size: 8}}
        data: {{use: image_folders, root: {colored_images}}}
        model: {{use: classifier, backbone: stranger_net}}
        loss: cross_entropy
        reports: [curves]
        runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
        """)
    )
    return path


def stopped_and_resumed(recipe: Path, out: Path, *sets: str) -> list[dict[str, Any]]:
    """A run of two epochs that goes on to three; its rows of metrics.jsonl."""
    train(recipe, out, "trainer.epochs=2", *sets)
    summary = train(recipe, out, *sets, resume=True)
    assert summary["status"] == "done" and not summary["failures"]
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_tensorboard_has_groups_the_recipe_and_the_settings_with_final_figures(recipe: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    out = tmp_path / "run"
    rows = stopped_and_resumed(recipe, out)
    scalars, pictures = events(out)
    assert {tag.split("/")[0] for tag in scalars} == {"main", "run", "train", "val", "val_classes"}
    assert min(scalars) == "main/accuracy" and scalars["main/accuracy"] == scalars["val/loss"] == [1, 2, 3]
    assert pictures == ["reports/curves"]
    read = EventAccumulator(str(out / "tensorboard"))
    read.Reload()
    recorded = read.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "use: classifier" in recorded
    data = read.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    settings = plugin_data_pb2.HParamsPluginData.FromString(data).session_start_info.hparams
    assert settings["model"].string_value == "classifier" and settings["model.backbone"].string_value == "stranger_net"
    data = read.summary_metadata["_hparams_/experiment"].plugin_data.content
    metrics = [info.name.tag for info in plugin_data_pb2.HParamsPluginData.FromString(data).experiment.metric_infos]
    assert set(metrics) == {"main/train_loss", "main/val_loss", "main/accuracy", "run/best_accuracy"}
    assert read.Scalars("run/best_accuracy")[-1].value == pytest.approx(max(row["accuracy"] for row in rows))


def test_tensorboard_has_the_precision_recall_curve_of_each_class(recipe: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    import hw1cli as api

    train(recipe, tmp_path / "run", "trainer.epochs=1")
    read = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    read.Reload()
    assert read.summary_metadata["val_classes/red"].plugin_data.plugin_name == "pr_curves"
    folder = Path(yaml.safe_load(recipe.read_text())["data"]["root"]) / "val"
    files = sorted(folder.glob("*/*.png"))
    predicted = api.load(tmp_path / "run", device="cpu").predict(list(map(str, files)))
    for index, name in enumerate(("blue", "green", "red")):
        (event,) = read.Tensors(f"val_classes/{name}")
        true_positives, false_positives, _, false_negatives, precision, recall = make_ndarray(event.tensor_proto)
        truth = np.array([path.parent.name == name for path in files])
        bins = np.floor(np.array([each.probabilities[index] for each in predicted]) * 126)
        assert event.step == 1 and true_positives[0] == truth.sum() == 4 and false_positives[0] == 8
        for at in range(0, 127, 6):
            given = bins >= at
            assert true_positives[at] == pytest.approx((truth & given).sum(), abs=1), "rounding may move one image"
            assert false_negatives[at] == 4 - true_positives[at] and recall[at] == true_positives[at] / 4
            assert precision[at] == pytest.approx(
                true_positives[at] / max(true_positives[at] + false_positives[at], 1e-7)
            )


def test_probabilities_are_counted_by_class_for_labels_flags_and_masks() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(40, 3, generator=generator) * 2
    labels, flags = torch.randint(3, (40,), generator=generator), torch.randint(2, (40, 3), generator=generator)
    for target, truth, probabilities in (
        (labels, F.one_hot(labels, 3), logits.softmax(1)),
        (flags, flags, logits.sigmoid()),
    ):
        counts = probability_counts(logits, target)
        assert counts.shape == (3, 2, 127) and (counts[:, 1].sum(1) == truth.sum(0)).all()
        for c in range(3):
            above = counts[c].flip(1).cumsum(1).flip(1)  # from each threshold on
            for at in (0, 30, 63, 100):
                given = probabilities[:, c] * 126 >= at
                assert above[1, at] == (given & (truth[:, c] == 1)).sum()
                assert above[0, at] == (given & (truth[:, c] == 0)).sum()
    mask = torch.randint(3, (2, 50, 200), generator=generator)
    mask[:, :10] = 255  # no class
    counts = probability_counts(torch.randn(2, 3, 50, 200, generator=generator), mask, left_out=2)
    pixels = mask[:, :, ::4]  # 64 along an axis at most
    assert (counts.sum(2)[:, 1] == torch.stack([(pixels == 0).sum(), (pixels == 1).sum(), torch.tensor(0)])).all()
    assert (counts.sum((1, 2)) == ((pixels != 255) & (pixels != 2)).sum()).all()


def test_tensorboard_that_cannot_write_raises_without_a_traceback_on_the_terminal(tmp_path: Path) -> None:
    script = f"""
        import resource
        from pathlib import Path
        from plugins.trackers.tensorboard import TensorBoard
        from registry.engine import TrackedRun

        tracker = TensorBoard()
        tracker.start(TrackedRun("full", Path({str(tmp_path)!r})))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, resource.RLIM_INFINITY))
        try:
            for epoch in range(1000):
                tracker.scalar("loss", 1.0, epoch)
                tracker.writer.flush()
        except OSError as error:
            print(error.strerror)
    """
    done = subprocess.run([sys.executable, "-c", dedent(script)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stdout == "File too large\n", done
    assert "Traceback" not in done.stderr


def test_mlflows_client_reads_parameters_metrics_figures_and_model(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    uri, out = f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "run"
    rows = stopped_and_resumed(recipe, out, f"trackers=[{{use: mlflow, uri: {uri}}}]")
    client = mlflow.MlflowClient(uri)
    (experiment,) = client.search_experiments(filter_string="name = 'tracked'")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED" and found.info.run_name == "run"
    assert found.data.params["model.backbone"] == "stranger_net" and found.data.params["trainer.batch_size"] == "8"
    history = client.get_metric_history(found.info.run_id, "val/accuracy")
    assert [(each.step, each.value) for each in history] == [(row["epoch"], row["accuracy"]) for row in rows]
    assert found.data.metrics["best_accuracy"] == max(row["accuracy"] for row in rows)
    local = Path(client.download_artifacts(found.info.run_id, "", str(tmp_path)))
    assert (local / "model" / "best.pt").read_bytes() == (out / "checkpoints" / "best.pt").read_bytes()
    assert (local / "reports/curves/epoch_0003.png").is_file() and "classifier" in (local / "recipe.yaml").read_text()
    assert json.loads((local / "summary.json").read_text())["status"] == "done"


def leveldb_log(data: bytes) -> Iterator[bytes]:
    """The records of an offline file, LevelDB's log format behind seven bytes; wandb itself reads it in Go."""
    at, whole = 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # the rest of a block is too short for a header
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield whole
            whole = b""


def test_wandb_keeps_an_offline_run(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    monkeypatch.delenv("WANDB_MODE", raising=False)
    out = tmp_path / "run"
    rows = stopped_and_resumed(recipe, out, "trackers=[wandb]")
    identities, accuracies, settings = set[str](), dict[int, float](), dict[str, str]()
    for path in sorted(out.glob("wandb/offline-run-*/*.wandb")):
        for record in map(Record.FromString, leveldb_log(path.read_bytes())):
            if record.WhichOneof("record_type") == "run":
                identities.add(record.run.run_id)
                settings |= {each.key: each.value_json for each in record.run.config.update}
            elif record.WhichOneof("record_type") == "history":
                values = {"/".join(each.nested_key) or each.key: each.value_json for each in record.history.item}
                if "val/accuracy" in values:
                    accuracies[int(values["_step"])] = float(values["val/accuracy"])
    assert len(identities) == 1 and settings["model.backbone"] == '"stranger_net"'
    assert accuracies == {row["epoch"]: row["accuracy"] for row in rows}
    assert list(out.glob("wandb/offline-run-*/files/media/images/reports/curves_*.png"))


def test_trackio_keeps_one_run(recipe: Path, tmp_path: Path, hw1cli: Callable[..., Any], monkeypatch: Any) -> None:
    pytest.importorskip("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when trackio is imported
    out = tmp_path / "run"
    for more in (("--set", "trainer.epochs=2"), ("--resume",)):
        done = hw1cli("run", recipe, "--out", out, "--set", "trackers=[trackio]", *more)
        assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    script = """
        import json
        from trackio.sqlite_storage import SQLiteStorage
        (run,) = SQLiteStorage.get_runs("tracked")
        print(json.dumps([SQLiteStorage.get_run_config("tracked", run), SQLiteStorage.get_logs("tracked", run)]))
        """
    answer = subprocess.run([sys.executable, "-c", dedent(script)], capture_output=True, text=True, check=True)
    config, history = json.loads(answer.stdout)
    assert config["model.backbone"] == "stranger_net"
    recorded = {each["step"]: each["val/accuracy"] for each in history if "val/accuracy" in each}
    assert recorded == {row["epoch"]: row["accuracy"] for row in rows}


def test_a_failing_tracker_does_not_stop_training(recipe: Path, tmp_path: Path, install: Callable[..., None]) -> None:
    code = """
        def fails() -> "object":
            "Fails."
            from registry.engine import Tracker

            class Fails(Tracker):
                def epoch(self, record):
                    raise ConnectionError(f"no server in epoch {record.epoch}")
            return Fails()
        """
    install("bad-tracker", {"trackers/fails": "bad_tracker:fails"}, {"bad_tracker.py": code})
    train(recipe, tmp_path / "plain")
    with pytest.raises(PluginError, match="no server in epoch 1") as raised:
        train(recipe, tmp_path / "run", "trackers=[fails, tensorboard]")
    assert raised.value.exit_code == 3
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "done" and summary["epochs"] == 3 and len(summary["failures"]) == 1
    assert same(weights(tmp_path / "plain"), weights(tmp_path / "run"))
    assert events(tmp_path / "run")[0]["val/loss"] == [1, 2, 3], "the other tracker goes on"


def test_a_tracker_whose_package_is_missing_is_reported_by_check(recipe: Path, tmp_path: Path, site: Path) -> None:
    hidden = "import sys\nfor name in ('mlflow', 'wandb'):\n    sys.modules[name] = None\n"
    (site / "sitecustomize.py").write_text(hidden)  # as in an environment without them
    for command in ("check", "run"):
        words = [command, recipe, "--set", "trackers=[tensorboard, {use: mlflow}]"]
        answer = subprocess.run([sys.executable, ROOT / "hw1cli.py", *words], capture_output=True, text=True)
        text = " ".join((answer.stdout + answer.stderr).split())
        assert answer.returncode == 2 and "trackers.1: needs the package mlflow" in text
        assert "pip install 'hw1cli[trackers]'" in text
