"""RNN, LSTM and GRU over whole sequences: drop-in for torch.nn's, and more.

Their common code is functions of a layer (`parameters`, `forward`), which every class takes as its methods.
No module holds any state of a sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack, final

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from seqloom.cells.lstm import LSTMState
from seqloom.cells.refusals import qconfig, refuse_script
from seqloom.kernels.selection import KernelChoice
from seqloom.layers.masking import Lengths
from seqloom.layers.recurrent import forward as sequence
from seqloom.layers.recurrent import parameters, rnn_base
from seqloom.layers.recurrent.forward import Trace
from seqloom.layers.recurrent.options import LSTMOptions, RecurrentOptions
from seqloom.layers.recurrent.parameters import Device, Shape

__all__ = ["GRU", "LSTM", "RNN", "KernelChoice", "LSTMOptions", "LSTMState", "RecurrentOptions", "Trace"]


@final
class RNN(nn.Module):
    """A simple (Elman) recurrent layer; drop-in for `torch.nn.RNN`.

    Names, shapes, gate order and initialization of the parameters are torch.nn's: a state_dict fits both, and
    the same seed gives the same weights.

    Args:
        input_size: I, features of a step.
        hidden_size: H, hidden units of a layer and direction.
        num_layers: stacked layers.
        nonlinearity: "tanh" or "relu".
        bias: whether there are biases.
        batch_first: whether input and output are (B, T, ...), not (T, B, ...).
        dropout: probability of dropping an output between layers; in training only.
        bidirectional: whether each layer has a reverse direction too.
        device, dtype: of the parameters.
        layer_norm: normalize the products at every step (Ba et al., 2016, arXiv:1607.06450).
        recurrent_dropout: probability of dropping a unit of h before the next step, with one mask for all
            steps of a call; in training only (Gal and Ghahramani, 2016, arXiv:1512.05287).
        weight_dropout: probability of dropping an element of weight_hh, with one mask for all steps of a
            call; in training only (DropConnect as in Merity et al., 2018, arXiv:1708.02182).
        zoneout: probability that a unit keeps its old value; in expectation outside
            training (Krueger et al., 2016, arXiv:1606.01305).
        orthogonal_init: initialize each gate's block of weight_hh as an orthogonal matrix (Saxe et al., 2014,
            arXiv:1312.6120).
        learn_initial_state: the initial state is a parameter, zero before training.
        kernel: "auto", "reference", "torch" or "native"; the environment variable SEQLOOM_KERNEL sets it for
            every layer with "auto".

    Raises:
        ConfigError: an argument of another type or out of its range, or an option that does not exist.

    >>> layer = RNN(3, 4, batch_first=True)
    >>> output, h = layer(torch.randn(2, 5, 3), lengths=[5, 2])
    >>> output.shape, h.shape, bool((output[1, 2:] == 0).all())
    (torch.Size([2, 5, 4]), torch.Size([1, 2, 4]), True)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
        **options: Unpack[RecurrentOptions],
    ) -> None:
        super().__init__()
        self.nonlinearity = nonlinearity
        shape = Shape(
            parameters.rnn_mode(nonlinearity),
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
        )
        parameters.build(self, shape, device, dtype, options)

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None, lengths: Lengths = None
    ) -> tuple[Any, Tensor]:
        """Run whole sequences.

        Args:
            input: (T, B, I), or (B, T, I) if `batch_first`; or (T, I) without a batch; or a PackedSequence.
            hx: the initial state, h (L, B, H), L layers times directions; None: see `initial_state`.
            lengths: (B,) integers, the valid steps of each row: any order, any device, 0 allowed; None: all.

        Returns:
            output: as the input, its last dimension H times directions; exactly 0 beyond a row's length.
            state: after each row's last valid step, as `hx`; of a row of length 0, the initial one.

        Raises:
            DataError: a shape, a type or a length that does not fit.
            ConfigError: a kernel was forced that cannot run the case.
        """
        return sequence.forward(self, input, hx, lengths)

    step = sequence.step
    trace = sequence.trace
    choice = sequence.choice
    initial_state = parameters.initial_state
    reset_parameters = parameters.reset
    flatten_parameters = parameters.flatten
    all_weights = property(parameters.all_weights)
    _all_weights = property(rnn_base.all_weight_names)
    _flat_weights = property(rnn_base.flat_weights)
    _flat_weights_names = property(rnn_base.flat_weight_names)
    get_expected_hidden_size = rnn_base.get_expected_hidden_size
    check_input = rnn_base.check_input
    check_hidden_size = rnn_base.check_hidden_size
    check_forward_args = rnn_base.check_forward_args
    permute_hidden = rnn_base.permute_hidden
    __prepare_scriptable__ = refuse_script
    qconfig = qconfig

    def extra_repr(self) -> str:
        """The arguments, as torch.nn shows them."""
        return parameters.description(self)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> RNN:
        super()._apply(fn, recurse)
        parameters.flatten(self)
        return self


@final
class LSTM(nn.Module):
    """Long short-term memory; drop-in for `torch.nn.LSTM`.

    Names, shapes, gate order and initialization of the parameters are torch.nn's: a state_dict fits both, and
    the same seed gives the same weights.

    Args:
        input_size: I, features of a step.
        hidden_size: H, hidden units of a layer and direction.
        num_layers: stacked layers.
        bias: whether there are biases.
        batch_first: whether input and output are (B, T, ...), not (T, B, ...).
        dropout: probability of dropping an output between layers; in training only.
        bidirectional: whether each layer has a reverse direction too.
        proj_size: P, width of h after a projection; 0: none, and P is H.
        device, dtype: of the parameters.
        layer_norm: normalize the products and the cell at every step (Ba et al., 2016, arXiv:1607.06450).
        recurrent_dropout: probability of dropping a unit of h before the next step, with one mask for all
            steps of a call; in training only (Gal and Ghahramani, 2016, arXiv:1512.05287).
        weight_dropout: probability of dropping an element of weight_hh, with one mask for all steps of a
            call; in training only (DropConnect as in Merity et al., 2018, arXiv:1708.02182).
        zoneout: probability that a unit keeps its old value, or a pair (of h, of c); in expectation outside
            training (Krueger et al., 2016, arXiv:1606.01305).
        forget_gate_bias: the initial sum of the forget gate's two biases, say 1; None: as torch.nn draws
        them.
        orthogonal_init: initialize each gate's block of weight_hh as an orthogonal matrix (Saxe et al., 2014,
            arXiv:1312.6120).
        chrono_init: the longest dependency, in steps: draw the biases of f and i so that units keep their
            state for up to that long (Tallec and Ollivier, 2018, arXiv:1804.11188); None: as torch.nn does.
        learn_initial_state: the initial state is a parameter, zero before training.
        kernel: "auto", "reference", "torch" or "native"; the environment variable SEQLOOM_KERNEL sets it for
            every layer with "auto".

    Raises:
        ConfigError: an argument of another type or out of its range, or an option that does not exist.

    >>> layer = LSTM(3, 4, batch_first=True)
    >>> output, (h, c) = layer(torch.randn(2, 5, 3), lengths=[5, 2])
    >>> output.shape, h.shape, bool((output[1, 2:] == 0).all())
    (torch.Size([2, 5, 4]), torch.Size([1, 2, 4]), True)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Device = None,
        dtype: torch.dtype | None = None,
        **options: Unpack[LSTMOptions],
    ) -> None:
        super().__init__()
        shape = Shape(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size
        )
        parameters.build(self, shape, device, dtype, options)

    def forward(
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, Tensor] | None = None, lengths: Lengths = None
    ) -> tuple[Any, LSTMState]:
        """Run whole sequences.

        Args:
            input: (T, B, I), or (B, T, I) if `batch_first`; or (T, I) without a batch; or a PackedSequence.
            hx: the initial state, (h (L, B, P), c (L, B, H)), L layers times directions; None: see
                `initial_state`.
            lengths: (B,) integers, the valid steps of each row: any order, any device, 0 allowed; None: all.

        Returns:
            output: as the input, its last dimension P times directions; exactly 0 beyond a row's length.
            state: after each row's last valid step, as `hx`; of a row of length 0, the initial one.

        Raises:
            DataError: a shape, a type or a length that does not fit.
            ConfigError: a kernel was forced that cannot run the case.
        """
        return sequence.forward(self, input, hx, lengths)

    step = sequence.step
    trace = sequence.trace
    choice = sequence.choice
    initial_state = parameters.initial_state
    reset_parameters = parameters.reset
    flatten_parameters = parameters.flatten
    all_weights = property(parameters.all_weights)
    _all_weights = property(rnn_base.all_weight_names)
    _flat_weights = property(rnn_base.flat_weights)
    _flat_weights_names = property(rnn_base.flat_weight_names)
    get_expected_hidden_size = rnn_base.get_expected_hidden_size
    get_expected_cell_size = rnn_base.get_expected_cell_size
    check_input = rnn_base.check_input
    check_hidden_size = rnn_base.check_hidden_size
    check_forward_args = rnn_base.check_forward_args
    permute_hidden = rnn_base.permute_hidden
    __prepare_scriptable__ = refuse_script
    qconfig = qconfig

    def extra_repr(self) -> str:
        """The arguments, as torch.nn shows them."""
        return parameters.description(self)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> LSTM:
        super()._apply(fn, recurse)
        parameters.flatten(self)
        return self


@final
class GRU(nn.Module):
    """Gated recurrent units; drop-in for `torch.nn.GRU`.

    Names, shapes, gate order and initialization of the parameters are torch.nn's: a state_dict fits both, and
    the same seed gives the same weights.

    Args:
        input_size: I, features of a step.
        hidden_size: H, hidden units of a layer and direction.
        num_layers: stacked layers.
        bias: whether there are biases.
        batch_first: whether input and output are (B, T, ...), not (T, B, ...).
        dropout: probability of dropping an output between layers; in training only.
        bidirectional: whether each layer has a reverse direction too.
        device, dtype: of the parameters.
        layer_norm: normalize the products at every step (Ba et al., 2016, arXiv:1607.06450).
        recurrent_dropout: probability of dropping a unit of h before the next step, with one mask for all
            steps of a call; in training only (Gal and Ghahramani, 2016, arXiv:1512.05287).
        weight_dropout: probability of dropping an element of weight_hh, with one mask for all steps of a
            call; in training only (DropConnect as in Merity et al., 2018, arXiv:1708.02182).
        zoneout: probability that a unit keeps its old value; in expectation outside
            training (Krueger et al., 2016, arXiv:1606.01305).
        orthogonal_init: initialize each gate's block of weight_hh as an orthogonal matrix (Saxe et al., 2014,
            arXiv:1312.6120).
        chrono_init: the longest dependency, in steps: draw the bias of z so that units keep their state for
            up to that long (Tallec and Ollivier, 2018, arXiv:1804.11188); None: as torch.nn does.
        learn_initial_state: the initial state is a parameter, zero before training.
        kernel: "auto", "reference", "torch" or "native"; the environment variable SEQLOOM_KERNEL sets it for
            every layer with "auto".

    Raises:
        ConfigError: an argument of another type or out of its range, or an option that does not exist.

    >>> layer = GRU(3, 4, batch_first=True)
    >>> output, h = layer(torch.randn(2, 5, 3), lengths=[5, 2])
    >>> output.shape, h.shape, bool((output[1, 2:] == 0).all())
    (torch.Size([2, 5, 4]), torch.Size([1, 2, 4]), True)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
        **options: Unpack[RecurrentOptions],
    ) -> None:
        super().__init__()
        shape = Shape("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        parameters.build(self, shape, device, dtype, options)

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None, lengths: Lengths = None
    ) -> tuple[Any, Tensor]:
        """Run whole sequences.

        Args:
            input: (T, B, I), or (B, T, I) if `batch_first`; or (T, I) without a batch; or a PackedSequence.
            hx: the initial state, h (L, B, H), L layers times directions; None: see `initial_state`.
            lengths: (B,) integers, the valid steps of each row: any order, any device, 0 allowed; None: all.

        Returns:
            output: as the input, its last dimension H times directions; exactly 0 beyond a row's length.
            state: after each row's last valid step, as `hx`; of a row of length 0, the initial one.

        Raises:
            DataError: a shape, a type or a length that does not fit.
            ConfigError: a kernel was forced that cannot run the case.
        """
        return sequence.forward(self, input, hx, lengths)

    step = sequence.step
    trace = sequence.trace
    choice = sequence.choice
    initial_state = parameters.initial_state
    reset_parameters = parameters.reset
    flatten_parameters = parameters.flatten
    all_weights = property(parameters.all_weights)
    _all_weights = property(rnn_base.all_weight_names)
    _flat_weights = property(rnn_base.flat_weights)
    _flat_weights_names = property(rnn_base.flat_weight_names)
    get_expected_hidden_size = rnn_base.get_expected_hidden_size
    check_input = rnn_base.check_input
    check_hidden_size = rnn_base.check_hidden_size
    check_forward_args = rnn_base.check_forward_args
    permute_hidden = rnn_base.permute_hidden
    __prepare_scriptable__ = refuse_script
    qconfig = qconfig

    def extra_repr(self) -> str:
        """The arguments, as torch.nn shows them."""
        return parameters.description(self)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> GRU:
        super()._apply(fn, recurse)
        parameters.flatten(self)
        return self
