"""Routing: one agent says what is asked for, as a typed answer; plain Python picks who does it."""

from typing import Literal

from treadle import Agent

router = Agent("Which kind of text does the user ask for?", output=Literal["story", "joke", "poem"])
writers = {
    "story": Agent("You tell stories, in three sentences."),
    "joke": Agent("You tell jokes, in two lines."),
    "poem": Agent("You write poems, in four lines."),
}


def main() -> None:
    said = "Write me a joke about cats."
    kind = router.run_sync(said).output
    print(f"{kind}:", writers[kind].run_sync(said).answer, sep="\n")


if __name__ == "__main__":
    main()
