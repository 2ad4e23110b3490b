"""Vectors of sentences: BERT's tokens as its makers' tokenizer gives them, means that no
padding can sway.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.chat.embedder import LONGEST, SIZE, Embedder, WordPiece, split
from pipulate.chat.providers import ModelError

WORDPIECE = WordPiece()
# What the `tokenizers` library (BertWordPieceTokenizer, 0.23.3) makes of these texts with the
# same vocabulary.
REFERENCE: list[tuple[str, list[int]]] = [
    ("Hello, world!", [101, 7592, 1010, 2088, 999, 102]),
    (
        "\u00c4rger \u00fcber Stra\u00dfen, na\u00efve caf\u00e9",
        [101, 12098, 4590, 19169, 2358, 27807, 2078, 1010, 15743, 7668, 102],
    ),
    (
        "\u5317\u4eac\u5927\u5b66 is a \u5927\u5b66",
        [101, 1781, 1755, 1810, 1817, 2003, 1037, 1810, 1817, 102],
    ),
    ("a\u200bb zero\u0000width", [101, 11113, 5717, 9148, 11927, 2232, 102]),
    ("tab\tnew\nline", [101, 21628, 2047, 2240, 102]),
    ("emoji \U0001f600\U0001f44d\U0001f3fd ok", [101, 7861, 29147, 2072, 100, 7929, 102]),
    (
        "$3,000.50 & 10% off!!",
        [101, 1002, 1017, 1010, 2199, 1012, 2753, 1004, 2184, 1003, 2125, 999, 999, 102],
    ),
    (
        "don't stop\u2014believin\u2019",
        [101, 2123, 1005, 1056, 2644, 1517, 19337, 2666, 6371, 1521, 102],
    ),
    ("x" * 101 + " y", [101, 100, 1061, 102]),
    ("\u0130stanbul \ufb01 \u0141\u00d3D\u0179", [101, 9960, 1984, 17814, 102]),
    ("\uff26\uff35\uff2c\uff2c width", [101, 100, 9381, 102]),
    (
        "http://example.com/path?q=1#frag",
        [
            101,
            8299,
            1024,
            1013,
            1013,
            2742,
            1012,
            4012,
            1013,
            4130,
            1029,
            1053,
            1027,
            1015,
            1001,
            25312,
            2290,
            102,
        ],
    ),
    (
        "\u30ab\u30bf\u30ab\u30ca \u30c6\u30ad\u30b9\u30c8",
        [101, 1700, 30235, 30226, 30241, 1713, 30227, 30233, 30240, 102],
    ),
    ("\ud55c\uad6d\uc5b4", [101, 1469, 30006, 30021, 29991, 30014, 30020, 29999, 30008, 102]),
    ("\u0939\u093f\u0928\u094d\u0926\u0940", [101, 1339, 29877, 29863, 29861, 29878, 102]),
    (
        "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
        [
            101,
            1295,
            17149,
            29820,
            29816,
            25573,
            1271,
            25573,
            23673,
            29830,
            25573,
            23673,
            22192,
            102,
        ],
    ),
    ("\u00bd \u00b2 \u2122 \u00a9 \u20ac", [101, 1092, 1082, 1580, 1075, 1574, 102]),
    ("nbsp\u00a0ideo\u3000graphic", [101, 1050, 5910, 2361, 8909, 8780, 8425, 102]),
    ("e\u0301 combining", [101, 1041, 11566, 102]),
    ("C++ C# .NET", [101, 1039, 1009, 1009, 1039, 1001, 1012, 5658, 102]),
    ("\u00bfQu\u00e9? \u00a1S\u00ed!", [101, 1094, 10861, 1029, 1067, 9033, 999, 102]),
    (
        "unbelievably antidisestablishmentarianism",
        [101, 4895, 8671, 2666, 3567, 6321, 3424, 10521, 4355, 7875, 13602, 3672, 12199, 2964, 102],
    ),
    ("", [101, 102]),
    ("  ", [101, 102]),
]


class Session:
    """Stands for onnxruntime: a token's state is its number at the place of its column,
    padding is full of rubbish.
    """

    def run(self, _: None, inputs: dict[str, Any]) -> list[np.ndarray]:
        """Return states of shape (texts, tokens, SIZE)."""
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        assert (
            ids.dtype == mask.dtype == np.int64
            and ids.shape == mask.shape == inputs["token_type_ids"].shape
        )
        states = np.zeros((*ids.shape, SIZE), np.float32)
        np.put_along_axis(states, (ids % SIZE)[:, :, None], 1.0, axis=2)
        states[mask == 0] = 1e6
        return [states]


@pytest.fixture
def embedder(tmp_path: Path) -> Embedder:
    """Give an embedder whose weights are replaced by `Session`."""
    embedder = Embedder(tmp_path)
    embedder.session = Session()
    return embedder


class TestTokens:
    @pytest.mark.parametrize(("text", "tokens"), REFERENCE)
    def test_equal_to_the_original(self, text: str, tokens: list[int]) -> None:
        """Accents, Chinese, emoji, signs, control characters, long words: number for number
        the same.
        """
        assert WORDPIECE.tokens(text) == tokens

    def test_the_vocabulary_is_whole(self) -> None:
        """BERT's uncased vocabulary has 30,522 tokens, each once."""
        assert len(WORDPIECE.ids) == 30522
        assert [WORDPIECE.ids[token] for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "the")] == [
            0,
            100,
            101,
            102,
            1996,
        ]

    @settings(deadline=None)  # a busy machine is no failure
    @given(st.text())
    def test_any_text_has_tokens(self, text: str) -> None:
        """Any Unicode gives tokens between the two marks, not more than the model reads."""
        tokens = WORDPIECE.tokens(text)
        assert tokens[0] == 101 and tokens[-1] == 102 and len(tokens) <= LONGEST
        assert all("".join(word.split()) == word != "" for word in split(text))

    def test_long_texts_are_cut_to_what_the_model_reads(self) -> None:
        """A book costs no more than its first page."""
        assert len(WORDPIECE.tokens("word " * 100_000)) == LONGEST


class TestVectors:
    def test_padding_does_not_count(self, embedder: Embedder) -> None:
        """A text has the same vector alone and among longer ones, in the order asked."""
        texts = [f"{'word ' * (number * 7 % 50)}{number}" for number in range(70)]
        together = embedder.embed(texts)
        assert together.shape == (70, SIZE) and together.dtype == np.float32
        alone = np.concatenate([embedder.embed([text]) for text in texts])
        np.testing.assert_allclose(together, alone, atol=1e-6)

    def test_vectors_are_of_unit_length(self, embedder: Embedder) -> None:
        """The dot product of two vectors is the cosine of their angle, even for an empty text."""
        vectors = embedder.embed(["", "one", "one two"])
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)

    def test_no_texts(self, embedder: Embedder) -> None:
        """Nothing in, nothing out."""
        assert embedder.embed([]).shape == (0, SIZE)

    def test_without_weights(self, tmp_path: Path) -> None:
        """Whether there are weights can be asked; embedding without them says how to get them."""
        embedder = Embedder(tmp_path)
        assert not embedder.present
        with pytest.raises(ModelError, match="pipulate model get minilm"):
            embedder.embed(["x"])
