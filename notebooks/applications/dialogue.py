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
# # A dialogue of several turns
#
# *10 minutes. Needs: Python. 目标：多轮对话，后面的问题要靠前面的话才能听懂。*
#
# The model has no memory: at every turn it reads all that the user has said, together with the facts. What it answered
# before is not among it; in its training an answer always followed from the user's words.

# %%
from minisora.checkpoint import load
from minisora.corpus import build_source
from minisora.generation import answer

model, tokenizer, _ = load("sora/sora-base")


class Dialogue:
    """What was said so far, and the facts that it is about."""

    def __init__(self, facts=None, turns=4):
        self.facts, self.turns, self.said = facts or {}, turns, []

    def say(self, text):
        """Add a turn; answer it by the last turns."""
        self.said = [*self.said, text][-self.turns :]
        return answer(model, tokenizer, tokenizer, [build_source(self.facts, *self.said)])[0]


def play(dialogue, *turns):
    """Print a whole dialogue."""
    for turn in turns:
        print(f"> {turn}\n  {dialogue.say(turn)}")


# %% [markdown]
# ## What about tomorrow?
#
# “那明天呢？”：省略的话要从前文补上。

# %%
weather = {"城市": "北京", "今天": "小雨", "明天": "晴", "周六": "大雪"}
play(Dialogue(weather), "北京今天要带伞吗？", "那明天呢？", "周六呢？", "后天呢？")

# %% [markdown]
# ## It
#
# “它的价格呢？”：“它”是前面说到的订单。

# %%
order = {"订单": "A1234", "状态": "派送中", "价格": "88元", "快递": "大雁快递"}
play(Dialogue(order), "查一下订单A1234。", "它的价格呢？", "那快递呢？", "颜色呢？")

# %% [markdown]
# ## A booking, and a change of mind
#
# 订票：缺什么就问什么，也可以改主意。
#
# Nothing is booked, of course: the model says what a clerk would say. It asks for what is missing, and later turns
# overrule earlier ones. The first line alone it may decline: in training another turn always followed.

# %%
play(Dialogue(), "我想订上海到南京的高铁票。", "明天的。", "两张。", "改成周五吧。")

# %% [markdown]
# ## How much of the past?
#
# 记多少句？太少，省略的话就没有了依靠。
#
# The same seven turns, with the last two, four or all of them read. Training showed at most four turns, and always the
# whole question that they begin with: where that is cut off, a turn has nothing left to lean on.

# %%
LONG = ("北京今天要带伞吗？", "那明天呢？", "周六呢？", "那今天呢？", "明天的呢？", "周六的呢？", "那明天呢？")
for turns in (2, 4, 7):
    dialogue = Dialogue(weather, turns)
    print(turns, *(dialogue.say(turn) for turn in LONG), sep="\n    ")

# %% [markdown]
# ## Keep the beginning
#
# 一个办法：总是留住第一句。
#
# A program can do better than to cut: it keeps the question that everything leans on, and drops what lies between.
# So no dialogue grows longer than those of the training.


# %%
class Anchored(Dialogue):
    """A dialogue that keeps its first turn."""

    def say(self, text):
        """Add a turn; answer it by the first turn and the last ones."""
        first, *rest = [*self.said, text]
        self.said = [first, *rest[1 - self.turns :]]
        return answer(model, tokenizer, tokenizer, [build_source(self.facts, *self.said)])[0]


play(Anchored(weather), *LONG)

# %% [markdown]
# ## Exercises
#
# 练习：
#
# 1. Talk with it: `minisora chat --turns 4 --context "城市=北京;今天=小雨;明天=晴"`.
# 2. Change the subject in the middle of a dialogue. How many turns later has it forgotten the first?
# 3. Put the model's answers among the turns. Does it get better or worse, and why?
