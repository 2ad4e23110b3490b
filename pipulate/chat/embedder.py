"""Sentences as vectors: near in meaning, near in direction.  Memories are found by them.

MODEL    all-MiniLM-L6-v2 (English) with int8 weights (Apache-2.0; recipe "minilm" in `weights.py`), run by onnxruntime.
         A vector is the mean of the tokens' 384 numbers, made unit length: the dot product of two is their cosine.
TOKENS   BERT's uncased WordPiece: text is lower-cased, freed of accents, split into words and signs, each word into the
         longest pieces that the vocabulary has.  vocab.txt.xz is BERT's vocabulary (Apache-2.0), a token a line.
WITHOUT  weights there are no vectors; memories are then found by their words alone.
"""

import lzma
import unicodedata
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipulate.chat.providers import ModelError
from pipulate.chat.weights import RECIPES, find

SIZE = 384  # numbers in a vector
LONGEST = 256  # tokens the model was trained to read: the rest of a text is ignored
BATCH = 32


class Embedder:
    """The embedding model with its weights in `folder`, loaded at first use.  Vectors of another `name` do not compare."""

    name = "minilm-int8"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def present(self) -> bool:
        """Whether the weights are there; `embed` raises `ModelError` if not."""
        return find(RECIPES["minilm"], self.folder) is not None

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """Unit vectors of the texts, shape (len(texts), SIZE), at about 10 ms each: call it in a thread."""
        tokens = [self._wordpiece.tokens(text) for text in texts]
        vectors = np.zeros((len(texts), SIZE), np.float32)
        order = sorted(
            range(len(texts)), key=lambda index: len(tokens[index])
        )  # like lengths together: little padding
        for first in range(0, len(order), BATCH):
            batch = order[first : first + BATCH]
            ids = np.zeros((len(batch), len(tokens[batch[-1]])), np.int64)  # 0 is [PAD]
            for row, index in enumerate(batch):
                ids[row, : len(tokens[index])] = tokens[index]
            mask = (ids > 0).astype(np.int64)
            (states,) = self._session.run(
                None,
                {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)},
            )
            sums = (states * mask[:, :, None]).sum(1)
            vectors[batch] = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return vectors

    @cached_property
    def _wordpiece(self) -> "WordPiece":
        return WordPiece()

    @cached_property
    def _session(self) -> Any:
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
        """The numbers of the tokens of `text`, between [CLS] and [SEP], at most LONGEST."""
        found = [number for word in split(text[: LONGEST * 20]) for number in self._pieces(word)]
        return [self.ids["[CLS]"], *found[: LONGEST - 2], self.ids["[SEP]"]]

    def _pieces(self, word: str) -> list[int]:
        found: list[int] = []
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            end = next(
                (end for end in range(len(word), start, -1) if mark + word[start:end] in self.ids),
                0,
            )
            if not end or len(word) > 100:
                return [self.ids["[UNK]"]]
            found.append(self.ids[mark + word[start:end]])
            start = end
        return found


def split(text: str) -> list[str]:
    """BERT's words: runs between spaces, with each sign and each Chinese character by itself."""
    spaced = []
    for char in unicodedata.normalize("NFD", text.lower()):
        kind = unicodedata.category(char)
        if kind[0] == "Z" or char in "\t\n\r":
            spaced.append(" ")
        elif (
            kind in ("Mn", "Cc", "Cf", "Co", "Cs") or char == "\ufffd"
        ):  # accents; what shows nothing
            continue
        elif kind[0] == "P" or (char.isascii() and not char.isalnum()) or _is_chinese(ord(char)):
            spaced.append(f" {char} ")
        else:
            spaced.append(char)
    return "".join(spaced).split()


def _is_chinese(code: int) -> bool:
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x2CEAF
        or 0x2F800 <= code <= 0x2FA1F
    )
