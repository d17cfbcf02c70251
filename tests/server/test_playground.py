"""The playground in a real browser: typing, choosing, clicking, and reading the matrix.

Needs Chromium and its driver (Debian: apt-get install chromium chromium-driver).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from edgembed import Embedder
from serving import Server

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# A fresh profile that asks nobody for anything; no GPU and, for root in a container, no sandbox.
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en",
)
TEXTS = ["Кошка сидит на окне.", "The cat sits at the window.", "The stock market fell."]
LONG = "слово " * 200
Browser = webdriver.Chrome


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if found is None or driver is None:
        pytest.skip("the playground is NOT tested: install chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    own = webdriver.Chrome(options, Service(driver, env={**os.environ, "SE_AVOID_STATS": "true"}))
    yield own
    own.quit()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Browser]:
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get(f"{server.url}/playground")
    until(browser, lambda: len(cells(browser)) == 25)  # the example
    yield browser
    assert browser.get_log("browser") == []  # no error, and nothing that the policy refused


def until(browser: Browser, holds: Callable[[], bool]) -> None:
    WebDriverWait(browser, 20, 0.05).until(lambda _: holds())


def cells(browser: Browser) -> list[float]:
    read = "return [...document.querySelectorAll('#matrix td')].map(td => Number(td.dataset.value))"
    values: list[float] = browser.execute_script(read)
    return values


def matrix(browser: Browser, size: int) -> np.ndarray:
    until(browser, lambda: len(cells(browser)) == size**2 and not busy(browser))
    return np.array(cells(browser)).reshape(size, size)


def busy(browser: Browser) -> bool:
    return "busy" in (browser.find_element(By.TAG_NAME, "body").get_attribute("class") or "")


def write(browser: Browser, texts: list[str]) -> None:
    field = browser.find_element(By.ID, "texts")
    field.clear()
    field.send_keys("\n".join(texts))


def text(browser: Browser, name: str) -> str:
    return browser.find_element(By.ID, name).text


@pytest.fixture
def model(embedder: Callable[..., Embedder]) -> Embedder:
    return embedder("tiny-frida", "int8")


def similarities(model: Embedder, texts: list[str], **arguments: str) -> np.ndarray:
    vectors = model.encode(texts, **arguments)
    return model.similarity(vectors, vectors)


def test_typing_and_choosing_a_prompt(page: Browser, model: Embedder) -> None:
    write(page, TEXTS)
    np.testing.assert_allclose(matrix(page, 3), similarities(model, TEXTS), rtol=0, atol=1e-6)
    shown = [cell.text for cell in page.find_elements(By.CSS_SELECTOR, "#matrix td")]
    assert shown == [f"{value:.2f}" for value in similarities(model, TEXTS).ravel()]
    prompts = Select(page.find_element(By.ID, "prompt"))
    named = [option.get_attribute("value") for option in prompts.options]
    assert named == ["default", "none", *(f"name:{key}" for key in model.prompts)]
    for value, arguments in (
        ("name:query", {"prompt_name": "query"}),
        ("none", {"prompt": ""}),
        ("default", {}),
    ):
        prompts.select_by_value(value)
        expected = similarities(model, TEXTS, **arguments)
        until(page, lambda e=expected: np.allclose(cells(page), e.ravel(), atol=1e-6))  # type: ignore[misc]


def test_tokens_truncation_and_milliseconds(page: Browser, model: Embedder) -> None:
    write(page, [*TEXTS[:2], LONG, "", "  "])  # lines without words are no texts
    matrix(page, 3)
    items = [item.text for item in page.find_elements(By.CSS_SELECTOR, "#list li")]
    prefix = model.prompts[model.default_prompt_name or ""]
    for item, own in zip(items, TEXTS[:2], strict=False):
        tokens = model.tokenize([prefix + own])["input_ids"].size
        assert item.startswith(own)
        assert f"{tokens} tokens" in item
        assert "cut" not in item
    assert f"cut after {model.max_seq_length} tokens" in items[2]
    assert all(item.endswith(" ms") for item in items[:2])
    assert text(page, "summary").startswith("3 × 3 · ")
    assert "ms at the server" in text(page, "summary")


def test_the_tokens_of_a_text(page: Browser, model: Embedder) -> None:
    write(page, [TEXTS[1], LONG])
    matrix(page, 2)
    for summary in page.find_elements(By.CSS_SELECTOR, "#list summary"):
        summary.click()
    read = (
        "return [...document.querySelectorAll('.tokens')].map(p => [...p.children].map("
        "span => [span.textContent, span.className]))"
    )
    until(page, lambda: all(page.execute_script(read)))
    short, long = page.execute_script(read)
    prefix = model.prompts[model.default_prompt_name or ""]
    assert len(short) == model.tokenize(prefix + TEXTS[1])["input_ids"].size
    assert short[0] == ["[CLS]", "special"]
    assert short[-1] == ["[SEP]", "special"]
    assert "".join(text for text, kind in short if not kind) == (prefix + TEXTS[1]).replace(" ", "")
    kept = [text for text, kind in long if kind != "cut"]
    assert len(kept) == model.max_seq_length
    assert [kind for _, kind in long[model.max_seq_length - 1 :][:2]] == ["cut", "cut"]
    assert long[-1] == ["[SEP]", "special"]


def test_pointing_at_a_pair(page: Browser, model: Embedder) -> None:
    write(page, TEXTS)
    value = matrix(page, 3)[1, 2]
    cell = page.find_element(By.CSS_SELECTOR, 'td[data-row="1"][data-column="2"]')
    ActionChains(page).move_to_element(cell).click().perform()
    assert text(page, "pair").split("\n") == [
        f"similarity {value:.4f}",
        f"2. {TEXTS[1]}",
        f"3. {TEXTS[2]}",
    ]


def test_by_keyboard_alone(page: Browser) -> None:
    keys = ActionChains(page)
    page.find_element(By.ID, "texts").clear()
    page.execute_script("document.activeElement.blur()")
    while page.switch_to.active_element.get_attribute("id") != "texts":
        keys.send_keys(Keys.TAB).perform()
    keys.send_keys("one", Keys.ENTER, "two").perform()
    keys.key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    matrix(page, 2)
    while page.switch_to.active_element.tag_name != "td":
        keys.send_keys(Keys.TAB).perform()
    keys.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_LEFT, Keys.ARROW_LEFT).perform()
    focused = page.switch_to.active_element
    assert (focused.get_attribute("data-row"), focused.get_attribute("data-column")) == ("1", "0")
    assert text(page, "pair").split("\n")[1:] == ["2. two", "1. one"]


def test_russian_and_english(page: Browser) -> None:
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
    assert text(page, "run") == "Compare"
    page.find_element(By.CSS_SELECTOR, "[data-language=ru]").click()
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "ru"
    assert text(page, "run") == "Сравнить"
    assert "токенов" in text(page, "summary")
    assert "1,00" in text(page, "matrix")
    empty = "return [...document.querySelectorAll('[data-t]')].filter(e => !e.textContent).length"
    assert page.execute_script(empty) == 0
    page.find_element(By.CSS_SELECTOR, "[data-language=en]").click()
    assert text(page, "run") == "Compare"


def test_numbers_as_people_write_them(page: Browser) -> None:
    shown = page.execute_script("return [-0.004, 0.004, -0.006, 1].map(x => number(x, 2))")
    assert shown == ["0.00", "0.00", "-0.01", "1.00"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_in_light_and_dark(page: Browser, scheme: str) -> None:
    size = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    write(page, [f"text {number}" for number in range(16)])
    matrix(page, 16)
    wide = "return [document.documentElement.scrollWidth, innerWidth]"
    assert page.execute_script(wide) == [360, 360]  # the matrix scrolls inside its own box
    color = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    assert (sum(page.execute_script(color)) > 380) == (scheme == "light")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_too_many_texts_are_refused_in_words(page: Browser) -> None:
    write(page, [f"text {number}" for number in range(33)])
    until(page, lambda: "33 texts are too many" in text(page, "error"))
    write(page, ["one", "two"])
    matrix(page, 2)
    assert text(page, "error") == ""


def test_nothing_comes_from_elsewhere(page: Browser, server: Server) -> None:
    loaded = "return performance.getEntriesByType('resource').map(entry => entry.name)"
    names = page.execute_script(loaded)
    assert any(name.endswith("/playground/compare") for name in names)
    assert all(name.startswith(server.url) for name in names)


def test_with_an_api_key(browser: Browser, start: Callable[..., Any], frida: Path) -> None:
    with start(frida, API_KEY="the-key") as guarded:
        browser.get(f"{guarded.url}/playground")
        until(browser, lambda: "API key" in text(browser, "error"))
        assert cells(browser) == []
        browser.find_element(By.ID, "key").send_keys("the-key", Keys.TAB)
        matrix(browser, 5)
        assert text(browser, "error") == ""
    browser.get_log("browser")  # the browser logs the 401


def test_the_docs_page_shows(browser: Browser, server: Server) -> None:
    browser.get(f"{server.url}/docs")
    assert "/v1/embeddings" in browser.find_element(By.TAG_NAME, "body").text
    assert browser.get_log("browser") == []
