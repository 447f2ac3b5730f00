"""What the shell offers when Tab is pressed: commands, options, names and group numbers."""

from __future__ import annotations

import os

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    get_completion_class,
)

from facecluster.cli.options import database_path, examples
from facecluster.counted import counted

__all__ = ["COMMANDS", "complete_group", "complete_number_or_person", "complete_person"]

_VARIABLE = "_FACECLUSTER_COMPLETE"
_INSTALL = {
    "bash": '# For ever: put this line into ~/.bashrc\n#   eval "$(facecluster completion bash)"',
    "zsh": "# For ever: put this line into ~/.zshrc, below compinit\n"
    '#   eval "$(facecluster completion zsh)"',
    "fish": "# For ever: facecluster completion fish > ~/.config/fish/completions/facecluster.fish",
}

# click's own cuts names at commas and loses backslashes. Names are offered as if they were files:
# only of those does readline itself quote the blanks and quotes.
_BASH = """\
%(complete_func)s() {
    local line kind value
    COMPREPLY=()
    while IFS= read -r line; do
        kind=${line%%%%,*} value=${line#*,}
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            name) compopt -o filenames; COMPREPLY+=("$value") ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(IFS=$'\\n'; env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    """Bash's script and protocol, with names in which anything may stand."""

    source_template = _BASH


class _Fish(FishComplete):
    """Fish's script, which else cuts names and explanations at their first comma."""

    source_template = FishComplete.source_template.replace("split ", "split --max 1 ")


click.shell_completion.add_completion_class(_Bash, "bash")
click.shell_completion.add_completion_class(_Fish, "fish")


def complete_person(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """The people whose names begin as typed, in any case."""
    from facecluster.glimpse import names

    # only bash has to be told names from words: the other shells quote whatever they are given
    kind = "name" if _in_bash() else "plain"
    begin = typed.casefold()
    return [
        CompletionItem(name, type=kind)
        for name in names(database_path(context))
        if name.casefold().startswith(begin)
    ]


def complete_group(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """The numbers of the groups that begin as typed, largest group first."""
    from facecluster.glimpse import group_numbers

    return [
        CompletionItem(str(number), help=counted(faces, "face"))
        for number, faces in group_numbers(database_path(context))
        if str(number).startswith(typed)
    ]


def complete_number_or_person(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Numbers of groups and names; after a number, names only."""
    before = context.params.get(parameter.name or "")
    numbers = [] if before else complete_group(context, parameter, typed)
    return numbers + complete_person(context, parameter, typed)


def _in_bash() -> bool:
    return os.environ.get(_VARIABLE, "").startswith("bash")


@click.command()
@click.argument("shell", type=click.Choice(list(_INSTALL)))
@examples(
    "completion bash >> ~/.bash_completion",
    "completion fish > ~/.config/fish/completions/facecluster.fish",
)
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete commands, options, names and group numbers.

    For this terminal only: eval "$(facecluster completion bash)".
    """
    root = click.get_current_context().find_root().command
    made = get_completion_class(shell)
    assert made is not None
    click.echo(_INSTALL[shell])
    click.echo(made(root, {}, "facecluster", _VARIABLE).source())


COMMANDS = (completion,)
