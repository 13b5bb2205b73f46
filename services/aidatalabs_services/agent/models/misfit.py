"""Why a call of a model cannot be carried out."""

from __future__ import annotations


class Misfit(Exception):
    """What is wrong with a call, said so that the model can put it right."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
