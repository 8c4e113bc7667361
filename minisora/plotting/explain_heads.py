"""The formulas of a multi-head attention layer: its projections around scaled dot-product attention."""

from itertools import product

from minisora.layers.attention import MultiHeadAttention
from minisora.plotting.explain_attention import AttentionFormulas
from minisora.plotting.explain_linear import plus_bias
from minisora.plotting.formulas import Factor, Line, Named, along, on_host, summed

COLUMN = "h·d_k + i"  # of head h, number i, where the heads stand side by side
VECTORS, HEADS = "(B, T, D)", "(B, H, T, d_k)"


class MultiHeadFormulas:
    """x and memory to q, k, v, the attention of all heads, out, and all of it backward.

    Without the layer its parameters are not known: q, k and v are then as given, and there is nothing behind heads.

    Parameters
    ----------
    cache : MultiHeadAttentionCache
    layer : MultiHeadAttention, optional
    dout : array (B, T, D), optional
    """

    def __init__(self, cache, layer=None, dout=None):
        if layer is not None and not isinstance(layer, MultiHeadAttention):
            raise ValueError(f"layer is expected as a MultiHeadAttention, got {type(layer).__name__}")
        if dout is not None and layer is None:
            raise ValueError("layer is expected beside dout, since the gradient comes back through W_o, got None")
        self.x, self.memory = on_host(cache.w_q.x), on_host(cache.w_k.x)
        self.memory_name = "memory" if cache.is_cross else "x"
        self.num_heads, self.d_k = cache.attention.q.shape[1], cache.attention.q.shape[-1]
        self.parameters = {}
        for letter in "qkvo" if layer is not None else "":
            linear = getattr(layer, f"w_{letter}")
            self.parameters[f"W_{letter}"] = on_host(linear.weight.data)
            if linear.bias is not None:
                self.parameters[f"b_{letter}"] = on_host(linear.bias.data)
        self.dout = on_host(dout)
        self.dheads = None
        if dout is not None:
            if self.dout.shape != self.x.shape:
                raise ValueError(f"dout is expected as an array {VECTORS} = {self.x.shape}, got {self.dout.shape}")
            self.dheads = layer.split(self.dout @ self.parameters["W_o"].T)
        self.attention = AttentionFormulas(cache.attention, self.dheads, "heads")

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        named = {"x": Named(VECTORS, self.x)}
        if self.memory_name == "memory":
            named["memory"] = Named("(B, S, D)", self.memory)
        named |= self.attention.named()
        if not self.parameters:
            return named
        named |= {name: Named(str(array.shape), array) for name, array in self.parameters.items()}
        for name in "qkv":
            named[name] = named[name]._replace(rule=self._projection(name))
        named["out"] = Named(VECTORS, self._out_array(), self._out)
        return named if self.dout is None else named | self._backward()

    def _out_array(self):
        heads = self.attention.out
        merged = heads.swapaxes(1, 2).reshape(self.x.shape)
        return merged @ self.parameters["W_o"] + self.parameters.get("b_o", 0)

    def _backward(self):
        attention = self.attention
        sources = {"q": (self.x, "x"), "k": (self.memory, self.memory_name), "v": (self.memory, self.memory_name)}
        named = {
            "dout": Named(VECTORS, self.dout),
            "dheads": Named(HEADS, self.dheads, self._dheads),
            "dx": Named(VECTORS, self.x, self._dx if self.memory_name == "memory" else self._dx_of_all),
            "dW_o": Named("(D, D)", self.parameters["W_o"], self._dw_o),
        }
        if self.memory_name == "memory":
            named["dmemory"] = Named("(B, S, D)", self.memory, self._dmemory)
        for letter, (source, name) in sources.items():
            gradient = getattr(attention, f"d{letter}")
            named[f"dW_{letter}"] = Named("(D, D)", self.parameters[f"W_{letter}"], self._dw(letter, source, name))
            if f"b_{letter}" in self.parameters:
                named[f"db_{letter}"] = Named("(D,)", self.parameters[f"b_{letter}"], self._db(letter, gradient))
        if "b_o" in self.parameters:
            named["db_o"] = Named("(D,)", self.parameters["b_o"], self._db_o)
        return named

    def _projection(self, name):
        """The rule of q, k or v: a vector of x or memory times the head's columns of W."""
        source, source_name = (self.x, "x") if name == "q" else (self.memory, self.memory_name)

        def rule(a, b, h, position, i):
            column = h * self.d_k + i
            vector = Factor(source_name, source, (b, position, "d"))
            weight = Factor(f"W_{name}", self.parameters[f"W_{name}"], ("d", column))
            line = summed(a, "d", along("d", range(source.shape[-1])), vector, weight)
            return plus_bias(a, line, f"b_{name}", self.parameters.get(f"b_{name}"), column)

        return rule

    def _every_number(self):
        """The places of a sum over all heads' numbers."""
        pairs = product(range(self.num_heads), range(self.d_k))
        return [{"h": h, "i": i, COLUMN: h * self.d_k + i} for h, i in pairs]

    def _out(self, a, b, t, d):
        heads = Factor("heads", self.attention.out, (b, "h", t, "i"))
        line = summed(a, "(h, i)", self._every_number(), heads, Factor("W_o", self.parameters["W_o"], (COLUMN, d)))
        return plus_bias(a, line, "b_o", self.parameters.get("b_o"), d)

    def _dheads(self, a, b, h, t, i):
        weight = Factor("W_o", self.parameters["W_o"], (h * self.d_k + i, "d"))
        return summed(a, "d", along("d", range(self.dout.shape[-1])), Factor("dout", self.dout, (b, t, "d")), weight)

    def _back(self, a, letter, b, position, d):
        """What comes back through one of the projections."""
        gradient = Factor(f"d{letter}", getattr(self.attention, f"d{letter}"), (b, "h", position, "i"))
        weight = Factor(f"W_{letter}", self.parameters[f"W_{letter}"], (d, COLUMN))
        return summed(a, "(h, i)", self._every_number(), gradient, weight)

    def _dx(self, a, *index):
        return self._back(a, "q", *index)

    def _dmemory(self, a, *index):
        return added(a, [self._back(a, letter, *index) for letter in "kv"])

    def _dx_of_all(self, a, *index):
        return added(a, [self._back(a, letter, *index) for letter in "qkv"])

    def _dw(self, letter, source, source_name):
        gradient = getattr(self.attention, f"d{letter}")
        position = "s" if source_name == "memory" else "t"

        def rule(a, d, column):
            h, i = divmod(column, self.d_k)
            places = [{"b": b, position: t} for b in range(len(source)) for t in range(source.shape[1])]
            vectors = Factor(source_name, source, ("b", position, d))
            return summed(a, f"(b, {position})", places, vectors, Factor(f"d{letter}", gradient, ("b", h, position, i)))

        return rule

    def _db(self, letter, gradient):
        def rule(a, column):
            h, i = divmod(column, self.d_k)
            places = [{"b": b, "t": t} for b in range(len(gradient)) for t in range(gradient.shape[2])]
            return summed(a, "(b, t)", places, Factor(f"d{letter}", gradient, ("b", h, "t", i)))

        return rule

    def _rows(self):
        return [{"b": b, "t": t} for b in range(len(self.x)) for t in range(self.x.shape[1])]

    def _dw_o(self, a, column, d):
        h, i = divmod(column, self.d_k)
        heads = Factor("heads", self.attention.out, ("b", h, "t", i))
        return summed(a, "(b, t)", self._rows(), heads, Factor("dout", self.dout, ("b", "t", d)))

    def _db_o(self, a, d):
        return summed(a, "(b, t)", self._rows(), Factor("dout", self.dout, ("b", "t", d)))


def added(a, lines):
    """Return the `Line` of a sum of lines."""
    formula, numbers = " + ".join(line.formula for line in lines), a.total(line.numbers for line in lines)
    return Line(formula, numbers, [part for line in lines for part in line.parts])
