"""A plan executed: everything is built and rehearsed, then the run folder is opened, or resumed, then the loop runs."""

from __future__ import annotations

import json
import signal
import traceback
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.console import Console as Terminal

from ... import files
from ...errors import FAILED, STOPPED, Hw1Error, InputError, PluginError, StoppedBySignal, ended_by_plugin
from ...recipe.dump import dump
from ...recipe.plan import Plan
from ...results import diff
from ...signals import Interrupted, StopRequest
from ..console import Console
from ..data.facts import plain_facts
from ..data.loader import close
from ..network.weights import export_backbone
from ..records.origin import started_with
from ..records.run_folder import (
    RunFolder,
    clear_unfinished_start,
    disk_is_full,
    environment,
    has_checkpoints,
    new_run_path,
    refuse_if_taken,
    way_on,
)
from ..records.trackers import TrackedRun
from ..runtime import processes
from ..runtime.trace import traced
from . import demo, loop
from .encode import encode_once
from .prepare import Preparation
from .run import Learning, Run, Watch
from .state import restore, resumed, start_from, started_from, way_out
from .step.not_finite import Diverged
from .summary import later_caveats, start_caveat, summarize

#: More scores of single classes than this are left to the files.
_FEW: Final = 4


def execute(
    plan: Plan,
    terminal: Terminal,
    *,
    out: Path | None = None,
    resume: bool = False,
    start: tuple[Path, str] | None = None,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Execute a plan.

    Args:
        plan: from ``plans.make_plan``.
        terminal: where progress is shown.
        out: the run folder; ``runs/<recipe>/<date and time>`` when None.
        resume: go on from the folder's ``last.pt``, or from the start where the run ended before its first checkpoint.
        start: the folder of another run, and which of its checkpoints (``last``, ``previous``, ``best`` or the number
            of a kept epoch) the run starts from: its weights, its optimizer's state, its epoch.
        watch: decides after every evaluation whether the run goes on.

    Returns:
        What ``summary.json`` holds.

    Raises:
        InputError: the input is wrong; nothing was written.
        BrokenCheckpoint: a checkpoint cannot be read, or does not fit; nothing was written.
        PluginError: a plugin failed.
        StoppedBySignal: see ``loop.fit``.
    """
    if start is not None:
        plan = replace(plan, recipe=started_with(plan.recipe, RunFolder(start[0])))
    processes.start(plan.runtime.process_timeout)
    first = processes.rank() == 0
    folder = RunFolder(processes.from_first(lambda: (out or new_run_path(plan.recipe.path)).absolute()))
    console = Console(terminal if first else Terminal(quiet=True))
    if not resume and processes.restartable(out):
        resume = processes.from_first(lambda: _goes_on(folder.path, terminal))
    if resume:  # opened before anything of it is read: another process may be writing it
        processes.from_first(lambda: folder.open(resume=True))
    else:
        processes.from_first(lambda: refuse_if_taken(folder.path, resume=False))
    try:
        if plan.make is not None:
            plan = processes.from_first(lambda: demo.generate_data(plan, console))
        earlier, caveats = None, list[str]()
        if resume:
            plan, earlier, caveats = resumed(plan, folder)
        elif start is not None:
            plan, earlier, caveats = started_from(plan, *start)
        with files.working_directory_kept(), nullcontext(folder.path) if first else TemporaryDirectory() as path:
            if not first:  # only the first process writes the run
                folder = RunFolder(Path(path))
            run, learning = Preparation(plan, folder, console, caveats).prepare(earlier if resume else None)
            run.watch = watch or run.watch
            if earlier is not None:
                (restore if resume else start_from)(run, learning, earlier)
            return _Session(run.plan, folder, console).carry_out(run, learning, resume and first)
    except (Exception, Interrupted):
        raise
    except BaseException as left:
        if isinstance(left, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            raise  # no command of ours: Ctrl-C in a notebook
        raise ended_by_plugin(left) from left
    finally:
        folder.close()


def execute_unfinished(plan: Plan, terminal: Terminal, out: Path, *, watch: Watch | None = None) -> None:
    """Start the run of a folder, or go on with it where a process has ended before the run has.

    Raises: as ``execute``; InputError also where something that the plan names is missing.
    """
    if missing := plan.missing():
        raise InputError(missing)
    execute(plan, terminal, out=out, resume=_goes_on(out, terminal), watch=watch)


def _goes_on(out: Path, terminal: Terminal) -> bool:
    """Whether a folder holds a run to go on with; what was begun there without a checkpoint is moved aside."""
    if has_checkpoints(out):
        return True
    if (out / "plan.json").is_file() and (aside := clear_unfinished_start(out)) is not None:
        text = f"it has no checkpoint to go on from: moved to {aside}"
        terminal.print(text, style="yellow", markup=False)
    return False


class _Session:
    def __init__(self, plan: Plan, folder: RunFolder, console: Console) -> None:
        self.plan, self.folder, self.console = plan, folder, console

    def carry_out(self, run: Run, learning: Learning, resumed: bool) -> dict[str, Any]:
        """Open the folder, train, and write the summary whatever happens."""
        several = processes.process_count() > 1
        # From the first file on, a signal stops only where the state can be saved.
        stopped = lambda: STOPPED if has_checkpoints(self.folder.path) else FAILED  # noqa: E731
        with StopRequest(processes.any_of if several else None, stopped) as stop:
            try:
                if not resumed:
                    self.folder.open(resume=False)
                self._describe(run)
                self._start_trackers(run)
                run.skipped.open(self.folder.path / "skipped.csv")
                self._introduce(run, learning)
                if run.task.encodes_once:
                    encode_once(run, learning, stop)
                summary = self._train(run, learning, stop)
                if run.task.pretrains:
                    self._export_backbone(run, learning)
            except Interrupted:  # a second signal
                hint = f"go on with: {way_on(self.folder.path)}"
                if not has_checkpoints(self.folder.path):
                    raise Hw1Error("stopped at once by a second signal, before the first checkpoint", hint) from None
                raise StoppedBySignal("stopped at once by a second signal", hint) from None
            except BaseException as error:
                if (full := disk_is_full(error)) is not None:
                    raise Hw1Error(full, f"make room, then go on with: {way_on(self.folder.path)}") from error
                if self.folder.path.is_dir() or isinstance(error, InputError):
                    if not isinstance(error, Hw1Error):
                        self.console.log("".join(traceback.format_exception(error)))
                    raise
                message = f"the run folder {self.folder.path} was removed while the run was going on"
                raise Hw1Error(message, "nothing is left to resume: start again") from error
            finally:
                for loader in (learning.train_loader, *run.loaders.values()):
                    close(loader)
                self.folder.close()
            self._conclude(run, summary)
        if run.failures:
            source = "a report or tracker" if len(run.failures) == 1 else f"{len(run.failures)} reports or trackers"
            raise PluginError(source, run.failures[0], f"the weights are safe in {self.folder.path}")
        return summary

    def _train(self, run: Run, learning: Learning, stop: StopRequest) -> dict[str, Any]:
        status = "failed"
        try:
            trace = self.folder.path / "profile"
            profiled = run.plan.runtime.profile
            with traced(learning.optimizer, trace, self.console.say) if profiled else nullcontext():
                loop.fit(run, learning, stop)
            status = "pruned" if run.pruned else "done"
            if (caveat := start_caveat(run)) is not None:
                run.add_caveat(caveat)
        except (StoppedBySignal, Interrupted):
            status = "stopped"
            raise
        except Diverged as error:
            error.hint = f"{error.hint}; a new run: {way_out(run)}"
            raise
        except InputError as error:
            # Exit code 2 promises that nothing was done, and by now something was.
            hint = f"fix it, then go on with: {way_on(self.folder.path)}"
            raise Hw1Error(f"the run failed in epoch {run.position.epoch}: {error}", hint) from error
        finally:
            for caveat in later_caveats(run):
                run.add_caveat(caveat)
            summary = summarize(run, status)
            self.folder.write_json("summary.json", summary)
            run.trackers.finish(summary)
            self.folder.write_json("summary.json", summary)  # which lists a tracker that has failed now
        return summary

    def _export_backbone(self, run: Run, learning: Learning) -> None:
        """Write the weights that were evaluated last as ``backbone.safetensors``, with a card."""
        plan, records = run.plan.as_json(), run.trackers.records
        card = {
            "recipe": run.plan.recipe.name,
            "demo": run.plan.demo,
            "epochs": len(records),
            "images": len(run.train),
            "scores": records[-1].columns() if records else {},
            "notes": run.task.card(),
            "trainer": plan["trainer"],
            "data": plan["data"],
            "seed": run.plan.seed,
        }
        with loop.averaged(learning):
            exported = export_backbone(run.task.model, self.folder, card)
        if exported is not None:
            self.console.say(f"backbone for other runs: {exported}")

    def _describe(self, run: Run) -> None:
        """Write where the run comes from: recipe, plan, environment, and the facts of its data."""
        path = self.folder.path
        parameters = sum(parameter.numel() for parameter in run.task.parameters())
        self.console.open_log(path / "log.txt")
        facts = json.loads(files.to_json({**plain_facts(run.facts), "image_sizes": run.input_sizes()}))
        run.description = {"recipe": dump(self.plan.recipe.root.plain()), "facts": facts}
        files.write_text(path / "recipe.yaml", run.description["recipe"])
        self.folder.write_json("plan.json", self.plan.as_json())
        recipe = {"path": str(self.plan.recipe.path), "title": self.plan.recipe.title}
        computed = {"runtime": str(run.runtime), "precision": run.runtime.precision, "parameters": parameters}
        self.folder.write_json("environment.json", {"recipe": recipe, **environment(), **computed, "facts": facts})

    def _start_trackers(self, run: Run) -> None:
        settings, after = diff.settings(self.plan.as_json()), run.position.epoch - 1
        where = TrackedRun(run.name, self.folder.path, settings, dump(self.plan.recipe.root.plain()), run.task.monitor)
        run.trackers.start(replace(where, epochs=run.epochs, after=after), run.add_failure)

    def _introduce(self, run: Run, learning: Learning) -> None:
        plan, say = self.plan, self.console.say
        sizes = [parameter.numel() for parameter in run.task.parameters()]
        learning_sizes = [parameter.numel() for parameter in run.task.parameters() if parameter.requires_grad]
        frozen = f" of {sum(sizes) / 1e6:.2f}" if sum(sizes) > sum(learning_sizes) else ""
        images = f"{len(run.train)} training and {len(run.val) if run.val else 0} evaluation images"
        classes = f", {run.facts['num_classes']} classes" if "num_classes" in run.facts else ""
        say(f"{plan.data.name}: {images}{classes}")
        learns = f"{sum(learning_sizes) / 1e6:.2f}{frozen} M parameters learn"
        batch = f"batch {plan.loop.batch_size}{processes.share_of(plan.loop.batch_size)}"
        learns = f"{learns}, {plan.loop.epochs} epochs, {batch}"
        say(f"{plan.trainer.name}: {learns}")
        say(run.input_line())
        say(f"{run.runtime}")
        for text in run.caveats:
            self.console.note(text)
        if run.position.epoch > plan.loop.epochs:
            say("this run is complete; --set trainer.epochs=N with a larger N goes on with it")
        elif loop.out_of_patience(run):
            say(loop.early_end(run))
        elif plan.origin is not None and not run.trackers.records:
            say(f"starts in epoch {run.position.epoch}")
        elif run.position.epoch > 1 or run.position.batch:
            done = f"{run.position.batch} of {len(learning.train_order)} batches"
            say(f"resumed in epoch {run.position.epoch} after {done}")
        say(f"writing to {self.folder.path}")

    def _conclude(self, run: Run, summary: Mapping[str, Any]) -> None:
        if summary["last"]:
            best = summary["best"]
            of_class = [
                name for name in summary["last"] if "/" in name and not name.startswith(("constant/", "start/"))
            ]
            hidden = of_class if len(of_class) > _FEW else []
            shown = {name: last for name, last in summary["last"].items() if name not in hidden}
            rows = [(name, f"{best.get(name, last):.4f}", f"{last:.4f}") for name, last in shown.items()]
            columns = ("score", f"best (epoch {summary['best_epoch'] or summary['epochs']})", "last")
            self.console.table(self.plan.recipe.name, columns, rows)
            if hidden:
                self.console.say(f"{len(hidden)} scores of single classes: {self.folder.path / 'metrics.csv'}")
        minutes, seconds = divmod(round(summary["wall_seconds"]), 60)
        speed = summary["images_per_second"]
        self.console.say(f"done in {minutes}:{seconds:02d} at {speed:.1f} training images/s" if speed else "done")
        self.console.say(f"run folder: {self.folder.path}   (hw1cli board {self.folder.path})")
