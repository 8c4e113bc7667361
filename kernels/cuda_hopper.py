"""Attention with Hopper's warpgroups: ``cuda/hopper.cuh``, ``hopper_forward.cu`` and so on, in halves or bfloat16.

q, k, v and dout are rounded to 16 bits and laid out as the tensor cores read them, so that a tile is a few copies in
bulk; sums, softmax and results stay in float32.
"""

from math import prod
from typing import NamedTuple

from minisora.kernels.array_module import array_module
from minisora.kernels.cuda_launch import program

WIDEST = 128  # of heads: wider ones leave too few registers for the sums
CHUNK, FILL = 64, 128  # elements of a row that stand together; lengths are filled up to a multiple
_PACK, _ROWS = 256, 128  # threads
_WARPS = 8  # that multiply; four more bring tiles


class Tile(NamedTuple):
    """The macros that give a block its shape."""

    OTHER: int
    STAGES: int = 2
    WARPS: int = _WARPS
    GROUPS: int = 1

    @property
    def own(self):
        """Rows that a block owns."""
        return 16 * self.WARPS * self.GROUPS


_FORWARD, _BACKWARD = Tile(128), Tile(64)


class HopperRung(NamedTuple):
    """One format: a rung as `minisora.kernels.cuda_attention` expects it."""

    NAME: str
    TYPES: tuple
    format: str  # of cuda/formats.cuh

    def forward(self, call, out, lse):
        """Write out and lse."""
        arrays = *self.operands(call), call.visible, call.seen, out, lse
        self.launch(call, "forward", "attention_forward", _FORWARD, out.shape[2], *arrays)

    def backward(self, call, dout, out, lse):
        """Return (dq, dk, dv)."""
        q, k, v = self.operands(call)
        dq, dk, dv = map(array_module(out).empty_like, (call.q, call.k, call.v))
        lse, delta = self.rows(dout, out, lse)
        arrays = q, k, v, call.visible, call.seen, lse, self.operand(dout), delta
        for kernel, results in (("attention_backward_q", (dq,)), ("attention_backward_kv", (dk, dv))):
            self.launch(call, "backward", kernel, _BACKWARD, results[0].shape[2], *arrays, *results)
        return dq, dk, dv

    def operands(self, call):
        """q, k and v as warpgroups take them."""
        return map(self.operand, (call.q, call.k, call.v))

    def operand(self, array):
        """An array (B, H, L, d) as warpgroups take it: (B H, chunks, filled L, 64), in 16 bits."""
        *heads, length, width = array.shape
        if width > WIDEST:
            raise ValueError(f"{self.NAME} takes heads up to {WIDEST} wide, got {width}: cuda-fp16 takes wider ones")
        chunks = -(-width // CHUNK)
        packed = array_module(array).empty((prod(heads), chunks, filled(length), CHUNK), "uint16")
        blocks = chunks * filled(length) * CHUNK // (8 * _PACK)
        arguments = array, packed, blocks, length, width
        self.pack(array).launch("attention_pack_chunks", prod(heads) * blocks, _PACK, *arguments)
        return packed

    def rows(self, dout, out, lse):
        """lse and delta = dout . out, in rows of a filled length."""
        *heads, length, width = out.shape
        xp, rows = array_module(out), prod(heads) * filled(length)
        delta, lse_rows = xp.empty(rows, "float32"), xp.empty(rows, "float32")
        arguments = dout, out, lse, delta, lse_rows, rows, length, width
        self.pack(out).launch("attention_pack_rows", -(-32 * rows // _ROWS), _ROWS, *arguments)
        return lse_rows, delta

    def pack(self, array):
        """The program that takes elements of an array's type."""
        short = array.dtype.itemsize == 2
        macros = {"INPUT": output(array), "INPUT_TO_FLOAT": "f16_to_float" if short else "float"}
        element = {"Fp16": "f16_to_float", "Bf16": "bf16_to_float"}[self.format]
        return program("hopper_pack", array.device.id, FORMAT=self.format, ELEMENT_TO_FLOAT=element, **macros)

    def launch(self, call, half, kernel, tile, length, *arrays):
        """A block for each ``tile.own`` of the ``length`` queries, or keys, that each head has."""
        d_k, d_v = call.q.shape[-1], call.v.shape[-1]
        macros = {"FORMAT": self.format, "D_K": d_k, "D_V": d_v, "OUTPUT": output(call.q)}
        blocks, threads = -(-length // tile.own), 32 * (tile.WARPS + 4)
        compiled = program(f"hopper_{half}", call.device, **macros, **tile._asdict(), **call.flags)
        scalars = blocks, *call.sizes, call.offset, call.scale, *call.dropout
        shared = shared_bytes(tile, d_k, d_v, half == "backward")
        compiled.launch(kernel, blocks * call.heads, threads, *arrays, *scalars, shared=shared)


def output(array):
    """The type of elements as kernels name it."""
    return {"float32": "float", "float16": "unsigned short"}[str(array.dtype)]


def filled(length, multiple=FILL):
    """The next multiple."""
    return -(-length // multiple) * multiple


def shared_bytes(tile, d_k, d_v, backward):
    """Shared memory of a block: the own tiles, the stages, in backward two floats for each query, and barriers."""
    k_line, v_line = (2 * filled(width, CHUNK) for width in (d_k, d_v))
    others = tile.STAGES * tile.OTHER
    if not backward:
        return tile.own * k_line + others * (k_line + v_line) + 8 * (1 + 4 * tile.STAGES)
    return (tile.own + others) * (k_line + v_line) + 8 * others + 8 * (1 + 2 * tile.STAGES)


RUNGS = (
    HopperRung("cuda-hopper-fp16", ("float32", "float16"), "Fp16"),
    HopperRung("cuda-hopper-bf16", ("float32",), "Bf16"),
)
