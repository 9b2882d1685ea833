"""An editor talks to an agent by the Agent Client Protocol: its session is a thread of the log."""

import asyncio
from dataclasses import replace

import acp
import pytest
from acp import schema as s

from serve.serving import WANTS_TO_PAY, Shop, make_checked_shop
from treadle import Agent, Context, Question, ScriptedModel, TurnEnded, UserSaid, tool
from treadle.models.scripted import calls, says
from treadle.serve.editor import EditorAgent
from treadle.tools.ask import ask_user


class Editor:
    """The editor's side: what it was told, and what its person chooses."""

    def __init__(self, choice="once", filled=None):
        self.choice = choice
        self.filled = filled
        self.forms = []
        self.is_asked = asyncio.Event()
        self.updates = []
        self.asked = []
        self.has_come = asyncio.Event()

    async def session_update(self, session_id, update):
        self.updates.append(update)
        self.has_come.set()

    async def wait_for(self, text):
        async with asyncio.timeout(60):
            while text not in self.text:
                self.has_come.clear()
                await self.has_come.wait()

    async def request_permission(self, session_id, tool_call, options):
        self.asked.append(tool_call)
        outcome = s.AllowedOutcome(outcome="selected", option_id=self.choice or "")
        if self.choice is None:
            outcome = s.DeniedOutcome(outcome="cancelled")
        return s.RequestPermissionResponse(outcome=outcome)

    async def create_elicitation(self, message, mode):
        self.forms.append((message, mode.session_id, list(mode.requested_schema.properties)))
        self.is_asked.set()
        if self.filled is None:
            await asyncio.Event().wait()  # the person has gone away
        return self.filled

    @property
    def text(self):
        kinds = [each for each in self.updates if each.session_update == "agent_message_chunk"]
        return "".join(each.content.text for each in kinds)

    def statuses(self):
        return [each.status for each in self.updates if each.session_update.startswith("tool_call")]


def connect(shop, choice="once"):
    agent, editor = EditorAgent(shop.agent), Editor(choice)
    agent.on_connect(editor)
    return agent, editor


@tool
def order(lamp: str, ctx: Context) -> str:
    """Order a lamp."""
    if not ctx.answers:
        raise Question("Which colour?")
    return f"ordered: {lamp}, {ctx.answers[0].text}"


def ask_which(*replies):
    """A shop that asks a question, by a tool in mid-call or as its model wants it."""
    shop = Shop(*replies)
    shop.agent = replace(shop.agent, tools=[order, ask_user])
    return shop


FORMS = s.ClientCapabilities(
    elicitation=s.ElicitationCapabilities(form=s.ElicitationFormCapabilities())
)
QUESTIONS = pytest.mark.parametrize(
    ("call", "result"),
    [
        (("order", {"lamp": "A"}), "ordered: A, red"),
        (("ask_user", {"question": "Which colour?"}), "red"),
    ],
)


@QUESTIONS
def test_a_question_is_a_form_where_the_editor_shows_forms(call, result):
    shop = ask_which(calls(call), says("Done."))
    agent, editor = connect(shop)
    editor.filled = s.AcceptElicitationResponse(action="accept", content={"answer": "red"})

    async def play():
        await agent.initialize(protocol_version=1, client_capabilities=FORMS)
        await say(agent, "t", "a lamp")

    asyncio.run(play())
    assert editor.forms == [("Which colour?", "t", ["answer"])]
    assert result in shop.model.seen[-1].messages[-1].text
    assert editor.text == "Done."


@QUESTIONS
def test_where_it_shows_none_the_next_message_is_the_answer(call, result):
    shop = ask_which(calls(call), says("Done."))
    agent, editor = connect(shop)

    async def play():
        await agent.initialize(protocol_version=1)
        await say(agent, "t", "a lamp")
        assert editor.text.endswith("Which colour?\n\n(Your next message is the answer.)")
        await say(agent, "t", "red")

    asyncio.run(play())
    assert result in shop.model.seen[-1].messages[-1].text
    assert editor.text.endswith("Done.")


@pytest.mark.parametrize(
    ("filled", "status"),
    [
        (s.DeclineElicitationResponse(action="decline"), "answered"),
        (s.CancelElicitationResponse(action="cancel"), "waiting"),
        (s.AcceptElicitationResponse(action="accept", content={"answer": " "}), "waiting"),
    ],
)
def test_who_declines_is_told_to_the_agent_and_who_puts_it_off_leaves_it_waiting(filled, status):
    shop = ask_which(calls(("ask_user", {"question": "Which?"})), says("Done."))
    agent, editor = connect(shop)
    editor.filled = filled

    async def play():
        await agent.initialize(protocol_version=1, client_capabilities=FORMS)
        await say(agent, "t", "a lamp")
        return (await shop.agent.resume("t")).status

    assert asyncio.run(play()) == status
    assert len(editor.forms) == 1


@pytest.mark.parametrize("ends", [True, False])
def test_what_is_decided_on_the_page_is_waited_for_no_longer(ends):
    shop = ask_which(calls(("ask_user", {"question": "Which?"})), says("Done."))
    agent, editor = connect(shop)

    async def play():
        await agent.initialize(protocol_version=1, client_capabilities=FORMS)
        async with asyncio.timeout(60):
            prompt = asyncio.create_task(say(agent, "t", "a lamp"))
            await editor.is_asked.wait()
            [waiting] = (await shop.agent.summary("t")).waiting
            if ends:
                await shop.agent.post("t", TurnEnded("cancelled", "by ann"))
            else:
                await shop.agent.post("t", UserSaid("red", answers=waiting.id, by="ann"))
            return await prompt

    assert asyncio.run(play()) == ("cancelled" if ends else "end_turn")


async def say(agent, session, text):
    answer = await agent.prompt(session_id=session, prompt=[acp.text_block(text)])
    return answer.stop_reason


@pytest.mark.parametrize(
    ("choice", "paid", "last"),
    [("once", [3], "completed"), ("turn", [3], "completed"), ("no", [], "failed")],
)
def test_a_permission_is_an_approval_in_the_log(choice, paid, last):
    shop = Shop(WANTS_TO_PAY, says("So it is."))
    agent, editor = connect(shop, choice)
    assert asyncio.run(say(agent, "t", "pay")) == "end_turn"
    assert (shop.paid, editor.text, editor.statuses()[-1]) == (paid, "So it is.", last)
    [call] = editor.asked
    assert (call.title, call.raw_input) == ('pay({"amount": 3})', {"amount": 3})


def test_a_turn_whose_person_chooses_nothing_waits_and_goes_on_elsewhere():
    shop = Shop(WANTS_TO_PAY, says("Paid."))
    agent, _ = connect(shop, None)

    async def play():
        await say(agent, "t", "pay")
        [waiting] = (await shop.agent.resume("t")).waiting
        return waiting

    assert asyncio.run(play()).name == "pay"
    assert shop.paid == []


def test_a_session_is_loaded_from_the_log():
    shop = Shop(calls(("stock", {"item": "a"}), text="I look."), says("17."), says("More."))
    agent, told = connect(shop)

    async def play():
        await say(agent, "t", "how many?")
        again, shown = connect(shop)
        await again.load_session(cwd="/", session_id="t", mcp_servers=[])
        await say(again, "t", "and now?")
        return shown

    shown = asyncio.run(play())
    [said] = [each for each in shown.updates if each.session_update == "user_message_chunk"]
    assert said.content.text == "how many?"
    assert shown.text.startswith(told.text)
    assert shown.text.endswith("More.")
    assert told.statuses() == ["pending", "in_progress", "completed"]
    assert shown.updates[2].kind == "read"


@pytest.mark.parametrize("way", ["load_session", "resume_session"])
def test_what_a_loaded_session_waits_for_is_asked_and_what_comes_of_it_shown(way):
    shop = Shop(WANTS_TO_PAY, says("Paid."))
    left, _ = connect(shop, None)

    async def play():
        await say(left, "t", "pay")
        agent, editor = connect(shop)
        await getattr(agent, way)(cwd="/", session_id="t", mcp_servers=[])
        await editor.wait_for("Paid.")
        return editor

    editor = asyncio.run(play())
    assert (len(editor.asked), shop.paid) == (1, [3])
    assert editor.statuses()[-1] == "completed"


def test_an_editor_gets_no_text_that_a_check_has_refused_or_changed():
    script = [says("The secret is 42."), says("raw text"), WANTS_TO_PAY, says("Bye.")]
    shop = make_checked_shop(*script)
    agent, told = connect(shop)

    async def play():
        await say(agent, "t", "tell")
        await say(agent, "t", "pay")
        again, shown = connect(shop)
        await again.load_session(cwd="/", session_id="t", mcp_servers=[])
        return shown

    shown = asyncio.run(play())
    assert told.text == "Changed.Bye."
    assert [each for each in shown.text.split() if each] == ["Changed.", "Bye."]


def test_what_is_said_into_a_turn_that_waits_shows_nothing_of_it_again():
    shop = Shop(calls(("pay", {"amount": 3}), text="I pay now."), says("It waits."))
    agent, told = connect(shop, None)

    async def play():
        await say(agent, "t", "pay")
        answer = await agent.prompt(session_id="t", prompt=[acp.text_block("what now?")])
        return answer.usage, (await shop.agent.resume("t")).records

    usage, records = asyncio.run(play())
    assert told.text == "I pay now.It waits."
    assert told.statuses() == ["pending"]
    assert usage.total_tokens == records[-1].event.usage.total_tokens


def test_a_prompt_while_another_one_asks_for_a_permission_shows_and_asks_nothing_twice():
    shop = Shop(calls(("pay", {"amount": 3}), text="I pay."), says("It waits."), says("Paid."))
    agent, editor = connect(shop)
    ask, nested = editor.request_permission, []

    async def ask_later(session_id, tool_call, options):
        if not nested:
            nested.append(await say(agent, "t", "what now?"))
        return await ask(session_id, tool_call, options)

    editor.request_permission = ask_later
    assert asyncio.run(say(agent, "t", "pay")) == "end_turn"
    assert editor.text == "I pay.It waits.Paid."
    assert (len(editor.asked), shop.paid) == (1, [3])


def test_the_sessions_are_the_threads_of_the_agent():
    shop = Shop(says("Hi."))
    agent, _ = connect(shop)

    async def play():
        await say(agent, "t", "hello there")
        return await agent.list_sessions()

    [session] = asyncio.run(play()).sessions
    assert (session.session_id, session.title) == ("t", "hello there")


def test_cancelling_ends_the_turn():
    shop = Shop(WANTS_TO_PAY)
    agent, editor = connect(shop, None)

    async def cancel(session_id, tool_call, options):
        await agent.cancel(session_id="t")
        return s.RequestPermissionResponse(outcome=s.DeniedOutcome(outcome="cancelled"))

    editor.request_permission = cancel

    async def play():
        reason = await say(agent, "t", "pay")
        return reason, (await shop.agent.resume("t")).status

    assert asyncio.run(play()) == ("cancelled", "cancelled")
    assert shop.paid == []


def test_a_session_that_is_not_there_is_refused_in_words():
    agent, _ = connect(Shop())
    with pytest.raises(acp.RequestError) as caught:
        asyncio.run(agent.load_session(cwd="/", session_id="none", mcp_servers=[]))
    assert "there is no thread 'none'" in caught.value.data["message"]


def test_a_thread_of_another_agent_is_no_session():
    shop = Shop(says("Hi."))
    other = Agent(
        model=ScriptedModel([says("Mine."), says("Still mine.")]), name="other", store=shop.store
    )
    other.run_sync("hello", thread="t")
    agent, _ = connect(shop)
    for asked in (
        agent.load_session(cwd="/", session_id="t", mcp_servers=[]),
        agent.resume_session(cwd="/", session_id="t", mcp_servers=[]),
        say(agent, "t", "hello there"),
    ):
        with pytest.raises(acp.RequestError) as caught:
            asyncio.run(asked)
        assert "thread t is of 'other', and not of 'shop'" in caught.value.data["message"]
    asyncio.run(agent.cancel(session_id="t"))
    assert other.run_sync("still?", thread="t").answer == "Still mine."


def test_files_and_pictures_are_said_in_their_order():
    shop = Shop(says("Seen."))
    agent, _ = connect(shop)
    prompt = [
        acp.text_block("What is this?"),
        acp.image_block("aGk=", "image/png"),
        acp.resource_link_block("notes.md", "file:///notes.md"),
    ]
    asyncio.run(agent.prompt(session_id="t", prompt=prompt))
    [_, message] = shop.model.seen[0].messages
    assert [getattr(part, "url", part) for part in message.content] == [
        "What is this?",
        "data:image/png;base64,aGk=",
        "[notes.md](file:///notes.md)",
    ]
