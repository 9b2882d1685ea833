"""The schema in a PostgreSQL database, as the steps from each version of it to the next.

1. All tables are in the schema `treadle`, and each has the tenant as the first part of its key.
2. Row-level security is on, for the owner of the tables too: a connection sees the rows of the
   tenant that it has named (`treadle.tenant`), and none if it has named none. Superusers see all.
"""

from typing import TYPE_CHECKING, Any

from ..core.errors import StoreDamaged, StoreError

if TYPE_CHECKING:
    from psycopg import Connection

MIGRATION_LOCK = 0x5452454144
"""Of PostgreSQL's advisory locks, the one that a migration holds."""

TABLES = (
    *("record", "thread", "thread_key", "thread_handle", "thread_source", "deleted_key"),
    *("account", "reservation", "minute", "account_queue", "driver"),
    *("note", "note_write", "note_vector", "note_change"),
)

_POLICY = """;
    alter table treadle.{table} enable row level security, force row level security;
    create policy own on treadle.{table}
        using (tenant = current_setting('treadle.tenant', true))
"""
MIGRATIONS = (
    """
    create sequence treadle.position;
    create table treadle.record (
        tenant text collate "C" not null,
        thread_id text collate "C" not null,
        seq bigint not null,
        at double precision not null,
        worked_s double precision,
        checksum bigint not null,
        event bytea not null,
        primary key (tenant, thread_id, seq)
    );
    create table treadle.thread (
        tenant text collate "C" not null,
        thread_id text collate "C" not null,
        seq bigint not null,
        at double precision not null,
        position bigint not null,
        place bigint not null,
        began bigint not null,
        status text collate "C" not null,
        due double precision,
        agent text collate "C" not null,
        parent text collate "C" not null,
        source text collate "C" not null,
        primary key (tenant, thread_id)
    ) with (fillfactor = 70);
    create index thread_by_place on treadle.thread (tenant, place);
    create index thread_by_status on treadle.thread (tenant, status, place);
    create index thread_by_agent on treadle.thread (tenant, agent, place);
    create index thread_by_parent on treadle.thread (tenant, parent, place);
    create index thread_by_due on treadle.thread (tenant, due) where due is not null;
    create table treadle.thread_key (
        tenant text collate "C" not null,
        key text collate "C" not null,
        thread_id text collate "C" not null,
        primary key (tenant, key, thread_id)
    );
    create index thread_key_by_thread on treadle.thread_key (tenant, thread_id);
    create table treadle.thread_handle (
        tenant text collate "C" not null,
        handle bytea not null,
        thread_id text collate "C" not null,
        primary key (tenant, handle, thread_id)
    );
    create index thread_handle_by_thread on treadle.thread_handle (tenant, thread_id);
    create table treadle.thread_source (
        tenant text collate "C" not null,
        source text collate "C" not null,
        thread_id text collate "C" not null,
        primary key (tenant, source, thread_id)
    );
    create index thread_source_by_thread on treadle.thread_source (tenant, thread_id);
    create table treadle.deleted_key (
        tenant text collate "C" not null,
        digest bytea not null,
        primary key (tenant, digest)
    );
    create table treadle.account (
        tenant text collate "C" not null,
        name text collate "C" not null,
        tokens bigint not null,
        usd double precision not null,
        primary key (tenant, name)
    ) with (fillfactor = 70);
    create table treadle.reservation (
        tenant text collate "C" not null,
        account text collate "C" not null,
        thread_id text collate "C" not null,
        claim text collate "C" not null,
        tokens bigint not null,
        usd double precision not null,
        primary key (tenant, account, thread_id)
    );
    create index reservation_by_thread on treadle.reservation (tenant, thread_id);
    create table treadle.minute (
        id bigint generated always as identity primary key,
        tenant text collate "C" not null,
        account text collate "C" not null,
        at double precision not null,
        thread_id text collate "C" not null,
        tokens bigint not null
    );
    create index minute_by_time on treadle.minute (tenant, account, at);
    create table treadle.account_queue (
        tenant text collate "C" not null,
        thread_id text collate "C" not null,
        position bigint generated always as identity,
        claim text collate "C" not null,
        accounts text[] not null,
        primary key (tenant, thread_id)
    );
    create table treadle.driver (
        tenant text collate "C" not null,
        claim text collate "C" not null,
        beat timestamptz not null,
        process text collate "C" not null,
        primary key (tenant, claim)
    ) with (fillfactor = 70);
    create table treadle.note (
        tenant text collate "C" not null,
        number bigint not null,
        id text collate "C" not null,
        text text not null,
        scope text collate "C" not null,
        about text not null,
        origin text not null,
        thread_id text collate "C" not null,
        seq bigint not null,
        at double precision not null,
        expires_at double precision,
        replaced_by text collate "C" not null,
        replaced_at double precision,
        words text not null,
        topic text not null,
        primary key (tenant, id),
        unique (tenant, number)
    );
    create index note_by_thread on treadle.note (tenant, thread_id);
    create table treadle.note_write (
        tenant text collate "C" not null,
        scope text collate "C" not null,
        key text collate "C" not null,
        content text collate "C" not null,
        outcome text collate "C" not null,
        note_id text collate "C" not null,
        version bigint not null,
        primary key (tenant, scope, key)
    );
    create index note_write_by_version on treadle.note_write (tenant, version);
    create index note_write_by_note on treadle.note_write (tenant, note_id);
    create table treadle.note_vector (
        tenant text collate "C" not null,
        note_id text collate "C" not null,
        model text collate "C" not null,
        vector bytea not null,
        primary key (tenant, note_id, model)
    );
    create table treadle.note_change (
        tenant text collate "C" not null,
        number bigint not null,
        version bigint not null,
        primary key (tenant, number)
    );
    create index note_change_by_version on treadle.note_change (tenant, version)
    """
    + "".join(_POLICY.format(table=table) for table in TABLES),
)
"""Migration n takes the schema from version n to n + 1. Never edited once released."""

_IS_THERE = "select to_regclass('treadle.migration') is not null"
_VERSION = "select coalesce(max(version), 0) from treadle.migration"


def is_there(db: "Connection[Any]") -> bool:
    """Whether the database has Treadle's tables."""
    return bool(_ask(db, _IS_THERE))


def migrate(db: "Connection[Any]", place: str) -> None:
    """Bring the database to the current schema, in one transaction.

    Raises StoreDamaged for one that a newer Treadle has written, and doesn't change it.
    """
    if is_there(db) and _refuse_newer(db, place) == len(MIGRATIONS):
        return
    if _ask(db, "show server_encoding") != "UTF8":
        raise StoreError(f"{place} isn't in UTF8; create a database with: encoding 'UTF8'")
    with db.transaction():
        db.execute("select pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        db.execute("create schema if not exists treadle")
        db.execute(
            "create table if not exists treadle.migration"
            " (version integer primary key, at timestamptz not null default now())"
        )
        version = _refuse_newer(db, place)  # another process may have migrated meanwhile
        for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
            db.execute(migration.encode())
            db.execute("insert into treadle.migration (version) values (%s)", (number,))


def _refuse_newer(db: "Connection[Any]", place: str) -> int:
    """The version of the schema."""
    version = int(_ask(db, _VERSION))
    if version > len(MIGRATIONS):
        raise StoreDamaged(
            f"{place} was written by a newer Treadle (schema {version}); it was left as it is"
        )
    return version


def _ask(db: "Connection[Any]", query: str) -> Any:
    row = db.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]
