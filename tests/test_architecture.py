"""The layers of the design, what may be imported where, and the sizes of things."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import facecluster

PACKAGE = Path(facecluster.__file__).parent
LAYERS = [
    {"records", "errors", "moments", "processors", "once", "counted"},
    {"images", "align", "library", "grouping", "engines", "download", "facenet", "curves"}
    | {"allocator", "glimpse", "pace"},
    {"installed"},
    {"detect", "embed", "quality", "missing", "portraits"},
    {"analyzer"},
    {"pipeline"},
    {"scan"},
    {"people", "exchange", "evaluate", "watching", "reembedding"},
    {"training_set"},
    {"review", "sheet"},
    {"cli"},
]
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
ONLY_IN = {  # a package that belongs to some of our modules
    "torch": {"detect", "embed", "facenet"},
    "torchvision": {"detect", "facenet"},
    "facenet_pytorch": {"detect", "embed", "facenet"},
    "sqlite3": {"library", "glimpse"},
    "sqlite_utils": {"library"},
    "click": {"cli"},
    "starlette": {"review"},
    "uvicorn": {"review"},
    "watchfiles": {"watching"},
    "rawpy": {"images"},
    "av": {"images"},
    "distributed": {"engines"},
    "rich": {"cli"},
    "sklearn": {"grouping"},
    "hdbscan": {"grouping"},
    "threadpoolctl": {"grouping"},
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE / "weights")


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that they can be read and checked"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def test_every_module_has_a_layer() -> None:
    assert {part(path) for path in MODULES} - {"__init__", "__main__"} <= set(LAYER)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_go_downwards(path: Path) -> None:
    here = part(path)
    for name in imports(ast.parse(path.read_text())):
        words = name.split(".")
        if words[0] in ONLY_IN:
            assert here in ONLY_IN[words[0]], f"{here} imports {name}"
        if words[0] != "facecluster" or here in {"__init__", "__main__"}:
            continue
        there = words[1]
        if there != here and there in LAYER:
            assert LAYER[there] < LAYER[here], f"{here} imports {name}"
            if here == "facenet":
                assert there == "errors", "facenet could be published alone"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_modules_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= 40, f"{node.name} has {lines} lines"


def test_only_parallel_knows_of_other_processes() -> None:
    for path in MODULES:
        if "torch.distributed" in path.read_text():
            assert relative(path) == "facenet/parallel.py"


def test_public_names_are_sorted_and_exist() -> None:
    assert facecluster.__all__ == sorted(facecluster.__all__)
    assert set(facecluster.__all__) <= set(dir(facecluster))
    for name in facecluster.__all__:
        assert getattr(facecluster, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        facecluster.no_such_name  # noqa: B018


def test_importing_the_package_is_light() -> None:
    heavy = run_and_list_modules("import facecluster")
    assert not heavy & {"torch", "sklearn", "hdbscan", "facenet_pytorch", "numpy", "sqlite_utils"}


def run_and_list_modules(program: str) -> set[str]:
    program += "\nimport sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())
