"""What mkdocs adds to the pages in this folder: pages from outside it, configuration keys, the API.

A comment such as `<!-- keys: recipe -->` in a page becomes tables of that file's keys, made from
the pydantic models. Each package of the project gets a page of its own under `api/`.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from efficientcellseg.parameters.schemas import schema_texts

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("efficientcellseg", "ctc_eval")

# Limits from here on only keep slips from filling the memory.
UNBOUNDED = 1e6

# Files outside docs/ that pages link to, and what they are called in the site.
ADDED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "LICENSE": "LICENSE.txt",
    "CITATION.cff": "CITATION.cff",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the API's pages to the navigation."""
    names = [name for name, _ in _rooms()]
    config.nav.append({"API": [{name: f"api/{name}.md"} for name in names]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in docs/."""
    for source, name in ADDED.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    for name, modules in _rooms():
        blocks = "\n\n".join(f"::: {module}" for module in modules)
        files.append(File.generated(config, f"api/{name}.md", content=f"# {name}\n\n{blocks}\n"))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links to where files lie in the site, and write out the keys."""
    names = {name: source for source, name in ADDED.items()}
    source = names.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def link(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), found[1]))
        return f"]({ADDED.get(target, target.removeprefix('docs/'))}"

    markdown = re.sub(r"\]\((?!\w+:|#)([^)#\s]+)", link, markdown)
    return re.sub(r"<!-- keys: (\w+) -->", lambda found: "\n".join(keys_of(found[1])), markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Drop Sphinx's roles, which docstrings have before names in code."""
    return re.sub(r":(?:attr|class|data|func|meth|mod):\s*(?=<code)", "", html)


def _rooms() -> Iterator[tuple[str, list[str]]]:
    """List the packages, and the modules of each that others may import."""
    for package in PACKAGES:
        folders = [ROOT / package, *sorted((ROOT / package).rglob("*/"))]
        for folder in folders:
            paths = [path for path in sorted(folder.glob("*.py")) if path.stem != "__main__"]
            names = [path.relative_to(ROOT).with_suffix("").parts for path in paths]
            modules = [".".join(parts).removesuffix(".__init__") for parts in names]
            if modules and folder.name != "cli":
                yield ".".join(folder.relative_to(ROOT).parts), modules


def keys_of(schema: str) -> Iterator[str]:
    """Write a table of the keys of each model in a schema, as Markdown lines."""
    whole = json.loads(schema_texts()[f"{schema}.schema.json"])
    models, ahead = {}, [(whole["title"], whole)]
    while ahead:  # in the order in which keys name them
        name, model = ahead.pop(0)
        if name not in models and "properties" in model:
            models[name] = model
            used = re.findall(r'"#/\$defs/(\w+)"', json.dumps(model["properties"]))
            ahead += [(other, whole["$defs"][other]) for other in used]
    for name, model in models.items():
        yield from (f"### {name} {{#{schema}-{name.lower()}}}", "", _words(model), "")
        yield from ("| key | value | default | meaning |", "|---|---|---|---|")
        for key, value in model["properties"].items():
            default = _default(value, key in model.get("required", []))
            cells = (f"`{key}`", _values(value, schema), default, _words(value))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield ""


def _words(schema: dict[str, Any]) -> str:
    words = " ".join(schema.get("description", "").split())
    return re.sub(r"<(?=\w)", "&lt;", words)


def _default(schema: dict[str, Any], required: bool) -> str:
    if "default" not in schema:
        return "required" if required else ""
    if isinstance(schema["default"], dict):
        return "those of its keys"
    return f"`{json.dumps(schema['default'])}`"


def _values(schema: dict[str, Any], file: str) -> str:
    """Say what a key may be."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{file}-{name.lower()})"
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_values(option, file) for option in options))
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "any value")
    if kind == "array":
        items = [_values(item, file) for item in schema.get("prefixItems", [])]
        if items and items.count(items[0]) == len(items):
            return f"list of {len(items)}, each {items[0]}"
        return f"[{', '.join(items)}]" if items else f"list of {_values(schema['items'], file)}"
    if kind == "object":
        others = schema.get("additionalProperties")
        return f"mapping of names to {_values(others if isinstance(others, dict) else {}, file)}"
    names = {"integer": "whole number", "string": "text", "boolean": "`true`, `false`"}
    low, high = schema.get("minimum"), schema.get("maximum")
    words = [names.get(kind, kind)]
    words += [f"above {schema['exclusiveMinimum']:g}"] if "exclusiveMinimum" in schema else []
    if low is not None and high is not None and high < UNBOUNDED:
        words.append(f"from {low:g} to {high:g}")
    elif low is not None:
        words.append(f"from {low:g}")
    elif high is not None and high < UNBOUNDED:
        words.append(f"to {high:g}")
    return " ".join(words)
