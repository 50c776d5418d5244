"""Where the program finds what comes with it, in a checkout and installed."""

import importlib.util
import shutil
from pathlib import Path

from conftest import ROOT as CHECKOUT

from efficientcellseg.parameters import locations


def loaded_from(package: Path):
    """Run the module as if the package lay elsewhere."""
    place = package / "parameters" / "locations.py"
    place.parent.mkdir(parents=True)
    shutil.copy(locations.__file__, place)
    spec = importlib.util.spec_from_file_location("locations_elsewhere", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_checkout_has_them_at_its_root():
    assert locations.ROOT == CHECKOUT
    assert (locations.RECIPES / "BBBC050.yaml").is_file()


def test_an_installed_package_has_them_inside(tmp_path):
    package = tmp_path / "site-packages" / "efficientcellseg"
    (package / "_shared" / "config" / "datasets").mkdir(parents=True)
    # Other packages may have put a folder of that name beside it.
    (package.parent / "config" / "datasets").mkdir(parents=True)
    found = loaded_from(package)
    assert found.ROOT == package / "_shared"
    assert found.RECIPES == package / "_shared" / "config" / "datasets"
