"""Data that is too much is used or skipped and counted, in little memory and in seconds."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

from seqloom.data.audio.features import FeatureOptions, log_mel
from seqloom.data.audio.files import read_audio
from seqloom.data.read import read
from seqloom.data.tables.formats import conll, delimited, file, json_rows
from seqloom.data.text.vocabulary import Vocabulary
from seqloom.errors import ConfigError, DataError
from seqloom.tasks.classify import labels
from seqloom.tasks.classify.labels import Labels

from .damage import DEEP, time_limit

ROWS = [{"text": f"a film {number}", "label": "ab"[number % 2]} for number in range(12)]
LONG = file.MAX_CHARACTERS + 1


def csv_of(text: str) -> str:
    return "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in ROWS) + f'"{text}",a\n'


def tsv_of(text: str) -> str:
    return csv_of(text).replace(",", "\t").replace('"', "")


def jsonl_of(text: str) -> str:
    return "".join(json.dumps(row) + "\n" for row in [*ROWS, {"text": text, "label": "a"}])


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(("suffix", "write"), [("csv", csv_of), ("tsv", tsv_of), ("jsonl", jsonl_of)])
def test_a_long_text_is_a_bad_row(tmp_path: Path, suffix: str, write: Callable[[str], str]) -> None:
    path = tmp_path / f"rows.{suffix}"
    path.write_text(write("x y " * (LONG // 4 + 1)))
    with time_limit():
        data = read(path)
    (message,) = data.skipped["train"]
    assert message.startswith(f"{path}, line {13 + (suffix != 'jsonl')}: ")
    assert f"must have at most {file.MAX_CHARACTERS:,} characters" in message
    assert sum(map(len, data.splits.values())) == 12


def test_the_lines_of_a_long_value_are_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_CHARACTERS", 1000)
    path = tmp_path / "rows.csv"
    path.write_text(csv_of('good ""words"",a\n' * 100) + "the last,b\n")
    data = read(path)
    (message,) = data.skipped["train"]
    assert message.startswith(f"{path}, line 14: a value must have at most 1,000 characters. Got more. ")
    assert sum(map(len, data.splits.values())) == 13


def test_a_value_with_a_line_that_is_too_long_is_a_bad_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file.bounded_lines, "__defaults__", (1000,))
    path = tmp_path / "rows.csv"
    path.write_text(csv_of("a\n" + "b" * 2000 + "\nc") + "the last,b\n")
    data = read(path)
    (message,) = data.skipped["train"]
    assert message.startswith(f"{path}, line 15: a line must have at most ")
    assert sum(map(len, data.splits.values())) == 13


@pytest.mark.parametrize(("suffix", "write"), [("csv", csv_of), ("tsv", tsv_of), ("jsonl", jsonl_of)])
def test_a_text_of_five_megabytes_is_not_too_long(
    tmp_path: Path, suffix: str, write: Callable[[str], str]
) -> None:
    path = tmp_path / f"rows.{suffix}"
    path.write_text(write("x y z" * 1_000_000))
    assert not read(path).skipped


def test_long_series_are_checked_in_the_time_that_they_take_to_parse(tmp_path: Path) -> None:
    values = [[0.5, 1, 2]] * 300_000
    line = json.dumps({"values": values})
    started = time.process_time()
    json.loads(line)
    parsed = time.process_time() - started
    started = time.process_time()
    json_rows.check(line, json.loads(line))
    assert time.process_time() - started < 4 * parsed
    with pytest.raises(ValueError, match="nested too deeply"):
        json_rows.check(DEEP[99_900:100_100], json.loads(DEEP[99_900:100_100]))


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(("suffix", "write"), [("csv", csv_of), ("tsv", tsv_of), ("jsonl", jsonl_of)])
def test_a_long_line_is_never_in_memory(
    tmp_path: Path, suffix: str, write: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file.bounded_lines, "__defaults__", (1000,))
    path = tmp_path / f"rows.{suffix}"
    lines = write("x y " * 300).splitlines(keepends=True)
    path.write_text("".join([*lines[:5], lines[-1], *lines[5:-1]]))
    data = read(path)
    (message,) = data.skipped["train"]
    assert re.fullmatch(rf"{re.escape(str(path))}, line 6: a line must have at most .* characters\.", message)
    assert sum(map(len, data.splits.values())) == 12


@pytest.mark.usefixtures("little_memory")
def test_a_sentence_without_end_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "tags.conll"
    path.write_text("a O\n\n" * 9 + "b O\n" * (conll.MAX_LINES + 10) + "\n" + "c O\n\n" * 9)
    with time_limit():
        data = read(path)
    (message,) = data.skipped["train"]
    expected = f"{path}, line 19: a sentence must have at most 32,768 tokens, and 65,536 lines. Got more."
    assert message == f"{expected} Is an empty line missing between sentences?"


def test_a_sentence_loses_no_tokens_to_its_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conll, "MAX_LINES", 20)
    path = tmp_path / "tags.conll"
    comments = "# of the one who wrote it\n"
    path.write_text(
        "a O\n\n" * 9 + comments * 15 + "b O\n" * 10 + "\n" + "c O\n\n" + comments * 15 + "d O\n" * 5
    )
    data = read(path)
    (message,) = data.skipped["train"]
    assert message.startswith(f"{path}, line 34: a sentence must have at most ")
    assert sum(map(len, data.splits.values())) == 11


def test_more_characters_than_a_model_can_have_are_said(caplog: pytest.LogCaptureFixture) -> None:
    text = "".join(chr(number) for number in range(0x4E00, 0x4E00 + 20_100)) + "一丁" * 2
    vocabulary = Vocabulary.fit("character", [text])
    assert len(vocabulary) == 20_001
    assert vocabulary.encode("一丁") != [0, 0]
    assert "of 20,100 different characters the 20,000 most frequent are learnt" in caplog.text
    assert len(Vocabulary.fit("character", [text], size=20_050)) == 20_050


def test_many_labels_take_linear_time(caplog: pytest.LogCaptureFixture) -> None:
    rows = [(f"label {number}",) for number in range(40_000)]
    with time_limit(5):
        fitted = Labels.fit(rows, multi_label=False, where="rows")
        numbers = [int(fitted.encode(row, "row")) for row in rows]
    assert sorted(numbers) == list(range(40_000))
    assert "40,000 labels are more than 2,000: their F1 is not measured" in caplog.text
    with pytest.raises(DataError, match=r"expected at most 5,000 labels where a row may have any number"):
        Labels.fit(rows, multi_label=True, where="rows")


def test_many_labels_are_not_counted_one_by_one() -> None:
    import torch

    many = Labels(tuple(map(str, range(labels.MAX_COUNTED + 1))), False, (1,) * 2001, 2001)
    loss = labels.count_predictions(torch.zeros(2, 2001), torch.tensor([0, 5]), ["a", "b"], many)
    assert list(loss.counts) == ["correct"]
    assert loss.counts["correct"].tolist() == [True, False]


def test_recordings_of_no_use_are_bad_rows(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.wav"
    samples = numpy.sin(numpy.arange(4000)).astype(numpy.float32)
    soundfile.write(path, samples, 1)
    with pytest.raises(
        DataError, match=r"a\.wav: expected a sample rate from 1,000 to 1,000,000 Hz\. Got 1 Hz"
    ):
        read_audio(path, 16_000)
    soundfile.write(path, samples * 1e38, 8000, subtype="FLOAT")
    with pytest.raises(
        DataError, match=r"samples of at most 2,147,483,648, where 1 is full scale\. Got 9.*e\+37"
    ):
        read_audio(path)
    soundfile.write(path, samples * (1 << 31), 8000, subtype="FLOAT")  # 32-bit numbers as they are
    features = log_mel(read_audio(path).samples, FeatureOptions(sample_rate_hz=8000))
    assert numpy.isfinite(features).all()


@pytest.mark.parametrize("depth", [100, 900, 5000])
def test_deep_rows_are_bad_rows(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "rows.jsonl"
    deep = '{"text": "a", "label": ' + "[" * depth + "]" * depth + "}\n"
    path.write_text(jsonl_of("b") + deep)
    (message,) = read(path).skipped["train"]
    assert message.startswith(f"{path}, line 14: expected a JSON object. Got ")


def test_a_signal_slower_than_sound_is_a_series(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    from seqloom.data.audio.files import read_audio

    soundfile.write(tmp_path / "ecg.wav", numpy.sin(numpy.arange(800)), 250)
    with pytest.raises(DataError) as raised:
        read_audio(tmp_path / "ecg.wav")
    assert str(raised.value) == (
        f"{tmp_path / 'ecg.wav'}: expected a sample rate from 1,000 to 1,000,000 Hz. Got 250 Hz. "
        "A signal as slow as an ECG or an accelerometer's is a series of numbers: "
        "give its samples, as `values`, in rows with a label."
    )


def test_more_mels_than_the_spectrum_holds_are_refused() -> None:
    pytest.importorskip("kaldi_native_fbank")
    from seqloom.data.audio.features import FeatureOptions, check_options

    with pytest.raises(ConfigError) as raised:
        check_options(FeatureOptions(sample_rate_hz=2000))
    assert str(raised.value) == (
        "data.num_mels: must be fewer for frames of 25 ms at 2000 Hz. Got 64. "
        "Or set data.frame_length_ms higher."
    )


@pytest.mark.usefixtures("little_memory")
def test_many_words_with_many_tags_are_counted_as_pairs() -> None:
    """As a table they would take 1.2 GB, and their shares twice as much."""
    from seqloom.baselines.majority import ConditionalShares
    from seqloom.tasks.tag.preparation import Preparation

    words = {f"w{number}": {f"t{number % 1000}": 2} for number in range(150_000)}
    preparation = Preparation(words, "", lowercase=False)
    shares = ConditionalShares(preparation.counts())
    chosen = shares.most_frequent[preparation.encode("w0 w149999").words]
    assert [preparation.tags[number] for number in chosen] == ["t0", "t999"]


def test_metadata_names_files_of_its_own_folder(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    folder = tmp_path / "data"
    folder.mkdir()
    names = [f"{number}.wav" for number in range(8)]
    for name in names:
        soundfile.write(folder / name, numpy.sin(numpy.arange(800)), 8000)
    soundfile.write(tmp_path / "secret.wav", numpy.sin(numpy.arange(800)), 8000)
    names += ["../secret.wav", str(tmp_path / "secret.wav"), str(folder / "0.wav")]
    rows = [f"{name},{'ab'[number % 2]}" for number, name in enumerate(names)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,label", *rows]) + "\n")
    (folder / "link.wav").symlink_to(tmp_path / "secret.wav")
    first, second = read(folder).skipped["train"]
    assert first == (
        f"{folder / 'metadata.csv'}, line 10: `file` must be in {folder}. Got {folder}/../secret.wav. "
        "If you trust the table: --set data.files_outside=true."
    )
    assert f"Got {tmp_path / 'secret.wav'}." in second
    assert list(read(folder / "metadata.csv").skipped["train"]) == [first, second]
    from seqloom.data.options import ReadOptions

    assert not read(folder, options=ReadOptions(files_outside=True)).skipped
