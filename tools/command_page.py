"""Write the command's help as a page: ``python -m tools.command_page > docs/command.md``."""

import sys

import click

from dropfold.__main__ import main

HEAD = """# The command

Written by `make schemas` from the command's own help; a test compares the two.
"""
WIDTH = 110


def page() -> str:
    """Return the page: the command, then each of its commands, as `--help` shows them."""
    top = click.Context(main, info_name="dropfold", **main.context_settings)
    parts = [("dropfold", main.get_help(_wide(top)))]
    for name, command in main.commands.items():
        context = click.Context(command, info_name=name, parent=top, **main.context_settings)
        parts.append((f"dropfold {name}", command.get_help(_wide(context))))
    return "\n".join([HEAD, *(f"## `{title}`\n\n```text\n{said}\n```\n" for title, said in parts)])


def _wide(context: click.Context) -> click.Context:
    context.terminal_width = context.max_content_width = WIDTH
    return context


if __name__ == "__main__":
    sys.stdout.write(page())
