"""How many processes load the samples."""

import os

import pytest

from registry.engine.data.loader import workers_for


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs a system that pins processes")
def test_processes_load_only_where_loading_is_much_of_a_step():
    spare = max(0, min(8, len(os.sched_getaffinity(0)) - 1))
    assert workers_for("auto", 5000) == spare
    assert workers_for("auto", 5000, share=0.5) == spare
    assert workers_for("auto", 5000, share=0.05) == 0
    assert workers_for("auto", 100) == 0
    assert workers_for(3, 100, share=0.0) == 3
