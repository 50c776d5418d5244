"""The rules of the house, see CONTRIBUTING.md, as far as a program can check them.

import-linter holds the arrows between the rooms (`make lint`); here is what it does not look at.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from conftest import ROOT

PACKAGES = ("ctc_eval", "efficientcellseg")
LINES = 400  # of a file
LENGTH = 60  # lines of a function, from `def` to its end

# Names that each module of a kind has, because a registry or Python looks for them.
COMMON_NAMES = {
    "add_arguments": "every command line has one",
    "run": "every command line has one",
    "main": "the two entry points",
    "COMMANDS": "the two entry points",
    "log": "every module that tells something has one",
}

# Words that gave way to the field's own, and British spellings.
WRONG_WORDS = (
    r"take_over|making_of|places_of|\bHabit\b|neighbour|normalis|colour|centre|behaviour|"
    r"labell(?:ed|ing)|initialis|optimis(?:e|ation)|\w+isation\b"
)


def sources(*folders: str) -> Iterator[Path]:
    """List the Python and Snakemake files of some folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".smk"):
                yield path


def everything() -> list[Path]:
    return [*sources(*PACKAGES, "bench", "tests", "workflow"), ROOT / "Snakefile"]


def place(path: Path, line: int | None = None) -> str:
    return str(path.relative_to(ROOT)) + (f":{line}" if line else "")


def agree(faults: list[str], rule: str) -> None:
    """Fail with one line for each fault."""
    if faults:
        lines = [f"{rule}; {len(faults)} not so:", *sorted(faults)]
        pytest.fail("\n".join(lines), pytrace=False)


def functions(path: Path) -> Iterator[tuple[str, int, int]]:
    """Give name, line and length of each function, nested ones and methods too.

    What a docstring tells of shapes and units does not count.
    """
    text = path.read_text()
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                told = ast.get_docstring(node, clean=False)
                length = node.end_lineno - node.lineno + 1 - (told.count("\n") if told else 0)
                yield node.name, node.lineno, length
        return
    # Snakemake's language is not Python: a function goes on while lines are indented.
    for found in re.finditer(r"^def (\w+).*\n(?:(?:[ \t)].*)?\n)*", text, re.MULTILINE):
        line = text.count("\n", 0, found.start()) + 1
        yield found[1], line, found[0].rstrip().count("\n") + 1


def calls(name: str) -> Iterator[tuple[Path, ast.Call]]:
    """Find where the packages call a function or a class."""
    for path in sources(*PACKAGES):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                if called == name:
                    yield path, node


def test_files_are_short():
    lengths = {path: len(path.read_text().splitlines()) for path in everything()}
    assert len(lengths) > 100
    faults = [f"{place(path)}: {count}" for path, count in lengths.items() if count > LINES]
    agree(faults, f"a file has at most {LINES} lines")


def test_functions_are_short():
    faults = [
        f"{place(path, line)}: {name}: {length}"
        for path in everything()
        for name, line, length in functions(path)
        if length > LENGTH
    ]
    agree(faults, f"a function has at most {LENGTH} lines")


def test_functions_of_rules_are_measured_too(tmp_path):
    path = tmp_path / "x.smk"
    path.write_text(
        "def one(wildcards):\n    return 1\n\n\ndef two(\n    a,\n):\n\n    return a\n\n\nrule x:\n"
        "    input:\n        'x',\n"
    )
    assert list(functions(path)) == [("one", 1, 2), ("two", 5, 5)]


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Find the groups of nodes that reach each other."""
    reached: dict[str, set[str]] = {}
    for start in edges:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            fresh = edges.get(ahead.pop(), set()) - seen
            seen |= fresh
            ahead += fresh
        reached[start] = seen
    groups = {
        tuple(sorted(other for other in seen if name in reached.get(other, ())))
        for name, seen in reached.items()
        if name in seen
    }
    return [list(group) for group in sorted(groups)]


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_no_circle_of_imports():
    """Neither at start, nor inside functions, nor for types only."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    edges = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert len(edges) > 50
    agree([" <-> ".join(group) for group in circles(edges)], "modules import in one direction")


def defined(path: Path) -> Iterator[tuple[str, int]]:
    """Give name and line of each class, function and value that a module defines."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [part for target in targets for part in ast.walk(target)]
            yield from ((name.id, node.lineno) for name in names if isinstance(name, ast.Name))


def test_public_names_are_unique():
    found = defaultdict(list)
    for path in sources(*PACKAGES):
        for name, line in dict(reversed(list(defined(path)))).items():
            found[name].append(place(path, line))
    faults = [
        f"{name}: {', '.join(places)}"
        for name, places in found.items()
        if len(places) > 1 and not name.startswith("_") and name not in COMMON_NAMES
    ]
    agree(faults, "a public class, function or value has a name of its own")
    once = [name for name in COMMON_NAMES if len(found[name]) < 2]
    assert not once, f"no longer shared, take them out of COMMON_NAMES: {once}"


def test_refusals_have_a_code():
    faults = []
    for path, call in calls("InputError"):
        code = next((word.value for word in call.keywords if word.arg == "code"), None)
        if code is None:
            faults.append(f"{place(path, call.lineno)}: no code")
        elif isinstance(code, ast.Constant) and not re.fullmatch(
            r"[a-z0-9]+(-[a-z0-9]+)+", str(code.value)
        ):
            faults.append(f"{place(path, call.lineno)}: {code.value!r}")
    agree(faults, 'InputError(..., code="what-is-wrong")')


def test_nothing_is_printed():
    faults = [place(path, call.lineno) for path, call in calls("print")]
    agree(faults, "logging tells, and results go to sys.stdout")


def test_words_are_the_fields_own():
    faults = []
    for path in [*everything(), *(ROOT / "config").rglob("*.yaml"), *ROOT.glob("docs/*.md")]:
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if wrong := re.search(WRONG_WORDS, line):
                faults.append(f"{place(path, number)}: {wrong[0]}")
    agree(faults, "one word for one thing, in American spelling")
