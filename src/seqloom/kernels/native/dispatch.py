"""Torch operators from functions of tensors: for autograd, torch.compile, torch.func and fake tensors.

There are three paths. Without any transform the function itself is called, since torch's dispatcher takes
longer than a step of a small layer. Autograd and torch.func call it in a `torch.autograd.Function`. Tracing
and fake tensors use the operator in torch's registry, which has the same derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch._functorch.utils import unwrap_dead_wrappers
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

Results: TypeAlias = "tuple[Tensor | None, ...]"

_PLAIN_TYPES = {Tensor, nn.Parameter, type(None), str, bool}
"""Types of arguments that need no dispatch, unlike fake or distributed tensors"""


def operator(
    schema: str,
    run: Callable[..., Results],
    empty: Callable[..., Results],
    setup_context: Callable[[Any, tuple[Any, ...], Results], None],
    backward: Callable[..., Results],
) -> Callable[..., Results]:
    """Register an operator of positional tensors, strings and booleans.

    Args:
        schema: its name and types, as for `torch.library.define`.
        run: the implementation. In torch's registry, which has no None, an absent result is an empty tensor.
        empty: the same results, uninitialized, on the arguments' device: the fake implementation.
        setup_context, backward: the derivative, as of a `torch.autograd.Function`.

    Returns:
        The operator; an absent result is None or empty.
    """
    name = schema.partition("(")[0]
    torch.library.define(name, schema.removeprefix(name), tags=torch.Tag.pt2_compliant_tag)
    torch.library.impl(name, "cpu", _without_none(run))
    torch.library.register_fake(name, _without_none(empty))
    torch.library.register_autograd(name, backward, setup_context=setup_context)
    registered = getattr(getattr(torch.ops, name.partition("::")[0]), name.partition("::")[2]).default

    def forward(*arguments: Any) -> Results:
        return run(*arguments) if _is_plain(arguments) else registered(*arguments)

    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *arguments: Any
    ) -> tuple[Results, tuple[int | None, ...]]:
        """torch.vmap: one call for each index of the mapped dimension."""
        calls = [
            call(*(a if dim is None else a.select(dim, k) for a, dim in zip(arguments, in_dims, strict=True)))
            for k in range(info.batch_size)
        ]
        results = tuple(
            None if parts[0] is None else torch.stack(parts) for parts in zip(*calls, strict=True)
        )
        return results, tuple(None if result is None else 0 for result in results)

    members = {"forward": forward, "setup_context": setup_context, "backward": backward, "vmap": vmap}
    statics = {key: staticmethod(value) for key, value in members.items()}
    function = type(name.replace("::", "_"), (torch.autograd.Function,), statics)
    # `Function.apply` without its checks for torch.func and its binding of arguments by name, which take
    # twice as long as all the rest.
    apply = super(torch.autograd.Function, function).apply  # type: ignore[misc]

    def call(*arguments: Any) -> Results:
        if torch.compiler.is_compiling():
            return registered(*arguments)
        if torch._C._are_functorch_transforms_active():
            return function.apply(*arguments)
        if not _is_plain(arguments):
            return registered(*arguments)
        try:
            if torch.is_grad_enabled() and torch._C._any_requires_grad(*arguments):
                return apply(*arguments)
            return run(*arguments)
        except RuntimeError:
            # A function from torch.func.vjp is called after the transform has ended: its tensors are dead
            # wrappers.
            alive = unwrap_dead_wrappers(arguments)
            if all(new is old for new, old in zip(alive, arguments, strict=True)):
                raise
            return call(*alive)

    return call


def _is_plain(arguments: tuple[Any, ...]) -> bool:
    """Whether no argument and no active mode needs torch's dispatcher."""
    return set(map(type, arguments)) <= _PLAIN_TYPES and not is_in_torch_dispatch_mode()


def _without_none(function: Callable[..., Results]) -> Callable[..., tuple[Tensor, ...]]:
    def wrapped(*arguments: Any) -> tuple[Tensor, ...]:
        results = function(*arguments)
        present = next(result for result in results if result is not None)
        return tuple(present.new_empty(0) if result is None else result for result in results)

    return wrapped
