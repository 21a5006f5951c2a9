"""One-to-many: a recurrent model of piano rolls, whose every frame is its next input.

h_t, s_t = recurrence(v_{t-1}, s_{t-1}),   p(v_t | v_1 … v_{t-1}) by an output layer of h_t
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from seqloom.cells.parameters import check_size
from seqloom.errors import ConfigError
from seqloom.layers.masking import Lengths
from seqloom.models.recurrent_stack import RecurrentConfig, RecurrentStack
from seqloom.models.rolls.key_features import KeyFeatures
from seqloom.models.rolls.lookback import LEVELS, Heard, look_back, lookback_inputs, nothing_heard
from seqloom.models.rolls.output_layers import (
    IndependentKeys,
    JointKeys,
    KeyDependence,
    OutputLayer,
    TiedKeys,
)
from seqloom.models.rolls.sampling import AS_PROBABLE, KeySampling, sample_keys
from seqloom.state import State, map_state

UNHEARD = -9.0
"""Initial logit of the keys that are outside the range of a model."""


class RollConfig(NamedTuple):
    """The keys of a model, and how they depend on one another.

    Fields:
        dependence: `independent`, or `joint`: each key is given those below it in its frame.
        tied: whether every key has a recurrent state of its own, with weights that all keys share; else one
            state reads and predicts whole frames.
        key_hidden_size: hidden units of the output layer, where it has any.
        reach: keys that a key sees to either side, where `tied`.
        key_embedding_size: width of the vector of a key, where `tied`.
        first_key: the lowest key that is modeled, from 0; those outside have one probability each.
        stop_key: one above the highest key that is modeled.
        bar_steps: steps of a bar, whose number is an input; 0: it is not.
        lookback: steps back that are searched for the longest passage that equals the last frames; what
            followed it is an input. 0: none.
    """

    dependence: KeyDependence = "joint"
    tied: bool = True
    key_hidden_size: int = 64
    reach: int = 24
    key_embedding_size: int = 8
    first_key: int = 0
    stop_key: int = 88
    bar_steps: int = 0
    lookback: int = 0


DEFAULT_KEYS = RollConfig()


@final
class RollModel(nn.Module):
    """Predict each frame of keys from all those before it; before the first one there is silence.

    Args:
        num_keys: keys of a frame, 88 on a piano.
        recurrent: the recurrent layers; of one direction.
        config: the keys and the output layer.

    Raises:
        ConfigError: an argument out of its range.

    >>> model = RollModel(88, RecurrentConfig("gru", 16), RollConfig(first_key=20, stop_key=60))
    >>> frames = torch.zeros(2, 5, 88)
    >>> logits, state = model(frames, frames)
    >>> logits.shape
    torch.Size([2, 5, 88])
    """

    def __init__(self, num_keys: int, recurrent: RecurrentConfig, config: RollConfig = DEFAULT_KEYS) -> None:
        super().__init__()
        sizes = {name: getattr(config, name) for name in ("key_hidden_size", "reach", "key_embedding_size")}
        for name, size in {"num_keys": num_keys, **sizes}.items():
            check_size("RollModel", name, size)
        if recurrent.bidirectional:
            raise ConfigError("RollModel", "recurrent.bidirectional must be False", got=True)
        if not 0 <= config.first_key < config.stop_key <= num_keys:
            got = f"{config.first_key} to {config.stop_key}"
            raise ConfigError("RollModel", f"first_key to stop_key must be in 0 to {num_keys}", got=got)
        self.num_keys, self.config = num_keys, config
        self.range_size = config.stop_key - config.first_key
        self.unheard = nn.Parameter(torch.full((num_keys - self.range_size,), UNHEARD))
        self.features: KeyFeatures | None = None
        input_size, context_size = self.range_size, recurrent.output_size
        if config.tied:
            self.features = KeyFeatures(self.range_size, config.reach, config.key_embedding_size)
            input_size = self.features.size
            context_size += self.features.near_size
        if config.lookback:
            input_size += len(LEVELS) if config.tied else self.range_size * len(LEVELS)
            context_size += len(LEVELS) if config.tied else self.range_size * len(LEVELS)
        self.layers = RecurrentStack(input_size + config.bar_steps, recurrent)
        self.output: OutputLayer = _output_layer(context_size, self.range_size, config)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.unheard.device

    def initial_state(self, batch_size: int) -> State:
        """The state before the first frame: a tuple with that of every layer."""
        state = self._by_row(self.layers.initial_state(batch_size * self._states_per_row), batch_size)
        return (state, self._nothing_heard(batch_size)) if self.config.lookback else state

    def forward(
        self,
        inputs: Tensor,
        frames: Tensor,
        state: State | None = None,
        lengths: Lengths = None,
        first_steps: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Logits of the keys of `frames`, each of which follows the frame of `inputs` at its place.

        Args:
            inputs: (B, T, K) of 0 and 1, the frames before.
            frames: (B, T, K) of 0 and 1, those whose keys are predicted.
            state: as the last call returned; None: `initial_state`.
            lengths: (B,) integers, the valid steps of each row; None: all of them.
            first_steps: (B,) integers, the place in its bar of the first frame that is predicted; None: 0.

        Returns:
            logits (B, T, K), and the new state.
        """
        context, state_after = self.step(inputs, state, lengths, first_steps)
        rows = frames.reshape(-1, self.num_keys)
        return self.key_logits(context, rows).view(frames.shape), state_after

    def step(
        self,
        inputs: Tensor,
        state: State | None = None,
        lengths: Lengths = None,
        first_steps: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Read frames `inputs` (B, T, K) on from `state`: contexts (B T, …) of the next, and the new state.

        A roll in any chunks gives what it gives whole.
        """
        config, batch_size = self.config, len(inputs)
        frames = inputs[..., config.first_key : config.stop_key].transpose(0, 1).to(self.unheard.dtype)
        x = frames if self.features is None else self.features(frames)
        known = [] if self.features is None else [x[..., : self.features.near_size]]
        past: Heard | None = None
        if config.lookback:
            before = self._nothing_heard(batch_size)
            if state is not None:
                state, before = state  # type: ignore[assignment]
            followed, longest, past = look_back(frames, before, lengths)  # type: ignore[arg-type]
            repeated = lookback_inputs(followed, longest)
            known.append(repeated.flatten(-2) if self.features is None else repeated)
            x = torch.cat([x, known[-1]], dim=-1)
        if config.bar_steps:
            x = torch.cat([x, self._places_in_bar(x, first_steps)], dim=-1)
        if self.features is None:
            h, states = self.layers(x, state, lengths)
        else:
            if lengths is not None:
                lengths = torch.as_tensor(lengths, device="cpu").repeat_interleave(self.range_size)
            by_key = None if state is None else self._by_key(state)
            h, states = self.layers(x.flatten(1, 2), by_key, lengths)
            h, states = h.unflatten(1, (batch_size, self.range_size)), self._by_row(states, batch_size)
        context = torch.cat([h, *known], dim=-1) if known else h
        return context.transpose(0, 1).flatten(0, 1), states if past is None else (states, past)

    def key_logits(self, context: Tensor, frames: Tensor) -> Tensor:
        """Logits (N, K) of the keys of frames (N, K), of contexts as `step` gives them.

        Where keys are joint, that of a key depends on the keys below it in its frame.
        """
        first, stop = self.config.first_key, self.config.stop_key
        heard = self.output(context, frames[:, first:stop].to(self.unheard.dtype))
        unheard = self.unheard.to(heard.dtype).expand(len(heard), -1)
        return torch.cat([unheard[:, :first], heard, unheard[:, first:]], dim=1)

    def sample(self, context: Tensor, uniforms: Tensor, options: KeySampling = AS_PROBABLE) -> Tensor:
        """Draw a frame (N, K) of truth values for each context, by a uniform number (N, K) for each key."""
        first, stop = self.config.first_key, self.config.stop_key
        thresholds = options.thresholds(uniforms)
        heard = sample_keys(self.output, context, thresholds[:, first:stop])
        outside = torch.cat([thresholds[:, :first], thresholds[:, stop:]], dim=1) < self.unheard
        return torch.cat([outside[:, :first], heard, outside[:, first:]], dim=1)

    def _places_in_bar(self, x: Tensor, first_steps: Tensor | None) -> Tensor:
        """One-hot (T, B, …, bar_steps), for x (T, B, …, I)."""
        size = self.config.bar_steps
        numbers = torch.arange(len(x), device=x.device).unsqueeze(1)
        if first_steps is not None:
            numbers = numbers + first_steps.to(x.device)
        places = nn.functional.one_hot(numbers.expand(x.shape[:2]) % size, size).to(x.dtype)
        return places.view(*x.shape[:2], *[1] * (x.dim() - 3), size).expand(*x.shape[:-1], size)

    def _nothing_heard(self, batch_size: int) -> Heard:
        return nothing_heard(self.config.lookback, batch_size, self.range_size, self.unheard)

    @property
    def _states_per_row(self) -> int:
        return 1 if self.features is None else self.range_size

    def _by_row(self, state: State, batch_size: int) -> State:
        """States (L, B K, H) of keys as (L, B, K H), so that dimension 1 is the batch."""
        if self.features is None:
            return state
        return map_state(lambda part: part.reshape(len(part), batch_size, -1), state)

    def _by_key(self, state: State) -> State:
        size = self.range_size
        return map_state(lambda part: part.reshape(len(part), part.shape[1] * size, -1), state)


def _output_layer(input_size: int, num_keys: int, config: RollConfig) -> OutputLayer:
    if config.tied:
        return TiedKeys(input_size, num_keys, config.key_hidden_size, config.dependence)
    if config.dependence == "joint":
        return JointKeys(input_size, num_keys, config.key_hidden_size)
    return IndependentKeys(input_size, num_keys)
