"""The same command once for each device of this machine: ``run --devices N`` through torchrun's own launcher."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from typing import Any

from ...errors import Hw1Error, StoppedBySignal


def launch(devices: int) -> None:
    """Run this command line in ``devices`` processes, and end as they end.

    Raises:
        StoppedBySignal: they were stopped.
        SystemExit: one failed; with its exit code, after a line that names it.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, processors // devices)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "hw1cli", *sys.argv[1:])
    except SignalException as error:
        raise StoppedBySignal(f"stopped by {signal.Signals(error.sigval).name}", None) from None
    except ChildFailedError as error:
        raise _ended(error) from None


def _ended(error: Any) -> BaseException:
    """The end of a job of which a process failed, by the process that failed first."""
    rank, failure = error.get_first_failure()
    if failure.exitcode > 0:
        return SystemExit(failure.exitcode)
    return Hw1Error(f"process {rank} was killed by {failure.signal_name()}; the others were ended", "--resume goes on")
