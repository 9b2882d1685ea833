"""The schema of a database file, as the steps from each version of it to the next."""

MIGRATIONS = (
    """
    create table record (
        id integer primary key,
        thread_id text not null,
        seq integer not null,
        at real not null,
        event text not null check (json_valid(event)),
        unique (thread_id, seq)
    ) strict
    """,
    """
    create table note (
        number integer primary key,
        id text not null unique,
        text text not null,
        scope text not null,
        about text not null,
        origin text not null,
        thread_id text not null,
        seq integer not null,
        at real not null,
        expires_at real,
        replaced_by text not null,
        replaced_at real,
        words text not null,
        topic text not null
    ) strict;
    create index note_words on note (scope, words);
    create index note_topic on note (scope, topic);
    create table note_write (
        key text primary key,
        outcome text not null,
        note_id text not null
    ) strict, without rowid;
    create table note_vector (
        note_id text not null,
        model text not null,
        vector blob not null,
        primary key (note_id, model)
    ) strict, without rowid
    """,
    """
    alter table record rename to record_1;
    create table record (
        id integer primary key,
        thread_id text not null,
        seq integer not null,
        at real not null,
        worked_s real,
        checksum integer not null,
        event text not null,
        unique (thread_id, seq)
    ) strict;
    insert into record
    select id, thread_id, seq, at, null,
        row_checksum(thread_id, seq, at, null, cast(event as blob)), event
    from record_1 order by id;
    drop table record_1;
    create table thread (
        thread_id text primary key,
        seq integer not null,
        at real not null,
        record_id integer not null
    ) strict, without rowid;
    insert into thread select thread_id, seq, at, id from record
    where (thread_id, seq) in (select thread_id, max(seq) from record group by thread_id)
    """,
    """
    alter table thread add column place integer not null default 0;
    alter table thread add column status text not null default '';
    alter table thread add column agent text not null default '';
    alter table thread add column parent text not null default '';
    alter table thread add column source text not null default '';
    create index thread_by_place on thread (place);
    create index thread_by_status on thread (status, place);
    create index thread_by_agent on thread (agent, place);
    create index thread_by_parent on thread (parent, place);
    create table thread_key (
        key text not null,
        thread_id text not null,
        primary key (key, thread_id)
    ) strict, without rowid;
    create index thread_key_by_thread on thread_key (thread_id);
    create table thread_source (
        source text not null,
        thread_id text not null,
        primary key (source, thread_id)
    ) strict, without rowid;
    create index thread_source_by_thread on thread_source (thread_id);
    create table deleted_key (digest blob primary key) strict, without rowid;
    create table unfinished (work text primary key) strict, without rowid
    """,
    """
    alter table note_write rename to note_write_1;
    create table note_write (
        scope text not null,
        key text not null,
        content text not null,
        outcome text not null,
        note_id text not null,
        primary key (scope, key)
    ) strict, without rowid;
    insert into note_write
    select coalesce((select scope from note where id = note_id), ''), key, '', outcome, note_id
    from note_write_1;
    drop table note_write_1;
    create table note_change (
        number integer primary key,
        version integer not null unique
    ) strict;
    insert into note_change select number, number from note;
    create index note_replaced on note (replaced_by) where replaced_by <> ''
    """,
    """
    create table account (
        name text primary key,
        tokens integer not null,
        usd real not null
    ) strict, without rowid;
    create table reservation (
        account text not null,
        thread_id text not null,
        claim text not null,
        tokens integer not null,
        usd real not null,
        primary key (account, thread_id)
    ) strict, without rowid;
    create table minute (
        id integer primary key,
        account text not null,
        at real not null,
        thread_id text not null,
        tokens integer not null
    ) strict;
    create index minute_by_time on minute (account, at);
    create table account_queue (
        thread_id text primary key,
        position integer not null,
        claim text not null,
        accounts text not null
    ) strict, without rowid
    """,
    """
    alter table thread add column due real;
    create index thread_by_due on thread (due) where due is not null;
    create table thread_handle (
        handle blob not null,
        thread_id text not null,
        primary key (handle, thread_id)
    ) strict, without rowid
    """,
    # From here on only a thread's first record has its name: older versions must not read it.
    "",
)
"""Migration n takes the schema from version n (`pragma user_version`) to n + 1.

Never edited once released.
"""
LISTED_SINCE = 7
"""Of a file from this version on, the list of threads needs no new derivation from the logs."""
