"""The site: built strictly, whole without a network, with every configuration key in it."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args
from urllib.parse import unquote, urldefrag

import pytest
from conftest import ROOT
from pydantic import BaseModel

from efficientcellseg.parameters.schemas import SCHEMAS

pytestmark = pytest.mark.slow  # mkdocs reads all modules

PAGE_OF = {"recipe": "recipes", "training": "training"}  # the other keys are in `configuration`


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site; what mkdocs warns of is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    variables = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


class Links(HTMLParser):
    """What a page links to, what it loads, and the places in it that links can name."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.places |= {values[key] for key in ("id", "name") if values.get(key)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(values["href"])
        elif values.get("src"):
            self.loaded.append(values["src"])


def test_links_lead_somewhere_and_nothing_is_loaded_from_elsewhere(site):
    pages = {path: Links(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}
    assert {"index.html", "own-data.html", "recipes.html"} <= {path.name for path in pages}
    assert len(pages) > 30
    faults = []
    for path, page in pages.items():
        inner = [one for one in page.links if not re.match(r"[a-z]+:", one)]
        assert inner
        for link in (*inner, *page.loaded):
            name, place = urldefrag(unquote(link))
            target = (path.parent / name).resolve() if name else path
            known = pages[target].places if target in pages else set()
            if not target.is_file() or (place and target in pages and place not in known):
                faults.append(f"{path.relative_to(site)}: {link}")
    assert not faults


def models_in(kind: Any) -> set[type[BaseModel]]:
    """Find the models that a type is made of."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        inner = [models_in(field.annotation) for field in kind.model_fields.values()]
        return {kind}.union(*inner)
    return set().union(*map(models_in, get_args(kind)))


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_is_explained(name, site):
    text = (site / f"{PAGE_OF.get(name, 'configuration')}.html").read_text()
    models = models_in(SCHEMAS[name])
    assert SCHEMAS[name] in models
    for model in models:
        heading = text.index(f'id="{name}-{model.__name__.lower()}"')
        table = text[heading : text.index("</table>", heading)]
        rows = re.findall(r"<tr>\s*<td><code>(\w+)</code></td>.*?<td>([^<]*).*?</tr>", table, re.S)
        assert [key for key, _ in rows] == list(model.model_fields), model.__name__


def test_the_api_has_what_python_users_call(site):
    text = (site / "api" / "efficientcellseg.html").read_text()
    assert 'id="efficientcellseg.segment"' in text
    assert "voxel_size" in text
