"""Completion in bash, zsh and fish: scripts, and the answers that they read. Importing the module registers them.

What they add to click's own: no space follows an open completion (``model.``, ``timm/``, ``--set trainer.epochs=``),
and in bash a word may contain ``=`` and ``:``, at which readline splits it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from click import shell_completion
from click.shell_completion import CompletionItem


class _Shell(shell_completion.ShellComplete):
    def source(self) -> str:
        """The script that the shell evaluates."""
        script = Path(__file__).parent / "scripts" / f"complete.{self.name}"
        return script.read_text(encoding="utf-8") % self.source_vars()

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """The completions, which are given the words of the line too: they depend on each other."""
        self.ctx_args = {**self.ctx_args, "obj": args}
        return super().get_completions(args, incomplete)


@shell_completion.add_completion_class
class Bash(_Shell):
    """Reads the line itself: readline's words end at ``=`` and ``:``."""

    name: ClassVar[str] = "bash"

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"].encode()[: int(os.environ["COMP_POINT"])].decode(errors="ignore")
        words = shell_completion.split_arg_string(line)
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        # Readline replaces only the end of the word.
        current = os.environ.get("COMP_CURRENT", incomplete)
        self._kept = incomplete.removesuffix(current) if incomplete.endswith(current) else ""
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem[str]) -> str:
        return f"{item.type},{str(item.value).removeprefix(self._kept)}"


@shell_completion.add_completion_class
class Zsh(_Shell, shell_completion.ZshComplete):
    """An answer is three lines: type, value, help."""

    def format_completion(self, item: CompletionItem[str]) -> str:
        return f"{item.type}\n{item.value}\n{item.help or '_'}"


@shell_completion.add_completion_class
class Fish(_Shell, shell_completion.FishComplete):
    """An answer is one line, as click writes it: type, value, and its help after a tab."""
