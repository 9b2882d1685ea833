"""Simon Willison's llm, by its command line, with its own log of conversations."""

import os
import subprocess
import sys
from pathlib import Path

from talk import ADDRESS, KEY, talk

folder = Path(os.environ["LLM_USER_PATH"])
folder.mkdir(parents=True, exist_ok=True)
(folder / "extra-openai-models.yaml").write_text(
    f"- model_id: shop\n  model_name: shop\n  api_base: {ADDRESS}/v1\n  api_key_name: shop\n"
)
begun = False


def ask(text):
    global begun
    words = [Path(sys.executable).with_name("llm"), "-m", "shop", "--key", KEY, text]
    if begun:
        words.insert(1, "-c")
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    begun = True
    return done.stdout.strip()


talk(ask)
