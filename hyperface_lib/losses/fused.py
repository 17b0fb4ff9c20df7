"""Cross-entropies of normalised, margined softmax in one function with an analytic gradient.

With L the log-sum-exp of the negatives' logits and t the target's cosine after the margin, the loss of a row is
softplus(L - scale t). Its gradient needs the negatives' softmax, which `class_blocks` keeps, and the derivative of the
head's own rule, which automatic differentiation finds on n numbers. The centres' gradient is
(g - (g . u) u) / |w| with u = w / |w|; the targets' part of it touches n rows only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hyperface_lib.losses.class_blocks import NegativeSums, inverse_lengths, negatives_gradient, sum_negatives
from hyperface_lib.losses.row_rule import RowRule

Rule = Callable[[Tensor, Tensor], RowRule]


class Exchange(Protocol):
    """How processes that hold different classes put together what they found for the same rows."""

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of `values` over processes."""
        ...

    def largest(self, values: Tensor) -> Tensor:
        """Return the largest of `values` over processes, element by element."""
        ...


class Alone:
    """The exchange of a single process, which holds all classes."""

    def sum(self, values: Tensor) -> Tensor:
        """Return `values`."""
        return values

    def largest(self, values: Tensor) -> Tensor:
        """Return `values`."""
        return values


class RowLosses(NamedTuple):
    """Per row (n,): cross-entropy, target cosine, feature length, and nearest other cosine (-inf for one class)."""

    losses: Tensor
    own: Tensor
    norms: Tensor
    nearest_other: Tensor


def row_losses(
    features: Tensor,
    weight: Tensor,
    labels: Tensor,
    scale: float | Tensor,
    rule: Rule,
    exchange: Exchange | None = None,
) -> RowLosses:
    """Return losses of features (n, d) of any length with labels (n,) and centres (classes, d) of any length.

    A label of -1 has its class in another process of `exchange`. `rule` must not hold parameters of its own: it is
    differentiated by target cosine and length only. The result can be differentiated once; a second derivative raises
    RuntimeError (`CosineHead.plain_loss` has one).
    """
    precise = torch.float64 if weight.dtype == torch.float64 else torch.float32
    with torch.autocast(features.device.type, enabled=False):
        features, weight = features.to(precise), weight.to(precise).contiguous()
        scales = torch.as_tensor(scale, dtype=precise, device=weight.device)
        keep = torch.is_grad_enabled() and any(part.requires_grad for part in (features, weight, scales))
        return RowLosses(*_RowLosses.apply(features, weight, scales, labels, rule, exchange or Alone(), keep))


class _RowLosses(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        scales: Tensor,
        labels: Tensor,
        rule: Rule,
        exchange: Exchange,
        keep: bool,
    ) -> tuple[Tensor, ...]:
        scale = float(scales)
        inverse = inverse_lengths(features)
        units, norms = features * inverse[:, None], torch.linalg.vector_norm(features, dim=1)
        here = labels >= 0
        centres = weight[labels.clamp_min(0)]
        centre_inverse = torch.where(here, inverse_lengths(centres), 0.0)
        own = exchange.sum(torch.linalg.vecdot(units, centres) * centre_inverse)
        with torch.enable_grad():
            rule_own, rule_norms = own.detach().requires_grad_(keep), norms.detach().requires_grad_(keep)
            row_rule = rule(rule_own, rule_norms)
        target = row_rule.target.detach()
        weigh = keep and scales.requires_grad
        sums = sum_negatives(units, weight, labels, scale, row_rule.negatives, keep, weigh)
        all_negatives = _log_sum(sums, exchange)
        margin = all_negatives - scale * target
        losses = torch.logaddexp(margin, torch.zeros_like(margin))
        nearest = exchange.largest(sums.nearest)
        ctx.mark_non_differentiable(nearest)
        if keep:
            # Of this process's exponentials: what makes them probabilities among all negatives.
            share = torch.where(all_negatives > -torch.inf, (sums.shift - all_negatives).exp(), 0.0)
            mean_other = torch.zeros_like(own) if sums.weighted is None else exchange.sum(sums.weighted * share)
            ctx.save_for_backward(
                units, weight, scales, labels, inverse, centre_inverse, own, target, margin, share, mean_other,
                sums.kept, sums.inverse_norms,
            )  # fmt: skip
            ctx.rule = (row_rule.target, rule_own, rule_norms)
            ctx.exchange = exchange
        return losses, own, norms, nearest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (units, weight, scales, labels, inverse, centre_inverse, own, target, margin, share, mean_other,
         kept, inverse_norms) = ctx.saved_tensors  # fmt: skip
        to_losses, to_own, to_norms, _ = gradients
        for_features, for_weight, for_scale = ctx.needs_input_grad[:3]
        scale = float(scales)
        # How much of the row's loss changes with the negatives' log-sum-exp; the target's logit takes the opposite.
        pull = to_losses * torch.sigmoid(margin)
        ruled, rule_own, rule_norms = ctx.rule
        by_own, by_norms = _through_rule(ruled, rule_own, rule_norms, -scale * pull)
        to_own, to_norms = to_own + by_own, to_norms + by_norms
        to_units, to_weight = negatives_gradient(
            units, weight, kept, inverse_norms, scale * pull * share, for_features, for_weight
        )
        centres = weight[labels.clamp_min(0)] * centre_inverse[:, None]
        to_features = None
        if to_units is not None:
            to_units = ctx.exchange.sum(to_units.addcmul_(centres, to_own[:, None]))
            along = torch.linalg.vecdot(to_units, units)
            to_features = to_units.addcmul_(units, along[:, None], value=-1.0).mul_(inverse[:, None])
            to_features.addcmul_(units, torch.where(inverse > 0, to_norms, 0.0)[:, None])
        if to_weight is not None:
            part = (units - own[:, None] * centres).mul_((to_own * centre_inverse)[:, None])
            to_weight.index_add_(0, labels.clamp_min(0), part)
        to_scale = (pull * (mean_other - target)).sum() if for_scale else None
        return to_features, to_weight, to_scale, None, None, None, None


def _log_sum(sums: NegativeSums, exchange: Exchange) -> Tensor:
    """Return the log-sum-exp of the logits of all processes' negatives (n,); -inf where there are none."""
    largest = exchange.largest(sums.shift)
    total = exchange.sum(sums.total * (sums.shift - largest).exp())
    return largest + total.log()


def _through_rule(target: Tensor, own: Tensor, norms: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of own and norms from that of the rule's target."""
    nothing = torch.zeros_like(own)
    if not target.requires_grad:
        return nothing, nothing
    found = torch.autograd.grad(target, (own, norms), gradient, retain_graph=True, allow_unused=True)
    by_own, by_norms = (nothing if part is None else part for part in found)
    return by_own, by_norms
