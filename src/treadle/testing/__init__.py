"""Tests of agents: scripted models, assertions, recorded threads, suites for one's own parts."""

from typing import TYPE_CHECKING

from ..on_use import import_on_use

if TYPE_CHECKING:
    from ..evals.trajectory import ExpectedCall
    from ..models.scripted import IllegalPrompt, ScriptedModel, ScriptEnded, calls, says
    from ..notes.hash_embedder import HashEmbedder
    from ..runtime.import_string import import_string
    from .assertions import (
        assert_approvals_asked,
        assert_never_called,
        assert_no_errors,
        assert_trajectory,
        assert_within,
    )
    from .embedder_contract import EmbedderContract
    from .model_contract import ModelContract
    from .recording import Recording, load_recording
    from .store_contract import StoreContract
else:
    __getattr__ = import_on_use(
        __name__,
        {
            "EmbedderContract": ".embedder_contract",
            "ExpectedCall": "..evals.trajectory",
            "HashEmbedder": "..notes.hash_embedder",
            "IllegalPrompt": "..models.scripted",
            "ModelContract": ".model_contract",
            "Recording": ".recording",
            "ScriptEnded": "..models.scripted",
            "ScriptedModel": "..models.scripted",
            "StoreContract": ".store_contract",
            "assert_approvals_asked": ".assertions",
            "assert_never_called": ".assertions",
            "assert_no_errors": ".assertions",
            "assert_trajectory": ".assertions",
            "assert_within": ".assertions",
            "calls": "..models.scripted",
            "import_string": "..runtime.import_string",
            "load_recording": ".recording",
            "says": "..models.scripted",
        },
    )

__all__ = [
    "EmbedderContract",
    "ExpectedCall",
    "HashEmbedder",
    "IllegalPrompt",
    "ModelContract",
    "Recording",
    "ScriptEnded",
    "ScriptedModel",
    "StoreContract",
    "assert_approvals_asked",
    "assert_never_called",
    "assert_no_errors",
    "assert_trajectory",
    "assert_within",
    "calls",
    "import_string",
    "load_recording",
    "says",
]
