"""Asks a question of the demo data: the sentence, its SQL, the rows and what was read for them.

export AIDATALABS_TOKEN=$(.venv/bin/aidatalabs token --email ana@example.com)
.venv/bin/python clients/python/examples/ask.py
"""
# ruff: noqa: T201 - an example prints

from __future__ import annotations

from aidatalabs_client import SyncClient
from aidatalabs_client.errors import QuestionNotAnswerable

PLATFORM = "platforms/demo"

with SyncClient() as client:
    answer = client.ask(PLATFORM, "average departure delay by origin")
    print(answer)
    print(answer.sql)
    for row in answer.rows():
        print(row)
    print(f"{answer.proof.read_rows:,} rows read")

    # A question with several readings comes back as a question with choices.
    unclear = client.ask(PLATFORM, "average delay by carrier")
    if unclear.clarification is not None:
        print(unclear.clarification.question)
        print(client.ask(PLATFORM, unclear.clarification.choices[0].question))

    # What the data cannot answer is refused, with the word that it could not place.
    try:
        client.ask(PLATFORM, "what did the passengers eat?")
    except QuestionNotAnswerable as refused:
        print(refused.reason, refused.message)
