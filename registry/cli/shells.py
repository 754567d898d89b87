"""The scripts that fetch completions for bash, zsh and fish, and the form of the answers; importing it registers them.

What they add to click's own: no space follows an open completion (``model.``, ``timm/``, ``--set trainer.epochs=``),
and in bash a word may contain ``=`` and ``:``, at which readline splits it.
"""

from __future__ import annotations

import os
from typing import ClassVar

from click import shell_completion
from click.shell_completion import CompletionItem

_BASH = r"""%(complete_func)s() {
    local type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            open) compopt -o nospace; COMPREPLY+=("$value") ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(env COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_CURRENT="$2" \
%(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_ZSH = r"""#compdef %(prog_name)s

%(complete_func)s() {
    local -a plain plain_shown open open_shown
    local type value help
    (( ! $+commands[%(prog_name)s] )) && return 1
    for type value help in "${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \
%(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}"; do
        [[ $help != _ ]] && help="$value  -- $help" || help=$value
        case $type in
            plain) plain+=("$value"); plain_shown+=("$help") ;;
            open) open+=("$value"); open_shown+=("$help") ;;
            dir) _path_files -/ ;;
            file) _path_files -f ;;
        esac
    done
    (( $#open )) && compadd -U -S '' -l -V open -d open_shown -a open
    (( $#plain )) && compadd -U -l -V plain -d plain_shown -a plain
}

# Loaded from fpath, or evaluated.
[[ $zsh_eval_context[-1] == loadautofunc ]] && %(complete_func)s "$@" || compdef %(complete_func)s %(prog_name)s
"""

_FISH = r"""function %(complete_func)s
    for line in (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) \
%(prog_name)s 2>/dev/null)
        set -l parts (string split -m 1 , -- $line)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain open
                echo $parts[2]
        end
    end
end

complete --no-files --keep-order --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class _Shell(shell_completion.ShellComplete):
    """Passes the words of the line on to the completions, which depend on each other."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        self.ctx_args = {**self.ctx_args, "obj": args}
        return super().get_completions(args, incomplete)


@shell_completion.add_completion_class
class Bash(_Shell):
    """Reads the line itself: readline's words end at ``=`` and ``:``."""

    name: ClassVar[str] = "bash"
    source_template: ClassVar[str] = _BASH

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

    source_template: ClassVar[str] = _ZSH

    def format_completion(self, item: CompletionItem[str]) -> str:
        return f"{item.type}\n{item.value}\n{item.help or '_'}"


@shell_completion.add_completion_class
class Fish(_Shell, shell_completion.FishComplete):
    """An answer is one line, as click writes it: type, value, and its help after a tab."""

    source_template: ClassVar[str] = _FISH
