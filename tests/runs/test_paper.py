"""The page of all figures: which are made together, what is made again, and whether anything on it is broken."""

import html.parser
import json
import pathlib
import shutil
import subprocess
import textwrap

import pytest

from paper_figures import _page, paper


class _Parts(html.parser.HTMLParser):
    """What a page refers to."""

    def __init__(self, text: str):
        html.parser.HTMLParser.__init__(self)
        self.links, self.places, self.pictures = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.links += [found["href"]] if tag == "a" else []
        self.places += [found["id"]] if "id" in found else []
        self.pictures += [found["src"]] if tag == "img" else []


def check(page: pathlib.Path) -> _Parts:
    """Every link has its place, and every picture its file."""
    parts = _Parts(page.read_text())
    assert {f"#{place}" for place in parts.places} == set(parts.links)
    for source in parts.pictures:
        assert (page.parent / source).stat().st_size > 0
    return parts


def test_figures_that_share_runs_are_made_together_and_each_once():
    every = paper.modules()
    found = paper.groups(every)
    assert sorted(name for names in found for name in names) == sorted(every)
    (latents,) = (names for names in found if "figure_4" in names)
    # By the bottleneck, which reads them all.
    assert {"figure_12", "figure_16", "figure_tower", "figure_bottleneck"} <= set(latents)
    assert paper.needs("figure_8") == {"guided_gaussian"}
    assert every[:3] == ["figure_1", "figure_2", "figure_3"] and every.index("figure_10") < every.index("figure_bmi")


def test_the_page_says_what_was_measured_what_is_known_and_what_failed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paper.folder("smoke").mkdir(parents=True)
    picture = paper.picture("figure_5", "smoke")
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"a picture")
    where = {
        "git": "0123456789abcdef",
        "uncommitted_changes": False,
        "versions": {"jax": "0.0"},
        "python": "3.11",
        "finished": "now",
        "device": {"kind": "cpu", "count": 2},
    }
    number = {"quantity": "I", "value": 1.5, "stderr": 0.1, "exact": 1.4, "paper": "≤ 2", "unit": "nats"}
    reports = {
        "figure_5": {"seconds": 3.0, "numbers": [number], "provenance": where},
        "figure_6": {"seconds": 1.0, "error": "ValueError: a < b", "provenance": where},
    }
    for name, report in reports.items():
        (paper.folder("smoke") / f"{name}.json").write_text(json.dumps(report))
    page = _page.write_page(["figure_5", "figure_6", "figure_14"], "smoke")
    text = page.read_text()
    assert check(page).pictures == ["../../figures/figure_5_smoke.png"]
    assert "<td>1.5 ± 0.1 nats</td><td>1.4</td><td>≤ 2</td>" in text
    assert "ValueError: a &lt; b" in text and "./just figure 5 --preset smoke" in text and "0123456789," in text
    assert "<code>--preset cpu</code> is MNIST" in text and "`" not in text


def test_names_of_no_figure_are_refused():
    with pytest.raises(ValueError, match="`--only` must name figures; got nonsense. There are 1, 2, 3, "):
        paper.run(paper.Options(only=("nonsense",)))


def seen_broken(page: pathlib.Path) -> int:
    """How many pictures a browser cannot show."""
    script = textwrap.dedent("""
        <script>
          window.onload = () => {
            document.title = "broken: " + [...document.images].filter(image => !image.naturalWidth).length;
          };
        </script>
    """)
    copy = page.with_name("checked.html")
    copy.write_text(page.read_text().replace(' loading="lazy"', "") + script)
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"]
    done = subprocess.run([*command, copy.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return int(done.stdout.split("<title>broken: ")[1].split("<")[0])


@pytest.mark.slow
def test_the_whole_of_some_figures_by_two_processes_and_what_a_browser_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = paper.Options(preset="smoke", jobs=2, only=("6", "18", "kelly-game"))
    assert paper.run(options) == []
    page = paper.folder("smoke") / "index.html"
    assert len(check(page).pictures) == 3
    made = {file: file.stat().st_mtime_ns for file in paper.folder("smoke").glob("*.json")}
    # Nothing is made again but what is gone.
    paper.picture("figure_6", "smoke").unlink()
    assert paper.run(options) == []
    again = {file.stem for file, before in made.items() if file.stat().st_mtime_ns != before}
    assert again == {"figure_6"}
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("there is no Chromium to look at the page with")
    assert seen_broken(page.resolve()) == 0
    paper.picture("figure_6", "smoke").write_bytes(b"no picture")
    assert seen_broken(page.resolve()) == 1
