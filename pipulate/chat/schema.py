"""The tables of the model: conversations, memory with its full-text index and vectors, proposals, prompt versions.

One script of `store.SCHEMA`; a released one is never edited, a change is a further script at the end of that list.
`memory_text` follows `memory` by triggers and deletes securely: what is forgotten leaves no trace in the file.
"""

TABLES = """
    CREATE TABLE conversation (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL DEFAULT '', created TEXT NOT NULL,
        summary TEXT NOT NULL DEFAULT '', summarised INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT, conversation_id INTEGER NOT NULL, role TEXT NOT NULL,
        content TEXT NOT NULL, at TEXT NOT NULL, about TEXT NOT NULL DEFAULT '');
    CREATE INDEX message_conversation ON message (conversation_id, id);
    CREATE TABLE memory (id TEXT PRIMARY KEY, kind TEXT NOT NULL, key TEXT, content TEXT NOT NULL,
        source TEXT NOT NULL DEFAULT '', at TEXT NOT NULL, pinned INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL DEFAULT 'active');
    CREATE VIRTUAL TABLE memory_text USING fts5 (content, id UNINDEXED, tokenize = 'porter unicode61');
    INSERT INTO memory_text (memory_text, rank) VALUES ('secure-delete', 1);
    CREATE TRIGGER memory_added AFTER INSERT ON memory BEGIN
        INSERT INTO memory_text (id, content) VALUES (new.id, coalesce(new.key || ': ', '') || new.content); END;
    CREATE TRIGGER memory_gone AFTER DELETE ON memory BEGIN
        DELETE FROM memory_text WHERE id = old.id; DELETE FROM memory_vector WHERE id = old.id; END;
    CREATE TRIGGER memory_changed AFTER UPDATE OF id, key, content ON memory BEGIN
        DELETE FROM memory_text WHERE id = old.id; DELETE FROM memory_vector WHERE id = old.id;
        INSERT INTO memory_text (id, content) VALUES (new.id, coalesce(new.key || ': ', '') || new.content); END;
    CREATE TABLE proposal (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, tool TEXT NOT NULL,
        arguments TEXT NOT NULL, profile_id INTEGER NOT NULL, words TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'open', undo TEXT NOT NULL DEFAULT '');
    CREATE TABLE memory_vector (id TEXT NOT NULL, embedder TEXT NOT NULL, vector BLOB NOT NULL,
        PRIMARY KEY (id, embedder));
    CREATE TABLE prompt (version INTEGER PRIMARY KEY, text TEXT NOT NULL, at TEXT NOT NULL, author TEXT NOT NULL);
    """
