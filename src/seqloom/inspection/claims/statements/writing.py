"""Claims 29 to 34: models that write, captions and text, word by word."""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from seqloom.data.batching import Batching
from seqloom.evaluation.measure import measure
from seqloom.inspection.claims.bench import Bench, ToyRun
from seqloom.inspection.claims.claim import Check, Finding, Picture, least, most
from seqloom.inspection.claims.statements.tasks import LEARNT, small_run
from seqloom.models.image_encoders.encoder import ImageFormat
from seqloom.models.image_encoders.loading import load_encoder
from seqloom.models.image_encoders.resnet import ResNet

DECODERS = ("rnn", "lstm", "gru", "transformer")
PROMPT, NEW_TOKENS = "the ", 24
TINY_RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
"""In transformers' words; without weights, which a machine without network does not have"""


def has_three_decoders(bench: Bench) -> Finding:
    """29: a CNN, and each decoder."""
    runs = {name: small_run(bench, "caption", model__cell_type=name) for name in DECODERS}
    layers = [
        sum(isinstance(part, nn.Conv2d) for part in run.run.model.encoder.modules()) for run in runs.values()
    ]
    return Finding(
        "captioners with a small CNN and a decoder each, 40 steps on drawings of shapes",
        (
            least("convolutions in the encoder", list(map(float, layers)), 1),
            least("share of the loss that each took away", [run.fall for run in runs.values()], LEARNT),
        ),
        Picture("bars", (), {name: (run.fall,) for name, run in runs.items()}, y_label="share of loss lost"),
    )


def encoder_extracts_features(bench: Bench) -> Finding:
    """30: drawings told apart by the features of a CNN alone; encoders by name."""
    run = bench.toy("classify", kind="image", steps=30)
    accuracy = validation_score(run, "accuracy")
    torch.manual_seed(0)
    pictures = ImageFormat(size=(64, 64), mean=(0.5, 0.5, 0.5), deviation=(0.5, 0.5, 0.5))
    resnet = ResNet("a ResNet of two stages", dict(TINY_RESNET), pictures).eval()
    pretrained: Any = load_encoder("efficientnet-lite0")
    with torch.inference_mode():
        places = [
            float(resnet(torch.randn(1, 3, 64, 64)).shape[1]),
            float(pretrained(torch.randn(1, 3, 224, 224)).shape[1]),
        ]
    preparation: Any = run.job.preparation
    names = len(preparation.labels.names)
    return Finding(
        f"drawings of {names} shapes, classified from the features of a CNN after 30 steps; a ResNet of "
        "transformers and a pretrained EfficientNet-Lite0, run",
        (
            Check(f"of {names} shapes, by chance {1 / names:.2g}", accuracy, "accuracy", at_least=0.9),
            least("places in the maps of ResNet and EfficientNet", places, 2),
        ),
        Picture("bars", (), {"CNN": (accuracy,), "chance": (1 / names,)}, y_label="accuracy"),
        "the ResNet has no trained weights here: those come by name from a hub, where there is a network",
    )


def decoder_writes_words(bench: Bench) -> Finding:
    """31: captions made by hand, a word at a time, against those of the model."""
    run = small_run(bench, "caption")
    pictures = sorted((bench.data("caption") / "test").glob("*.png"))[:6]
    texts = [output.text for output in run.run.predict(pictures)]
    by_hand = [_caption_by_hand(run, path) for path in pictures]
    same = sum(a == b for a, b in zip(texts, by_hand, strict=True))
    steps = [len(text.split()) for text in by_hand]
    return Finding(
        "six drawings captioned, and the same by hand: the most likely word after those so far, "
        "appended, until "
        "the end",
        (
            Check("captions that are the same", same, "of 6", at_least=6),
            least("words, one step each", list(map(float, steps)), 1),
        ),
        None,
        "; ".join(texts[:2]),
    )


def generates_text(bench: Bench) -> Finding:
    """32: the loop by hand against the model's own, of characters and of words."""
    runs = {unit: small_run(bench, "generate", data__unit=unit) for unit in ("character", "word")}
    same = []
    for run in runs.values():
        own = run.run.generate(PROMPT, max_new_tokens=NEW_TOKENS, temperature=0)
        tokens, _ = _generate_by_hand(run)
        same.append(float(run.run.preparation.vocabulary.decode(tokens) == own))
    return Finding(
        f"models of characters and of words, 30 steps on made-up text: {NEW_TOKENS} tokens after "
        f"`{PROMPT}`, by "
        "the model and by hand: predict, append, repeat",
        (
            least("the same text, of characters and of words", same, 1),
            least("share of the loss that each took away", [run.fall for run in runs.values()], LEARNT),
        ),
        Picture("bars", (), {unit: (run.fall,) for unit, run in runs.items()}, y_label="share of loss lost"),
    )


def loss_is_cross_entropy(bench: Bench) -> Finding:
    """33: the loss against -ln p by hand."""
    run = small_run(bench, "generate", data__unit="character")
    training = run.job.config.training
    source = run.job.preparation.source(
        run.job.data, "validation", Batching(8, training.window, training=False)
    )
    errors = []
    batches: list[Any] = list(islice(source.batches(0), 3))
    for batch in batches:
        with torch.no_grad():
            loss = run.job.config.task.loss(
                run.run.model, batch, None, run.job.config.context(run.job.preparation)
            )
            p = run.run.model(batch.inputs)[0].softmax(-1)
        valid = batch.targets >= 0
        chosen = p.gather(-1, batch.targets.clamp(min=0).unsqueeze(-1)).squeeze(-1)
        by_hand = -chosen.log()[valid].sum()
        errors.append(float((loss.nats.sum() - by_hand).abs() / by_hand))
    return Finding(
        "a character model's loss on three batches, against the sum of -ln of the probability of the "
        "right one, "
        "from its softmax",
        (most("they differ by, relative", errors, 1e-5),),
        Picture(
            "bars", (), {"untrained": (run.before,), "trained": (run.after,)}, y_label="nats a character"
        ),
    )


def output_becomes_input(bench: Bench) -> Finding:
    """34: what was written is fed by hand, as a whole, and changed."""
    run = small_run(bench, "generate", data__unit="character")
    tokens, logits = _generate_by_hand(run)
    prompt = list(run.run.preparation.encode(PROMPT))
    fed = torch.tensor([[*prompt, *tokens]])
    other = fed.clone()
    other[0, -1] = (other[0, -1] + 1) % logits.shape[-1]
    with torch.no_grad():
        whole = run.run.model(fed)[0][0, len(prompt) - 1 : -1].softmax(-1)
        a, b = (run.run.model(x)[0][0, -1].softmax(-1) for x in (fed, other))
    return Finding(
        f"{NEW_TOKENS} characters that a model wrote, fed to it by hand as one text: the "
        "distributions at every "
        "step against those it had when it wrote; and with the last character replaced by another",
        (
            Check("probabilities differ by", float((whole - logits.softmax(-1)).abs().max()), at_most=1e-5),
            Check("with another last character they move by", float((a - b).abs().max()), at_least=1e-3),
        ),
    )


@torch.no_grad()
def _generate_by_hand(run: ToyRun) -> tuple[list[int], Tensor]:
    """The most likely tokens after the prompt, and the logits (n, V) that each was chosen from."""
    prompt = list(run.run.preparation.encode(PROMPT))
    tokens: list[int] = []
    chosen_from = []
    logits, state = run.run.model.step(torch.tensor([prompt]), None)
    for _ in range(NEW_TOKENS):
        chosen_from.append(logits[0, -1])
        tokens.append(int(logits[0, -1].argmax()))
        logits, state = run.run.model.step(torch.tensor([[tokens[-1]]]), state)
    return tokens, torch.stack(chosen_from)


@torch.no_grad()
def _caption_by_hand(run: ToyRun, path: Any) -> str:
    preparation, model = run.run.preparation, run.run.model
    values = torch.as_tensor(preparation.encode(path).values).unsqueeze(0).numpy()
    encoded = model.encode(preparation.pictures.to_tensor(values))
    words, state, token = [], encoded.start, 0
    for _ in range(run.job.config.decoding.max_words):
        logits, state = model.step(torch.tensor([[token]]), state, encoded)
        token = int(logits[0, -1].argmax())
        if token == 0:
            break
        words.append(token)
    return preparation.vocabulary.decode(words)


def validation_score(run: ToyRun, metric: str) -> float:
    """A metric of the task on the validation split."""
    config, preparation = run.job.config, run.job.preparation
    source = preparation.source(run.job.data, "validation", Batching(64, training=False))
    rows = measure(config.task, run.run.model, source, run.run.model.device, config.context(preparation))
    return config.task.score(rows, preparation.unit)[metric]
