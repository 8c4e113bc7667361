# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first look: from a question to an answer, and what attention looked at
#
# *10 minutes. Needs: Python, a little linear algebra. 目标：看一句话怎样变成数字，又怎样变成回答。*
#
# We load the small model that comes with minisora, ask it 今天天气怎么样？, follow the numbers through the encoder
# and the
# decoder, and look at one attention map. Every layer is a few lines of NumPy: open `minisora/layers/` beside this
# notebook.

# %%
import numpy as np

from minisora.checkpoint import load

model, tokenizer, _ = load("sora/sora-base")
print(f"{model.num_parameters():,} parameters")

# %% [markdown]
# ## A sentence becomes numbers
#
# 一句话变成数字：每个字对应一个编号。

# %%
question = "今天天气怎么样？"
ids = tokenizer.encode(question, return_tensors="np")  # (B, S) = (1, 8)
print(ids)
assert tokenizer.decode(ids[0]) == question

# %% [markdown]
# ## The encoder turns ids into memory
#
# One vector of width $D$ for each character. 编码器：每个字得到一个向量，它已经“看过”整句话。

# %%
memory = model.encoder(ids)  # (B, S, D)
print(memory.shape)

# %% [markdown]
# ## The decoder answers, one character at a time
#
# It reads what it has written so far and the memory, and gives a number for every character that could come next; the
# largest one is taken. This decoder can also point at a character of the question and say that one, which is why it is
# given `ids` once more. 解码器：一次写一个字；它也可以指着问题里的某个字，把它抄下来。

# %%
written = [model.config.bos_id]
while written[-1] != model.config.eos_id and len(written) < 40:
    logits = model.decoder(np.array([written]), memory, source_ids=ids)  # (B, T, V)
    written.append(int(logits[0, -1].argmax()))
answer = tokenizer.decode(written, skip_special_tokens=True)
print(answer)
assert answer == "今天天气晴朗，气温适中。"

# %% [markdown]
# ## What the last layer looked at
#
# `forward` returns its cache: every intermediate value, by name. The cross-attention's weights say how much each
# character of
# the answer took from each character of the question; every row sums to 1. 每一行是一个输出字对各个输入字的注意力，
# 和为 1。

# %%
decoder_ids = np.array([written[:-1]])
_, cache = model.forward(ids, decoder_ids)
weights = cache.decoder.stack.layers[-1].cross_attention.weights  # (B, H, T, S)
print(weights.shape)
np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
for character, row in zip(answer + "终", weights[0].mean(axis=0), strict=True):  # the mean over heads; 终 is the end
    print(character, " ".join(f"{source}{weight:.2f}" for source, weight in zip(question, row, strict=True)))

# %% [markdown]
# ## And back
#
# A loss, its gradient by hand, and the proof: one finite difference along a random direction. 反向传播：
# 手写的梯度与数值差分一致。

# %%
from minisora import SoraModel
from minisora.layers.loss import SoftmaxCrossEntropy

model = SoraModel(model.config, np.random.default_rng(0), dtype=np.float64)  # checks are made in float64
loss, targets = SoftmaxCrossEntropy(), np.array([written[1:]])
logits, cache = model.forward(ids, decoder_ids)
(total, count), loss_cache = loss.forward(logits, targets)
model.backward(loss.backward(1.0, loss_cache), cache)

table, step = model.encoder.embedded.embedding.table, 1e-6
direction = np.random.default_rng(1).choice([-1.0, 1.0], table.data.shape)
by_hand = (table.grad * direction).sum()
totals = []
for sign in (1, -1):
    table.data += sign * step * direction
    totals.append(loss.forward(model.forward(ids, decoder_ids)[0], targets)[0][0])
    table.data -= sign * step * direction
by_difference = (totals[0] - totals[1]) / (2 * step)
print(by_hand, by_difference)
np.testing.assert_allclose(by_hand, by_difference, rtol=1e-6)

# %% [markdown]
# ## Exercises
#
# 1. Ask the model something with a context: `城市=北京;日期=明天;天气=小雨|明天北京要带伞吗？`. Where does the
# answer's 雨 look?
# 2. Print `cache.encoder.stack.layers[0].self_attention.weights` for one head. Do the rows sum to 1 as well?
# 3. Change one sign in `LayerNorm.backward` and run `minisora gradcheck --layer LayerNorm`.
