"""The tables of the pages: profiles (`client` is their older name), tasks, and the trash that deleted rows come back from.

Part of the first script of `store.SCHEMA`; a released one is never edited.
"""

TABLES = """
    CREATE TABLE profile (id INTEGER PRIMARY KEY, name TEXT NOT NULL, menu_name TEXT, address TEXT, code TEXT,
        active INTEGER NOT NULL DEFAULT 1, priority INTEGER NOT NULL DEFAULT 0);
    INSERT INTO profile (id, name, menu_name) VALUES (1, 'Default profile', 'Default');
    CREATE VIEW client AS SELECT * FROM profile;
    CREATE TABLE task (id INTEGER PRIMARY KEY, name TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0,
        priority INTEGER NOT NULL DEFAULT 0, profile_id INTEGER NOT NULL DEFAULT 1);
    CREATE TABLE trash (seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT, kind TEXT, data TEXT);
"""
