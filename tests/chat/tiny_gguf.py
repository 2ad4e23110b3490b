"""A real GGUF file of 2 MB whose weights we know.

It answers "?" with SONG, and "!" with "la la la …" without end.

FORMAT   GGUF version 3 (ggml's docs/gguf.md): magic, counts, key/values, tensor infos, data
         aligned to 32 bytes.
WEIGHTS  A one-layer llama in which attention and feed-forward are zero, so that a token's
         embedding (one-hot) passes through; the output matrix then says which token follows
         which.  The tokens are bytes and a few words.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np

SONG = "one two three four"
SIZE = 288  # embedding length, at least the number of tokens


def write(path: Path) -> Path:
    """Write the model to `path`."""
    words = ["▁" + word for word in SONG.split()] + ["▁la"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    kinds = [2, 3, 3, *[6] * 256, *[1] * len(words)]  # unknown, control, byte, normal
    follows = {
        3 + ord("?"): tokens.index("▁one"),
        3 + ord("!"): tokens.index("▁la"),
        tokens.index("▁la"): tokens.index("▁la"),
    }
    for word, after in zip(words, [*words[1:-1], "</s>"], strict=False):
        follows[tokens.index(word)] = tokens.index(after)
    embedding = np.eye(len(tokens), SIZE, dtype=np.float32)
    output = np.zeros((len(tokens), SIZE), np.float32)
    for token, after in follows.items():
        output[after, token] = 3  # times sqrt(SIZE) after the norm: a logit of 50 against 0
    square = np.zeros((SIZE, SIZE), np.float32)
    tensors = {
        "token_embd.weight": embedding,
        "output.weight": output,
        "output_norm.weight": np.ones(SIZE, np.float32),
        "blk.0.attn_norm.weight": np.ones(SIZE, np.float32),
        "blk.0.ffn_norm.weight": np.ones(SIZE, np.float32),
    }
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        tensors[f"blk.0.{name}.weight"] = square
    for name, shape in {
        "ffn_gate": (32, SIZE),
        "ffn_up": (32, SIZE),
        "ffn_down": (SIZE, 32),
    }.items():
        tensors[f"blk.0.{name}.weight"] = np.zeros(shape, np.float32)
    facts: dict[str, Any] = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "llama.context_length": 2048,
        "llama.block_count": 1,
        "llama.embedding_length": SIZE,
        "llama.feed_forward_length": 32,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 4,
        "llama.rope.dimension_count": SIZE // 4,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(tokens),
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.chat_template": "{% for message in messages %}{{ message.content }}{% endfor %}",
    }
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(facts))
    head += b"".join(_string(key) + _value(value) for key, value in facts.items())
    at = 0
    for name, tensor in tensors.items():
        sizes = tensor.shape[::-1]
        head += _string(name) + struct.pack(
            f"<I{len(sizes)}QIQ", len(sizes), *sizes, 0, at
        )  # 0: F32
        at += -(-tensor.nbytes // 32) * 32
    data = b"".join(
        tensor.tobytes().ljust(-(-tensor.nbytes // 32) * 32, b"\0") for tensor in tensors.values()
    )
    path.write_bytes(head.ljust(-(-len(head) // 32) * 32, b"\0") + data)
    return path


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: Any) -> bytes:
    match value:  # the number before a value is its type
        case str():
            return struct.pack("<I", 8) + _string(value)
        case float():
            return struct.pack("<If", 6, value)
        case int():
            return struct.pack("<II", 4, value)
    items = [_value(item) for item in value]
    kind = 5 if isinstance(value[0], int) else items[0][0]  # numbers in lists are signed ones
    return struct.pack("<IIQ", 9, kind, len(value)) + b"".join(item[4:] for item in items)
