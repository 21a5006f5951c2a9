"""The table of checks: every one with what it claims, and what to look at where it fails."""

from __future__ import annotations

from seqloom.inspection.checks.answers import check_answers
from seqloom.inspection.checks.arithmetic import check_kernels, check_precisions
from seqloom.inspection.checks.baseline import check_baseline
from seqloom.inspection.checks.causality import check_causality
from seqloom.inspection.checks.chunks import check_chunks
from seqloom.inspection.checks.empty_rows import check_empty_rows
from seqloom.inspection.checks.finding import Check
from seqloom.inspection.checks.invariance import (
    check_batch_mates,
    check_batch_size,
    check_padding,
    check_repeats,
)
from seqloom.inspection.checks.lagged_copy import check_lagged_copy
from seqloom.inspection.checks.overlap.shared import check_near_duplicates, check_shared_examples
from seqloom.inspection.checks.storage import check_save_and_load

CHECKS = (
    Check(
        "repeats",
        "The same batch gives the same twice",
        "Look for dropout or sampling that does not ask `self.training`",
        check_repeats,
    ),
    Check(
        "padding",
        "A row gives the same however much padding it has",
        "Look for a mean, maximum, last step or normalization over all steps: use the lengths",
        check_padding,
    ),
    Check(
        "batch-mates",
        "A row gives the same whichever rows share its batch",
        "Look for batch normalization in training mode, or a mean over dimension 0",
        check_batch_mates,
    ),
    Check(
        "batch-size",
        "A row gives the same however many rows share its batch",
        "Look for random numbers drawn by batch, or a sum over dimension 0",
        check_batch_size,
    ),
    Check(
        "chunks",
        "A sequence in chunks gives what the whole gives",
        "Return the state after each chunk, and begin the next with it",
        check_chunks,
    ),
    Check(
        "causality",
        "No output depends on a later input",
        "Look for a reverse direction, a shift by one, or a mean or attention over all steps",
        check_causality,
    ),
    Check(
        "empty-rows",
        "A row without steps gives no NaN and changes no other row",
        "Look for a division by the length, or a maximum over no steps",
        check_empty_rows,
    ),
    Check(
        "save-and-load",
        "The run folder holds all of the model",
        "Save again; what is no parameter must be a buffer of the module to be saved",
        check_save_and_load,
    ),
    Check(
        "kernels",
        "All kernels give the same",
        "Set model.kernel=reference, and report it as a bug of the other kernel",
        check_kernels,
    ),
    Check(
        "precisions",
        "float32, float64 and bfloat16 give the same loss",
        "Look for exp or powers of large numbers; train with training.precision=float32",
        check_precisions,
    ),
    Check(
        "shared-examples",
        "Training and test share no example",
        "Take them out of training, or divide the data anew without repeated rows",
        check_shared_examples,
    ),
    Check(
        "near-duplicates",
        "Few examples of the test nearly equal one of training",
        "Divide the data by what its rows come from, not row by row",
        check_near_duplicates,
    ),
    Check(
        "lagged-copy",
        "A forecast is no copy of the past",
        "Train longer, forecast changes instead of levels, or use the last value and no model",
        check_lagged_copy,
    ),
    Check(
        "answers",
        "Different inputs have different answers",
        "Train longer or with a higher learning rate; see whether the model reads its input at all",
        check_answers,
    ),
    Check(
        "baseline",
        "The baseline is beaten by more than chance",
        "Train longer, measure on more data, or use the baseline",
        check_baseline,
    ),
)
