"""Two opponents of ``minisora bench generation``: MarianMT of transformers, and CTranslate2 with the same weights.

A Marian model differs from a Sora model in details (post-norm, tied embeddings), not in its size. Its weights are
random, and the end of the sequence is made impossible, so that every answer has the same length.
"""

import os
import tempfile

EOS, UNKNOWN = 0, 1
FIRST_ID = 2
NEVER = -1e4  # the bias of tokens that are not to be said


def make_marian(sizes):
    """Return a MarianMTModel with random weights; the last id is its padding, with which its decoder starts."""
    import torch
    from transformers import MarianConfig, MarianMTModel, logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    pad = sizes["vocabulary"] - 1
    config = MarianConfig(
        vocab_size=sizes["vocabulary"], d_model=sizes["d_model"], encoder_layers=sizes["layers"],
        decoder_layers=sizes["layers"], encoder_attention_heads=sizes["heads"], decoder_attention_heads=sizes["heads"],
        encoder_ffn_dim=sizes["d_ff"], decoder_ffn_dim=sizes["d_ff"], activation_function="relu", scale_embedding=True,
        max_position_embeddings=max(sizes["sources"], sizes["tokens"]) + 1, eos_token_id=EOS, pad_token_id=pad,
        forced_eos_token_id=None, decoder_start_token_id=pad, bos_token_id=None,
    )  # fmt: skip
    model = MarianMTModel(config).eval()
    model.final_logits_bias[:, [EOS, pad]] = NEVER
    return model


def marian_sources(sizes, batch):
    """Source ids (batch, sources), the last of each eos, as Marian's tokenizer ends them."""
    import numpy as np

    ids = np.random.default_rng(1).integers(FIRST_ID, sizes["vocabulary"] - 1, (batch, sizes["sources"]))
    ids[:, -1] = EOS
    return ids


def transformers(sizes, batch, beams, device, threads):
    """Prepare MarianMT's side: with its key/value cache, in eager mode, attention by torch's fused kernel."""
    import torch

    torch.set_num_threads(threads)
    model = make_marian(sizes).to(device)
    ids = torch.from_numpy(marian_sources(sizes, batch)).to(device)
    options = {"num_beams": beams, "max_new_tokens": sizes["tokens"], "do_sample": False, "use_cache": True}

    def generate():
        with torch.inference_mode():
            return model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)[:, 1:].tolist()

    return generate


def ctranslate2(sizes, batch, beams, device, threads):
    """Prepare CTranslate2's side: the weights of `make_marian`, float32, its own kernels, all threads for one batch."""
    os.environ.setdefault("CT2_USE_MKL", "0")  # where MKL was slower; whoever knows better sets it
    import ctranslate2

    with tempfile.TemporaryDirectory() as folder:
        make_marian(sizes).save_pretrained(f"{folder}/transformers")
        convert(f"{folder}/transformers", f"{folder}/converted", sizes)
        options = {"device": device, "inter_threads": 1, "intra_threads": threads, "compute_type": "float32"}
        translator = ctranslate2.Translator(f"{folder}/converted", **options)
    texts = [[token_of(i) for i in row[:-1]] for row in marian_sources(sizes, batch).tolist()]  # it adds eos itself
    options = {"beam_size": beams, "max_decoding_length": sizes["tokens"], "max_batch_size": 0}

    def generate():
        results = translator.translate_batch(texts, **options)
        return [[int(token[1:]) for token in result.hypotheses[0]] for result in results]

    return generate


def token_of(number):
    """The name of a token: none but ``</s>`` and ``<unk>`` has a meaning to CTranslate2."""
    return {EOS: "</s>", UNKNOWN: "<unk>"}.get(number, f"t{number}")


def convert(source, target, sizes):
    """Convert a saved MarianMTModel by CTranslate2's converter, which is given names in the place of a tokenizer."""
    from ctranslate2.converters import TransformersConverter

    class Names:
        eos_token, unk_token = "</s>", "<unk>"

        def get_vocab(self):
            names = {token_of(i): i for i in range(sizes["vocabulary"] - 1)}
            return names | {"<pad>": sizes["vocabulary"] - 1}

    class Converter(TransformersConverter):
        def load_tokenizer(self, tokenizer_class, name, **kwargs):
            return Names()

    Converter(source).convert(target)
