"""What tests of command lines share: running them, their masks, their refusals."""

from pathlib import Path

from efficientcellseg.cli.main import main


def run(*arguments: object) -> int:
    """Run a command of the method."""
    return main([str(argument) for argument in arguments])


def segment(dataset: Path, sequence: str, recipe: Path, models: Path, *options: object) -> int:
    """Segment on the CPU."""
    chosen = ("--recipe", recipe, "--model", models, "--device", "cpu")
    return run("segment", dataset, sequence, *chosen, *options)


def staged(
    dataset: Path, sequence: str, recipe: Path, models: Path, work: Path, *options: object
) -> Path:
    """Run the four steps one by one; give the folder of masks."""
    one, two, three, four = (work / name for name in ("colored", "tiles", "maps", "masks"))
    shared = ("--recipe", recipe)
    assert run("pseudocolor", dataset, sequence, "--output", one, *shared, *options) == 0
    assert run("tile", one, "--output", two, "--model", models, *shared) == 0
    assert run("infer", two, "--output", three, "--model", models, "--device", "cpu", *shared) == 0
    assert run("label", three, "--output", four, *shared) == 0
    return four


def masks(folder: Path) -> dict[str, bytes]:
    """Read the masks in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("mask*"))}


def refusal(capsys, code: str, *told: str) -> str:
    """Give the one line on stderr, of a fault's code and with all that is `told` in it."""
    line = capsys.readouterr().err.removesuffix("\n")
    # A progress bar may have begun; what counts is the line after it.
    line = line.split("\r")[-1].split("\n")[-1] if "\r" in line else line
    assert line.startswith(f"error[{code}]: "), line
    assert "\n" not in line
    for words in told:
        assert words in line
    return line
