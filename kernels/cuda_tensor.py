"""Attention on the GPU's tensor cores: ``cuda/tensor.cuh``, ``tensor_forward.cu`` and so on, in three formats.

What is chosen here is the shape of the tiles. q, k, v and dout are rounded to 16 bits, where that is the format, into
rows filled up to a multiple of 16; sums, softmax and results stay in float32.
"""

from math import prod
from typing import NamedTuple

from minisora.kernels.array_module import array_module
from minisora.kernels.cuda_attention import filled
from minisora.kernels.cuda_delta import row_products
from minisora.kernels.cuda_launch import program, shared_memory

_PACKED = 256  # threads
_TO_FLOAT = {"Fp16": "f16_to_float", "Bf16": "bf16_to_float", "Tf32x3": None}  # functions of cuda/ptx.cuh


class Tile(NamedTuple):
    """The macros that give a block its shape."""

    WARPS: int
    GROUPS: int
    OTHER: int
    STAGES: int = 1

    @property
    def own(self):
        """Rows that a block owns."""
        return 16 * self.WARPS * self.GROUPS


class Choice(NamedTuple):
    """The tiles among which one is chosen for a width of heads."""

    plain: Tile
    busy: Tile  # with masks or dropout, which take registers
    small: Tile  # for short sequences, and little shared memory


# By the larger of d_k and d_v, up to which a choice is for.
_FORWARD_16 = {
    64: Choice(Tile(4, 2, 64), Tile(8, 1, 64), Tile(2, 1, 32)),
    128: Choice(Tile(4, 2, 32), Tile(8, 1, 32), Tile(2, 1, 32)),
    256: Choice(Tile(4, 1, 32), Tile(4, 1, 32), Tile(2, 1, 16)),
}
_BACKWARD_16 = {
    64: Choice(Tile(4, 1, 64, 2), Tile(4, 1, 32, 2), Tile(2, 1, 32)),
    128: Choice(Tile(4, 1, 32, 2), Tile(4, 1, 32, 2), Tile(2, 1, 32)),
    256: Choice(Tile(2, 1, 16), Tile(2, 1, 16), Tile(2, 1, 16)),
}
_FORWARD_32 = {
    64: Choice(Tile(4, 1, 32), Tile(4, 1, 32), Tile(2, 1, 32)),
    128: Choice(Tile(4, 1, 32), Tile(4, 1, 32), Tile(2, 1, 32)),
    256: Choice(Tile(2, 1, 16), Tile(2, 1, 16), Tile(2, 1, 16)),
}
_BACKWARD_32 = {
    64: Choice(Tile(4, 1, 32, 2), Tile(4, 1, 16, 2), Tile(2, 1, 16)),
    128: Choice(Tile(4, 1, 16, 2), Tile(4, 1, 16, 2), Tile(2, 1, 16)),
    256: Choice(Tile(2, 1, 16), Tile(2, 1, 16), Tile(2, 1, 16)),
}


class TensorRung(NamedTuple):
    """One format: a rung as `minisora.kernels.cuda_attention` expects it."""

    NAME: str
    TYPES: tuple
    format: str  # of cuda/formats.cuh

    @property
    def bytes(self):
        """Of an element."""
        return 4 if self.format == "Tf32x3" else 2

    @property
    def tables(self):
        """Of tiles, of forward and of backward."""
        return (_FORWARD_32, _BACKWARD_32) if self.bytes == 4 else (_FORWARD_16, _BACKWARD_16)

    def forward(self, call, out, lse):
        """Write out and lse."""
        length = out.shape[2]
        tile = self.tile(call, length, backward=False)
        arrays = *self.operands(call), call.visible, call.seen, out, lse
        self.launch(call, "forward", "attention_forward", tile, length, *arrays)

    def backward(self, call, dout, out, lse):
        """Return (dq, dk, dv)."""
        dq, dk, dv = map(array_module(out).empty_like, (call.q, call.k, call.v))
        packed = self.operand(dout)
        delta = row_products(packed, out, _TO_FLOAT[self.format])
        arrays = *self.operands(call), call.visible, call.seen, lse, packed, delta
        parts = self.parts(call.q.shape[-1], call.v.shape[-1])
        launches = (
            ("attention_backward_q", parts[0], (dq,)),
            *(("attention_backward_kv", part, (dk, dv)) for part in parts),
        )
        for kernel, part, results in launches:
            length = results[0].shape[2]
            tile = self.tile(call, length, backward=True)
            self.launch(call, "backward", kernel, tile, length, *arrays, *results, **part)
        return dq, dk, dv

    def operands(self, call):
        """q, k and v as tensor cores take them."""
        return map(self.operand, (call.q, call.k, call.v))

    def operand(self, array):
        """An array (..., d) as tensor cores take it: in 16 bits, (..., d filled up to a multiple of 16)."""
        width = array.shape[-1]
        if self.bytes == 4 or (str(array.dtype) == "float16" and width % 16 == 0):
            return array
        packed = array_module(array).empty((*array.shape[:-1], filled(width)), "uint16")
        arguments = array.astype("float32", copy=False), packed, prod(array.shape[:-1]), width, filled(width)
        compiled = program("pack", array.device.id, FORMAT=self.format)
        compiled.launch("attention_pack", -(-packed.size // (8 * _PACKED)), _PACKED, *arguments)
        return packed

    def launch(self, call, half, kernel, tile, length, *arrays, **more):
        """A block for each ``tile.own`` of the ``length`` queries, or keys, that each head has."""
        d_k, d_v = call.q.shape[-1], call.v.shape[-1]
        output = {"float32": "float", "float16": "unsigned short"}[str(call.q.dtype)]
        macros = {"FORMAT": self.format, "D_K": d_k, "D_V": d_v, "OUTPUT": output}
        blocks, shared = -(-length // tile.own), self.shared(tile, d_k, d_v, half == "backward")
        compiled = program(f"tensor_{half}", call.device, **macros, **tile._asdict(), **call.flags, **more)
        scalars = blocks, *call.sizes, call.offset, call.scale, *call.dropout
        compiled.launch(kernel, blocks * call.heads, 32 * tile.WARPS, *arrays, *scalars, shared=shared)

    def parts(self, d_k, d_v):
        """What the kernel for dk and dv computes, in one launch or in two: the sums must fit a thread's registers."""
        if filled(d_k) + filled(d_v) <= 512 // self.bytes:
            return ({"GIVES_DK": 1, "GIVES_DV": 1},)
        return {"GIVES_DK": 1, "GIVES_DV": 0}, {"GIVES_DK": 0, "GIVES_DV": 1}

    def tile(self, call, length, backward):
        """Return the `Tile` for a call: the small one where shared memory, or half of a block's rows, lacks."""
        sizes, table = (call.q.shape[-1], call.v.shape[-1]), self.tables[backward]
        choice = table[next((width for width in table if max(sizes) <= width), max(table))]
        tile = choice.busy if any(call.flags.values()) else choice.plain
        fits = self.shared(tile, *sizes, backward) <= shared_memory(call.device)
        return tile if fits and tile.own < 2 * length else choice.small

    def shared(self, tile, d_k, d_v, backward):
        """Bytes of shared memory of a block: q, k, v, in backward dout too, and two floats for each query there."""
        pad = 16 // self.bytes
        k_row, v_row = filled(d_k) + pad, filled(d_v) + pad
        if not backward:
            return self.bytes * ((tile.own + tile.OTHER) * k_row + tile.OTHER * v_row)
        others = tile.STAGES * tile.OTHER
        return self.bytes * (tile.own + others) * (k_row + v_row) + 8 * others


RUNGS = (
    TensorRung("cuda-3xtf32", ("float32",), "Tf32x3"),
    TensorRung("cuda", ("float32",), "Tf32x3"),  # the best in float32
    TensorRung("cuda-fp16", ("float32", "float16"), "Fp16"),
    TensorRung("cuda-bf16", ("float32",), "Bf16"),
)
