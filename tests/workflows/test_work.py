"""Work: the words of a folder, each file counted once."""

from pipulate.workflows.work import text_files, words


async def test_it_counts_the_words_of_text_files(play, tmp_path):
    """The most frequent first; other files are left alone."""
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("Grail grail bridge")
    (folder / "b.md").write_text("grail, of: bridge!")
    (folder / "c.png").write_bytes(b"grail " * 99)
    run, result = await play("work", folder=str(folder), pause="0")
    assert run["count"] == {"files": 2, "words": 5, "most": [["grail", 3], ["bridge", 2]]}
    assert result.index("grail: 3") < result.index("bridge: 2")


async def test_an_empty_folder_has_a_result_too(play, tmp_path):
    """It says so."""
    _, result = await play("work", folder=str(tmp_path), pause="0")
    assert "No text files there." in result


async def test_only_real_words_count(tmp_path):
    """Three letters or more, in any case."""
    path = tmp_path / "a.txt"
    path.write_text("It is the The THE x1")
    assert await words(path) == {"the": 3}
    assert text_files(tmp_path) == [path]
