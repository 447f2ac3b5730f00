"""Networks of one's own that are known by name: files in the user's data folder."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from platformdirs import user_data_path

from facecluster.download import PUBLISHED
from facecluster.errors import ModelError
from facecluster.facenet.foreign import WEIGHTS
from facecluster.facenet.header import read_header

__all__ = ["folder", "free_name", "install", "installed", "installed_file", "kept"]


def folder() -> Path:
    """Where they are kept, beside the default library; it need not exist."""
    return user_data_path("facecluster", appauthor=False) / "models"


def installed() -> list[Path]:
    """The files of all installed networks, by name."""
    return sorted(folder().glob("*.safetensors"))


def installed_file(name: str) -> Path | None:
    """The file of the installed network of this name; None when there is none."""
    path = folder() / f"{name}.safetensors"
    return path if Path(name).name == name and path.is_file() else None


def free_name(stem: str) -> str:
    """The first of stem-1, stem-2, ... that no installed network has."""
    number = 1
    while installed_file(f"{stem}-{number}"):
        number += 1
    return f"{stem}-{number}"


def kept(file: Path) -> Path | None:
    """Where the network of the file is found by the file's name, None where nobody has that name.

    ModelError when another network has it, and for a file that is no network.
    """
    name = f"{file.stem}.safetensors"
    header = read_header(file)
    there = next((path for path in (WEIGHTS / name, folder() / name) if path.is_file()), None)
    if file.stem in PUBLISHED or (there and read_header(there).fingerprint != header.fingerprint):
        raise ModelError(f"Another network is called {file.stem}: rename {file} first.")
    return there


def install(file: Path) -> Path:
    """Keep a copy of the network under the name of its file; where it is.

    Whole or not at all. A network that is there already, or comes with the program, is left as it
    is; ModelError when another one has that name, and for a file that is no network.
    """
    there = kept(file)
    if there:
        return there
    target = folder() / f"{file.stem}.safetensors"
    partial = target.with_suffix(".part")
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(file, partial)
        os.replace(partial, target)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise ModelError(f"{file} cannot be copied to {target}: {error.strerror}.") from error
    return target
