"""The report in a browser: nothing missing, nothing too wide, no error; by keyboard."""

import json
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest
from conftest import write_tiny

from ctc_eval.format import read_volume, write_labels
from efficientcellseg.report.writing import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium in PATH; Debian's package has it"),
]

# Runs at the end of the page, and tells the page around it what it found.
PROBE = """<script>
(async () => {
  const found = {errors: window.faults};
  const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds));
  const drawn = async root => {
    for (let i = 0; i < 9999 && !root.dataset.drawn; i++) await wait(20);
    const said = root.dataset.drawn;
    delete root.dataset.drawn;
    return said;
  };
  const root = document.querySelector("[data-viewer]"), canvas = root.querySelector("canvas");
  found.first = await drawn(root);
  const press = key => {
    canvas.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
    return drawn(root);
  };
  canvas.focus();
  found.focused = document.activeElement === canvas;
  found.keys = [await press("ArrowRight"), await press("ArrowLeft"), await press("ArrowUp")];
  root.querySelector("input[value=own]").click();
  found.own = await drawn(root);
  const button = document.querySelector("[data-go]:not(:disabled)");
  button.click();
  found.gone = await drawn(root);
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  found.colored = pixels.some((value, i) => i % 4 === 0 && Math.abs(value - pixels[i + 1]) > 40);
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map(image => image.decode().catch(() => null)));
  found.missing = [...document.images].filter(image => !image.naturalWidth).length;
  found.images = document.images.length;
  found.width = innerWidth;
  found.wide = document.documentElement.scrollWidth;
  found.dark = matchMedia("(prefers-color-scheme: dark)").matches;
  found.paper = getComputedStyle(document.body).backgroundColor;
  found.unnamed = [...document.querySelectorAll("input, button, canvas")].filter(one =>
    !(one.getAttribute("aria-label") || one.title || (one.labels && one.labels.length))).length;
  parent.postMessage(JSON.stringify(found), "*");
})();
</script></body>"""
# A browser's window has a least width: what is narrower is a frame in a page.
AROUND = """<!doctype html><title>around</title><pre id="found"></pre>
<iframe src="probed.html" style="width: {width}px; height: 900px; border: 0"></iframe>
<script>onmessage = event => document.getElementById("found").textContent = event.data;</script>"""
FAULTS = """<script>
window.faults = [];
addEventListener("error", event => window.faults.push(String(event.message)), true);
addEventListener("unhandledrejection", event => window.faults.push(String(event.reason)));
addEventListener("securitypolicyviolation", event => window.faults.push(event.violatedDirective));
console.error = (...words) => window.faults.push(words.join(" "));
</script><title>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Write a report of masks with all kinds of errors, and a copy that looks at itself."""
    folder = tmp_path_factory.mktemp("report")
    dataset = write_tiny(folder / "Tiny")
    for path in (dataset / "01_GT" / "SEG").glob("*.tif"):
        labels = read_volume(path)
        labels[labels == 1] = 0
        labels[labels == 3] = 2
        labels[:, :4, :4] = 9
        labels[:, ::2][labels[:, ::2] == 4] = 7
        write_labels(dataset / "01_RES" / path.name.replace("man_seg", "mask"), labels)
    write_report(dataset, folder / "report.html", device="cpu")
    text = (folder / "report.html").read_text(encoding="utf-8")
    text = text.replace("<title>", FAULTS, 1).replace("</body>", PROBE)
    (folder / "probed.html").write_text(text, encoding="utf-8")
    return folder / "probed.html"


def opened(page, width: int, scheme: str) -> dict:
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={page.parent / 'profile'}", "--window-size=1500,1000"]
    # Of time that passes as fast as the page works: images are decoded in time that does not.
    command += ["--virtual-time-budget=600000", "--dump-dom"]
    command += [f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"]
    around = page.with_name("around.html")
    around.write_text(AROUND.format(width=width))
    for _ in range(4):  # a slow browser may spend all of that time before it has drawn anything
        done = subprocess.run(
            [*command, around.as_uri()], capture_output=True, text=True, timeout=200, check=True
        )
        (found,) = re.findall(r'<pre id="found">(.*?)</pre>', done.stdout)
        if found:
            break
    return json.loads(unescape(found))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_opens_without_a_fault(page, width, scheme):
    found = opened(page, width, scheme)
    assert found["errors"] == []
    assert (found["width"], found["dark"]) == (width, scheme == "dark")
    assert found["wide"] <= width
    assert found["images"] > 5
    assert found["missing"] == found["unnamed"] == 0
    brightness = np.mean([int(part) for part in re.findall(r"\d+", found["paper"])[:3]])
    assert (brightness < 80) == (scheme == "dark")
    # Arrow keys: a plane on, back, a frame on. Frames and planes 0 to 2; the middle plane first.
    assert found["focused"]
    assert found["first"] == "0/1/raw/outcome"
    assert found["keys"] == ["0/2/raw/outcome", "0/1/raw/outcome", "1/1/raw/outcome"]
    assert found["own"] == "1/1/raw/own"
    assert found["gone"].endswith("/1/raw/own")
    assert found["colored"]
