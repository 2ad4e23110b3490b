"""Sentences as vectors, near in direction if near in meaning: for memories.

MODEL   all-MiniLM-L6-v2 (English, Apache-2.0, int8).  The mean of the tokens'
        384 numbers, of unit length: a dot product is a cosine.
TOKENS  Lower case, no accents, words and signs, each word in the longest
        pieces of vocab.txt.xz (Apache-2.0).
"""

import lzma
import re
import unicodedata
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipulate.chat.providers import ModelError
from pipulate.chat.weights import RECIPES, find

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIZE = 384  # numbers in a vector
LONGEST = 256  # tokens the model was trained to read: the rest of a text is ignored
LONGEST_WORD = 100  # letters; a longer one is no word
CHARACTERS = 20  # of a token at most: what is cut off then would be ignored anyway
BATCH = 32
CHINESE = (  # compiled at first use
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ceaf\U0002f800-\U0002fa1f]"
)


class Embedder:
    """Loaded at first use.  Vectors of another `name` do not compare."""

    name = "minilm-int8"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def present(self) -> bool:
        """Whether the weights are there."""
        return find(RECIPES["minilm"], self.folder) is not None

    def embed(self, texts: list[str]) -> "NDArray[np.float32]":
        """Return unit vectors, shape (n, SIZE).  Raises ModelError.

        About 10 ms each: call it in a thread.
        """
        import numpy as np

        tokens = [self._wordpiece.tokens(text) for text in texts]
        vectors = np.zeros((len(texts), SIZE), np.float32)
        # Like lengths together: little padding.
        order = sorted(range(len(texts)), key=lambda index: len(tokens[index]))
        for first in range(0, len(order), BATCH):
            batch = order[first : first + BATCH]
            vectors[batch] = self._means([tokens[index] for index in batch])
        return vectors

    def _means(self, batch: list[list[int]]) -> "NDArray[np.float32]":
        import numpy as np

        ids = np.zeros((len(batch), len(batch[-1])), np.int64)  # 0 is [PAD]
        for row, tokens in zip(ids, batch, strict=True):
            row[: len(tokens)] = tokens
        mask = (ids > 0).astype(np.int64)
        kinds = np.zeros_like(ids)
        asked = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": kinds,
        }
        (states,) = self.session.run(None, asked)
        sums = (states * mask[:, :, None]).sum(1)
        means: NDArray[np.float32] = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return means

    @cached_property
    def _wordpiece(self) -> "WordPiece":
        return WordPiece()

    @cached_property
    def session(self) -> Any:
        """The runtime with the weights; raises `ModelError`."""
        import onnxruntime  # here: it takes a while, and few commands embed

        path = find(RECIPES["minilm"], self.folder)
        if not path:
            raise ModelError("The embedding model is not here. Get it: pipulate model get minilm")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the other cores are the chat model's and the pages'
        return onnxruntime.InferenceSession(path.read_bytes(), options, ["CPUExecutionProvider"])


class WordPiece:
    """BERT's uncased tokenizer."""

    def __init__(self) -> None:
        packed = Path(__file__).with_name("vocab.txt.xz").read_bytes()
        lines = lzma.decompress(packed).decode("utf-8").rstrip("\n").split("\n")
        self.ids = {token: number for number, token in enumerate(lines)}

    def tokens(self, text: str) -> list[int]:
        """The numbers of [CLS], the tokens and [SEP], at most LONGEST."""
        found: list[int] = []
        for word in split(text[: LONGEST * CHARACTERS]):
            found += self._pieces(word)
        return [self.ids["[CLS]"], *found[: LONGEST - 2], self.ids["[SEP]"]]

    def _pieces(self, word: str) -> list[int]:
        unknown = [self.ids["[UNK]"]]
        if len(word) > LONGEST_WORD:
            return unknown
        found: list[int] = []
        mark = ""
        while word:
            ends = range(len(word), 0, -1)
            end = next((end for end in ends if mark + word[:end] in self.ids), 0)
            if not end:
                return unknown
            found.append(self.ids[mark + word[:end]])
            word = word[end:]
            mark = "##"
        return found


def split(text: str) -> list[str]:
    """BERT's words: each sign and each Chinese character is one."""
    return "".join(map(_spaced, unicodedata.normalize("NFD", text.lower()))).split()


def _spaced(char: str) -> str:
    kind = unicodedata.category(char)
    if kind[0] == "Z" or char in "\t\n\r":
        return " "
    if kind in ("Mn", "Cc", "Cf", "Co", "Cs") or char == "\ufffd":
        return ""
    is_sign = kind[0] == "P" or (char.isascii() and not char.isalnum())
    return f" {char} " if is_sign or re.match(CHINESE, char) else char
