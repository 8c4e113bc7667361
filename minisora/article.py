"""The article that minisora follows, part by part and claim by claim, told in our words, with what became of each.

The one place where this is written: ``minisora article`` prints it, and the table in both READMEs is made from it. A
section is known by its number where that is certain, and by a word where it is not. Verdicts that rest on measurements
are held by tests against ``minisora/benchmarks/results/``.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """One part, formula or claim."""

    section: str  # a key of SECTIONS
    claim_en: str
    claim_zh: str
    verdict: str  # a key of VERDICTS
    files: tuple  # where it is, from the root of the repository
    command: str  # what shows it; "" where nothing is here
    why_en: str
    why_zh: str

    def claim(self, lang):
        """The claim in a language, ``"en"`` or ``"zh"``."""
        return self.claim_zh if lang == "zh" else self.claim_en

    def why(self, lang):
        """The reason of the verdict in a language."""
        return self.why_zh if lang == "zh" else self.why_en


VERDICTS = {  # its name in Chinese, and what it means
    "holds": ("成立", "it is so, and it is here", "确实如此，这里也有"),
    "imprecise": ("不精确", "true with a reservation, or here in part", "有所保留，或这里只有一部分"),
    "wrong": ("有误", "it is not so, and what is right is here", "并非如此，这里是正确的做法"),
    "not ours": ("这里没有", "nothing of it is here", "这里完全没有"),
}
SECTIONS = {
    "input": ("Input layer", "输入层"),
    "4.1": ("Word vectors", "词向量"),
    "encoder": ("Encoder", "编码器"),
    "4.2": ("Self-attention", "自注意力"),
    "decoder": ("Decoder", "解码器"),
    "4.4": ("Loss", "损失函数"),
    "4.5": ("An example question, step by step", "一个例句的全过程"),
    "training": ("Training", "训练"),
    "output": ("Post-processing", "后处理"),
    "listing": ("The listing with a pretrained model", "使用预训练模型的代码"),
    "applications": ("Five applications", "五种应用"),
    "8": ("Outlook: what this project has of the usual next steps", "展望：常见的下一步，这里有哪些"),
    "9.1": ("Kinds of models compared", "模型的比较"),
    "9.2": (
        "Choices in training, each tried: sorting, 800 steps, three seeds, loss on new pairs at the end",
        "训练中的选择，逐一试过：排序任务，800 步，三个种子，结束时在新数据上的损失",
    ),
}
TRIED = (("minisora/benchmarks/training_choices.py",), "minisora bench training-choices --plot choices.png")

ENTRIES = (
    Entry(
        "input",
        "A text is segmented before it becomes numbers",
        "文本先切分，再变成编号",
        "holds",
        ("minisora/text/tokenizer.py", "minisora/text/words.py", "minisora/text/unigram.py", "minisora/text/bpe.py"),
        "minisora train --tokenizer words --vocab-size 4000 --steps 300 --out words",
        "into characters, words that it finds by itself, byte pairs or at white space; the bundled model reads "
        "characters",
        "可以切成字、自动学到的词、字节对，或按空白切开；自带的模型按字读",
    ),
    Entry(
        "input",
        "Stop words are taken out of the input",
        "输入要去掉停用词",
        "imprecise",
        ("minisora/text/stop_words.py",),
        'minisora chat --stop-words zh "你好"',
        "a Transformer reads them, and they matter: without 吗, 北京有雨吗 says that it rains. Here is a function for "
        "any text, and an option for answers; neither is on by itself",
        "Transformer 会读它们，它们也有用：去掉“吗”，“北京有雨吗”就成了“北京有雨”。这里有可用于任何文本的函数，"
        "也有用于回答的选项，默认都不启用",
    ),
    Entry(
        "4.1",
        "Word2Vec predicts words by a softmax over the vocabulary",
        "Word2Vec 用整个词表上的 softmax 预测词",
        "holds",
        ("minisora/text/word2vec.py", "minisora/text/word2vec_training.py"),
        "minisora vectors train text.txt --out vectors.txt --loss softmax",
        "skip-gram and CBOW; each example costs a product with every word of the vocabulary, so negative sampling is "
        "the default",
        "skip-gram 与 CBOW 都有；每个样本都要与整个词表相乘，所以默认用负采样",
    ),
    Entry(
        "4.1",
        "GloVe is softmax(A·Bᵀ)",
        "GloVe 就是 softmax(A·Bᵀ)",
        "wrong",
        ("minisora/text/glove.py", "minisora/text/glove_training.py"),
        "minisora vectors train text.txt --out vectors.txt --model glove",
        "GloVe fits w·w̃ + b + b̃ to the logarithm of how often two words meet, by weighted least squares, and "
        "normalises nothing; softmax(A·Bᵀ) is the objective that its authors start from and leave. Both are here "
        "(--loss softmax)",
        "GloVe 用加权最小二乘让 w·w̃ + b + b̃ 逼近共现次数的对数，不做归一化；softmax(A·Bᵀ) 是作者推导的起点，"
        "随后就放弃了。两种这里都有（--loss softmax）",
    ),
    Entry(
        "4.1",
        "The model begins with such vectors",
        "模型以这样的词向量为起点",
        "imprecise",
        ("minisora/training/pretrained_embedding.py", "minisora/layers/embedding.py"),
        "minisora bench starting-vectors",
        "it can (train --embedding), but learns its table anyway; a small model then answered 9.3 % (Word2Vec) and "
        "11.3 % (GloVe) of new questions exactly, and 27.3 % from a random start",
        "可以（train --embedding），但嵌入表反正会一起学；一个小模型从 Word2Vec 开始，"
        "新问题的完全匹配率是 9.3 %，从 GloVe 开始是 11.3 %，从随机开始是 27.3 %",
    ),
    Entry(
        "encoder",
        "The encoder is a Transformer",
        "编码器可以是 Transformer",
        "holds",
        ("minisora/layers/encoder.py", "minisora/layers/attention.py", "minisora/layers/feed_forward.py"),
        "minisora train --num-encoder-layers 2 --num-decoder-layers 2 --d-ff 256 --steps 1200 --out transformer",
        "self-attention and a feed-forward layer, each inside a residual connection with a norm; minisora info "
        "--mermaid draws it",
        "自注意力与前馈层，各带残差连接和归一化；minisora info --mermaid 画出它",
    ),
    Entry(
        "encoder",
        "Or a multi-layer RNN with self-attention",
        "也可以是多层 RNN 加自注意力",
        "holds",
        ("minisora/layers/cells.py", "minisora/layers/recurrent.py", "minisora/layers/recurrent_encoder.py"),
        "minisora train --encoder rnn --cell lstm --num-encoder-layers 2 --num-decoder-layers 2 --d-ff 256 --steps 1200"
        " --out rnn",
        "RNN, GRU or LSTM, in one direction or both",
        "RNN、GRU 或 LSTM，单向或双向",
    ),
    Entry(
        "4.2",
        "Self-attention is softmax(QKᵀ / √d_k)",
        "自注意力 = softmax(QKᵀ / √d_k)",
        "imprecise",
        ("kernels/numpy_attention.py", "minisora/layers/attention.py"),
        "minisora article --walk",
        "these are the weights; the formula stops before the product with V: attention is softmax(QKᵀ / √d_k) V",
        "这只是权重，公式少了与 V 相乘的一步：注意力是 softmax(QKᵀ / √d_k) V",
    ),
    Entry(
        "decoder",
        "The decoder attends to what the encoder gives: cross-attention",
        "解码器通过交叉注意力读取编码器的输出",
        "holds",
        ("minisora/layers/decoder.py", "minisora/layers/decoder_state.py"),
        "minisora gradcheck --layer Decoder",
        "queries from the decoder, keys and values from the encoder; before it a self-attention that sees no later "
        "token",
        "查询来自解码器，键和值来自编码器；在它之前，还有看不到后文的自注意力",
    ),
    Entry(
        "4.4",
        "The loss is the cross-entropy, a sum over the tokens",
        "损失是交叉熵，对各个词元求和",
        "imprecise",
        ("minisora/layers/loss.py", "minisora/training/trainer.py"),
        "minisora gradcheck --layer SoftmaxCrossEntropy",
        "training averages: of a sum, the gradient would grow with the batch. The layer returns the sum and the "
        "number of tokens, padding not counted, and the trainer divides once",
        "训练用的是平均：若只求和，梯度会随批次变大。这里的层返回总和与词元数（不计填充），由 Trainer 只除一次",
    ),
    Entry(
        "4.5",
        "今天天气怎么样？ becomes 今天天气晴朗，气温适中。",
        "今天天气怎么样？ → 今天天气晴朗，气温适中。",
        "holds",
        ("minisora/walk.py", "minisora/corpus/faq.py"),
        "minisora article --walk",
        "the bundled model says it word for word, since it learnt 43 questions by heart, and this is one of them: "
        "nobody told it the weather. With facts (chat --context) it answers from the facts",
        "自带的模型一字不差地这样回答，因为它背下了 43 个问题，这是其中之一：没有谁告诉过它天气。给出事实（chat "
        "--context），它就按事实回答",
    ),
    Entry(
        "training",
        "Parameters are learnt by gradient descent, with SGD or Adam",
        "用梯度下降学习参数：SGD 或 Adam",
        "holds",
        ("minisora/training/optimizers.py", "minisora/training/clipping.py"),
        "minisora train --data sort --optimizer sgd --learning-rate 0.1 --steps 800 --out sorted",
        "both, and AdamW; every gradient is written by hand and checked (minisora gradcheck --all)",
        "两种都有，还有 AdamW；每个梯度都是手写并经过检验的（minisora gradcheck --all）",
    ),
    Entry(
        "training",
        "Learning rate and batch size are to be chosen",
        "要选择学习率和批次大小",
        "holds",
        ("minisora/training/schedules.py", "minisora/training/batching.py", "minisora/training/tuning.py"),
        "minisora tune --data sort --trials 20 --steps 300 --out search",
        "by hand or by a search (extra tune); the rate rises first and falls later, and a batch is counted in tokens",
        "可以手选，也可以搜索（附加包 tune）；学习率先升后降，批次按词元计",
    ),
    Entry(
        "training",
        "L1 and L2 are added to the loss",
        "损失上再加 L1、L2 正则项",
        "holds",
        ("minisora/training/regularization.py", "minisora/training/stopping.py"),
        "minisora train --data sort --l2 0.01 --patience 3 --steps 800 --out penalised",
        "on the weights, not on biases, norms and embeddings; with Adam, L2 is not the same as weight decay (adamw). "
        "There is early stopping too (--patience)",
        "只作用于权重，不包括偏置、归一化和嵌入；在 Adam 中，L2 与权重衰减（adamw）不是一回事。"
        "也有提前停止（--patience）",
    ),
    Entry(
        "output",
        "Stop words, repeated characters and repeated fragments are removed from the answer",
        "从回答中去掉停用词、重复的字和重复的片段",
        "imprecise",
        ("minisora/text/post_processing.py", "minisora/text/stop_words.py"),
        'minisora chat --stop-words zh --collapse-characters --collapse-fragments "谢谢！"',
        "each of them spoils some right answers (天天, 1000, 研究研究), so each is cautious and waits to be asked for",
        "每一步都会改坏一些正确的回答（天天、1000、研究研究），所以各步都很谨慎，要求了才做",
    ),
    Entry(
        "output",
        "Spaces are put right",
        "调整空格",
        "holds",
        ("minisora/text/post_processing.py",),
        'minisora chat --space-scripts "你是谁？"',
        "between Chinese and Latin, on request; where answers are compared exactly, each space counts",
        "在中文与西文之间，要求了才做；回答要精确比较时，每个空格都算数",
    ),
    Entry(
        "listing",
        "SoraTokenizer.from_pretrained, SoraModel.from_pretrained: one line loads a pretrained model",
        "SoraTokenizer.from_pretrained、SoraModel.from_pretrained：一行加载预训练模型",
        "holds",
        ("minisora/checkpoint/loading.py", "minisora/text/tokenizer.py", "minisora/model.py"),
        'minisora chat "今天天气怎么样？"',
        "the two names are here, and minisora.checkpoint.load brings a model and its tokenizers together; files are "
        "checked before they are read",
        "这两个名字这里都有；minisora.checkpoint.load 一次取回模型和它的分词器；文件先检查，再读取",
    ),
    Entry(
        "listing",
        "The decoder starts from zeros",
        "解码器从零向量开始",
        "wrong",
        ("minisora/generation/decode.py",),
        "minisora article --walk",
        "it reads tokens: the first one is bos, which it was trained to begin with",
        "解码器读的是词元：第一个是 bos，训练时就是这样开头的",
    ),
    Entry(
        "listing",
        "It stops at the length of the input",
        "到了输入的长度就停止",
        "wrong",
        ("minisora/generation/decode.py",),
        "minisora article --walk",
        "an answer has a length of its own, 12 characters to a question of 8 in the example: it ends with eos",
        "回答有自己的长度，例句中问题 8 个字，回答 12 个字：遇到 eos 才结束",
    ),
    Entry(
        "listing",
        "Each output, a vector, is concatenated to a matrix",
        "每步输出的向量与矩阵拼接",
        "wrong",
        ("minisora/generation/decode.py", "minisora/layers/decoder_state.py"),
        "minisora article --walk",
        "the shapes do not fit, and a vector is no token: the most probable id is chosen and appended; of the past, "
        "the decoder's state keeps keys and values",
        "形状对不上，而且向量不是词元：应当选出概率最大的编号，接在后面；过去的键和值由解码器的状态保存",
    ),
    Entry(
        "listing",
        "The tokenizer decodes that matrix",
        "分词器对这个矩阵解码",
        "wrong",
        ("minisora/generation/generate.py", "minisora/text/tokenizer.py"),
        "minisora article --walk",
        "a tokenizer turns ids into text, not vectors",
        "分词器把编号变成文字，而不是把向量变成文字",
    ),
    Entry(
        "applications",
        "Customer service",
        "智能客服",
        "holds",
        ("notebooks/applications/customer_service.py", "minisora/corpus/customer_service.py"),
        'minisora chat --context "订单=A1234;商品=手机;状态=运输中" "订单A1234到哪了？"',
        "orders, refunds, deliveries, invoices, prices, opening hours, from facts that come with the question; finding "
        "the right ones in a table is the program's work",
        "订单、退款、送达、发票、价格、营业时间；根据随问题给出的事实回答，从表中找出这些事实是程序的事",
    ),
    Entry(
        "applications",
        "Text generation",
        "文本生成",
        "imprecise",
        ("notebooks/applications/text_generation.py", "minisora/corpus/generation_texts.py"),
        'minisora chat --context "关键词=明月、故乡" "写两句诗。"',
        "product descriptions, news briefs and verses of a few patterns, around given words; no free writing",
        "商品介绍、简讯、诗句，围绕给定的词，句式只有几种；不能自由写作",
    ),
    Entry(
        "applications",
        "Question answering",
        "问答",
        "holds",
        ("notebooks/applications/question_answering.py", "minisora/corpus/question_answering.py"),
        'minisora chat --context "姓名=李丽;爱好=看书" "李丽喜欢做什么？"',
        "over given facts, and it declines most of what they do not say; without facts, 43 questions by heart",
        "根据给定的事实，事实里没有的大多会谢绝；没有事实时，只会背下的 43 个问题",
    ),
    Entry(
        "applications",
        "Dialogue",
        "对话",
        "imprecise",
        ("notebooks/applications/dialogue.py", "minisora/corpus/dialogue.py", "minisora/commands/chat.py"),
        "minisora chat --turns 3",
        "it reads the user's last turns, not its own answers, and in long dialogues it errs more",
        "它读用户最近的几句话，不读自己的回答；对话一长，错误就增多",
    ),
    Entry(
        "applications",
        "Education",
        "教育",
        "imprecise",
        ("notebooks/applications/exercises.py", "minisora/corpus/education.py"),
        'minisora chat "求46与23的差。"',
        "sums, kinds of things, measure words: exercises, and sums that it has not seen may come out wrong; it "
        "explains nothing",
        "算术、分类、量词：只是练习，没见过的算式可能算错；不会讲解",
    ),
    Entry(
        "8",
        "Faster computation",
        "更快的计算",
        "holds",
        ("kernels/numba_attention.py", "kernels/cuda_attention.py", "minisora/benchmarks/attention.py"),
        "minisora bench attention",
        "kernels for CPU and GPU, compiled from Python and CUDA; on two cores attention, a training step and greedy "
        "decoding are faster than PyTorch's",
        "CPU 与 GPU 的内核，由 Python 和 CUDA 编译；在两个核心上，注意力、训练一步和贪心解码都比 PyTorch 快",
    ),
    Entry(
        "8",
        "Longer texts",
        "更长的文本",
        "imprecise",
        ("kernels/numba_tiles.py", "kernels/numba_attention.py"),
        "minisora bench attention",
        "attention never holds the matrix of all pairs, and is measured up to 8192 tokens; the bundled model reads 256",
        "注意力从不保存所有词元对的矩阵，实测到 8192 个词元；自带的模型只读 256 个",
    ),
    Entry(
        "8",
        "Vectors learnt from plain text",
        "从未标注文本学到的词向量",
        "imprecise",
        ("minisora/text/word2vec.py", "minisora/text/glove.py"),
        "minisora bench starting-vectors",
        "word vectors are here, and a model can begin with them, which did not help (4.1); no model is pretrained on "
        "plain text",
        "词向量有，模型也可以由它开始，但没有帮助（见 4.1）；没有在未标注文本上预训练模型",
    ),
    Entry(
        "8",
        "Images, video, speech",
        "图像、视频、语音",
        "not ours",
        (),
        "",
        "text alone",
        "只有文本",
    ),
    Entry(
        "8",
        "Knowledge bases",
        "知识库",
        "not ours",
        (),
        "",
        "what a question does not bring along in its context is not looked up anywhere",
        "问题的上下文里没有的，不会到别处查找",
    ),
    Entry(
        "8",
        "Learning from people's preferences",
        "从人的偏好中学习",
        "not ours",
        (),
        "",
        "it learns from pairs of question and answer alone",
        "只从问题与回答的配对中学习",
    ),
    Entry(
        "9.1",
        "Kinds of models differ",
        "不同的模型，效果不同",
        "holds",
        ("minisora/training/table.py", "minisora/layers/recurrent_encoder.py"),
        "minisora evaluate transformer --beside rnn --count 500",
        "a Transformer and an LSTM with attention of the same size, trained alike for 1,200 steps, far from the end: "
        "42.9 % of new questions exactly, against 8.2 %; on this corpus, one training each",
        "同样大小的 Transformer 与带注意力的 LSTM，同样训练 1,200 步，离训练完还很远：新问题的完全匹配率是 42.9 % 对 "
        "8.2 %；只在这一种语料上，各训练一次",
    ),
    Entry(
        "9.2",
        "Smaller learning rates converge better",
        "学习率小，收敛更好",
        "imprecise",
        *TRIED,
        "down to a point: 0.03: 0.068 · 0.01: 0.006 · 0.003: 0.004 · 0.001: 0.011 · 0.0003: 0.251. The large ones "
        "go up again and again, the small ones have not arrived yet",
        "只在一定范围内：0.03：0.068 · 0.01：0.006 · 0.003：0.004 · 0.001：0.011 · 0.0003：0.251。太大的反复上升，"
        "太小的还没有走到",
    ),
    Entry(
        "9.2",
        "Larger batches are steadier and slower",
        "批次大，更稳但更慢",
        "imprecise",
        *TRIED,
        "64 tokens: 0.035 · 256: 0.006 · 1024: 0.001, lower after as many steps, each of which takes longer; "
        "steadier only in absolute terms: relative to its mean, the loss of the larger ones goes up more",
        "64 个词元：0.035 · 256：0.006 · 1024：0.001，同样步数后更低，但每一步更慢；只在绝对值上更稳：相对于均值，"
        "大批次的损失反而起伏更大",
    ),
    Entry(
        "9.2",
        "Adam against SGD",
        "Adam 与 SGD 相比",
        "imprecise",
        *TRIED,
        "Adam 0.01: 0.006, 0.001: 0.011 · SGD with momentum 1: 2.074, 0.1: 0.002, 0.01: 0.020. SGD is as good at its "
        "best rate; Adam learns at every rate that was tried",
        "Adam 0.01：0.006，0.001：0.011 · 带动量的 SGD 1：2.074，0.1：0.002，0.01：0.020。学习率合适时 SGD 一样好；"
        "Adam 在试过的每个学习率下都能学会",
    ),
    Entry(
        "9.2",
        "L1 and L2 help against overfitting",
        "L1、L2 防止过拟合",
        "holds",
        *TRIED,
        "100 pairs, again and again: none: 1.011 · L2 0.01: 0.457 · L1 0.001: 0.563 · decoupled decay 0.3: 0.591",
        "反复训练 100 对：无：1.011 · L2 0.01：0.457 · L1 0.001：0.563 · 解耦衰减 0.3：0.591",
    ),
)
