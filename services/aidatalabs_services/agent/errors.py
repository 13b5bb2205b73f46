"""Why an agent refuses: one class for each reason of its own."""

from __future__ import annotations

from collections.abc import Iterable

from aidatalabs_services.runtime.errors import ServiceError, StatusCode


class QuestionNotAnswerable(ServiceError):
    """The platform's data cannot answer the question; the message says what would help."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "QUESTION_NOT_ANSWERABLE"


class QuestionNotReadOnly(ServiceError):
    """The question asks to change data; agents only read."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "QUESTION_NOT_READ_ONLY"


class ModelNotConfigured(ServiceError):
    """The operator has configured no model of that alias; metadata `model`, `configured` (what there is)."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "MODEL_NOT_CONFIGURED"


def model_not_configured(alias: str, configured: Iterable[str]) -> ModelNotConfigured:
    """The refusal of a question to a model that is not there."""
    names = ", ".join(sorted(configured))
    others = f"Ask one of {names}, or" if names else "Leave model out, or"
    return ModelNotConfigured(
        f"The model {alias!r} is not configured here. {others} ask the planner with model 'offline'; the "
        "operator configures models with AIDATALABS_AGENT_MODELS.",
        metadata={"model": alias, "configured": names},
    )


class ChartNotAvailable(ServiceError):
    """The answer has no chart; metadata `cause` is `table` or `clarification`."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "CHART_NOT_AVAILABLE"


class ConversationNotFound(ServiceError):
    """The caller has no such conversation here; somebody else's gives the same answer."""

    code = StatusCode.NOT_FOUND
    reason = "CONVERSATION_NOT_FOUND"


class ConversationFull(ServiceError):
    """The conversation has as many turns as one may have; `metadata` names the limit."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "CONVERSATION_FULL"


class ConversationsNotKept(ServiceError):
    """There is nothing to keep conversations in."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "CONVERSATIONS_NOT_KEPT"


class LessonNotFound(ServiceError):
    """The platform was never taught such a lesson."""

    code = StatusCode.NOT_FOUND
    reason = "LESSON_NOT_FOUND"


class EtagMismatch(ServiceError):
    """The definitions were changed since the caller read them."""

    code = StatusCode.ABORTED
    reason = "ETAG_MISMATCH"


def etag_mismatch() -> EtagMismatch:
    """The refusal of a change that was made on an older version."""
    return EtagMismatch(
        "The definitions were changed since you read them. Read them again (GetCatalogue) and repeat your "
        "change on that.",
    )


class DefinitionsNotKept(ServiceError):
    """There is nothing to keep definitions in."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "DEFINITIONS_NOT_KEPT"


class CatalogueVersionNotFound(ServiceError):
    """The definitions have no such version, or it is not kept any more."""

    code = StatusCode.NOT_FOUND
    reason = "CATALOGUE_VERSION_NOT_FOUND"
