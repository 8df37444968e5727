"""Runs the small version with some of its text replaced: each server of this folder is wrong in one way, and shows exactly how.

A server's docstring names the criterion of scripts/juez that has to catch it: `Juez: http grande`. Where there are several the first
has to, and the others may. Its options are those of tp2.py, or of escalador.py where the judge is `escalador`.
"""
import pathlib
import sys
import types

HERE = pathlib.Path(__file__).resolve().parent.parent


def source(name, changes):
    """The text of a file after the changes that are for it: (file, old text, which stands there once, new text)."""
    text = (HERE / name).read_text()
    for file, old, new in changes:
        if file == name:
            if text.count(old) != 1:
                sys.exit(f"{sys.argv[0]}: «{old}» is {text.count(old)} times in {name}, not once")
            text = text.replace(old, new)
    return compile(text, str(HERE / name), "exec")


def run(*changes, program="tp2.py"):
    """Runs the program as it is with these changes."""
    if program == "tp2.py":
        module = types.ModuleType("escalador")
        sys.modules["escalador"] = module
        exec(source("escalador.py", changes), module.__dict__)
    main = sys.modules["__main__"].__dict__
    exec(source(program, changes), main)
