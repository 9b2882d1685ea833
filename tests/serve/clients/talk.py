"""What each client does: three turns on one history. A turn that fails is said again, as an application would."""

import json
import os
import sys
import time

ADDRESS = os.environ["SERVER"]
KEY = os.environ["SERVER_KEY"]
WORDS = ("hello", "a long tale", "order lamps")


def talk(ask):
    for text in WORDS:
        print(json.dumps({"says": text}), flush=True)
        for _ in range(40):
            try:
                answer = ask(text)
                break
            except Exception as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
                time.sleep(0.5)
        else:
            raise SystemExit(f"no answer to {text!r}")
        print(json.dumps({"answer": answer}), flush=True)
