"""The report page of a hundred flows in a real browser: what it shows, and that it asks nobody for anything.

`FLOWYARD_PICTURE=docs/images/report.png` also takes the picture of the documentation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowyard.reporting.page import page
from flowyard.reporting.page_document import document
from tests.integration.browser import Page, browser
from tests.report_examples import example

SHOWN = "[...new Set([...document.querySelectorAll('[data-flow]')].filter(e => !e.hidden).map(e => e.dataset.flow))]"
NAMELESS = """[...document.querySelectorAll('button, input, summary')].filter(
  e => !(e.textContent.trim() || e.closest('label')?.textContent.trim())).length"""
# The contrast of the page's text, as WCAG counts it: 4.5 is what it asks for.
CONTRAST = """(() => {
  const level = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const back = level(getComputedStyle(document.body).backgroundColor);
  return ['body', '.soft', '.end', '.bad b', 'th'].map(selector => {
    const text = level(getComputedStyle(document.querySelector(selector)).color);
    return (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
  });
})()"""


@pytest.fixture(scope="module")
def opened() -> Iterator[Page]:
    with browser() as running:
        yield running


def test_a_page_of_a_hundred_flows(opened: Page, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(document(*example(100))), encoding="utf-8")
    opened.size(1280, 900)
    opened.open(file.as_uri())
    assert opened.requests == [file.as_uri()]  # nothing but the file itself
    assert opened.complaints == []  # not even of its own policy
    assert opened.value("document.title") == "Flowyard: ship to production"
    assert opened.value("document.querySelectorAll('main > section > h2').length") == 5
    assert opened.value("document.querySelectorAll('#timeline ~ .row').length") == 69
    assert opened.value("document.querySelectorAll('details[open]').length") == 0
    assert opened.value(NAMELESS) == 0
    assert min(opened.value(CONTRAST)) > 4.5

    opened.write("#search", "flow_04")
    assert sorted(opened.value(SHOWN)) == [f"flow_04{digit}" for digit in range(10)]
    opened.value("document.getElementById('changed').click()")
    assert len(opened.value(SHOWN)) == 7
    assert opened.value("document.getElementById('shown').textContent") == "7 flows shown"
    opened.value("document.getElementById('open').focus()")
    opened.press("Enter")
    assert opened.value("document.querySelectorAll('details[open]').length") == 14
    assert opened.value("document.querySelector('#timeline ~ details[open] table tbody tr') !== null")

    opened.size(1280, 900, "dark")
    assert opened.value("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 26)"
    assert min(opened.value(CONTRAST)) > 4.5
    opened.size(360, 700)
    assert opened.value("document.documentElement.scrollWidth <= 360")


def test_without_scripts_everything_is_there(opened: Page, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    account, seen = example(9)
    file.write_text(page(document(account, seen)), encoding="utf-8")
    opened.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        opened.size(1280, 1500)
        opened.open(file.as_uri())
        assert opened.value("document.getElementById('tools').hidden")
        assert opened.value("document.querySelectorAll('#flows ~ table tbody tr').length") == 9
        picture = opened.picture()
        assert picture.startswith(b"\x89PNG")
    finally:
        opened.ask("Emulation.setScriptExecutionDisabled", value=False)
    if wanted := os.environ.get("FLOWYARD_PICTURE"):
        opened.open(file.as_uri())
        Path(wanted).write_bytes(opened.picture())
