"""Every table of the one SQLite file, and how older files get there.

MIGRATIONS  SQL scripts, applied in order; `user_version` counts them.  A
            released script is never edited, not by a blank (a backslash at
            a line's end is Python's): a change is a further one at the end.
RUNS        pipeline (a record a run), history (every act on one, as the
            module `history` tells), quarantine, job; checkpoint (what loops
            of jobs have finished, see `each`); store is a dictionary.
PAGES       profile (once `client`), task, trash (of deleted rows).
MODEL       conversation, message, memory, proposal, prompt.  `memory_text`
            follows `memory` by triggers and deletes securely: what is
            forgotten leaves no trace in the file.
"""

SCHEMA = [
    """
    CREATE TABLE pipeline (workflow TEXT NOT NULL, id TEXT NOT NULL, data TEXT NOT NULL,\
 rev INTEGER NOT NULL,
        profile_id INTEGER, created TEXT NOT NULL, updated TEXT NOT NULL,\
 PRIMARY KEY (workflow, id));
    CREATE INDEX pipeline_updated ON pipeline (updated);
    CREATE TABLE history (seq INTEGER PRIMARY KEY AUTOINCREMENT, workflow TEXT NOT NULL,\
 id TEXT NOT NULL,
        rev INTEGER NOT NULL, at TEXT NOT NULL, act TEXT NOT NULL, undoes INTEGER,\
 data TEXT NOT NULL,
        profile_id INTEGER);
    CREATE INDEX history_run ON history (workflow, id, seq);
    CREATE TABLE quarantine (workflow TEXT, id TEXT, at TEXT, data TEXT);
    CREATE TABLE store (key TEXT PRIMARY KEY, value TEXT);
    CREATE TABLE job (workflow TEXT NOT NULL, id TEXT NOT NULL, step_id TEXT NOT NULL,\
 state TEXT NOT NULL,
        owner TEXT, fraction REAL, message TEXT, error TEXT, started TEXT, updated TEXT,
        PRIMARY KEY (workflow, id, step_id));
    CREATE TABLE profile (id INTEGER PRIMARY KEY, name TEXT NOT NULL, menu_name TEXT,\
 address TEXT, code TEXT,
        active INTEGER NOT NULL DEFAULT 1, priority INTEGER NOT NULL DEFAULT 0);
    INSERT INTO profile (id, name, menu_name) VALUES (1, 'Default profile', 'Default');
    CREATE VIEW client AS SELECT * FROM profile;
    CREATE TABLE task (id INTEGER PRIMARY KEY, name TEXT NOT NULL,\
 done INTEGER NOT NULL DEFAULT 0,
        priority INTEGER NOT NULL DEFAULT 0, profile_id INTEGER NOT NULL DEFAULT 1);
    CREATE TABLE trash (seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT, kind TEXT, data TEXT);
    """,
    """
    CREATE TABLE conversation (id INTEGER PRIMARY KEY AUTOINCREMENT,\
 title TEXT NOT NULL DEFAULT '', created TEXT NOT NULL,
        summary TEXT NOT NULL DEFAULT '', summarised INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT,\
 conversation_id INTEGER NOT NULL, role TEXT NOT NULL,
        content TEXT NOT NULL, at TEXT NOT NULL, about TEXT NOT NULL DEFAULT '');
    CREATE INDEX message_conversation ON message (conversation_id, id);
    CREATE TABLE memory (id TEXT PRIMARY KEY, kind TEXT NOT NULL, key TEXT, content TEXT NOT NULL,
        source TEXT NOT NULL DEFAULT '', at TEXT NOT NULL, pinned INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL DEFAULT 'active');
    CREATE VIRTUAL TABLE memory_text USING fts5 (content, id UNINDEXED,\
 tokenize = 'porter unicode61');
    INSERT INTO memory_text (memory_text, rank) VALUES ('secure-delete', 1);
    CREATE TRIGGER memory_added AFTER INSERT ON memory BEGIN
        INSERT INTO memory_text (id, content) VALUES (new.id, coalesce(new.key || ': ',\
 '') || new.content); END;
    CREATE TRIGGER memory_gone AFTER DELETE ON memory BEGIN
        DELETE FROM memory_text WHERE id = old.id; DELETE FROM memory_vector WHERE id = old.id;\
 END;
    CREATE TRIGGER memory_changed AFTER UPDATE OF id, key, content ON memory BEGIN
        DELETE FROM memory_text WHERE id = old.id; DELETE FROM memory_vector WHERE id = old.id;
        INSERT INTO memory_text (id, content) VALUES (new.id, coalesce(new.key || ': ',\
 '') || new.content); END;
    CREATE TABLE proposal (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL,\
 tool TEXT NOT NULL,
        arguments TEXT NOT NULL, profile_id INTEGER NOT NULL, words TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'open', undo TEXT NOT NULL DEFAULT '');
    CREATE TABLE memory_vector (id TEXT NOT NULL, embedder TEXT NOT NULL, vector BLOB NOT NULL,
        PRIMARY KEY (id, embedder));
    CREATE TABLE prompt (version INTEGER PRIMARY KEY, text TEXT NOT NULL, at TEXT NOT NULL,\
 author TEXT NOT NULL);
    """,
    """
    ALTER TABLE history ADD COLUMN kind TEXT NOT NULL DEFAULT '';
    UPDATE history SET kind = CASE
        WHEN act IN ('begin', 'delete', 'undelete', 'import', 'repair') THEN act
        WHEN act IN ('finalize', 'unfinalize') THEN act
        WHEN act GLOB 'job *' THEN 'job'
        WHEN act GLOB 'upgrade *' THEN 'upgrade'
        WHEN act GLOB 'revert *' THEN 'revert'
        WHEN undoes THEN 'undo'
        ELSE 'answer' END;
    """,
    """
    ALTER TABLE history ADD COLUMN crc INTEGER;
    ALTER TABLE history ADD COLUMN tail INTEGER NOT NULL DEFAULT 0;
    """,
    """
    ALTER TABLE pipeline ADD COLUMN last INTEGER;
    UPDATE pipeline SET last = (SELECT max(seq) FROM history
        WHERE history.workflow = pipeline.workflow AND history.id = pipeline.id);
    CREATE TABLE act (seq INTEGER PRIMARY KEY, prior INTEGER, workflow TEXT NOT NULL,
        id TEXT NOT NULL, rev INTEGER NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL DEFAULT '',
        act TEXT NOT NULL, undoes INTEGER, profile_id INTEGER, crc INTEGER,
        tail INTEGER NOT NULL DEFAULT 0, data TEXT NOT NULL);
    INSERT INTO act SELECT seq, lag(seq) OVER (PARTITION BY workflow, id ORDER BY seq),
        workflow, id, rev, at, kind, act, undoes, profile_id, crc, tail, data
        FROM history ORDER BY seq;
    DROP TABLE history;
    ALTER TABLE act RENAME TO history;
    CREATE INDEX history_deleted ON history (workflow, id) WHERE kind = 'delete';
    """,
    """
    CREATE TABLE checkpoint (workflow TEXT NOT NULL, id TEXT NOT NULL, step TEXT NOT NULL,
        loop TEXT NOT NULL, read TEXT NOT NULL, items TEXT NOT NULL);
    CREATE INDEX checkpoint_step ON checkpoint (workflow, id, step);
    """,
]
