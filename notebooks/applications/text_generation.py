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
# # Short texts: product descriptions, news briefs, verses
#
# *10 minutes. Needs: Python. 目标：由几个给定的词写出商品介绍、新闻简讯和两句诗。*
#
# The model has seen four patterns of each kind, filled with words that were given. It fills patterns well, and writes
# nothing beyond them.

# %%
from minisora.checkpoint import load
from minisora.corpus import build_source
from minisora.generation import answer

model, tokenizer, _ = load("sora/sora-base")


def write(facts, wish):
    """One text, from facts and a wish."""
    return answer(model, tokenizer, tokenizer, [build_source(facts, wish)])[0]


# %% [markdown]
# ## A product description
#
# 商品介绍：给出商品、特点和人群。
#
# Decoding is greedy: the same facts give the same text, however the wish is worded.

# %%
product = {"商品": "便携台灯", "特点": "省电环保", "人群": "学生"}
for wish in ("写一段商品介绍。", "写一句推荐文案。", "推荐一下这个商品吧。"):
    print(write(product, wish))

# %% [markdown]
# ## A news brief
#
# 新闻简讯：给出地点、时间、事件和参加者。

# %%
news = {"地点": "杭州", "时间": "周六", "事件": "举办读书节", "参加者": "众多市民"}
for wish in ("写一条新闻简讯。", "把这些写成新闻。", "能写一条简讯吗？"):
    print(write(news, wish))

# %% [markdown]
# ## Two lines of verse
#
# 两句诗：给出关键词。

# %%
for words in ("明月、故乡", "春雨、江南", "白雪、远山"):
    print(write({"关键词": words}, "写两句诗。"))

# %% [markdown]
# ## Does it say what it was told to say?
#
# 检查：给的词都写进去了吗？
#
# A pattern is no measure of a text, but one thing can be counted: how many of the given words are in it.


# %%
def coverage(facts, text):
    """The share of the given words that the text has."""
    words = [word for value in facts.values() for word in value.split("、")]
    return sum(word in text for word in words) / len(words)


KNOWN = ((product, "写一段商品介绍。"), (news, "写一条新闻简讯。"), ({"关键词": "明月、故乡"}, "写两句诗。"))
for facts, wish in KNOWN:
    text = write(facts, wish)
    print(f"{coverage(facts, text):4.0%}  {text}")

# %% [markdown]
# ## Words that it never saw
#
# 没见过的词：它会漏掉，也会编造。
#
# Nobody's shop sells the goods of our corpus alone. Here are words from outside it, and a wish without any.

# %%
FOREIGN = (
    ({"商品": "折叠椅", "特点": "一只手就能打开", "人群": "露营者"}, "写一段商品介绍。"),
    ({"地点": "黄山", "时间": "十月一日", "事件": "举行登山比赛", "参加者": "三百名选手"}, "写一条新闻简讯。"),
    ({"关键词": "秋风、稻田"}, "写两句诗。"),
)
for facts, wish in FOREIGN:
    text = write(facts, wish)
    print(f"{coverage(facts, text):4.0%}  {text}")
print("      " + write({}, "写一首关于大海的诗。"))

# %% [markdown]
# ## Exercises
#
# 练习：
#
# 1. Which words of your own does it copy, and which does it break? Try a word of the corpus with one character changed.
# 2. Take `coverage` as a gate: ask again in other words (能写一段商品文案吗？) until a text has everything.
# 3. Look at the patterns in `minisora/corpus/generation_texts.py`, and add one; how would you train it in?
