"""The judge's command line as a whole: usage, version, and what it loads."""

import subprocess
import sys
from importlib import metadata

import pytest

from ctc_eval.cli.main import main


@pytest.mark.parametrize(
    "arguments",
    [
        ["--frames", "3"],
        ["--frames", "4:2"],
        ["--frames", "-3:"],
        ["--measures", "SEG,BLUE"],
        ["--measures", "PESEG"],
        ["--parameters", "0"],
        ["--parameters", "6.6M"],
        ["--penalize-extra-detections", "2"],
    ],
)
def test_wrong_usage_exits_with_2(dataset, capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        main(["score", str(dataset), "01", *arguments])
    assert stop.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom ctc_eval.cli.main import main\n"
        "try:\n    main(['score', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'torch', 'tifffile', 'imagecodecs', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--penalize-extra-detections" in done.stdout


def test_scoring_loads_no_torch(dataset):
    code = (
        f"import sys\nfrom ctc_eval.cli.main import main\nmain(['score', {str(dataset)!r}, '01'])\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("installed", ["efficientcellseg", "ctc-eval", None])
def test_the_version_is_that_of_the_distribution_at_hand(capsys, monkeypatch, installed):
    def version(name):
        if name != installed:
            raise metadata.PackageNotFoundError(name)
        return "1.2.3"

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"ctc-eval {'1.2.3' if installed else 'unknown'}\n"
