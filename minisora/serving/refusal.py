"""What the server says when it does not answer: one sentence in each language of the page."""

SENTENCES = {
    "malformed": (
        400,
        '请求应当是一个 JSON 对象：{"context": {"键": "值"}, "turns": ["问题"]}。',
        'A JSON object is expected: {"context": {"key": "value"}, "turns": ["question"]}.',
    ),
    "no_host": (400, "请求没有写明有效的主机名。", "The request names no valid host."),
    "other_site": (403, "别的网站不能向这里提问。", "Another site may not ask here."),
    "not_found": (404, "这里没有这个地址。", "There is nothing at this address."),
    "method": (405, "这个地址不接受这种请求。", "This address does not take requests of this kind."),
    "slow": (408, "请求来得太慢。", "The request came too slowly."),
    "too_large": (413, "请求太大：最多 {limit} 字节。", "The request is too large: {limit} bytes at most."),
    "media_type": (415, "请求应当是 JSON（application/json）。", "JSON is expected (application/json)."),
    "wrong_host": (421, "这个服务器不叫这个名字。", "This server does not go by this name."),
    "empty": (422, "问题是空的。", "The question is empty."),
    "too_long": (
        422,
        "资料和问题太长：一共 {length} 个词元，模型最多读 {limit} 个。",
        "Context and questions are too long: {length} tokens together, and the model reads {limit}.",
    ),
    "too_many_weights": (
        422,
        "注意力太大：{length} 个数，最多 {limit} 个。",
        "There is too much attention to show: {length} numbers, and {limit} at most.",
    ),
    "internal": (500, "服务器出了错。", "Something went wrong in the server."),
    "busy": (503, "现在提问的人太多，请稍后再试。", "Too many are asking at this moment; please try again."),
}


class Refusal(Exception):
    """Why there is no answer.

    Parameters
    ----------
    code : str
        One of the keys of `SENTENCES`.
    headers : dict, optional
        More of the response's.
    **numbers
        What the sentence mentions.
    """

    def __init__(self, code, headers=None, **numbers):
        super().__init__(code)
        self.status, chinese, english = SENTENCES[code]
        self.headers = headers
        filled = {"zh": chinese.format(**numbers), "en": english.format(**numbers)} if numbers else None
        self.content = {"error": {"code": code, **(filled or {"zh": chinese, "en": english})}}
