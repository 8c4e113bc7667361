"""L1 and L2: penalties on large parameters, added to the loss.

    penalty = l1 sum |p| + l2 / 2 sum p²,    dp = l1 sign(p) + l2 p

over the weights alone: a norm's gamma, a bias or an embedding's row is not wrong for being large. L2 pulls in
proportion to the parameter and makes none of them zero; L1 pulls all alike, so that what is not needed stays near zero.

In plain SGD, L2 and weight decay are one thing. In Adam the pull of L2 is divided by the size of the gradients, as they
are, and so is weakest where these are large; AdamW's decoupled decay is not [1]_.

References
----------
.. [1] Loshchilov, Hutter, "Decoupled Weight Decay Regularization", 2019, section 2.
"""

from minisora.kernels import array_module


class Penalty:
    """The penalty of a set of parameters; of those with ``decay=True``, unless ``on_all``.

    Parameters
    ----------
    parameters : iterable of Parameter
    l1, l2 : float
    on_all : bool
        Whether biases, norms and embeddings are penalised too.
    """

    def __init__(self, parameters, l1=0.0, l2=0.0, on_all=False):
        self.l1, self.l2 = l1, l2
        chosen = [parameter for parameter in parameters if parameter.trainable and (parameter.decay or on_all)]
        self.parameters = chosen if l1 or l2 else []

    def value(self):
        """The penalty: a float, or an array () on the GPU."""
        return sum(
            self.l1 * abs(parameter.data).sum() + self.l2 / 2 * (parameter.data * parameter.data).sum()
            for parameter in self.parameters
        )

    def backward(self):
        """dp += l1 sign(p) + l2 p, into the gradients of the parameters."""
        for parameter in self.parameters:
            if self.l2:
                parameter.grad += self.l2 * parameter.data
            if self.l1:
                parameter.grad += self.l1 * array_module(parameter.data).sign(parameter.data)
