"""The page says what the summaries say, in text that nothing from a file can change."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from ritm_model.evaluation.report import read_runs, render_report
from ritm_model.evaluation.report.cases import ClickFrame, Strip, WorstCases

DASH = "\N{EN DASH}"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;{{ 7*7 }}"


class Page(HTMLParser):
    """Tags with their attributes, and the rows of each table by its caption."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.rows: list[list[str]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.rows = []
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("caption", "th", "td"):
            self.text = []

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption":
            self.tables["".join(self.text).strip()] = self.rows
        elif tag in ("th", "td"):
            self.rows[-1].append(" ".join("".join(self.text).split()))

    def table(self, part: str) -> list[list[str]]:
        (rows,) = [rows for caption, rows in self.tables.items() if part in caption]
        return rows


@pytest.fixture
def two(make_run):
    """Two models on one data set; the second is better on one object and worse on none."""
    second = [(0.93,), (0.7, 0.6, 0.75, 0.95), (0.1, 0.2, 0.15, 0.3)]
    from_second = [
        replace(sample, ious=curve, clicks=sample.clicks[: len(curve)], boundary_ious=curve)
        for sample, curve in zip(read_runs([make_run("a")])[0].evaluation.samples, second, strict=True)
    ]
    return read_runs([make_run("a"), make_run("b", model="second-87654321", samples=from_second)])


def test_clicks_and_their_intervals_are_those_of_the_summary(two) -> None:
    rows = Page(render_report(two)).table("(NoC)")
    assert rows[0] == ["Model", "Objects", "80 %", "85 %", "90 %", "95 %"]
    for cells, run in zip(rows[1:], two, strict=True):
        assert cells[:2] == [run.label, "3"]
        assert cells[2:] == [
            f"{row.noc:.2f} {row.interval.low:.2f}{DASH}{row.interval.high:.2f}"
            for row in run.summary.targets
        ]
    assert rows[1][4].startswith(f"{(2 + 4 + 4) / 3:.2f} ")


def test_failures_and_those_at_the_limit_are_counted(two) -> None:
    rows = Page(render_report(two)).table("(NoF)")
    assert rows[2] == ["first-12345678", "1", "1", "1", "1", "2", "2", "2", "2"]
    assert rows[3] == ["second-87654321", "1", "1", "1", "2", "2", "2", "2", "3"]


def test_iou_after_clicks_stands_with_that_of_the_outlines(two) -> None:
    rows = Page(render_report(two)).table("boundary IoU")
    assert rows[0] == ["Model", "Start", "1 click", "2 clicks", "3 clicks"]
    summary = two[0].summary
    assert rows[1][1:] == [
        "nothing",
        *(f"{iou:.3f} {summary.boundary_iou_after[k]:.3f}" for k, iou in summary.iou_after.items()),
    ]
    assert rows[1][2].startswith(f"{1.3 / 3:.3f}")


def test_clicks_that_make_it_worse_and_time_are_those_of_the_summary(two) -> None:
    row = Page(render_report(two)).table("Steadiness")[2]
    assert row[1:4] == ["25.0 % 2 of 8", f"{(0.1 + 0.05) / 2:.3f}", "0.100"]
    seconds = two[0].summary.seconds
    assert row[4:] == [
        f"{1000 * seconds.click_p50:.0f} ms",
        f"{1000 * seconds.click_p95:.0f} ms",
        "1.00 s",
        "3.67 s",
    ]


def test_two_models_are_compared_object_by_object(two) -> None:
    rows = Page(render_report(two)).table("Object by object, against first-12345678")
    assert rows[3][:4] == ["90 %", "1", "0", "2"]
    assert rows[3][4].startswith("-0.33 ")
    assert rows[3][-1] == "no clear difference"


def test_sizes_and_classes_have_tables(make_run) -> None:
    from ritm_model.evaluation.run import load_evaluation

    samples = load_evaluation(make_run("plain")).samples
    named = [replace(sample, category=("cat", "dog", "cat")[i]) for i, sample in enumerate(samples)]
    page = Page(render_report(read_runs([make_run("classes", samples=named)])))
    assert [row[-6] for row in page.table("by class")[1:]] == ["2", "1"]
    assert [row[-7] for row in page.table("by class")[1:]] == ["cat", "dog"]
    assert [row[-7] for row in page.table("by size")[1:]] == ["small", "medium", "large"]


def test_a_manager_reads_what_was_done_and_what_came_out(two) -> None:
    text = render_report(two).replace("\N{NO-BREAK SPACE}", " ")
    assert "marked 3 objects of photos with 2 models" in text
    assert "until the mask agreed with the truth to 95 % or 4 clicks were used" in text
    assert "first-12345678 needed 3.33 clicks per object on average to reach 90 %" in text
    assert "1 of 3 objects never got there and count as 4" in text
    assert "There is no clear difference between second-87654321 and first-12345678" in text


def test_a_model_that_always_fails_is_said_to_fail(make_run) -> None:
    from ritm_model.evaluation.run import load_evaluation

    samples = load_evaluation(make_run("plain")).samples[2:]
    runs = read_runs([make_run("bad", samples=samples)])
    text = render_report(runs).replace("\N{NO-BREAK SPACE}", " ")
    assert "The model never reached 90 % within 4 clicks, on any of 1 object." in text


def test_only_the_style_of_the_page_is_allowed(two) -> None:
    html = render_report(two)
    page = Page(html)
    (policy,) = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv")]
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert f"style-src 'sha256-{digest}'" in policy


def test_text_from_files_stays_text(make_run) -> None:
    from ritm_model.evaluation.run import load_evaluation

    samples = load_evaluation(make_run("plain")).samples
    named = [replace(sample, name=f"{HOSTILE}{i}", category=HOSTILE) for i, sample in enumerate(samples)]
    runs = read_runs(
        [make_run(f"run{i}", model=f"{HOSTILE}{i}", dataset=HOSTILE, samples=named) for i in range(2)]
    )
    frame = ClickFrame(1, True, 0.5, 0.0, b"RIFF", (4, 3))
    strips = (Strip(named[0], None, (frame,), HOSTILE),)
    page = Page(render_report(runs, [WorstCases(HOSTILE, HOSTILE, 0.9, strips, HOSTILE)]))

    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "link", "object", "embed"}
    assert [attrs["src"] for tag, attrs in page.tags if tag == "img"] == ["data:image/webp;base64,UklGRg=="]
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on") or name == "style"]
    assert any(HOSTILE in caption for caption in page.tables)
    assert any(HOSTILE in cell for cell in page.table("by class")[1])


def test_nothing_outside_the_file_is_named(two) -> None:
    for _, attrs in Page(render_report(two)).tags:
        for name in ("src", "href", "action", "srcset", "data"):
            assert (attrs.get(name) or "data:").startswith("data:")


def test_every_table_has_a_caption_and_headers_with_a_scope(two) -> None:
    page = Page(render_report(two))
    assert len(page.tables) == sum(tag == "table" for tag, _ in page.tags)
    assert all(attrs.get("scope") for tag, attrs in page.tags if tag == "th")
    charts = [attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img"]
    assert len(charts) == 4
    assert all(attrs.get("aria-label") for attrs in charts)
