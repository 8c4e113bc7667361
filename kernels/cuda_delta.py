"""The row sums that the backward of attention starts with: ``cuda/delta.cu``."""

from minisora.kernels.array_module import array_module
from minisora.kernels.cuda_launch import program

_WARPS = 4


def row_products(dout, out, dout_to_float=None):
    """Return delta (B, H, T) float32 = dout . out.

    Parameters
    ----------
    dout : array (B, H, T, d_v or more)
        As the products of backward take it: what was rounded there must be rounded here, so that gradients cancel.
    out : array (B, H, T, d_v)
    dout_to_float : str, optional
        The function of ``cuda/ptx.cuh`` that makes a float of an element of dout, where that is 16 bits of some format.
    """
    delta = array_module(out).empty(out.shape[:-1], "float32")
    macros = {}
    for name, array, function in (("DOUT", dout, dout_to_float), ("OUT", out, None)):
        short = array.dtype.itemsize == 2
        macros[name] = "unsigned short" if short else "float"
        macros[f"{name}_TO_FLOAT"] = function or ("f16_to_float" if short else "float")
    scalars = delta.size, out.shape[-1], dout.shape[-1]
    program("delta", out.device.id, **macros).launch(
        "attention_delta", -(-delta.size // _WARPS), 32 * _WARPS, dout, out, delta, *scalars
    )
    return delta
