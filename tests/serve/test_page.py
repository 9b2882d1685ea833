"""The page in a real browser: talk, watch, approve with edits, survive a restart, fork, steer, and hostile text.

Needs Playwright and Chromium: `pip install playwright axe-playwright-python`, and Debian's `chromium`.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the page is tested where Playwright is"
)
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
if not CHROMIUM:
    pytest.skip("the page is tested where Chromium is", allow_module_level=True)

KEY = "ann-has-this-long-key"
HERE = Path(__file__).parent
WAIT_MS = 60_000


class Server:
    """`treadle serve` in a process of its own, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        (folder / "keys").write_text(f"ann {KEY}\n")
        (folder / "keys").chmod(0o600)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = [
            "serve",
            f"{HERE / 'page_agent.py'}:agent",
            "--port",
            str(self.port),
            "--keys",
            "keys",
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "treadle", *words],
            cwd=self.folder,
            env=os.environ | {"PAGE_TEST_FOLDER": str(self.folder)},
            stderr=subprocess.PIPE,
        )
        assert self.process.stderr
        assert b"open http://" in self.process.stderr.readline()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stderr:
            self.process.stderr.close()

    def paid(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "paid").read_text().split()
        return []


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("page"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(server, browser):
    """A page that is logged in; nothing was asked of other hosts, and no script failed or ran by itself."""
    context = browser.new_context(viewport={"width": 1280, "height": 850})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    bad: list[str] = []
    page.on("pageerror", lambda error: bad.append(str(error)))
    page.on("dialog", lambda dialog: (bad.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda asked: asked.url.startswith(server.address) or bad.append(asked.url))
    page.goto(f"{server.address}/?key={KEY}")
    page.wait_for_selector(".say textarea")
    yield page
    assert bad == []
    context.close()


def begin(page, text):
    page.fill(".say textarea", text)
    page.keyboard.press("Enter")
    page.wait_for_selector(".talk .say textarea")


def wait_for_status(page, status):
    page.wait_for_selector(f".thread-head .badge.{status}")


def seqs(page):
    return [int(each) for each in page.locator(".record .seq").all_inner_texts()]


def test_what_is_said_is_answered_as_it_is_written(page):
    begin(page, "a long story")
    page.wait_for_selector(".reply.writing >> text=word3")
    wait_for_status(page, "answered")
    assert page.locator(".reply .text").inner_text().strip().endswith("word119")
    assert seqs(page) == list(range(1, len(seqs(page)) + 1))


def test_an_approval_with_edited_arguments_runs_those(page, server):
    before = len(server.paid())
    begin(page, "order lamps")
    page.wait_for_selector(".decision")
    assert page.locator(".field input").first.input_value() == "shop-7"
    page.goto(f"{server.address}/waiting")
    page.fill(".decision input[type=number]", "200")
    page.locator(".decision .yes").dblclick()
    page.wait_for_selector("text=Nothing waits")
    assert server.paid()[before:] == ["200.0"]


def test_a_denied_call_does_not_run(page, server):
    before = server.paid()
    begin(page, "order chairs")
    page.click(".decision .no")
    page.wait_for_selector(".call.refused, .call.failed")
    assert server.paid() == before


def test_a_restart_in_the_middle_of_a_turn_loses_nothing(page, server):
    begin(page, "a long one, with a crash")
    page.wait_for_selector(".reply.writing >> text=word9")
    server.kill()
    page.wait_for_selector("text=The server can't be reached")
    server.start()
    wait_for_status(page, "answered")
    assert page.locator(".reply .text").inner_text().strip().endswith("word119")
    assert page.locator("#connection").is_hidden()
    assert seqs(page) == list(range(1, len(seqs(page)) + 1))


def test_a_message_while_it_works_is_seen_by_the_next_model_call(page):
    begin(page, "a long tale")
    page.wait_for_selector(".reply.writing")
    page.fill(".talk .say textarea", "and be quick")
    page.keyboard.press("Enter")
    page.wait_for_selector(".reply >> text=You said: and be quick")
    assert page.locator(".said.steers").inner_text().endswith("and be quick")


def test_a_fork_says_something_else(page, server):
    begin(page, "first words")
    wait_for_status(page, "answered")
    address = page.url
    page.hover(".said")
    page.click(".said .link")
    page.fill("dialog textarea", "other words")
    page.click("dialog .yes")
    page.wait_for_selector(".reply >> text=You said: other words")
    assert page.url != address
    page.go_back()
    page.wait_for_selector(".reply >> text=You said: first words")


def test_a_step_opens_to_just_what_the_model_saw(page):
    begin(page, "what do you see?")
    wait_for_status(page, "answered")
    page.locator(".record summary >> text=model call 1").click()
    page.wait_for_selector(".prompt >> text=This is just what the model saw")
    assert page.locator(".message.system pre").inner_text() == "Sell lamps."
    assert page.locator(".message.user pre").inner_text() == "what do you see?"


def test_hostile_text_stays_text(page):
    begin(page, "hostile <b>bold</b>")
    wait_for_status(page, "answered")
    text = page.locator(".reply .text").inner_text()
    assert text.startswith(
        "<script>alert(1)</script><img src=x onerror=alert(2)> ⟨202e⟩gnp.exe ⟨1b⟩[31mred"
    )
    assert page.locator("main img, main script, main b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize("width", [1280, 480])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_in_the_way_of_anybody(page, server, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe isn't installed")
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 850})
    begin(page, "order more")
    page.wait_for_selector(".decision")
    thread = page.url
    for address in (thread, "/", "/waiting", "/costs", "/threads/none"):
        page.goto(address if address == thread else server.address + address)
        page.wait_for_selector("main > :not(.empty)")
        time.sleep(0.2)
        found = axe.Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(thread)
    page.click("text=Cancel the turn")
    wait_for_status(page, "cancelled")
