"""A small causal transformer, over the recent history of a control task or over tokens.

In the manner of a Decision Transformer (arXiv:2106.01345): one position a step, whose features hold the observation
and the action before it. Pre-norm blocks as in GPT-2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ppo_audit.reference.trainers import tokens
from ppo_audit.reference.trainers.families import Family
from ppo_audit.reference.trainers.networks import Head, linear


class Block(nn.Module):
    """Causal self-attention, then a feed-forward layer, each added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_layer = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.layer = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        """x `[N, T, W]`, visible `[N, 1, T, T]` boolean: which key each query may look at."""
        qkv = self.qkv(self.before_attention(x)).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in qkv)
        attended = scaled_dot_product_attention(q, k, v, attn_mask=visible)
        x = x + self.project(attended.transpose(1, 2).flatten(2))
        out: Tensor = x + self.layer(self.before_layer(x))
        return out


class CausalTransformer(nn.Module):
    """Blocks over embedded positions `[N, T, W]`; a position sees itself and the valid ones before it."""

    def __init__(self, width: int, blocks: int, positions: int) -> None:
        super().__init__()
        self.position = nn.Parameter(0.02 * torch.randn(positions, width))
        self.blocks = nn.ModuleList(Block(width, heads=max(width // 32, 1)) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        length = x.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        # a padded query sees itself, else its softmax would be over nothing: NaN
        itself = torch.eye(length, dtype=torch.bool)
        visible = (causal & valid[:, None, :]) | itself
        x = x + self.position[:length]
        for block in self.blocks:
            x = block(x, visible[:, None])
        out: Tensor = self.norm(x)
        return out


class HistoryTransformer(nn.Module):
    """Actor and critic on the newest position of a history `[N, K, F]` whose first feature says which rows exist."""

    def __init__(self, inputs: int, hidden: Sequence[int], family: Family, quantiles: int = 0) -> None:
        super().__init__()
        width = hidden[0]
        self.embed = nn.Linear(inputs, width)
        self.transformer = CausalTransformer(width, blocks=len(hidden), positions=64)
        self.head = Head(width, family)
        self.critic_head = linear(width, max(quantiles, 1), 1.0)
        self.quantiles = quantiles

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        features = self._features(observation)
        return self.head(features), self._value(features)

    def policy(self, observation: Tensor) -> Tensor:
        out: Tensor = self.head(self._features(observation))
        return out

    def value(self, observation: Tensor) -> Tensor:
        return self._value(self._features(observation))

    def _features(self, observation: Tensor) -> Tensor:
        features: Tensor = self.transformer(self.embed(observation), observation[..., 0] > 0.5)
        return features[:, -1]

    def _value(self, features: Tensor) -> Tensor:
        output = self.critic_head(features)
        out: Tensor = output if self.quantiles else output.squeeze(-1)
        return out


class TokenTransformer(nn.Module):
    """Next-token logits of texts `[N, T]` of the token task, and of a text that is still being written."""

    def __init__(self, inputs: int, hidden: Sequence[int], family: Family, quantiles: int = 0) -> None:
        super().__init__()
        width = hidden[0]
        self.embed = nn.Embedding(tokens.VOCABULARY, width)
        self.transformer = CausalTransformer(width, blocks=len(hidden), positions=inputs)
        self.head = Head(width, family)
        self.critic_head = linear(width, 1, 1.0)

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        features = self._last(observation)
        return self.head(features), self.critic_head(features).squeeze(-1)

    def policy(self, observation: Tensor) -> Tensor:
        out: Tensor = self.head(self._last(observation))
        return out

    def value(self, observation: Tensor) -> Tensor:
        out: Tensor = self.critic_head(self._last(observation)).squeeze(-1)
        return out

    def all_logits(self, texts: Tensor) -> Tensor:
        """The logits of the token that follows each position, `[N, T, K]`."""
        out: Tensor = self.head(self._features(texts))
        return out

    def _features(self, texts: Tensor) -> Tensor:
        features: Tensor = self.transformer(self.embed(texts), texts != tokens.PADDING)
        return features

    def _last(self, texts: Tensor) -> Tensor:
        """The features of the newest token: the last one that is no padding, for prompts are padded on the left."""
        positions = torch.arange(texts.shape[1])
        newest = torch.where(texts != tokens.PADDING, positions, 0).argmax(1)
        return self._features(texts)[torch.arange(len(texts)), newest]
