"""Whether an object can be sent to a process that was started afresh (``spawn``), as on macOS and Windows."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .violations import ContractViolation

_RECEIVE = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb')); print('received')"


def survives_spawn(built: Any, subject: str) -> None:
    """Send it to a fresh interpreter.

    Raises:
        ContractViolation: it cannot be pickled here, or unpickled there.
    """
    try:
        data = pickle.dumps(built)
    except Exception as error:
        raise ContractViolation("not_pickled", f"{subject} cannot be pickled: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sent.pickle"
        file.write_bytes(data)
        command = [sys.executable, "-c", _RECEIVE, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["?"])[-1]
        raise ContractViolation("not_pickled", f"{subject} cannot be received by a new process: {last}")
