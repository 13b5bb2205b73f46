"""Steps through the Python client about questions, proofs, conversations and what is learnt from them."""

from __future__ import annotations

from typing import Any

from aidatalabs.agent.v1.answer_pb2 import Proof
from aidatalabs.agent.v1.catalogue_pb2 import Definitions, TableDefinition
from aidatalabs_client import SyncClient
from tests.e2e.sdk_steps import Step

CRATES = TableDefinition(table="boxes", synonyms=["crates"])


def of_the_first_lesson(client: Any, platform: str) -> Any:
    """ForgetLesson of the one that is listed first."""
    if isinstance(client, SyncClient):
        return client.forget_lesson(platform, client.lessons(platform)[0].name)

    async def done() -> Any:
        return await client.forget_lesson(platform, (await client.lessons(platform))[0].name)

    return done()


def of_the_first(client: Any, platform: str, method: str, *more: Any) -> Any:
    """A method about the conversation that is listed first."""
    call = getattr(client, method)
    if isinstance(client, SyncClient):
        return call(platform, next(iter(client.conversations(platform))).name, *more)

    async def done() -> Any:
        return await call(platform, (await anext(client.conversations(platform))).name, *more)

    return done()


TALK_STEPS = (
    Step(
        "agent.v1.AgentService/Query",
        lambda c, p: c.ask(p, "how many boxes are there?"),
        lambda answer: list(answer.rows()[0].values()) == [2] and answer.proof.result_sha256 != "",
    ),
    Step(
        "agent.v1.AgentService/StreamAnswer",
        lambda c, p: c.stream_answer(p, "how many boxes are there?"),
        lambda events: [events[0].event, events[-1].event] == ["understood", "done"],
    ),
    Step(
        "agent.v1.AgentService/VerifyAnswer",
        lambda c, p: c.verify_answer(p, Proof(sql="SELECT count() AS number_of_boxes FROM boxes")),
        lambda found: (found.verdict, found.changes[0].kind) == ("altered", "seal"),
    ),
    Step(
        "agent.v1.AgentService/ListConversations",
        lambda c, p: c.conversations(p),
        lambda found: {one.title for one in found} == {"how many boxes are there?"},
    ),
    Step(
        "agent.v1.AgentService/GetConversation",
        lambda c, p: of_the_first(c, p, "get_conversation"),
        lambda found: (found.turn_count, found.turns[0].outcome) == (1, "answered"),
    ),
    Step(
        "agent.v1.AgentService/GiveFeedback",
        lambda c, p: of_the_first(c, p, "give_feedback", 1, "RIGHT"),
        lambda came: came.lesson.origin == "confirmed",
    ),
    Step(
        "agent.v1.AgentService/ListLessons",
        lambda c, p: c.lessons(p),
        lambda found: [one.question for one in found] == ["how many boxes are there?"],
    ),
    Step(
        "agent.v1.AgentService/ForgetLesson",
        lambda c, p: of_the_first_lesson(c, p),
        lambda lesson: lesson.forgotten_by != "",
    ),
    Step(
        "agent.v1.AgentService/UpdateCatalogue",
        lambda c, p: c.update_catalogue(p, Definitions(tables=[CRATES])),
        lambda made: made.definitions_version == 1,
    ),
    Step(
        "agent.v1.AgentService/GetCatalogue",
        lambda c, p: c.catalogue(p, table="boxes"),
        lambda found: list(found.tables[0].synonyms) == ["crates"],
    ),
    Step(
        "agent.v1.AgentService/ListCatalogueVersions",
        lambda c, p: c.catalogue_versions(p),
        lambda found: [one.version for one in found] == [1],
    ),
    Step(
        "agent.v1.AgentService/RestoreCatalogueVersion",
        lambda c, p: c.restore_catalogue_version(p, 0),
        lambda made: not made.definitions.tables,
    ),
    Step(
        "agent.v1.AgentService/DeleteConversation",
        lambda c, p: of_the_first(c, p, "delete_conversation"),
        lambda nothing: nothing is None,
    ),
    Step(
        "agent.v1.AgentService/DeleteConversations",
        lambda c, p: c.delete_conversations(p),
        lambda count: count >= 1,
    ),
)
