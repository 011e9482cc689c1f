"""How does a client of the Open Inference Protocol (V2, of KServe, Triton and MLServer) call a pipeline?"""

from __future__ import annotations

from chariots.serving.open_inference.routes import V2Views, in_their_words

__all__ = ["V2Views", "in_their_words"]
