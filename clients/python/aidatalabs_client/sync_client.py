"""The client without `await`: every method of `Client`, run by an event loop in a thread.

Made by clients/python/generate_client.py from the modules of `Client`; do not edit.
"""
# ruff: noqa: A002 - `filter` is the contract's word

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.struct_pb2 import Struct

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.agent.v1 import agent_service_pb2 as catalogue_pb
from aidatalabs.agent.v1 import answer_pb2, catalogue_pb2, conversation_pb2, lesson_pb2
from aidatalabs.data.v1 import backup_pb2, deletion_pb2, ingest_pb2, rollup_pb2, table_pb2, typed_path_pb2
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.identity.v1 import identity_service_pb2 as identity_pb
from aidatalabs.identity.v1 import user_pb2
from aidatalabs.monitoring.v1 import monitoring_service_pb2 as monitoring_pb
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs_client.answers import Analysis, Answer, QueryResult
from aidatalabs_client.blocking import BlockingConnection
from aidatalabs_client.ingested import Ingested

if TYPE_CHECKING:
    import pyarrow as pa


class SyncClient(BlockingConnection):
    """The client without `await`, with the same methods: `with SyncClient() as client: client.ask(…)`.

    It works where an event loop is already running, as in a notebook. Threads may share one client. Ctrl-C
    cancels the call under way. Start processes with `spawn`, or before the first client is made: gRPC does
    not survive a fork. The parameters are those of `Client`.
    """

    def ask(
        self, platform: str, question: str, *, max_rows: int = 0, model: str = "", conversation: str = ""
    ) -> Answer:
        """Asks a question in plain words; the answer holds either its parts or a clarification.

        `model` is the alias of a model that the operator has configured, or `offline` for the planner. With
        the `conversation` of an earlier answer, words such as "only for Graz" change what was answered last.
        """
        return self._run(
            self._client.ask(platform, question, max_rows=max_rows, model=model, conversation=conversation)
        )

    def stream_answer(
        self, platform: str, question: str, *, max_rows: int = 0, model: str = "", conversation: str = ""
    ) -> Iterator[agent_pb.StreamAnswerResponse]:
        """Asks, and yields each part of the answer as it is known; the last event is `done`."""
        return self._iterate(
            self._client.stream_answer(
                platform, question, max_rows=max_rows, model=model, conversation=conversation
            )
        )

    def draw_answer(
        self,
        platform: str,
        question: str,
        *,
        form: str = "PNG",
        width: int = 0,
        max_rows: int = 0,
        model: str = "",
        conversation: str = "",
    ) -> bytes:
        """Asks a question and returns the chart of its answer as a picture: the bytes of a PNG or SVG file.

        `width` is that of the plot in points (0: 640). The question may follow a `conversation`, of which the
        picture is no turn. Raises ChartNotAvailable where a table says it better.
        """
        return self._run(
            self._client.draw_answer(
                platform,
                question,
                form=form,
                width=width,
                max_rows=max_rows,
                model=model,
                conversation=conversation,
            )
        )

    def verify_answer(self, platform: str, proof: answer_pb2.Proof) -> agent_pb.VerifyAnswerResponse:
        """Runs the query of an answer's proof again, and says what changed since: `verdict` and `changes`."""
        return self._run(self._client.verify_answer(platform, proof))

    def conversations(
        self, platform: str, *, page_size: int = 1000
    ) -> Iterator[conversation_pb2.Conversation]:
        """Yields the caller's own conversations, the one gone on with last first, without their turns."""
        return self._iterate(self._client.conversations(platform, page_size=page_size))

    def get_conversation(self, platform: str, conversation: str) -> conversation_pb2.Conversation:
        """Returns one conversation of the caller's own with its turns."""
        return self._run(self._client.get_conversation(platform, conversation))

    def delete_conversation(self, platform: str, conversation: str) -> None:
        """Deletes one conversation of the caller's own, at once and for good."""
        self._run(self._client.delete_conversation(platform, conversation))

    def delete_conversations(self, platform: str, *, user: str = "") -> int:
        """Deletes all of the caller's own; as an admin those of `user`, or with `-` everybody's; how many."""
        return self._run(self._client.delete_conversations(platform, user=user))

    def give_feedback(
        self, platform: str, conversation: str, turn: int, verdict: str, *, sql: str = "", comment: str = ""
    ) -> agent_pb.GiveFeedbackResponse:
        """Says of an answer that it is `RIGHT` or `WRONG`, or `CORRECTED` by `sql`; what came of it."""
        return self._run(
            self._client.give_feedback(platform, conversation, turn, verdict, sql=sql, comment=comment)
        )

    def lessons(self, platform: str, *, show_forgotten: bool = False) -> Sequence[lesson_pb2.Lesson]:
        """Returns what the platform was taught, the newest first; also what was forgotten, if asked for."""
        return self._run(self._client.lessons(platform, show_forgotten=show_forgotten))

    def forget_lesson(self, platform: str, lesson: str) -> lesson_pb2.Lesson:
        """Has the platform forget a lesson."""
        return self._run(self._client.forget_lesson(platform, lesson))

    def design(
        self, platform: str, requirements: str, *, samples: Mapping[str, bytes] | None = None
    ) -> agent_pb.DesignResponse:
        """Designs tables for requirements; `samples` are files by name. The best design comes first."""
        return self._run(self._client.design(platform, requirements, samples=samples))

    def optimize(self, platform: str, sql: str) -> agent_pb.OptimizeResponse:
        """Recommends how to make a query faster, each with what was measured before and after."""
        return self._run(self._client.optimize(platform, sql))

    def analyze(self, platform: str, question: str = "", *, sql: str = "") -> Analysis:
        """Analyses what a question is about, or the rows of a query: findings with their strength."""
        return self._run(self._client.analyze(platform, question, sql=sql))

    def support(self, platform: str, question: str) -> agent_pb.SupportResponse:
        """Asks how to use the product; the answer quotes the documents it stands on."""
        return self._run(self._client.support(platform, question))

    def catalogue(
        self,
        platform: str,
        *,
        table: str = "",
        view: str = "FULL",
        page_size: int = 100,
        page_token: str = "",
    ) -> catalogue_pb2.Catalogue:
        """Returns the catalogue with one page of its tables; `view` is FULL, TABLES or DEFINITIONS."""
        return self._run(
            self._client.catalogue(
                platform, table=table, view=view, page_size=page_size, page_token=page_token
            )
        )

    def update_catalogue(
        self,
        platform: str,
        definitions: catalogue_pb2.Definitions,
        *,
        merge: bool = False,
        etag: str = "",
        request_id: str = "",
        validate_only: bool = False,
    ) -> catalogue_pb.UpdateCatalogueResponse:
        """Makes these the definitions, or with `merge` those of the names in them; what changed by it.

        With the `etag` of a catalogue nobody else's change is overwritten (EtagMismatch); with
        `validate_only` nothing changes.
        """
        return self._run(
            self._client.update_catalogue(
                platform,
                definitions,
                merge=merge,
                etag=etag,
                request_id=request_id,
                validate_only=validate_only,
            )
        )

    def catalogue_versions(
        self, platform: str, *, page_size: int = 100
    ) -> Iterator[catalogue_pb2.CatalogueVersion]:
        """Yields the versions of the definitions, the newest first: who changed what, and when."""
        return self._iterate(self._client.catalogue_versions(platform, page_size=page_size))

    def restore_catalogue_version(
        self,
        platform: str,
        version: int,
        *,
        etag: str = "",
        request_id: str = "",
        validate_only: bool = False,
    ) -> catalogue_pb.UpdateCatalogueResponse:
        """Makes the definitions what they were in a version, 0 being before anything was defined."""
        return self._run(
            self._client.restore_catalogue_version(
                platform, version, etag=etag, request_id=request_id, validate_only=validate_only
            )
        )

    def query(
        self,
        platform: str,
        sql: str,
        *,
        max_rows: int = 0,
        max_seconds: float = 0.0,
        max_staleness: float = 0.0,
        max_relative_error: float = 0.0,
        exclude_rollups: bool = False,
    ) -> QueryResult:
        """Runs one SELECT and returns at most `max_rows` rows (0: the service's 1,000; at most 10,000).

        It is stopped after `max_seconds` (0: the service's limit). Rows read up to `max_staleness` seconds
        ago are taken too, though the tables may have changed since; `statistics` says how old they are.
        A roll-up may serve it where the result is the same, or within `max_relative_error` (1e-6 for sums of
        fractions, 0.01 for quantiles); `exclude_rollups` reads the rows.
        """
        return self._run(
            self._client.query(
                platform,
                sql,
                max_rows=max_rows,
                max_seconds=max_seconds,
                max_staleness=max_staleness,
                max_relative_error=max_relative_error,
                exclude_rollups=exclude_rollups,
            )
        )

    def query_arrow(self, platform: str, sql: str, *, max_seconds: float = 0.0) -> pa.Table:
        """Runs one SELECT and returns all its rows as a pyarrow Table with their real types, nothing lost."""
        return self._run(self._client.query_arrow(platform, sql, max_seconds=max_seconds))

    def stream_query(self, platform: str, sql: str, *, max_seconds: float = 0.0) -> Iterator[bytes]:
        """Runs one SELECT and yields pieces of one Arrow IPC stream, in order; joined they are the whole.

        The query is stopped after `max_seconds` (0: the service's limit).
        """
        return self._iterate(self._client.stream_query(platform, sql, max_seconds=max_seconds))

    def export(self, platform: str, sql: str, form: str, *, max_seconds: float = 0.0) -> Iterator[bytes]:
        """Runs one SELECT and yields its rows as a file, piece by piece.

        `form` is CSV, JSONL, PARQUET or ARROW. A query that fails, or is not done after `max_seconds` (0: the
        service's limit), does so before the first piece.
        """
        return self._iterate(self._client.export(platform, sql, form, max_seconds=max_seconds))

    def explain_query(
        self, platform: str, sql: str, *, max_relative_error: float = 0.0, exclude_rollups: bool = False
    ) -> data_pb.ExplainQueryResponse:
        """Checks one SELECT without running it: its text, tables, columns, roll-up, and what it will take."""
        return self._run(
            self._client.explain_query(
                platform, sql, max_relative_error=max_relative_error, exclude_rollups=exclude_rollups
            )
        )

    def describe_schema(
        self, platform: str, *, known_data_version: str = ""
    ) -> data_pb.DescribeSchemaResponse:
        """Returns tables, columns and what their values look like; no tables where the version is known."""
        return self._run(self._client.describe_schema(platform, known_data_version=known_data_version))

    def ingest_rows(
        self,
        platform: str,
        table: str,
        rows: Iterable[Mapping[str, object] | Struct],
        *,
        request_id: str = "",
    ) -> ingest_pb2.Receipt:
        """Stores rows, at most 10,000; repeating a call with its request id stores nothing twice.

        A row is a mapping of column to value: numbers, texts, None, datetime (UTC where it names no zone),
        date, Decimal, UUID, lists and dicts. Whole numbers keep every digit they have; NaN is NULL.
        """
        return self._run(self._client.ingest_rows(platform, table, rows, request_id=request_id))

    def ingest_events(
        self, platform: str, events: Iterable[Mapping[str, Any] | ingest_pb2.Event], *, request_id: str = ""
    ) -> ingest_pb2.Receipt:
        """Stores events in the standard table `events`, at most 10,000, as `ingest_rows` does with rows.

        An event is a mapping with `timestamp`, `event_type` and, as wanted, `user_id`, `properties`, `value`.
        """
        return self._run(self._client.ingest_events(platform, events, request_id=request_id))

    def ingest(self, request: data_pb.IngestRequest) -> ingest_pb2.Receipt:
        """Sends an ingest request as it is; it needs a request id to be repeated safely."""
        return self._run(self._client.ingest(request))

    def ingest_frame(
        self,
        platform: str,
        table: str,
        frame: object,
        *,
        create: bool = False,
        request_id: str = "",
        progress: Callable[[int, int], None] | None = None,
    ) -> Ingested:
        """Stores all rows of a polars or pandas DataFrame or a pyarrow Table, in as many calls as it takes.

        `create` makes the table of the frame's columns first, where there is none. Headers become column
        names as in `ingest_file`. Repeating a call with its `request_id` and frame stores nothing twice.
        """
        return self._run(
            self._client.ingest_frame(
                platform, table, frame, create=create, request_id=request_id, progress=progress
            )
        )

    def ingest_arrow(
        self,
        platform: str,
        table: str,
        batches: Any,
        *,
        request_id: str = "",
        window: int = 8,
        progress: Callable[[int, int], None] | None = None,
    ) -> Ingested:
        """Stores Arrow columns over a stream, the fastest way in: millions of rows a second at best.

        `batches` is a pyarrow Table, a RecordBatch, or an iterable of RecordBatches of any length; `table` is
        there already, `events` or another. JSON columns take structs, maps or JSON text. `window` batches are
        under way at once. Repeating a call with its `request_id` and rows stores nothing twice. `progress`
        gets the rows stored and 0, as their number is not known before the end.
        """
        return self._run(
            self._client.ingest_arrow(
                platform, table, batches, request_id=request_id, window=window, progress=progress
            )
        )

    def get_receipt(self, platform: str, request_id: str, *, table: str = "") -> ingest_pb2.Receipt:
        """Returns the receipt of a call or batch of the last 24 hours, as it is now."""
        return self._run(self._client.get_receipt(platform, request_id, table=table))

    def replay_dead_letters(
        self,
        platform: str,
        *,
        table: str = "",
        reason: str = "",
        start_time: datetime.datetime | None = None,
        end_time: datetime.datetime | None = None,
        ids: Sequence[str] = (),
        page_size: int = 0,
        page_token: str = "",
    ) -> data_pb.ReplayDeadLettersResponse:
        """Sends rejected rows, kept in the table `dead_letters`, again; each is stored at most once.

        Of those for `table`, rejected for `reason` and between these times, or with these `ids`. One call
        takes `page_size` rows (0: 100; at most 1,000): go on with its `next_page_token`.
        """
        return self._run(
            self._client.replay_dead_letters(
                platform,
                table=table,
                reason=reason,
                start_time=start_time,
                end_time=end_time,
                ids=ids,
                page_size=page_size,
                page_token=page_token,
            )
        )

    def ingest_file(
        self,
        platform: str,
        path: str | Path,
        *,
        table: str = "",
        create: bool = False,
        again: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Ingested:
        """Stores all rows of a .csv, .csv.zip, .csv.gz, .tsv, .jsonl or .parquet file, the same file once.

        `table` is named after the file where it is empty. `create` makes it of the file's columns first,
        where there is none; a header like `Total (EUR)` is the column `total_eur`. Of a file that has grown
        at its end, within a day, only the new rows are stored. Raises FileUnreadable, and RowsDiffer where
        the file begins with rows that are stored but differs from them later; `again` stores all of it then.
        """
        return self._run(
            self._client.ingest_file(
                platform, path, table=table, create=create, again=again, progress=progress
            )
        )

    def create_table(self, platform: str, table: table_pb2.Table) -> table_pb2.Table:
        """Creates a table, or returns it when the very same one exists."""
        return self._run(self._client.create_table(platform, table))

    def add_column(self, platform: str, table: str, column: table_pb2.Column) -> table_pb2.Table:
        """Adds a column at the end of a table, or returns the table that has it."""
        return self._run(self._client.add_column(platform, table, column))

    def get_table(self, platform: str, table: str) -> table_pb2.Table:
        """Returns one table with its columns and row count."""
        return self._run(self._client.get_table(platform, table))

    def tables(
        self,
        platform: str,
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 1000,
        show_dropped: bool = False,
    ) -> Iterator[table_pb2.Table]:
        """Yields the platform's tables page by page; `filter='name : "ord"'`, `order_by="name desc"`.

        With `show_dropped` also those that can be brought back; they have a drop_time.
        """
        return self._iterate(
            self._client.tables(
                platform, filter=filter, order_by=order_by, page_size=page_size, show_dropped=show_dropped
            )
        )

    def list_tables(
        self, platform: str, *, filter: str = "", order_by: str = "", show_dropped: bool = False
    ) -> Sequence[table_pb2.Table]:
        """Returns every table of the platform, or those that `filter` finds, as `tables` yields them."""
        return self._run(
            self._client.list_tables(platform, filter=filter, order_by=order_by, show_dropped=show_dropped)
        )

    def drop_table(self, platform: str, table: str) -> None:
        """Drops a table with all its rows; `undrop_table` brings it back within the grace period."""
        self._run(self._client.drop_table(platform, table))

    def create_rollup(self, platform: str, rollup: rollup_pb2.Rollup) -> rollup_pb2.Rollup:
        """Declares a roll-up, which is built in the background, or returns the very same one."""
        return self._run(self._client.create_rollup(platform, rollup))

    def get_rollup(self, platform: str, rollup: str) -> rollup_pb2.Rollup:
        """Returns one roll-up with its state, rows and bytes."""
        return self._run(self._client.get_rollup(platform, rollup))

    def rollups(self, platform: str) -> list[rollup_pb2.Rollup]:
        """Returns the platform's roll-ups in order of their names."""
        return self._run(self._client.rollups(platform))

    def drop_rollup(self, platform: str, rollup: str) -> None:
        """Drops a roll-up; queries read the rows again."""
        self._run(self._client.drop_rollup(platform, rollup))

    def delete_rows(
        self,
        platform: str,
        table: str,
        condition: str,
        *,
        max_count: int | None = None,
        dry_run: bool = False,
        request_id: str = "",
    ) -> deletion_pb2.Deletion:
        """Deletes the rows that `condition` holds for, as after WHERE, and returns the evidence.

        With more than `max_count` matching rows nothing is deleted (DeletionTooLarge). A deletion that takes
        longer than the call is returned as RUNNING: ask `get_deletion` for its end.
        """
        return self._run(
            self._client.delete_rows(
                platform, table, condition, max_count=max_count, dry_run=dry_run, request_id=request_id
            )
        )

    def delete_user_data(
        self, platform: str, user_id: str, *, dry_run: bool = False, request_id: str = ""
    ) -> deletion_pb2.Deletion:
        """Deletes a person's rows from every table with a `user_id` column, and returns the evidence."""
        return self._run(
            self._client.delete_user_data(platform, user_id, dry_run=dry_run, request_id=request_id)
        )

    def get_deletion(self, platform: str, deletion: str) -> deletion_pb2.Deletion:
        """Returns one deletion, by its name `platforms/{id}/deletions/{deletion}` or the last part of it."""
        return self._run(self._client.get_deletion(platform, deletion))

    def deletions(self, platform: str, *, page_size: int = 1000) -> Iterator[deletion_pb2.Deletion]:
        """Yields the platform's deletions page by page, the latest first."""
        return self._iterate(self._client.deletions(platform, page_size=page_size))

    def list_deletions(self, platform: str) -> Sequence[deletion_pb2.Deletion]:
        """Returns every deletion of the platform, the latest first."""
        return self._run(self._client.list_deletions(platform))

    def undrop_table(self, platform: str, table: str) -> table_pb2.Table:
        """Brings back the table of this name that was dropped last, with its rows."""
        return self._run(self._client.undrop_table(platform, table))

    def update_table(
        self, platform: str, table: str, *, ttl: str | None = None, comment: str | None = None
    ) -> table_pb2.Table:
        """Changes how long rows are kept (`day + INTERVAL 90 DAY`, empty: for good) and the comment.

        What is None stays as it is.
        """
        return self._run(self._client.update_table(platform, table, ttl=ttl, comment=comment))

    def suggest_paths(
        self, platform: str, table: str, column: str = "properties"
    ) -> typed_path_pb2.SuggestPathsResponse:
        """Returns the paths of a JSON column with what was seen at each, the type to declare, and why."""
        return self._run(self._client.suggest_paths(platform, table, column))

    def type_paths(
        self,
        platform: str,
        table: str,
        types: Mapping[str, str] | None = None,
        *,
        untype: Sequence[str] = (),
        column: str = "properties",
        validate_only: bool = False,
        allow_retyping: bool = False,
    ) -> typed_path_pb2.TypePathsResponse:
        """Declares paths (`{"cart.total": "Float64"}`) and takes back the declarations of `untype`.

        Nothing changes where a value does not fit (PathValuesMisfit) or would get another dynamic type
        (PathValuesRetyped, unless `allow_retyping`); with `validate_only` the plan is returned instead.
        """
        return self._run(
            self._client.type_paths(
                platform,
                table,
                types,
                untype=untype,
                column=column,
                validate_only=validate_only,
                allow_retyping=allow_retyping,
            )
        )

    def create_backup(self, platform: str, *, request_id: str = "") -> backup_pb2.Backup:
        """Begins a backup and returns it with its key; `wait_for_backup` tells its end."""
        return self._run(self._client.create_backup(platform, request_id=request_id))

    def get_backup(self, platform: str, backup: str) -> backup_pb2.Backup:
        """Returns one backup with its key, by its name `platforms/{id}/backups/{backup}` or its last part."""
        return self._run(self._client.get_backup(platform, backup))

    def backups(self, platform: str, *, page_size: int = 100) -> Iterator[backup_pb2.Backup]:
        """Yields the platform's backups page by page, the latest first, without their keys."""
        return self._iterate(self._client.backups(platform, page_size=page_size))

    def list_backups(self, platform: str) -> Sequence[backup_pb2.Backup]:
        """Returns every backup of the platform, the latest first, without their keys."""
        return self._run(self._client.list_backups(platform))

    def delete_backup(self, platform: str, backup: str) -> None:
        """Removes a backup with its files; what other backups share with it stays."""
        self._run(self._client.delete_backup(platform, backup))

    def verify_backup(self, platform: str, backup: str) -> backup_pb2.Backup:
        """Begins to read all files of a backup anew; `wait_for_backup` returns it with its verification."""
        return self._run(self._client.verify_backup(platform, backup))

    def restore_backup(self, platform: str, key: str, *, request_id: str = "") -> backup_pb2.Restore:
        """Begins to fill a new, empty platform from the backup of this key; see `wait_for_restore`."""
        return self._run(self._client.restore_backup(platform, key, request_id=request_id))

    def drill_backup(self, platform: str, *, request_id: str = "") -> backup_pb2.Restore:
        """Begins a drill of the platform's newest backup; `wait_for_restore` returns the evidence."""
        return self._run(self._client.drill_backup(platform, request_id=request_id))

    def get_restore(self, platform: str, restore: str) -> backup_pb2.Restore:
        """Returns one restore or drill, by its name `platforms/{id}/restores/{restore}` or its last part."""
        return self._run(self._client.get_restore(platform, restore))

    def restores(self, platform: str, *, page_size: int = 100) -> Iterator[backup_pb2.Restore]:
        """Yields the restores into the platform and the drills of it page by page, the latest first."""
        return self._iterate(self._client.restores(platform, page_size=page_size))

    def list_restores(self, platform: str) -> Sequence[backup_pb2.Restore]:
        """Returns every restore into the platform and every drill of it, the latest first."""
        return self._run(self._client.list_restores(platform))

    def wait_for_backup(self, backup: backup_pb2.Backup) -> backup_pb2.Backup:
        """Returns a backup when it is DONE or FAILED and nobody is verifying it."""
        return self._run(self._client.wait_for_backup(backup))

    def wait_for_restore(self, restore: backup_pb2.Restore) -> backup_pb2.Restore:
        """Returns a restore or drill when it is DONE or FAILED."""
        return self._run(self._client.wait_for_restore(restore))

    def create_platform(
        self, platform_id: str, display_name: str = "", *, request_id: str = ""
    ) -> platform_pb2.Platform:
        """Creates a platform; an empty id lets the service choose one."""
        return self._run(self._client.create_platform(platform_id, display_name, request_id=request_id))

    def get_platform(self, name: str, *, show_deleted: bool = False) -> platform_pb2.Platform:
        """Returns the platform `platforms/{id}`, with `show_deleted` also one that can be brought back."""
        return self._run(self._client.get_platform(name, show_deleted=show_deleted))

    def platforms(
        self, *, filter: str = "", order_by: str = "", page_size: int = 1000, show_deleted: bool = False
    ) -> Iterator[platform_pb2.Platform]:
        """Yields the platforms the caller may see, page by page; `order_by="create_time desc"`.

        With `show_deleted` also deleted ones that the caller can bring back, each with its purge_time.
        """
        return self._iterate(
            self._client.platforms(
                filter=filter, order_by=order_by, page_size=page_size, show_deleted=show_deleted
            )
        )

    def list_platforms(
        self, *, filter: str = "", order_by: str = "", show_deleted: bool = False
    ) -> Sequence[platform_pb2.Platform]:
        """Returns every platform the caller may see, or those that `filter` finds."""
        return self._run(
            self._client.list_platforms(filter=filter, order_by=order_by, show_deleted=show_deleted)
        )

    def update_platform(
        self, platform: platform_pb2.Platform, *, paths: Sequence[str] = (), request_id: str = ""
    ) -> platform_pb2.Platform:
        """Changes display_name and config, or what `paths` names of them; a set etag must still match."""
        return self._run(self._client.update_platform(platform, paths=paths, request_id=request_id))

    def delete_platform(
        self, name: str, *, etag: str = "", request_id: str = "", purge: bool = False
    ) -> None:
        """Deletes a platform with all its data; only the version that `etag` names, where set.

        `undelete_platform` brings it back within the grace period; with `purge` nothing can.
        """
        self._run(self._client.delete_platform(name, etag=etag, request_id=request_id, purge=purge))

    def undelete_platform(self, name: str) -> platform_pb2.Platform:
        """Brings a deleted platform back with its rows, members and backups."""
        return self._run(self._client.undelete_platform(name))

    def list_members(self, platform: str) -> Sequence[platform_pb2.Member]:
        """Returns everybody with a role on the platform, the owner first."""
        return self._run(self._client.list_members(platform))

    def remove_member(self, platform: str, member: str) -> None:
        """Takes the role of `users/{id}` or `allUsers` on the platform away."""
        self._run(self._client.remove_member(platform, member))

    def set_member(self, platform: str, member: platform_pb2.Member) -> platform_pb2.Member:
        """Gives a user, or `allUsers`, a role on the platform."""
        return self._run(self._client.set_member(platform, member))

    def current_user(self) -> user_pb2.User:
        """Returns the user of the token."""
        return self._run(self._client.current_user())

    def users(
        self, *, filter: str = "", order_by: str = "", page_size: int = 1000
    ) -> Iterator[user_pb2.User]:
        """Yields the mesh's users page by page, for its admins; `filter='email = "ana@example.com"'`."""
        return self._iterate(self._client.users(filter=filter, order_by=order_by, page_size=page_size))

    def list_users(self, *, filter: str = "", order_by: str = "") -> Sequence[user_pb2.User]:
        """Returns every user of the mesh, or those that `filter` finds; for admins of the mesh."""
        return self._run(self._client.list_users(filter=filter, order_by=order_by))

    def rotate_signing_key(self, *, request_id: str = "") -> Sequence[identity_pb.SigningKey]:
        """Signs new tokens with a new key; returns the public keys there are, the new one first."""
        return self._run(self._client.rotate_signing_key(request_id=request_id))

    def metrics(
        self,
        platform: str = "",
        *,
        filter: str = "",
        start_time: datetime.datetime | None = None,
        end_time: datetime.datetime | None = None,
        page_size: int = 1000,
    ) -> Iterator[monitoring_pb.MetricSeries]:
        """Yields series of measurements between two moments, page by page."""
        return self._iterate(
            self._client.metrics(
                platform, filter=filter, start_time=start_time, end_time=end_time, page_size=page_size
            )
        )

    def alerts(
        self,
        platform: str = "",
        *,
        filter: str = "",
        start_time: datetime.datetime | None = None,
        end_time: datetime.datetime | None = None,
        page_size: int = 1000,
    ) -> Iterator[monitoring_pb.Alert]:
        """Yields alerts between two moments, page by page."""
        return self._iterate(
            self._client.alerts(
                platform, filter=filter, start_time=start_time, end_time=end_time, page_size=page_size
            )
        )

    def logs(
        self,
        platform: str = "",
        *,
        filter: str = "",
        start_time: datetime.datetime | None = None,
        end_time: datetime.datetime | None = None,
        page_size: int = 1000,
    ) -> Iterator[monitoring_pb.LogEntry]:
        """Yields log entries between two moments, page by page."""
        return self._iterate(
            self._client.logs(
                platform, filter=filter, start_time=start_time, end_time=end_time, page_size=page_size
            )
        )
