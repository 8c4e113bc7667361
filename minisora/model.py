"""Sora: an encoder and a decoder between token ids and logits."""

from typing import NamedTuple

import numpy as np

from minisora.kernels import child
from minisora.kernels.attention_cache import check_key_mask
from minisora.layers.copy_head import CopyHead, CopyHeadCache, check_copied
from minisora.layers.decoder import Decoder, DecoderCache
from minisora.layers.decoder_state import DecoderState, LayerState, remember
from minisora.layers.dropout import Dropout, DropoutCache
from minisora.layers.embedding import TokenEmbedding, TokenEmbeddingCache, check_ids
from minisora.layers.encoder import Encoder, EncoderCache
from minisora.layers.layer import Layer
from minisora.layers.linear import Linear, LinearCache, TiedLinear
from minisora.layers.packed import FEW, packed
from minisora.layers.positional import LearnedPositions, PositionsCache, SinusoidalPositions
from minisora.layers.recurrent_encoder import RecurrentEncoder, RecurrentEncoderCache


class EmbeddedCache(NamedTuple):
    embedding: TokenEmbeddingCache
    positions: PositionsCache
    dropout: DropoutCache


class Embedded(Layer):
    """What encoder and decoder begin with: dropout(embedding(ids) + positions)."""

    def __init__(self, config, vocab_size, rng, *, embedding=None, dtype=np.float32):
        self.max_len = config.max_len
        self.embedding = embedding or TokenEmbedding(vocab_size, config.d_model, rng, dtype=dtype)
        if config.positions == "learned":
            self.positions = LearnedPositions(config.max_len, config.d_model, rng, dtype=dtype)
        else:
            self.positions = SinusoidalPositions(config.d_model)
        self.dropout = Dropout(config.dropout)

    def forward(self, ids, *, key=None, offset=0):
        """Map ids (B, T) to vectors (B, T, D); the first token stands at position ``offset``."""
        check_ids(ids, len(self.embedding.table.data))
        if ids.ndim != 2:
            raise ValueError(f"token ids are expected as an array (batch, length), got shape {ids.shape}")
        if not 0 < ids.shape[1] <= self.max_len - offset:
            raise ValueError(f"a sequence of 1 to {self.max_len} tokens is expected, got {ids.shape[1] + offset}")
        vectors, embedding = self.embedding.forward(ids)
        placed, positions = self.positions.forward(vectors, offset=offset)
        out, dropout = self.dropout.forward(placed, key=child(key, "embedded"))
        return out, EmbeddedCache(embedding, positions, dropout)

    def backward(self, dout, cache):
        """Return None: ids have no gradient."""
        dplaced = self.dropout.backward(dout, cache.dropout)
        return self.embedding.backward(self.positions.backward(dplaced, cache.positions), cache.embedding)


class SoraEncoderCache(NamedTuple):
    embedded: EmbeddedCache
    stack: EncoderCache | RecurrentEncoderCache


class SoraEncoder(Layer):
    """Token ids to memory: embedding, positions, dropout, and the stack of encoder layers, or the recurrent encoder."""

    def __init__(self, config, rng, *, layers=None, dtype=np.float32):
        self.pad_id = config.pad_id
        self.embedded = Embedded(config, config.source_vocab_size, rng, dtype=dtype)
        make = RecurrentEncoder if config.encoder == "rnn" else Encoder
        self.stack = make(config, rng, layers=layers, dtype=dtype)

    def forward(self, ids, *, key=None, key_mask=None):
        """Map ids (B, S) to memory (B, S, D); key_mask (B, S) is ``ids != pad_id`` when None."""
        x, embedded = self.embedded.forward(ids, key=child(key, "source"))
        key_mask = self.visible(ids) if key_mask is None else key_mask
        check_source_mask(key_mask, *ids.shape)
        memory, stack = self.stack.forward(x, key=child(key, "encoder"), key_mask=key_mask)
        return memory, SoraEncoderCache(embedded, stack)

    def backward(self, dmemory, cache):
        """Return None: ids have no gradient."""
        return self.embedded.backward(self.stack.backward(dmemory, cache.stack), cache.embedded)

    def visible(self, ids):
        """Return the mask (B, S) of the ids that are not padding."""
        check_ids(ids, len(self.embedded.embedding.table.data))
        return ids != self.pad_id


def check_source_mask(mask, batch, sources):
    """Raise ValueError unless mask is a boolean array (B, S) that lets anything at all be attended."""
    check_key_mask(mask, batch, sources)
    if isinstance(mask, np.ndarray) and mask.size and not mask.any():  # on a GPU this would wait
        raise ValueError(
            "a source mask is expected to be True where a token may be attended and is not padding, "
            "got one that hides everything: is it inverted?"
        )


class SoraDecoderCache(NamedTuple):
    embedded: EmbeddedCache
    stack: DecoderCache
    projection: LinearCache
    copy: CopyHeadCache | None


class SoraDecoder(Layer):
    """Token ids and memory to logits: embedding, positions, dropout, the decoder layers, projection, copies."""

    def __init__(self, config, rng, *, embedding=None, layers=None, dtype=np.float32):
        self.max_len = config.max_len
        self.embedded = Embedded(config, config.target_vocab_size, rng, embedding=embedding, dtype=dtype)
        self.stack = Decoder(config, rng, layers=layers, dtype=dtype)
        if config.tie == "none":
            self.projection = Linear(config.d_model, config.target_vocab_size, rng, dtype=dtype)
        else:
            self.projection = TiedLinear(self.embedded.embedding.table)
        self.copy = CopyHead(config.d_model, rng, dtype=dtype) if config.copy else None

    def forward(self, ids, memory, memory_mask=None, source_ids=None, *, key=None):
        """Map ids (B, T), given memory (B, S, D), to logits (B, T, V).

        Parameters
        ----------
        ids : int array (B, T)
        memory : array (B, S, D)
        memory_mask : bool array (B, S), optional
            True = may be attended.
        source_ids : int array (B, S)
            What the memory was made of: needed where the decoder copies, and not looked at elsewhere.
        """
        if memory_mask is not None:
            check_source_mask(memory_mask, *memory.shape[:2])
        x, embedded = self.embedded.forward(ids, key=child(key, "target"))
        x, stack = self.stack.forward(x, memory, key=child(key, "decoder"), memory_mask=memory_mask)
        logits, projection = self.projection.forward(x)
        copy = None
        if self.copy is not None:
            logits, copy = self.copy.forward(logits, x, memory, source_ids, memory_mask=memory_mask)
        return logits, SoraDecoderCache(embedded, stack, projection, copy)

    def backward(self, dlogits, cache):
        """Return (None, dmemory), and where it copies None for source_ids too.

        The copy head reads the memory as every layer does: their gradients are added.
        """
        dx_copy = dmemory_copy = 0
        if self.copy is not None:
            dlogits, dx_copy, dmemory_copy, _ = self.copy.backward(dlogits, cache.copy)
        dx = self.projection.backward(dlogits, cache.projection) + dx_copy
        dx, dmemory = self.stack.backward(dx, cache.stack)
        dinputs = self.embedded.backward(dx, cache.embedded), dmemory + dmemory_copy
        return dinputs if self.copy is None else (*dinputs, None)

    def start(self, memory, memory_mask=None, max_len=None, source_ids=None):
        """Return the `DecoderState` of an empty target: cross-attention's keys and values are computed here, once.

        Parameters
        ----------
        memory : array (B, S, D)
        memory_mask : bool array (B, S), optional
        max_len : int, optional
            Room for so many tokens; config.max_len when None, which it may not exceed.
        source_ids : int array (B, S)
            As in `forward`.
        """
        max_len = self.max_len if max_len is None else max_len
        if not 1 <= max_len <= self.max_len:
            raise ValueError(f"max_len is expected in 1 .. {self.max_len}, got {max_len}")
        if memory_mask is not None:
            check_source_mask(memory_mask, *memory.shape[:2])
        layers = [LayerState(remember(layer.cross_attention, memory), max_len) for layer in self.stack.layers]
        copied = ()
        if self.copy is not None:
            check_copied(source_ids, memory, len(self.embedded.embedding.table.data))
            copied = self.copy.remember(memory, source_ids)
        return DecoderState(layers, memory_mask, max_len, copied)

    def step(self, ids, state):
        """Read one token a sequence, ids (B K,); return logits (B K, V) of the next, and state, extended in place."""
        check_ids(ids, len(self.embedded.embedding.table.data))
        if ids.shape != (state.batch,):
            raise ValueError(f"one token for each of {state.batch} sequences is expected, got ids of shape {ids.shape}")
        if state.length == state.max_len:
            raise ValueError(f"the decoder's state has room for {state.max_len} tokens, and all are used")
        x, _ = self.embedded.forward(ids[:, None], offset=state.length)  # (B K, 1, D)
        if state.packed is None and len(x) >= FEW and (fused := self.fused(x)):
            state.packed = packed(self, fused)
        run = state.packed or self
        x = run.stack.step(x[:, 0], state.layers, state.memory_mask)
        state.length += 1
        logits = run.projection(x)
        return logits if run.copy is None else run.copy.step(logits, x, state.copied, state.memory_mask), state


class SoraModelCache(NamedTuple):
    encoder: SoraEncoderCache
    decoder: SoraDecoderCache


class SoraModel(Layer):
    """The whole encoder-decoder Transformer.

    Parameters
    ----------
    config : SoraConfig
    rng : numpy.random.Generator
        Initialises the parameters.
    layers : dict, optional
        Own layers in the place of the standard ones, such as ``{"attention": MyAttention}``; see `LayerFactory`.
    dtype : dtype
        float32 to work, float64 to check.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017.
    """

    def __init__(self, config, rng, *, layers=None, dtype=np.float32):
        self.config = config
        self.replaced = tuple(sorted(layers or ()))  # names of the layers that are not the standard ones
        self.encoder = SoraEncoder(config, rng, layers=layers, dtype=dtype)
        shared = self.encoder.embedded.embedding if config.tie == "all" else None
        self.decoder = SoraDecoder(config, rng, embedding=shared, layers=layers, dtype=dtype)

    def forward(self, source_ids, decoder_ids, *, key=None, source_mask=None):
        """Map source ids (B, S) and decoder ids (B, T), which begin with bos, to logits (B, T, V).

        Parameters
        ----------
        source_ids, decoder_ids : int arrays
        key : DropoutKey, optional
            None: no dropout.
        source_mask : bool array (B, S), optional
            True = may be attended; ``source_ids != pad_id`` when None.
        """
        if len(source_ids) != len(decoder_ids):
            raise ValueError(f"as many sources as targets are expected, got {len(source_ids)} and {len(decoder_ids)}")
        source_mask = self.encoder.visible(source_ids) if source_mask is None else source_mask
        memory, encoder = self.encoder.forward(source_ids, key=key, key_mask=source_mask)
        copied = None if self.decoder.copy is None else source_ids
        logits, decoder = self.decoder.forward(decoder_ids, memory, source_mask, copied, key=key)
        return logits, SoraModelCache(encoder, decoder)

    def backward(self, dlogits, cache):
        """Add into every parameter's gradient; return (None, None), since neither input is differentiable."""
        ddecoder_ids, dmemory, *_ = self.decoder.backward(dlogits, cache.decoder)
        return self.encoder.backward(dmemory, cache.encoder), ddecoder_ids

    def summary(self):
        """Return a table of the parameters: name, shape, count; shared ones once."""
        rows = [(name, "x".join(map(str, p.data.shape)), f"{p.data.size:,}") for name, p in self.parameters()]
        rows.append(("total", "", f"{self.num_parameters():,}"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        return "\n".join(
            f"{name:<{widths[0]}}  {shape:>{widths[1]}}  {count:>{widths[2]}}" for name, shape, count in rows
        )

    @classmethod
    def from_pretrained(cls, name_or_folder, *, layers=None, revision=None):
        """Load a model.

        Parameters
        ----------
        name_or_folder : str or path
            A bundled model such as ``"sora/sora-base"``, looked up first; ``"hub:owner/name"`` or
            ``"hub:owner/name@revision"`` (extra ``hub``); a folder that `save_pretrained` or a training wrote.
        layers : dict, optional
            Own layers that the model was saved with.
        revision : str, optional
            Branch, tag or commit on the hub.

        Raises
        ------
        CheckpointError
            In one sentence, when anything is missing or not as it should be.
        """
        from minisora.checkpoint import load

        return load(name_or_folder, layers=layers, revision=revision).model

    def save_pretrained(self, folder, source_tokenizer, target_tokenizer=None, *, dtype=None):
        """Write the model and its tokenizers to a folder; ``dtype=np.float16`` halves the file."""
        from minisora.checkpoint import save

        save(folder, self, source_tokenizer, target_tokenizer, dtype=dtype)

    def push_to_hub(self, name, source_tokenizer, target_tokenizer=None, *, card=None, private=None, dtype=None):
        """Put the model and its tokenizers on the hub, in one commit (extra ``hub``).

        Parameters
        ----------
        name : str
            ``"owner/name"``; made where it is not there.
        source_tokenizer, target_tokenizer : SoraTokenizer
        card : str, optional
            Text of the README.md. None: one with the model's shape where there is none yet.
        private : bool, optional
            Whether a new repository is; None: what the account says.
        dtype : dtype, optional
            As `save_pretrained` takes it.

        Returns
        -------
        str
            The name ``"hub:owner/name@commit"``, which loads just this model for ever.

        Raises
        ------
        CheckpointError
            In one sentence, when the hub does not take it.
        """
        from minisora.checkpoint.hub import push

        return push(name, self, source_tokenizer, target_tokenizer, card=card, private=private, dtype=dtype)
