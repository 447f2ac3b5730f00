"""The contact sheet as HTML: everything inside, nothing that runs, all of the library's text
escaped."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from string import Template

from facecluster.sheet.contents import Contents, Part, Tile

__all__ = ["is_sheet", "page"]

_MARK = '<meta name="generator" content="facecluster sheet">'
_FEW = 3  # photos with two faces that are named


def is_sheet(text: str) -> bool:
    """Whether a file that begins like this is a sheet, which may be made anew."""
    return _MARK in text[:2000]


def page(title: str, whole: Contents, pictures: Mapping[int, bytes | None]) -> str:
    """The sheet as one HTML document; pictures are JPEG bytes by the numbers of the tiles."""
    template = Template(files(__package__).joinpath("sheet.html").read_text(encoding="utf-8"))
    sections = [
        _section("people", "People", (_part(one, pictures) for one in whole.people)),
        _section("groups", "Who is this?", (_part(one, pictures) for one in whole.groups)),
        _photos(whole.photos, pictures),
    ]
    links = [
        f'<a href="#{name}">{word} <b>{count:,}</b></a>'
        for name, word, count in (
            ("people", "People", len(whole.people)),
            ("groups", "Groups without a name", len(whole.groups)),
        )
        if count
    ]
    return template.substitute(
        mark=_MARK,
        title=escape(title),
        about=escape(_about(whole)),
        links="".join(links),
        sections="".join(sections) or '<p class="none">Nothing is here yet.</p>',
        rest=escape(_rest(whole)),
    )


def _about(whole: Contents) -> str:
    if whole.photos:
        return _count(len(whole.photos), "photo")
    loose = f", {whole.loose:,} of them in no group" if whole.loose else ""
    return _count(whole.faces, "face") + loose


def _rest(whole: Contents) -> str:
    if not whole.left_out:
        return ""
    are = "is" if whole.left_out == 1 else "are"
    return f"{_count(whole.left_out, 'smaller group')} {are} left out: facecluster sheet --groups N"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _section(name: str, title: str, parts: Iterable[str]) -> str:
    inner = "".join(parts)
    return f'<section id="{name}"><h2>{title}</h2>{inner}</section>' if inner else ""


def _part(part: Part, pictures: Mapping[int, bytes | None]) -> str:
    """A person's or group's card."""
    name = f"Group {part.group}" if part.person is None else part.person
    figures = _count(part.faces, "face")
    if part.photos != part.faces:
        figures += f" on {_count(part.photos, 'photo')}"
    command = "" if part.group is None else f'<code>facecluster name {part.group} "…"</code>'
    rows = _grid(part.typical, pictures)
    if part.doubtful:
        rows += "<h4>The most doubtful</h4>" + _grid(part.doubtful, pictures)
    if part.crowded:
        names = ", ".join(escape(_file(path)) for path in part.crowded[:_FEW])
        more = f" and {len(part.crowded) - _FEW} more" if len(part.crowded) > _FEW else ""
        rows += f'<p class="crowded">Twice on one photo: {names}{more}</p>'
    return (
        f"<article><header><h3>{escape(name)}</h3><span>{figures}</span>{command}</header>"
        f"{rows}</article>"
    )


def _photos(tiles: Iterable[Tile], pictures: Mapping[int, bytes | None]) -> str:
    inner = _grid(tiles, pictures)
    return f'<section class="photos">{inner}</section>' if inner else ""


def _grid(tiles: Iterable[Tile], pictures: Mapping[int, bytes | None]) -> str:
    inner = "".join(_figure(tile, pictures.get(tile.number)) for tile in tiles)
    return f'<div class="grid">{inner}</div>' if inner else ""


def _figure(tile: Tile, picture: bytes | None) -> str:
    day = escape((tile.taken_at or "")[:10])
    file = escape(_file(tile.path))
    about = ", ".join(filter(None, (f"face {tile.number}" if tile.box else "", day, file)))
    caption = f"<b>{tile.number}</b> {day}"
    if not tile.box:
        caption = f"<span>{file}</span><time>{day}</time>"
    image = '<div class="gone">gone</div>'
    if picture is not None:
        data = base64.b64encode(picture).decode("ascii")
        image = f'<img decoding="async" alt="{about}" src="data:image/jpeg;base64,{data}">'
    return f'<figure title="{about}">{image}<figcaption>{caption}</figcaption></figure>'


def _file(path: str) -> str:
    return os.path.basename(path)
