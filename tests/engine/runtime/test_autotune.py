"""Precision and memory format left to ``auto``: known, or the fastest of those measured."""

import time

import pytest
import torch
from torch import nn

from registry import files
from registry.engine.runtime import autotune
from registry.engine.runtime.autotune import LAST, PLAIN, REDUCED, Setting, candidates, choose, measure

CPU = torch.device("cpu")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HW1CLI_CACHE", str(tmp_path))
    return tmp_path


def taking(seconds):
    """A step that takes so long in each setting, and the settings in which it was called."""
    calls = []

    def step(_network, setting):
        calls.append(setting)
        if seconds[setting] is None:
            raise RuntimeError("not implemented for BFloat16")
        time.sleep(seconds[setting])

    return step, calls


def chosen(step, settings=(PLAIN, LAST, REDUCED), **other):
    network = nn.Conv2d(3, 4, 3)
    return choose(network, list(settings), step, identity=["net"], device=CPU, **other)


@pytest.mark.parametrize("units", [True, False])
def test_bf16_is_a_candidate_only_where_the_processor_multiplies_it(monkeypatch, units):
    monkeypatch.setattr(autotune, "has_bf16_units", lambda device: units)
    assert candidates(CPU, "auto", "auto") == [PLAIN, LAST, REDUCED][: 3 if units else 2]
    assert candidates(CPU, "fp32", "auto") == [PLAIN, LAST]
    assert candidates(CPU, "fp32", "contiguous") == [PLAIN]
    assert candidates(CPU, "bf16", "auto") == [Setting("bf16", "contiguous"), REDUCED]


def test_a_gpu_has_one_candidate_and_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(autotune, "has_bf16_units", lambda device: True)
    assert candidates(torch.device("cuda"), "auto", "auto") == [REDUCED]
    step, calls = taking({REDUCED: 0.0})
    assert chosen(step, [REDUCED])[0] == REDUCED
    assert not calls


def test_the_fastest_is_chosen_and_what_is_twice_as_slow_tried_once(cache):
    step, calls = taking({PLAIN: 0.02, LAST: 0.01, REDUCED: 0.09})
    setting, reason = chosen(step)
    assert setting == LAST
    assert "fp32 contiguous takes" in reason and "measured:" in reason
    assert calls.count(REDUCED) == 1 and calls.count(PLAIN) == calls.count(LAST) > 2


def test_the_plainest_wins_a_tie(cache):
    assert chosen(taking({PLAIN: 0.02, LAST: 0.02, REDUCED: 0.02})[0])[0] == PLAIN


def test_a_setting_that_fails_is_left_out(cache):
    assert chosen(taking({PLAIN: 0.02, LAST: 0.02, REDUCED: None})[0])[0] in (PLAIN, LAST)


def test_a_choice_is_measured_once_for_a_machine(cache):
    first, _ = chosen(taking({PLAIN: 0.02, LAST: 0.01, REDUCED: 0.02})[0])
    step, calls = taking({PLAIN: 0.01, LAST: 0.02, REDUCED: 0.02})
    second, reason = chosen(step)
    assert first == second == LAST and not calls
    assert "measured before" in reason


def test_a_tiny_step_is_not_measured(cache):
    step, calls = taking({PLAIN: 0.0, LAST: 0.0, REDUCED: 0.0})
    assert chosen(step, operations=1e6)[0] == PLAIN
    assert not calls


def test_a_cache_that_cannot_be_written_is_a_warning(monkeypatch):
    monkeypatch.setattr(files, "remember", lambda name, value: False)
    monkeypatch.setattr(files, "recall", lambda name: None)
    with pytest.warns(UserWarning, match="could not be stored"):
        chosen(taking({PLAIN: 0.01, LAST: 0.01, REDUCED: 0.01})[0])


def test_a_layout_with_four_times_the_work_takes_longer():
    network = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.Conv2d(64, 64, 3, padding=1))
    images = torch.randn(2, 3, 64, 64)

    def step(net, setting):
        for _ in range(1 if setting == PLAIN else 4):
            net(images)

    seconds = measure(network, [PLAIN, LAST], step)
    assert seconds[PLAIN] < seconds[LAST]
