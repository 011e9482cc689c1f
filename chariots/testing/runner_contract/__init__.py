"""What does every runner promise? (tests, to be run against a runner of one's own)"""

from __future__ import annotations

from chariots.testing.runner_contract.callbacks import CallbacksContract
from chariots.testing.runner_contract.failures import FailuresContract
from chariots.testing.runner_contract.learning import LearningContract
from chariots.testing.runner_contract.results import ResultsContract

__all__ = ["RunnerContract", "ResultsContract", "CallbacksContract", "FailuresContract", "LearningContract"]


class RunnerContract(ResultsContract, CallbacksContract, FailuresContract, LearningContract):
    """Tests that a runner passes which runs pipelines as ours do.

    Derive a class from it whose name begins with ``Test``, with a fixture ``runner`` that returns a runner. One runner
    may serve all tests. A runner that leaves something out on purpose can be held to the four parts one by one: the
    results, the callbacks, the failures, and what is left of a training.

    What is not promised, for it is not the same on all runners: whether a node that changes what it is given in place
    changes it for the other readers of the value, too (so no op should); in which process, thread and order nodes run
    beyond what the links say; whether a generator can be an output; and where warnings and log records are shown, which
    is where the op runs.
    """
