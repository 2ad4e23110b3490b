"""The Bridge of Death: who may cross."""

import pytest


@pytest.mark.parametrize(
    ("color", "verdict"),
    [("blue", "Off you go"), ("red", "Red?! You are cast"), ("green", "Gorge")],
)
async def test_the_favorite_color_decides(play, color, verdict):
    """As everybody knows."""
    run, result = await play("bridge", name="Arthur", quest="The Grail", color=color)
    assert verdict in result and run["quest"] == "The Grail"
