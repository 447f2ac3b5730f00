"""What is meant by a key: the page's own module, run by node where there is one."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Client

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="there is no node to run the page's code")


def run_js(still: Client, folder: Path, name: str, code: str) -> object:
    """What the code, with the served module as `it`, makes."""
    status, _, module = still.ask(f"page/{name}.js")
    assert status == 200
    (folder / f"{name}.mjs").write_bytes(module)
    script = f"import * as it from './{name}.mjs'; console.log(JSON.stringify({code}));"
    (folder / "script.mjs").write_text(script)
    done = subprocess.run(
        [str(NODE), "script.mjs"], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found: object = json.loads(done.stdout)
    return found


@needs_node
@pytest.mark.parametrize(
    ("event", "typing", "refused"),
    [
        ({"key": "y"}, False, True),
        ({"key": "s"}, False, True),
        ({"key": "i"}, False, True),
        ({"key": " "}, False, True),
        ({"key": "Enter"}, False, True),
        ({"key": "z", "ctrlKey": True}, False, True),
        ({"key": "Z", "metaKey": True, "shiftKey": True}, False, True),
        ({"key": "j"}, False, False),
        ({"key": "k"}, False, False),
        ({"key": "ArrowRight", "shiftKey": True}, False, False),
        ({"key": "+", "ctrlKey": True}, False, False),  # the browser's own
        ({"key": "y"}, True, False),
        ({"key": "Backspace"}, True, False),
        ({"key": "z", "ctrlKey": True}, True, False),  # takes back what is typed
        ({"key": "Enter"}, True, True),
    ],
)
def test_a_key_held_too_long_goes_on_moving_and_typing_only(
    still: Client, tmp_path: Path, event: dict[str, object], typing: bool, refused: bool
) -> None:
    asked = [
        f"it.heldTooLong({json.dumps({**event, 'repeat': repeat})}, {json.dumps(typing)})"
        for repeat in (True, False)
    ]
    assert run_js(still, tmp_path, "keys", f"[{', '.join(asked)}]") == [refused, False]


@needs_node
@pytest.mark.parametrize(
    ("key", "shift", "meant"),
    [
        ("i", False, "i"),
        ("I", True, "Shift i"),
        ("I", False, "i"),  # Caps Lock: the face, not the whole group
        ("i", True, "Shift i"),  # Caps Lock and Shift
        ("U", False, "u"),
        ("=", True, "="),  # as some keyboards have it
        ("?", True, "?"),
        ("Escape", False, "Escape"),
    ],
)
def test_caps_lock_is_not_shift(
    still: Client, tmp_path: Path, key: str, shift: bool, meant: str
) -> None:
    event = json.dumps({"key": key, "shiftKey": shift})
    assert run_js(still, tmp_path, "keys", f"it.keyOf({event})") == meant
