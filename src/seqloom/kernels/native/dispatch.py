"""A function of tensors as an operator of torch: for autograd, torch.compile, torch.func, fake tensors alike.

One way in, and three ways on. Where nothing but numbers is wanted the function itself is called: torch's
dispatcher would take longer than a step of a small layer. Autograd and torch.func get it within a
`torch.autograd.Function`. Whoever traces a program, or fakes tensors, gets it from torch's registry, with the
same derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch._functorch.utils import unwrap_dead_wrappers
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

Results: TypeAlias = "tuple[Tensor | None, ...]"

_PLAIN = {Tensor, nn.Parameter, type(None), str, bool}
"""Types of arguments that are what they seem; fake and distributed tensors, say, are not."""


def operator(
    schema: str,
    run: Callable[..., Results],
    empty: Callable[..., Results],
    setup_context: Callable[[Any, tuple[Any, ...], Results], None],
    backward: Callable[..., Results],
) -> Callable[..., Results]:
    """Register an operator of tensors, texts and flags, all positional.

    Args:
        schema: its name and types, as torch writes them.
        run: the function itself. Torch's registry knows no None: among results it is an empty tensor there.
        empty: the same results with nothing in them, on whatever device the arguments are.
        setup_context, backward: its derivative, as of a `torch.autograd.Function`.

    Returns:
        The operator; each result may be None or empty where there is nothing.
    """
    name = schema.partition("(")[0]
    torch.library.define(name, schema.removeprefix(name), tags=torch.Tag.pt2_compliant_tag)
    torch.library.impl(name, "cpu", _without_none(run))
    torch.library.register_fake(name, _without_none(empty))
    torch.library.register_autograd(name, backward, setup_context=setup_context)
    registered = getattr(getattr(torch.ops, name.partition("::")[0]), name.partition("::")[2]).default

    def forward(*arguments: Any) -> Results:
        return run(*arguments) if _is_plain(arguments) else registered(*arguments)

    def over_rows(
        info: Any, in_dims: tuple[int | None, ...], *arguments: Any
    ) -> tuple[Results, tuple[int | None, ...]]:
        """torch.vmap: one call for each of what is mapped over."""
        each = [
            call(*(a if dim is None else a.select(dim, k) for a, dim in zip(arguments, in_dims, strict=True)))
            for k in range(info.batch_size)
        ]
        results = tuple(None if parts[0] is None else torch.stack(parts) for parts in zip(*each, strict=True))
        return results, tuple(None if result is None else 0 for result in results)

    members = {"forward": forward, "setup_context": setup_context, "backward": backward, "vmap": over_rows}
    statics = {key: staticmethod(value) for key, value in members.items()}
    function = type(name.replace("::", "_"), (torch.autograd.Function,), statics)
    # What `apply` of a Function ends in. Before that it sees to torch.func, and binds its arguments by name,
    # which takes twice as long as all the rest.
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
            # What torch.func.vjp gives is called when the transform is over: its tensors are shells then.
            alive = unwrap_dead_wrappers(arguments)
            if all(new is old for new, old in zip(alive, arguments, strict=True)):
                raise
            return call(*alive)

    return call


def _is_plain(arguments: tuple[Any, ...]) -> bool:
    """Whether there is nothing between us and the numbers."""
    return set(map(type, arguments)) <= _PLAIN and not is_in_torch_dispatch_mode()


def _without_none(function: Callable[..., Results]) -> Callable[..., tuple[Tensor, ...]]:
    def wrapped(*arguments: Any) -> tuple[Tensor, ...]:
        results = function(*arguments)
        some = next(result for result in results if result is not None)
        return tuple(some.new_empty(0) if result is None else result for result in results)

    return wrapped
