"""The page in a real browser: talk, watch, approve with edits, survive a restart, fork, steer, and hostile text.

Needs Playwright and Chromium: `pip install playwright axe-playwright-python`, and Debian's `chromium`.
"""

import asyncio
import contextlib
import os
import shutil
import time

import pytest

from serve.server_process import KEY, Server
from treadle import SQLiteStore, run_sync
from treadle.core import events as e
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.stores.rows import to_rows

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the page is tested where Playwright is"
)
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
if not CHROMIUM:
    pytest.skip("the page is tested where Chromium is", allow_module_level=True)

WAIT_MS = 60_000


async def write_long_thread(store):
    """A thread named `long` with 1,202 records, in 300 turns."""
    events = [e.ThreadStarted("shop", "key"), e.ThreadClaimed("claim")]
    for number in range(300):
        events += [
            e.UserSaid(f"message {number}"),
            e.ModelCalled("m", "h", 10, 10),
            e.ModelReplied(f"answer {number}", e.Usage(2, 1), 0.1, cost_usd=0.0),
            e.TurnEnded("answered"),
        ]
    log = [e.Record("long", seq, 1000.0 + seq, each, 0.0) for seq, each in enumerate(events, 1)]
    await store.append("long", to_rows(log))
    store.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("page"))
    asyncio.run(write_long_thread(SQLiteStore(server.folder / "page.db")))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def browser(server):  # after the server: Playwright leaves no room for asyncio.run in this thread
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def logged_in(server, browser):
    """A page that is logged in; nothing was asked of others, and no script failed or ran by itself."""
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


@pytest.fixture
def page(server, browser):
    with logged_in(server, browser) as page:
        yield page


def begin(page, text):
    page.fill(".say textarea", text)
    page.keyboard.press("Enter")
    page.wait_for_selector(".talk .say textarea")


def wait_for_status(page, status):
    page.wait_for_selector(f".thread-head .badge.{status}")


def seqs(page):
    return [int(each) for each in page.locator(".record .seq").all_text_contents()]


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


ASK = """async ([text, schema, amount]) => {
  const { argumentFields } = await import("/static/decide.js");
  const fields = argumentFields(text, schema);
  document.body.append(fields.element);
  const input = fields.element.querySelector("input[type=number]");
  if (amount !== null) {
    input.value = amount;
    input.dispatchEvent(new Event("input"));
  }
  return fields.read();
}"""


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ('{"wipe": "false"}', {"wipe": "boolean"}),
        ('{"wipe": 0}', {"wipe": "boolean"}),
        ('{"note": "one\\r\\ntwo"}', {"note": "string"}),
        ('{"amount": "7"}', {"amount": "integer"}),
        ('{"amount": 9007199254740993}', {"amount": "integer"}),
        ('{"kind": "c"}', {"kind": ["a", "b"]}),
    ],
)
def test_arguments_that_nobody_touches_stay_what_the_model_gave(page, text, kinds):
    properties = {
        name: {"enum": kind} if isinstance(kind, list) else {"type": kind}
        for name, kind in kinds.items()
    }
    assert page.evaluate(ASK, [text, {"properties": properties}, None]) is None


def test_an_edit_changes_what_was_edited_alone(page):
    schema = {"properties": {"wipe": {"type": "boolean"}, "amount": {"type": "integer"}}}
    text = '{"wipe": "false", "amount": 3}'
    assert page.evaluate(ASK, [text, schema, "4"]) == {"wipe": "false", "amount": 4}


def test_a_list_that_was_left_asks_no_more_and_leaves_the_address_alone(page, server):
    page.clock.install()
    page.goto(f"{server.address}/")
    page.wait_for_selector(".say textarea")
    held = []
    page.route("**/api/threads?*", lambda route: held.append(route))
    page.clock.run_for(3000)
    while not held:
        page.evaluate("0")  # the handler is called between two of these
    assert len(held) == 1
    page.click("nav >> text=Costs")
    page.wait_for_selector("h1 >> text=Costs")
    held.pop().continue_()
    page.clock.run_for(10_000)
    assert page.url == f"{server.address}/costs"
    assert held == []


def test_what_somebody_has_opened_stays_open_while_the_turn_goes_on(page):
    begin(page, "order tables")
    page.wait_for_selector(".decision")
    page.locator(".call.done summary").first.click()
    page.wait_for_selector(".call[open] dd >> text=17")
    page.locator(".call.waiting summary, .call.asked summary").first.click()
    page.click(".decision .yes")
    wait_for_status(page, "answered")
    assert page.locator(".call[open] dd >> text=paid").count() == 1
    assert page.locator(".call[open]").count() == 2


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
    for address in (thread, "/", "/waiting", "/workers", "/costs", "/threads/none"):
        page.goto(address if address == thread else server.address + address)
        page.wait_for_selector("main > :not(.empty)")
        time.sleep(0.2)
        found = axe.Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(thread)
    page.click("text=Cancel the turn")
    wait_for_status(page, "cancelled")


def test_a_thumb_and_a_word_are_kept_and_seen_at_once(page, server):
    begin(page, "how was it?")
    wait_for_status(page, "answered")
    page.click(".thumb[title=Bad]")
    page.fill(".verdict-form input", "<i>too</i> short")
    page.keyboard.press("Enter")
    page.wait_for_selector(".verdict.bad >> text=ann found this bad: <i>too</i> short")
    page.click(".thumb[title=Good]")
    page.click(".verdict-form button")
    page.wait_for_selector(".verdict.good >> text=ann found this good")
    assert page.locator(".verdict.bad").count() == 0
    page.goto(f"{server.address}/?rated=good")
    page.wait_for_selector(".thread-row >> text=found good 1")


def test_the_workers_view_leads_by_keyboard_to_a_parked_thread(page, server):
    async def park():
        log = await open_log("dead <b>", SQLiteStore(server.folder / "page.db"), World())
        await log.append(e.ThreadStarted("shop", "k"), e.ThreadClaimed("c0"), e.UserSaid("go"))
        for number in range(9):
            await log.append(e.ThreadClaimed(f"c{number}"))

    page.click("nav >> text=Workers")
    run_sync(park())
    link = page.locator(".agent-work a", has_text="dead <b>")
    link.focus()
    with page.expect_response("**/api/queue"):
        pass  # the view has been drawn anew
    page.keyboard.press("Enter")
    page.wait_for_selector(".decision >> text=This thread is parked")


def test_a_graph_is_drawn_with_the_way_that_it_took(page, server):
    begun = page.request.post(
        f"{server.address}/api/threads", data={"agent": "order", "arguments": {"item": "lamp"}}
    )
    page.goto(f"{server.address}/threads/{begun.json()['thread_id']}")
    page.wait_for_selector(".picture .node.waiting text >> text=send")
    assert page.locator(".picture .node.done").count() == 2 + 1
    assert page.locator(".arrow.taken text >> text=look again").count() == 1
    page.click(".decision .yes")
    wait_for_status(page, "answered")
    page.wait_for_selector(".picture .end.done")


def test_of_a_long_thread_the_end_is_shown_and_the_rest_on_demand(page, server):
    page.goto(f"{server.address}/threads/long")
    page.wait_for_selector(".reply >> text=answer 299")
    assert seqs(page) == list(range(1003, 1203))
    assert page.locator(".said").count() == 40
    for first in (603, 203, 1):
        page.locator("text=Earlier records").press("Enter")
        page.wait_for_selector(f".record .seq >> text=/^{first}$/", state="attached")
        assert seqs(page) == list(range(first, 1203))
    assert page.locator("text=Earlier records").is_hidden()
    assert page.evaluate("document.activeElement.querySelector('.seq').textContent") == "203"


def test_a_thread_is_asked_for_once_while_the_code_of_the_page_still_comes(page, server):
    asked = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(server.address)))
    page.goto(f"{server.address}/threads/long")
    page.wait_for_selector(".reply >> text=answer 299")
    paths = ["/api/threads/long", "/api/threads/long/records?last=200"]
    assert sorted(each for each in asked if each in paths) == paths
    assert asked.index(paths[1]) < asked.index("/api/waiting")


def test_earlier_turns_come_above_and_what_is_read_stays_in_its_place(page, server):
    page.goto(f"{server.address}/threads/long")
    page.wait_for_selector(".reply >> text=answer 299")
    page.locator(".said >> text=message 260").scroll_into_view_if_needed()
    place = page.locator(".said >> text=message 260").bounding_box()["y"]
    page.locator("text=Earlier turns").press("Enter")
    page.wait_for_selector(".said >> text=message 220")
    assert page.locator(".said >> text=message 260").bounding_box()["y"] == pytest.approx(
        place, abs=5
    )
    while page.locator("text=Earlier turns").is_visible():
        page.locator("text=Earlier turns").press("Enter")
        page.wait_for_timeout(20)
    shown = [int(each.split()[-1]) for each in page.locator(".said .text").all_inner_texts()]
    assert shown == list(range(300))
    assert page.locator("text=The beginning isn't shown").count() == 0


def test_a_step_has_an_address_that_opens_it_however_far_back_it_is(page, server):
    page.goto(f"{server.address}/threads/long#303")
    page.wait_for_selector(".record[open] .whole, .record[open] .raw")
    assert page.locator(".record[open] .seq").inner_text() == "303"
    assert seqs(page) == list(range(303, 1203))
    page.locator(".record summary >> text=answer 290").click()
    assert page.url.endswith("/threads/long#1165")


def test_below_another_application_all_of_it_stays_there(browser, tmp_path):
    server = Server(tmp_path, below="/shop/agents")
    server.start()
    with logged_in(server, browser) as page:
        begin(page, "order lamps")
        page.wait_for_selector(".decision")
        assert page.url.startswith(f"{server.address}/threads/")
        page.reload()
        page.wait_for_selector(".decision")
        thread = page.url
        page.click("nav >> text=Waiting")
        page.wait_for_selector("h1 >> text=Waiting for a person")
        assert page.url == f"{server.address}/waiting"
        page.fill(".decision input[type=number]", "200")
        page.locator(".decision .yes").click()
        page.wait_for_selector("text=Nothing waits")
        assert server.paid() == ["200.0"]
        page.click("nav >> text=Costs")
        page.click("a.json")
        page.wait_for_url(f"{server.address}/api/costs")
        page.goto(thread)
        wait_for_status(page, "answered")
        page.click("a.json")
        page.wait_for_url(f"{server.address}/api/threads/**")
        page.goto(thread)
        page.click(".brand")
        page.click(".thread-row")
        page.wait_for_url(thread)
        page.keyboard.press("Shift+Tab")
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"{thread}#content")
        wait_for_status(page, "answered")
    server.kill()


@pytest.mark.parametrize("name", ["report.json", "anna/monday", "50 % off?"])
def test_a_thread_of_any_name_has_a_page(page, server, name):
    asked = "([path, name]) => import('/static/api.js').then((api) => api.post(path, name))"
    page.evaluate(asked, ["/api/threads", {"text": name, "agent": "shop", "thread": name}])
    page.goto(server.address)
    page.click(f".thread-row >> text={name}")
    wait_for_status(page, "answered")
    page.reload()
    wait_for_status(page, "answered")
    page.click("a.json")
    page.wait_for_url("**/api/threads/**")
