"""Conversations in PostgreSQL: follow-ups on the engine, whose they are, and how they go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE, BOB
from tests.rpc.agent.talk_world import CAROL, OURS, THEIRS, Talk, rows, talking
from tests.rpc.agent.world import STRANGER, ScriptedPlatformData, agent_over

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOBODYS = "00000000-0000-4000-8000-000000000000"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talk(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Talk]:
    folder = tmp_path_factory.mktemp("data")
    async with talking(postgres_server, folder, conversation_turns=6) as made:
        yield made


async def refused(work: object) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await work  # type: ignore[misc]
    return caught.value


async def whole(talk: Talk, conversation: str, user: str = ALICE, platform: str = OURS) -> pb.Conversation:  # type: ignore[name-defined]
    request = pb.GetConversationRequest(platform=platform, conversation=conversation)
    return await talk.agent.call("GetConversation", request, user=user)


async def test_a_follow_up_is_answered_from_the_plan_before_and_says_so(talk: Talk) -> None:
    first = await talk.ask("number of sales by city")
    assert (first.turn, dict(rows(first))) == (1, {"Graz": 6, "Lyon": 4, "Oslo": 2})
    second = await talk.ask("only for books", first.conversation)
    assert dict(rows(second)) == {"Graz": 4, "Lyon": 2}
    assert (second.conversation, second.turn) == (first.conversation, 2)
    assert second.explanation[0] == "Changes the answer to 'number of sales by city'."
    parts = {(part.part, part.detail): (part.made_by, part.words) for part in second.proof.parts}
    assert parts["dimension", "sales.city"] == ("earlier turn", "")
    assert parts["filter", "sales.kind is book"] == ("planner: words", "books")
    third = await talk.ask("top 1", first.conversation)
    assert rows(third) == [["Graz", 4]]
    why = await talk.ask("why?", first.conversation)
    assert rows(why) == rows(third)
    assert "It was computed so: Reads sales" in why.answer
    verified = await talk.verify(third.proof)
    assert verified.verdict == "confirmed"


async def test_a_number_over_steps_of_time_goes_on_in_a_conversation(talk: Talk) -> None:
    first = await talk.ask("number of sales by month in 2024")
    grown = await talk.ask("and the growth?", first.conversation)
    assert [row[1:] for row in rows(grown)] == [[2, None], [0, -100], [2, None], [0, -100], [2, None]]
    total = await talk.ask("as a running total", first.conversation)
    assert [row[-1] for row in rows(total)] == [2, 2, 4, 4, 6]
    graz = await talk.ask("only for Graz", first.conversation)
    assert [row[1] for row in rows(graz)] == [2, 0, 2, 0, 2]
    assert {part.part: part.made_by for part in graz.proof.parts}["post"] == "earlier turn"
    error = await refused(talk.ask("also 2025", first.conversation))
    assert (error.reason, "cannot stand beside it" in error.message) == ("QUESTION_NOT_ANSWERABLE", True)
    last = await talk.ask("just the last 1", first.conversation)
    assert rows(last) == rows(graz)[-1:]


async def test_a_picture_may_follow_a_conversation_and_is_no_turn_of_it(talk: Talk) -> None:
    first = await talk.ask("number of sales by city")
    request = pb.DrawAnswerRequest(
        platform=OURS,
        question="only for books",
        conversation=first.conversation,
        format=pb.DrawAnswerRequest.SVG,
    )
    picture = (await talk.agent.call("DrawAnswer", request)).data.decode()
    assert "Lyon" in picture
    assert "Oslo" not in picture  # sells no books
    assert (await whole(talk, first.conversation)).turn_count == 1
    assert (
        await refused(talk.agent.call("DrawAnswer", request, user=BOB))
    ).reason == "CONVERSATION_NOT_FOUND"


async def test_a_picture_begins_no_conversation(talk: Talk) -> None:
    request = pb.DrawAnswerRequest(platform=OURS, question="number of sales by city")
    assert (await talk.agent.call("DrawAnswer", request, user=CAROL)).content_type == "image/png"
    everything = pb.ListConversationsRequest(platform=OURS)
    found = await talk.agent.call("ListConversations", everything, user=CAROL)
    assert "number of sales by city" not in {one.title for one in found.conversations}


async def test_a_stream_ends_with_its_conversation(talk: Talk) -> None:
    request = pb.StreamAnswerRequest(platform=OURS, question="number of sales by city")
    call = talk.agent.stub.StreamAnswer(request, metadata=talk.mint.metadata(ALICE), timeout=20)
    events = [event async for event in call]
    assert [event.event for event in events[-2:]] == ["conversation", "done"]
    assert events[-2].data.turn == 1
    request = pb.StreamAnswerRequest(
        platform=OURS, question="as a share", conversation=events[-2].data.conversation
    )
    call = talk.agent.stub.StreamAnswer(request, metadata=talk.mint.metadata(ALICE), timeout=20)
    told = {event.event: event.data async for event in call}
    assert [round(row[1]) for row in rows(told["rows"])] == [50, 33, 17]


async def test_a_question_back_keeps_its_turn_and_the_choice_follows_the_answer_before(talk: Talk) -> None:
    first = await talk.ask("number of sales by city")
    asked = await talk.ask("and by kind?", first.conversation)
    assert len(asked.clarification.choices) == 2
    chosen = await talk.ask(asked.clarification.choices[1].question, first.conversation)
    assert dict(rows(chosen)) == {"book": 6, "pen": 4, "lamp": 2}
    held = await whole(talk, first.conversation)
    assert [turn.outcome for turn in held.turns] == ["answered", "asked_back", "answered"]
    assert (held.title, held.turn_count) == ("number of sales by city", 3)


async def test_turns_keep_question_plan_and_hashes_but_no_rows(talk: Talk) -> None:
    first = await talk.ask("total amount of sales by city")
    error = await refused(talk.ask("and of unicorns", first.conversation))
    assert error.reason == "QUESTION_NOT_ANSWERABLE"
    held = await whole(talk, first.conversation)
    assert [turn.reason for turn in held.turns] == ["", "QUESTION_NOT_ANSWERABLE"]
    turn = held.turns[0]
    assert (turn.sql, turn.sql_sha256) == (first.sql, first.proof.sql_sha256)
    assert (turn.result_sha256, turn.produced_by) == (first.proof.result_sha256, "planner")
    assert list(turn.steps) == list(first.explanation)
    assert turn.create_time.seconds > 0
    stored = await talk.stored("SELECT * FROM turns WHERE question = 'total amount of sales by city'")
    assert "Graz" not in repr(stored)


async def test_somebody_elses_conversation_is_like_none(talk: Talk) -> None:
    first = await talk.ask("number of sales")
    told = set()
    for user, platform, conversation in (
        (BOB, OURS, first.conversation),  # of another user
        (CAROL, OURS, first.conversation),
        (ALICE, THEIRS, first.conversation),  # of one's own, about another platform
        (STRANGER, THEIRS, first.conversation),
        (ALICE, OURS, NOBODYS),
    ):
        error = await refused(talk.ask("and by city", conversation, platform=platform, user=user))
        told.add((error.code, error.reason, error.message))
        request = pb.GetConversationRequest(platform=platform, conversation=conversation)
        assert (await refused(talk.agent.call("GetConversation", request, user=user))).reason == error.reason
        gone = pb.DeleteConversationRequest(platform=platform, conversation=conversation)
        assert (await refused(talk.agent.call("DeleteConversation", gone, user=user))).reason == error.reason
    assert len(told) == 1
    assert told.pop()[1] == "CONVERSATION_NOT_FOUND"
    assert rows(await talk.ask("in Graz", first.conversation)) == [[6]]


async def test_a_conversation_has_so_many_turns_also_with_callers_at_the_same_time(talk: Talk) -> None:
    first = await talk.ask("number of sales")
    more = await asyncio.gather(*(talk.ask("in Graz", first.conversation) for _ in range(4)))
    assert sorted(answer.turn for answer in more) == [2, 3, 4, 5]
    await talk.ask("in Lyon", first.conversation)
    full = await refused(talk.ask("in Oslo", first.conversation))
    assert (full.reason, full.metadata["limit"]) == ("CONVERSATION_FULL", "6")


async def test_lists_are_ones_own_newest_first_page_by_page_and_go_when_told(talk: Talk) -> None:
    made = [(await talk.ask("number of sales", user=CAROL)).conversation for _ in range(3)]
    await talk.ask("in Graz", made[0], user=CAROL)
    listed, token = [], ""
    for _ in range(3):
        request = pb.ListConversationsRequest(platform=OURS, page_size=1, page_token=token)
        page = await talk.agent.call("ListConversations", request, user=CAROL)
        listed += [one.name for one in page.conversations]
        token = page.next_page_token
    assert (listed, token) == ([made[0], made[2], made[1]], "")
    request = pb.ListConversationsRequest(platform=OURS, page_token="bad")
    assert (
        await refused(talk.agent.call("ListConversations", request, user=CAROL))
    ).reason == "PAGE_TOKEN_INVALID"
    await talk.agent.call(
        "DeleteConversation", pb.DeleteConversationRequest(platform=OURS, conversation=made[1]), user=CAROL
    )
    others = pb.DeleteConversationsRequest(platform=OURS, user=ALICE)
    assert (
        await refused(talk.agent.call("DeleteConversations", others, user=CAROL))
    ).reason == "PERMISSION_DENIED"
    gone = await talk.agent.call(
        "DeleteConversations", pb.DeleteConversationsRequest(platform=OURS), user=CAROL
    )
    assert gone.deleted_count == 2
    assert await talk.stored("SELECT count(*) FROM conversations WHERE owner = $1", CAROL) == [(0,)]


async def test_an_admin_deletes_what_a_person_or_everybody_asked_about_the_platform_alone(talk: Talk) -> None:
    for user in (BOB, CAROL):
        await talk.ask("number of sales", user=user)
    theirs = await talk.ask("number of sales", platform=THEIRS, user=STRANGER)
    for user, least in ((BOB, 1), ("-", 1)):
        request = pb.DeleteConversationsRequest(platform=OURS, user=user)
        assert (await talk.agent.call("DeleteConversations", request)).deleted_count >= least
    assert await talk.stored("SELECT owner FROM conversations") == [(STRANGER,)]
    assert await talk.stored("SELECT count(*) FROM turns") == [(1,)]
    assert rows(await talk.ask("in Graz", theirs.conversation, platform=THEIRS, user=STRANGER)) == [[1]]


async def test_what_nobody_went_on_with_is_purged_and_the_rest_outlives_a_restart(
    talk: Talk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    old, new = [(await talk.ask("number of sales")).conversation for _ in range(2)]
    await talk.stored(
        "UPDATE conversations SET updated_at = now() - interval '31 days' WHERE id = $1 RETURNING 1", old
    )
    from aidatalabs_services.agent.adapters.postgres_conversations import PostgresConversations
    from aidatalabs_services.runtime.postgres import open_database

    database = await open_database(talk.postgres, "agent")
    store = PostgresConversations(retention_days=30)
    store.open(database)
    try:
        async with asyncio.timeout(5):
            while await talk.stored("SELECT 1 FROM conversations WHERE id = $1", old):
                await asyncio.sleep(0.02)
    finally:
        await store.close()
        await database.close()
    assert (await refused(talk.ask("in Graz", old))).reason == "CONVERSATION_NOT_FOUND"
    assert rows(await talk.ask("in Graz", new)) == [[6]]


async def test_a_table_that_is_gone_is_told_to_whoever_follows(talk: Talk) -> None:
    from aidatalabs.data.v1 import data_service_pb2 as data_pb

    await talk.table("loans", {"id": "UInt64", "branch": "String"})
    await talk.fill("loans", [{"id": 1, "branch": "north"}])
    first = await talk.ask("how many loans are there?")
    await talk.tell("DropTable", data_pb.DropTableRequest(platform=OURS, table="loans"))
    error = await refused(talk.ask("by branch", first.conversation))
    assert "loans, which is not there any more" in error.message


async def test_without_postgres_answers_have_no_conversation_and_naming_one_is_refused() -> None:
    from tests.rpc.agent.test_agent_answers import COUNT
    from tests.rpc.agent.world import SHOP

    async with agent_over(ScriptedPlatformData(rows={SHOP: COUNT})) as agent:
        answer = await agent.ask("How many orders were there?")
        assert (answer.conversation, answer.turn, answer.proof.seal) == ("", 0, "")
        request = pb.QueryRequest(platform=SHOP, question="by city", conversation=NOBODYS)
        assert (await refused(agent.call("Query", request))).reason == "CONVERSATIONS_NOT_KEPT"
        listed = pb.ListConversationsRequest(platform=SHOP)
        assert (await refused(agent.call("ListConversations", listed))).reason == "CONVERSATIONS_NOT_KEPT"


async def test_signs_that_postgres_keeps_in_no_text_break_nothing(talk: Talk) -> None:
    answer = await talk.ask("number of sales\0 by city")
    assert answer.turn == 1
    said = pb.GiveFeedbackRequest(
        platform=OURS,
        conversation=answer.conversation,
        turn=1,
        verdict=pb.GiveFeedbackRequest.WRONG,
        comment="no\0t so",
    )
    assert (await talk.agent.call("GiveFeedback", said)).note
    error = await refused(talk.ask("only for \0 \ufffd", answer.conversation))
    assert error.reason == "QUESTION_NOT_ANSWERABLE"
    held = await whole(talk, answer.conversation)
    assert held.title.startswith("number of sales")
    for text in ("nothing\0", "00000000-0000-4000-8000-00000000000\0", "x" * 64):
        request = pb.GetConversationRequest(platform=OURS, conversation=text)
        assert (await refused(talk.agent.call("GetConversation", request))).reason == "CONVERSATION_NOT_FOUND"
