"""What Treadle itself says to the model in a prompt."""

PLAN = (
    "Before you act: write a short numbered plan for this task, one step a line, and name the tool"
    " that each step needs, if any. Only the plan; don't carry it out yet. The tools are: {tools}"
)
ACT = "Now carry out your plan, step by step, with the tools. Then give the answer."
LAST_WORD = (
    "No more tools can be used in this turn. Give the best answer you can from what is above, now."
)
EMPTY = "Your last reply was empty. Call a tool or give the answer."
CUT_OFF = (
    "Your last reply was cut off at {tokens} tokens, so its tool calls were not read. Write less at"
    " once."
)
MALFORMED = (
    "Your last reply called a tool in a form that could not be read: {fault}. Call it again, by its"
    " name and with one JSON object of arguments, or give the answer."
)
UNFIT = "That answer can't be used: {wrong}. Answer again, corrected."
STILL_OPEN = (
    "Call {id} isn't over: {why}. Its result will come as a later message. Go on without it, and"
    " don't make this call again."
)
CAME_LATER = "This is what came of your earlier call {id}, {name}({arguments}):\n{result}"
DID_RUN = "done; the call was interrupted, but it did run. Its result was lost"
UNKNOWN = (
    "the call was interrupted, and nobody knows if it had its effect. Check before you repeat it"
)
HANDED_OFF = "done: {agent} is in charge of the conversation now"
NO_CALLS = "Your last reply called a tool. None can run any more: write the answer in words."
EDITED = "A person changed the arguments of this call before it ran, to: {arguments}\n{result}"
RULED = (
    "A rule of this agent changed the arguments of this call before it ran, to: {arguments}\n"
    "{result}"
)
WITHHELD = "[withheld: {reason}]"
NOT_RUN = "not run: the turn ended before this call"
INTERRUPTED = "interrupted: the turn ended while this call ran; it may have had its effect"
SHOWN = "This came with the answer to your question."
SUMMARY = "What was said before, in short:\n{summary}"
PARTS_LEFT_OUT = "[… the pictures and files of this result are left out]"
SHORTENED = "\n[… {left_out} of {all} characters of this result are left out]\n"
