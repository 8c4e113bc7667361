"""The article's example question on its way through a model, for people and for programs."""

NUMBERS = 4  # of a vector that are shown
WORDS = {
    "en": {
        "ids": "ids",
        "embedded": "embedding of {token}: √{width} E[{id}]",
        "vectors": "with its position",
        "attention": "self-attention, first layer, first head, from {token}: q·k / √d_k, and its softmax, the weight",
        "out": "weights · V, the product that the formula of 4.2 leaves out",
        "memory": "memory, {length} × {width}; of {token}",
        "decoder": "decoder: from <s>, the most probable tokens, and where the last cross-attention looks most",
        "answer": "answer",
        "loss": "its cross-entropy: the sum {total:.2e} nats (4.4) over {count} tokens; the average, by which training "
        "goes, {mean:.2e}",
        "colon": ": ",
    },
    "zh": {
        "ids": "编号",
        "embedded": "“{token}”的嵌入：√{width} E[{id}]",
        "vectors": "加上位置",
        "attention": "自注意力，第一层第一个头，从“{token}”出发：q·k / √d_k，以及 softmax 之后的权重",
        "out": "权重 · V，即 4.2 的公式漏掉的乘积",
        "memory": "编码器的输出，{length} × {width}；其中“{token}”的",
        "decoder": "解码器：从 <s> 开始，每步概率最大的词元，以及最后一层交叉注意力最关注的字",
        "answer": "回答",
        "loss": "它的交叉熵：总和 {total:.2e} nat（4.4），共 {count} 个词元；训练所用的平均值 {mean:.2e}",
        "colon": "：",
    },
}


def answer_of(walk, target):
    """The text that was written."""
    return target.decode([step.ids[0] for step in walk.steps])


def text(walk, question, source, target, lang):
    """The walk in lines."""
    words, tokens = WORDS[lang], [source.tokens[token] for token in walk.ids]
    colon = words["colon"]
    length, width = walk.memory.shape
    about = {"token": tokens[0], "id": walk.ids[0], "width": width, "length": length}
    lines = [question, "", f"{words['ids']}{colon}{shown_ids(walk, tokens)}"]
    for name in ("embedded", "vectors"):
        lines.append(f"{words[name].format(**about)}{colon}{shown(getattr(walk, name)[0])}")
    attention = walk.attention
    lines += ["", words["attention"].format(token=tokens[attention.token])]
    for token, score, weight in zip(tokens, attention.scores, attention.weights, strict=True):
        lines.append(f"  {token}  {score:8.3f}  {weight:.3f}")
    lines += [f"  {words['out']}{colon}{shown(attention.out)}", ""]
    lines += [f"{words['memory'].format(**about)}{colon}{shown(walk.memory[0])}", "", words["decoder"]]
    lines += [f"  {shown_step(step, tokens, target)}" for step in walk.steps]
    count = len(walk.steps)
    loss = words["loss"].format(total=walk.loss, count=count, mean=walk.loss / count)
    return "\n".join([*lines, "", f"{words['answer']}{colon}{answer_of(walk, target)}", loss])


def shown(vector):
    """The first numbers of a vector."""
    return " ".join(f"{value:.3f}" for value in vector[:NUMBERS]) + (" …" if len(vector) > NUMBERS else "")


def shown_ids(walk, tokens):
    """Each token with its id."""
    return " ".join(f"{token} {number}" for token, number in zip(tokens, walk.ids, strict=True))


def shown_step(step, tokens, target):
    """The candidates of one step, and what the decoder looked at."""
    pairs = zip(step.ids, step.probabilities, strict=True)
    return "  ".join(f"{target.tokens[number]} {p:.5f}" for number, p in pairs) + f"  ← {tokens[step.seen]}"


def as_dict(walk, question, source, target):
    """The walk in dicts, lists and numbers; vectors whole."""
    attention = walk.attention._asdict()
    for name in ("scores", "weights", "out"):
        attention[name] = attention[name].tolist()
    steps = [step._asdict() | {"tokens": [target.tokens[number] for number in step.ids]} for step in walk.steps]
    return {
        "question": question,
        "ids": walk.ids,
        "tokens": [source.tokens[number] for number in walk.ids],
        **{name: getattr(walk, name).tolist() for name in ("embedded", "vectors", "memory")},
        "attention": attention,
        "steps": steps,
        "answer": answer_of(walk, target),
        "loss": walk.loss,
    }
