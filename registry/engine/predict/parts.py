"""Many inputs predicted part by part: by several processes at once, and on from where they were stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ... import files
from ..data.decoded import file_stamps
from ..runtime import processes
from .inputs import InputImage, Inputs, Settings

#: Parts of few inputs, and the most inputs of a part; more than these are predicted in parts by one process, too.
_PARTS: Final = 64
MOST: Final = 1000
#: Predicts inputs as the settings want them: the images that cannot be read, each with the reason.
Predict = Callable[[Inputs, Settings], list[tuple[InputImage, str]]]


class Parts:
    """The parts of the inputs, with a record of each that is done in a hidden folder beside the results.

    The parts do not depend on the number of processes, so that other ones can go on with them.

    Args:
        found: all inputs.
        settings: how they are predicted; with ``resume``, records of the same prediction are taken over.
        identity: what else the results depend on.
    """

    def __init__(self, found: Inputs, settings: Settings, identity: Sequence[Any]) -> None:
        self.found, self.settings = found, settings
        count = len(found.images)
        size = max(1, min(MOST, -(-count // _PARTS)))
        self.ranges = [(first, min(first + size, count)) for first in range(0, count, size)]
        how = {name: value for name, value in vars(settings).items() if name not in ("resume", "inputs")}
        stamps = file_stamps([image.path for image in found.images])
        text = json.dumps([*identity, how, [image.name for image in found.images], stamps], default=str)
        folder = settings.out.with_name(f".{settings.out.name}.parts")
        self.folder = folder / hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
        if processes.rank() == 0 and not (settings.resume and self.folder.is_dir()):
            shutil.rmtree(folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
        processes.gathered(None)  # nobody works in a folder that is about to be removed

    def csv(self, number: int) -> Path:
        """The labels of a part."""
        return self.folder / f"{number:06d}.csv"

    def predict(self, predict: Predict, labels: bool) -> None:
        """Predict those of this process's parts that are not done."""
        for number in range(processes.rank(), len(self.ranges), processes.process_count()):
            record = self.folder / f"{number:06d}.json"
            if not record.exists():
                first, end = self.ranges[number]
                table = self.found.table and replace(self.found.table, rows=self.found.table.rows[first:end])
                settings = replace(self.settings, out=self.csv(number)) if labels else self.settings
                failed = predict(Inputs(self.found.images[first:end], table), settings)
                files.write_json(record, [[str(image.path), image.name, reason] for image, reason in failed])

    def failed(self) -> Iterator[tuple[InputImage, str]]:
        """What could not be read, of all parts and in order; all of them are done."""
        for number in range(len(self.ranges)):
            for path, name, reason in json.loads((self.folder / f"{number:06d}.json").read_text()):
                yield InputImage(Path(path), name), reason

    def merge(self, results: Any) -> None:
        """Put the parts together, all of which are done, and remove their records."""
        with results:
            if hasattr(results, "merge"):
                results.merge(self.csv(number) for number in range(len(self.ranges)))
        shutil.rmtree(self.folder.parent, ignore_errors=True)
