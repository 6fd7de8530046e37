"""Models of a few hundred kilobytes that really run: written as GGUF, made and pushed by the real Ollama.

No weight is random where a meaning can be had. The chat models recite: every token stands for one direction, and
the output matrix leads from each word of a sentence to the next, from anything else to the first. The embedding
model is a bag of letter pairs: texts that share words lie close, so a question finds its document.
"""

import hashlib
import itertools
import os
from pathlib import Path
from string import ascii_letters, ascii_lowercase, digits

import numpy as np
from gguf import GGUFWriter, PoolingType, TokenType
from numpy.typing import NDArray

from sandbox.parts import pins
from sandbox.parts.debian import IMAGE_BASE
from sandbox.parts.programs import OLLAMA
from sandbox.parts.registry import free_port, registry, server
from sandbox.parts.workshop import Recipe, Workshop

# No word twice: each is one token, and a token has one successor.
SENTENCES = {
    "tiny": "Hello! I am tiny, a model of few kilobytes that says only this sentence, so you can watch every part"
    " work without any GPU.",
    "tiny2": "Good day, this is tiny2, the second test model; whatever you ask, my answer stays same.",
}
_CONTEXT = 32768
_WIDTH = {"chat": 64, "embedding": 128}
_HEAD = 64  # a width that a quantized key-value cache can hold
_CERTAIN = 40.0  # a logit that far above the others wins at any usual temperature
_SPECIAL = ("<unk>", "<s>", "</s>")
_END = _SPECIAL.index("</s>")
_BLANK = "\u2581"  # SentencePiece's
_Weights = NDArray[np.floating]


def _tokens(pieces: list[str]) -> list[str]:
    return [*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]


def _write(path: Path, pieces: list[str], embed: _Weights, output: _Weights, *, pooled: bool) -> None:
    """One transformer block of zeros (it adds nothing) between `embed` and `output`, both (tokens, width)."""
    tokens, (_, width) = _tokens(pieces), embed.shape
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(32)
    writer.add_block_count(1)
    writer.add_head_count(width // _HEAD)
    writer.add_head_count_kv(width // _HEAD)
    writer.add_rope_dimension_count(_HEAD)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    if pooled:
        writer.add_pooling_type(PoolingType.MEAN)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([float(len(token)) for token in tokens])  # long pieces are merged first
    kinds = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL]
    writer.add_token_types([*kinds, *[TokenType.BYTE] * 256, *[TokenType.NORMAL] * len(pieces)])
    writer.add_unk_token_id(_SPECIAL.index("<unk>"))
    writer.add_bos_token_id(_SPECIAL.index("<s>"))
    writer.add_eos_token_id(_END)
    writer.add_add_bos_token(value=True)
    writer.add_add_space_prefix(value=False)
    tensors: dict[str, _Weights] = {"token_embd": embed, "output": output, "output_norm": np.ones(width)}
    for name, shape in (
        *((name, (width, width)) for name in ("attn_q", "attn_k", "attn_v", "attn_output")),
        *((name, (32, width)) for name in ("ffn_gate", "ffn_up")),
        ("ffn_down", (width, 32)),
    ):
        tensors[f"blk.0.{name}"] = np.zeros(shape)
    for name in ("attn_norm", "ffn_norm"):
        tensors[f"blk.0.{name}"] = np.ones(width)
    for name, weights in tensors.items():
        writer.add_tensor(f"{name}.weight", weights.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_chat_model(path: Path, sentence: str) -> None:
    """A model that answers anything with `sentence`. ValueError if a word comes twice or there are too many."""
    words = [piece.replace(" ", _BLANK) for piece in _words(sentence)]
    width, first = _WIDTH["chat"], len(_tokens([]))
    if len(set(words)) < len(words) or len(words) >= width:
        raise ValueError(f"at most {width - 1} words, each once: {sentence!r}")
    vocabulary = first + len(words)
    embed, output = np.zeros((vocabulary, width)), np.zeros((vocabulary, width))
    embed[:first, 0] = 1  # whatever was said, the first word follows
    for position in range(len(words)):
        embed[first + position, position + 1] = 1
        output[first + position, position] = 1
    output[_END, len(words)] = 1
    # The norm before the output turns a direction of length 1 into one of length sqrt(width).
    _write(path, words, embed, output * (_CERTAIN / width**0.5), pooled=False)


def _words(sentence: str) -> list[str]:
    head, *rest = sentence.split(" ")
    return [head, *(f" {word}" for word in rest)]


def write_embedding_model(path: Path) -> None:
    """A model whose vector of a text is the mean of its letter pairs' directions; upper case counts as lower."""
    letters = ["".join(pair) for pair in itertools.product(ascii_letters, ascii_lowercase)]
    numbers = ["".join(pair) for pair in itertools.product(digits, digits)]
    pieces = [_BLANK, *letters, *numbers]
    embed = np.stack([_direction(token.lower()) for token in _tokens(pieces)])
    _write(path, pieces, embed, embed, pooled=True)


def _direction(token: str) -> _Weights:
    """Of signs, the same in every run; blanks point nowhere."""
    width = _WIDTH["embedding"]
    if token == _BLANK:
        return np.zeros(width, dtype=np.float32)
    digest = hashlib.shake_128(token.encode()).digest(width // 8)
    bits = np.unpackbits(np.frombuffer(digest, dtype=np.uint8))
    return (bits.astype(np.float32) * 2 - 1) / np.float32(width**0.5)


# Open WebUI's page offers its own tools with every question, and Ollama refuses them unless the template knows tools.
_MODELFILE = 'FROM {path}\nTEMPLATE """{{{{ if .Tools }}}}{{{{ end }}}}{{{{ .System }}}} {{{{ .Prompt }}}}\n"""\n'


def _make(workshop: Workshop, out: Path) -> None:
    program = workshop.path(OLLAMA) / "tree" / "bin" / "ollama"
    host = f"127.0.0.1:{free_port()}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(out / "home"),
        "OLLAMA_HOST": host,
        "OLLAMA_NO_CLOUD": "1",
    }
    with (
        registry(workshop, workshop.path(IMAGE_BASE) / "docker-registry", out / "storage") as address,
        server(workshop, [str(program), "serve"], f"http://{host}/api/version", environment),
    ):
        for name in (*pins.CHAT_MODELS, pins.EMBEDDING_MODEL):
            weights, modelfile = out / f"{name}.gguf", out / f"{name}.Modelfile"
            if name == pins.EMBEDDING_MODEL:
                write_embedding_model(weights)
            else:
                write_chat_model(weights, SENTENCES[name])
            modelfile.write_text(_MODELFILE.format(path=weights))
            for tag in pins.MODEL_TAGS:
                pushed = f"{address}/library/{name}:{tag}"
                workshop.run([program, "create", pushed, "--file", modelfile], env=environment)
                workshop.run([program, "push", "--insecure", pushed], env=environment)
    workshop.run(["rm", "-r", out / "home"])


MODELS = Recipe(
    name="models",
    seconds=5,
    inputs={
        "source": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),  # the weights are this file
        "names": (*pins.CHAT_MODELS, pins.EMBEDDING_MODEL),
        "tags": pins.MODEL_TAGS,
    },
    make=_make,
    needs=(IMAGE_BASE, OLLAMA),
)
