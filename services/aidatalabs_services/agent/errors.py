"""Why an agent refuses: one class for each reason of its own."""

from __future__ import annotations

from aidatalabs_services.runtime.errors import ServiceError, StatusCode


class QuestionNotAnswerable(ServiceError):
    """The platform's data cannot answer the question; the message says what would help."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "QUESTION_NOT_ANSWERABLE"


class QuestionNotReadOnly(ServiceError):
    """The question asks to change data; agents only read."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "QUESTION_NOT_READ_ONLY"
