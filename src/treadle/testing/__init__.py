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
            "..evals.trajectory": "ExpectedCall",
            "..models.scripted": "IllegalPrompt ScriptedModel ScriptEnded calls says",
            "..notes.hash_embedder": "HashEmbedder",
            "..runtime.import_string": "import_string",
            ".assertions": (
                "assert_approvals_asked assert_never_called assert_no_errors"
                " assert_trajectory assert_within"
            ),
            ".embedder_contract": "EmbedderContract",
            ".model_contract": "ModelContract",
            ".recording": "Recording load_recording",
            ".store_contract": "StoreContract",
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
