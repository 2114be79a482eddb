"""Chromium as the tests drive it: one for all of them, a fresh context for each page, and everything that a page says on its console."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Error, Page, async_playwright

__all__ = ["LOADED", "chromium", "opened", "shows", "until"]

#: Without these it looks for hosts of its maker at every start.
_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
_FLAGS += ["--disable-component-update", "--disable-sync"]
#: Ends hangs only.
_LONG_S = 60
#: The page looks every 20 ms until it is true.
_LOOK = """new Promise((done, fail) => {
  const look = () => { try { (%s) ? done(true) : setTimeout(look, 20); } catch (wrong) { fail(wrong); } };
  look();
})"""

#: A script: whether the page has found its server and shows its view.
LOADED = "document.querySelector('#link')?.dataset.state === 'live' && !document.querySelector('main .loading')"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser runs inside the block. Skips the test as NOT RUN where there is none, or fails it where services are required."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        missing = "the page needs Chromium (`chromium` is not on the path)"
        if os.environ.get("STREAMS_REQUIRE_SERVICES") == "1":
            pytest.fail(missing, pytrace=False)
        pytest.skip(f"NOT RUN: {missing}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=_FLAGS)
        yield browser
        await browser.close()


async def opened(browser: Browser, url: str, **options: Any) -> tuple[Page, list[str]]:
    """A page that is open at `url`, and everything that it ever says on its console."""
    context = await browser.new_context(**({"locale": "en-GB"} | options))
    page = await context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.goto(url)
    return page, said


async def until(page: Page, script: str) -> None:
    """`script` is true. The page itself looks, so that a wait costs no frames; by a timer, since its policy forbids code that it would be
    given to watch with."""
    try:
        async with asyncio.timeout(_LONG_S):
            while not await _holds(page, _LOOK % script):
                pass
    except TimeoutError:
        pytest.fail(f"never true: {script}\n{await page.inner_text('body')}", pytrace=False)


async def _holds(page: Page, script: str) -> bool:
    """What `script` says; False when the page is left for another one meanwhile."""
    try:
        return bool(await page.evaluate(script))
    except Error as error:
        if "context was destroyed" not in str(error):
            raise
        return False


def shows(text: str) -> str:
    """A script: whether the page shows `text`."""
    return f"document.body.innerText.includes({text!r})"
