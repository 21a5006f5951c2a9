"""Whatever the files, bytes and names are: exit code 0, or 2 with one line; no traceback, in time and memory.

`SEQLOOM_FUZZ=5000 pytest tests/fuzz` runs 5,000 examples of each verb; `make test SLOW=1` runs 60.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .conftest import SMALL, SMALL_MODEL, check_verb, examples, new_folder, options
from .files import ANY_TEXT, COLUMNS, FILES, SEEDS, TOKENS, damaged, data_paths, write_files

ENCODINGS = st.sampled_from(["utf-8", "utf-8", "ascii"])
TASKS = ("compose", "forecast", "generate", "classify", "tag", "translate", "caption", "transcribe")
TEXT_MODELS = ("generate", "classify", "series", "tag", "translate")
MODELS = (*TEXT_MODELS, "audio", "transcribe", "compose", "caption", "forecast")
PIPES = st.one_of(
    st.binary(max_size=60),
    st.lists(st.one_of(TOKENS, st.binary(max_size=8), st.just(b"a fine film\n")), max_size=8).map(b"".join),
)
ARGUMENTS = st.one_of(
    st.text(max_size=30).filter(lambda text: "\0" not in text),
    st.binary(max_size=20)
    .filter(lambda data: b"\0" not in data)
    .map(lambda data: data.decode("utf-8", "surrogateescape")),
    st.sampled_from(["", " ", "a fine film", "missing.csv", "./x", "[/b]", "\x1b[31m", "x" * 5000]),
).map(lambda text: text.replace("\0", ""))
DEEP = b"[" * 100_000 + b"]" * 100_000
WIDE_NAMES = [b"text", b"label", *(b"c%d" % number for number in range(10_000))]
WIDE = b"\n".join(b",".join(row) for row in [WIDE_NAMES, *[[b"a", b"b", *WIDE_NAMES[2:]]] * 3, WIDE_NAMES])
HUGE = b'text,label\n"' + b"x y " * 100_000 + b'",good\na,bad\n' + b"b,good\nc,bad\n" * 5
SURROGATE = b'{"text": "\\ud800", "label": "a"}\n{"text": "b", "label": "b"}\n' * 5


@examples(6)
@given(data_paths(), st.none() | st.sampled_from(TASKS), st.booleans(), ENCODINGS)
@example({"data.jsonl": DEEP + b"\n" + SEEDS["reviews.jsonl"]}, None, False, "utf-8")
@example({"data.csv": WIDE}, None, False, "ascii")
@example({"data.csv": WIDE}, "classify", False, "utf-8")
@example({"data.csv": HUGE}, None, False, "utf-8")
@example({"data.jsonl": SURROGATE}, None, False, "utf-8")
@example({"da\nta [/b] \udcff.csv": SEEDS["reviews.csv"]}, None, False, "ascii")
@example({"data.jsonl": b'{"file": ["a"], "text": "a", "label": 1}\n' * 9}, None, False, "utf-8")
@example({"\udcff.parquet": SEEDS["reviews.parquet"]}, None, True, "utf-8")
def test_train(files: dict[str, bytes], task: str | None, as_json: bool, encoding: str) -> None:
    with new_folder() as folder:
        path = write_files(folder, files)
        chosen = [*(["--task", task] if task else []), *(["--json"] if as_json else [])]
        small = options(*SMALL, *SMALL_MODEL)
        done = check_verb(folder, "train", *chosen, "--out", "run", *small, "--", path, encoding=encoding)
        if as_json and done.code == 0:
            json.loads(done.stdout)
        assert done.code == 0 or not (folder / "run").exists()


@examples(6)
@given(damaged(SEEDS["vectors.txt"]) | st.binary(max_size=60))
def test_train_with_word_vectors(vectors: bytes) -> None:
    with new_folder() as folder:
        (folder / "vectors.txt").write_bytes(vectors)
        (folder / "reviews.csv").write_bytes(SEEDS["reviews.csv"])
        small = options(*SMALL, *SMALL_MODEL, "data.vectors=vectors.txt")
        check_verb(folder, "train", "reviews.csv", "--out", "run", *small)


@examples(12)
@given(
    data_paths(),
    st.sampled_from(MODELS),
    st.none() | st.sampled_from(["train", "test", "all", "[/b]\n"]),
    ENCODINGS,
)
def test_evaluate(runs: Path, files: dict[str, bytes], model: str, split: str | None, encoding: str) -> None:
    with new_folder() as folder:
        path = write_files(folder, files)
        chosen = ["--split", split] if split else []
        check_verb(folder, "evaluate", *chosen, "--", str(runs / model), path, encoding=encoding)


@examples(25)
@given(st.lists(ARGUMENTS, max_size=2), FILES | st.none(), PIPES, st.sampled_from(MODELS), ENCODINGS)
@example([], None, b"one\n" + b"\xff\n", "classify", "ascii")
@example(["x" * 100_000], None, b"", "classify", "utf-8")
@example([], (".jsonl", DEEP), b"", "series", "utf-8")
@example([], (".jsonl", b'{"text": null}\n{"text": 1}\n'), b"", "generate", "utf-8")
def test_predict(
    runs: Path,
    inputs: list[str],
    file: tuple[str, bytes] | None,
    pipe: bytes,
    model: str,
    encoding: str,
) -> None:
    with new_folder() as folder:
        names = []
        if file is not None:
            names = [f"input{file[0]}"]
            (folder / names[0]).write_bytes(file[1])
        arguments = ["predict", "--", str(runs / model), *inputs, *names]
        check_verb(folder, *arguments, stdin=pipe, encoding=encoding)


@examples(25)
@given(ARGUMENTS | st.none(), PIPES, st.none() | ANY_TEXT, ENCODINGS)
def test_generate(runs: Path, prompt: str | None, pipe: bytes, stop: str | None, encoding: str) -> None:
    chosen = [f"--prompt={prompt}"] if prompt is not None else []
    chosen += [f"--stop={stop}"] if stop is not None and "\0" not in stop else []
    with new_folder() as folder:
        run = str(runs / "generate")
        arguments = ["generate", "--max-new-tokens", "4", *chosen, "--", run]
        check_verb(folder, *arguments, stdin=pipe, encoding=encoding)


@examples(25)
@given(PIPES, st.booleans(), ENCODINGS)
def test_translate(runs: Path, pipe: bytes, as_json: bool, encoding: str) -> None:
    with new_folder() as folder:
        chosen = ["--json", "--attention"] if as_json else []
        run = str(runs / "translate")
        done = check_verb(folder, "translate", *chosen, "--", run, stdin=pipe, encoding=encoding)
        if as_json and done.code == 0:
            json.loads(done.stdout)


@examples(25)
@given(
    st.lists(FILES | st.tuples(st.just(".wav"), damaged(SEEDS["tone.wav"])), min_size=1, max_size=2),
    ENCODINGS,
)
@example([(".jsonl", b'{"file": "a\\u0000b"}\n')], "utf-8")
def test_transcribe(runs: Path, files: list[tuple[str, bytes]], encoding: str) -> None:
    with new_folder() as folder:
        for number, (suffix, content) in enumerate(files):
            (folder / f"{number}{suffix}").write_bytes(content)
        names = [f"{number}{suffix}" for number, (suffix, _) in enumerate(files)]
        check_verb(folder, "transcribe", "--", str(runs / "transcribe"), *names, encoding=encoding)


@examples(15)
@given(FILES | st.tuples(st.just(".png"), damaged(SEEDS["square.png"])), st.booleans(), ENCODINGS)
@example((".jsonl", b'{"file": "a\\u0000b"}\n'), False, "utf-8")
@example((".jsonl", b'{"file": [null, "a"]}\n'), True, "utf-8")
@example((".png", SEEDS["square.png"]), True, "ascii")
def test_caption(runs: Path, picture: tuple[str, bytes], as_json: bool, encoding: str) -> None:
    with new_folder() as folder:
        (folder / f"picture{picture[0]}").write_bytes(picture[1])
        chosen = ["--json", "--attention", "looked.html"] if as_json else []
        arguments = ["caption", *chosen, "--", str(runs / "caption"), f"picture{picture[0]}"]
        done = check_verb(folder, *arguments, encoding=encoding)
        if as_json and done.code == 0:
            json.loads(done.stdout)


@examples(6)
@given(data_paths(), st.sampled_from(MODELS), st.booleans(), ENCODINGS)
@example({"data.csv": SEEDS["reviews.csv"]}, "classify", True, "utf-8")
@example({"data.conll": SEEDS["tags.conll"]}, "tag", False, "ascii")
@example({"data.csv": SEEDS["sales.csv"]}, "forecast", True, "utf-8")
@example({"data.tsv": SEEDS["pairs.tsv"]}, "translate", False, "utf-8")
@example({"data.txt": SEEDS["text.txt"]}, "generate", True, "utf-8")
@example({"da\nta [/b] \udcff.csv": SEEDS["reviews.csv"]}, "classify", False, "ascii")
@example({"a.mid": SEEDS["tune.mid"], "b.mid": SEEDS["tune.mid"]}, "compose", True, "utf-8")
def test_check(runs: Path, files: dict[str, bytes], model: str, as_json: bool, encoding: str) -> None:
    with new_folder() as folder:
        path = write_files(folder, files)
        chosen = ["--json"] if as_json else []
        arguments = ["check", *chosen, "--", str(runs / model), path]
        done = check_verb(folder, *arguments, encoding=encoding, may_fail=True)
        if as_json and done.code < 2:
            assert json.loads(done.stdout)["passed"] == (done.code == 0)


@examples(10)
@given(st.binary(max_size=3000), st.booleans())
def test_transcribe_a_stream(runs: Path, samples: bytes, as_json: bool) -> None:
    with new_folder() as folder:
        chosen = ["--json"] if as_json else []
        check_verb(folder, "transcribe", "--stream", *chosen, str(runs / "transcribe"), stdin=samples)


@examples(15)
@given(FILES | st.tuples(st.just(".mid"), damaged(SEEDS["tune.mid"])), st.booleans(), ENCODINGS)
def test_compose(runs: Path, primer: tuple[str, bytes], as_json: bool, encoding: str) -> None:
    with new_folder() as folder:
        (folder / f"primer{primer[0]}").write_bytes(primer[1])
        chosen = ["--json", "--plot"] if as_json else ["--wav"]
        arguments = ["--primer", f"primer{primer[0]}", *chosen, "--", str(runs / "compose")]
        done = check_verb(folder, "compose", *arguments, encoding=encoding)
        assert done.code == 0 or not (folder / "tune.mid").exists()


@examples(15)
@given(data_paths(), st.sampled_from([[], ["--horizon", "3"], ["--split", "test"], ["--json"]]), ENCODINGS)
def test_forecast(runs: Path, files: dict[str, bytes], chosen: list[str], encoding: str) -> None:
    with new_folder() as folder:
        path = write_files(folder, files)
        check_verb(folder, "forecast", *chosen, "--", str(runs / "forecast"), path, encoding=encoding)


@examples(15)
@given(
    st.sampled_from(TASKS[:-1]) | ARGUMENTS,
    ARGUMENTS.filter(lambda name: not name.startswith(("/", "..", "~"))),
    ENCODINGS,
)
def test_toy_data(task: str, name: str, encoding: str) -> None:
    with new_folder() as folder:
        check_verb(folder, "toy-data", "--", task, name, encoding=encoding)


@examples(15)
@given(ARGUMENTS, st.sampled_from(["training.seed", "data.unit", "model.hidden_size", "", "x"]), ARGUMENTS)
def test_settings(path: str, key: str, value: str) -> None:
    """A path to nothing or to everything, and settings of anything."""
    with new_folder() as folder:
        (folder / "reviews.csv").write_bytes(SEEDS["reviews.csv"])
        (folder / "config.yaml").write_bytes(value.encode("utf-8", "surrogateescape"))
        setting = f"{key}={value}" if len(value) < 8 or key in ("", "x") else f"{key}=[]"
        if key == "model.hidden_size":
            setting = f"{key}={value[:2]}"
        check_verb(
            folder, "train", "--out", "run", *options(*SMALL, setting), "--config", "config.yaml", "--", path
        )


@pytest.mark.parametrize("name", COLUMNS)
def test_names_of_columns_are_on_one_line(name: str) -> None:
    with new_folder() as folder:
        (folder / "data.jsonl").write_text(
            "".join(json.dumps({name: str(n), "x": "y"}) + "\n" for n in range(9))
        )
        check_verb(folder, "train", "data.jsonl", "--out", "run", *options(*SMALL, *SMALL_MODEL))
