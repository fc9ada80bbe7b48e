"""PPO for continuous actions in one file, in CleanRL's manner: everything that matters is on this page.

python cleanrl_manner.py --total-timesteps 100000
"""

import argparse
import random
import time

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch import Tensor
from torch.distributions.normal import Normal


def parse_args() -> argparse.Namespace:
    """Options of the run, and the sizes that follow from them."""
    parser = argparse.ArgumentParser(description=__doc__)
    on_off = argparse.BooleanOptionalAction
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--total-timesteps", type=int, default=100_000)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--num-envs", type=int, default=8)
    parser.add_argument("--num-steps", type=int, default=32, help="steps of each environment per rollout")
    parser.add_argument("--anneal-lr", action=on_off, default=True, help="lower the learning rate linearly to 0")
    parser.add_argument("--gamma", type=float, default=0.95)
    parser.add_argument("--gae-lambda", type=float, default=0.95)
    parser.add_argument("--num-minibatches", type=int, default=4)
    parser.add_argument("--update-epochs", type=int, default=4)
    parser.add_argument("--norm-adv", action=on_off, default=True, help="normalise advantages in each minibatch")
    parser.add_argument("--clip-coef", type=float, default=0.2)
    parser.add_argument("--clip-vloss", action=on_off, default=True, help="clip the value loss as the policy's")
    parser.add_argument("--ent-coef", type=float, default=0.01)
    parser.add_argument("--vf-coef", type=float, default=0.5)
    parser.add_argument("--max-grad-norm", type=float, default=0.5)
    parser.add_argument("--target-kl", type=float, default=None, help="end the update above this approximate KL")
    args = parser.parse_args()
    args.batch_size = args.num_envs * args.num_steps
    args.minibatch_size = args.batch_size // args.num_minibatches
    args.num_iterations = args.total_timesteps // args.batch_size
    return args


class PointMassEnvs:
    """Points in the plane, pushed by a force: home is the origin, and a point that leaves the arena is lost."""

    obs_dim = 4
    action_dim = 2
    time_limit = 50
    arena = 3.0

    def __init__(self, num_envs: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.position = np.zeros((num_envs, 2), dtype=np.float32)
        self.velocity = np.zeros((num_envs, 2), dtype=np.float32)
        self.age = np.zeros(num_envs, dtype=np.int64)

    def reset(self) -> np.ndarray:
        """Start all episodes."""
        self.start(np.ones(len(self.age), dtype=bool))
        return self.observe()

    def start(self, which: np.ndarray) -> None:
        """Put the chosen points somewhere in the middle of the arena, at rest."""
        self.position[which] = self.rng.uniform(-1.5, 1.5, size=(which.sum(), 2))
        self.velocity[which] = 0
        self.age[which] = 0

    def observe(self) -> np.ndarray:
        """Position and velocity of each point."""
        return np.concatenate([self.position, self.velocity], axis=1)

    def step(self, force: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """One step, with finished episodes restarted: what to act on next, what the step led to, and its worth."""
        self.velocity = 0.9 * self.velocity + 0.1 * np.clip(force, -1, 1)
        self.position = self.position + 0.5 * self.velocity
        self.age += 1
        distance = np.linalg.norm(self.position, axis=1)
        terminations = distance > self.arena
        truncations = (self.age >= self.time_limit) & ~terminations
        rewards = np.where(terminations, -5.0, -0.1 * distance)
        final_obs = self.observe()
        self.start(terminations | truncations)
        return self.observe(), final_obs, rewards, terminations, truncations


def layer_init(layer: nn.Linear, std: float = 2**0.5) -> nn.Linear:
    """Orthogonal weights of the given gain, no bias."""
    nn.init.orthogonal_(layer.weight, std)
    nn.init.zeros_(layer.bias)
    return layer


def mlp(inputs: int, outputs: int, std: float) -> nn.Sequential:
    """Two small hidden layers."""
    return nn.Sequential(
        layer_init(nn.Linear(inputs, 32)),
        nn.Tanh(),
        layer_init(nn.Linear(32, 32)),
        nn.Tanh(),
        layer_init(nn.Linear(32, outputs), std),
    )


class Agent(nn.Module):
    """A Gaussian policy, whose spread does not depend on the state, and a critic."""

    def __init__(self, obs_dim: int, action_dim: int) -> None:
        super().__init__()
        self.critic = mlp(obs_dim, 1, std=1.0)
        self.actor_mean = mlp(obs_dim, action_dim, std=0.01)
        self.actor_logstd = nn.Parameter(torch.zeros(1, action_dim))

    def get_value(self, x: Tensor) -> Tensor:
        """Value of each observation, (N, 1)."""
        return self.critic(x)

    def get_action_and_value(self, x: Tensor, action: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Action (drawn unless given), its log-probability (N,), the policy's entropy (N,) and the value (N, 1)."""
        action_mean = self.actor_mean(x)
        probs = Normal(action_mean, self.actor_logstd.expand_as(action_mean).exp())
        if action is None:
            action = probs.sample()
        return action, probs.log_prob(action).sum(1), probs.entropy().sum(1), self.critic(x)


if __name__ == "__main__":
    args = parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    envs = PointMassEnvs(args.num_envs, args.seed)
    agent = Agent(envs.obs_dim, envs.action_dim)
    optimizer = optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)

    # One rollout
    obs = torch.zeros((args.num_steps, args.num_envs, envs.obs_dim))
    actions = torch.zeros((args.num_steps, args.num_envs, envs.action_dim))
    logprobs = torch.zeros((args.num_steps, args.num_envs))
    rewards = torch.zeros((args.num_steps, args.num_envs))
    terminations = torch.zeros((args.num_steps, args.num_envs))
    dones = torch.zeros((args.num_steps, args.num_envs))
    values = torch.zeros((args.num_steps, args.num_envs))
    next_values = torch.zeros((args.num_steps, args.num_envs))

    start_time = time.time()
    next_obs = torch.as_tensor(envs.reset())
    for iteration in range(1, args.num_iterations + 1):
        if args.anneal_lr:
            optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - (iteration - 1) / args.num_iterations)

        for step in range(args.num_steps):
            obs[step] = next_obs
            with torch.no_grad():
                action, logprob, _, value = agent.get_action_and_value(next_obs)
            actions[step] = action
            logprobs[step] = logprob
            values[step] = value.flatten()

            next_obs, final_obs, reward, terminated, truncated = envs.step(action.numpy())
            next_obs = torch.as_tensor(next_obs)
            rewards[step] = torch.as_tensor(reward)
            terminations[step] = torch.as_tensor(terminated)
            dones[step] = torch.as_tensor(terminated | truncated)
            with torch.no_grad():
                next_values[step] = agent.get_value(torch.as_tensor(final_obs)).flatten()

        # Generalised advantages: a time limit is bootstrapped, and no episode feels the next one
        advantages = torch.zeros_like(rewards)
        lastgaelam = torch.zeros(args.num_envs)
        for t in reversed(range(args.num_steps)):
            delta = rewards[t] + args.gamma * next_values[t] * (1 - terminations[t]) - values[t]
            lastgaelam = delta + args.gamma * args.gae_lambda * (1 - dones[t]) * lastgaelam
            advantages[t] = lastgaelam
        returns = advantages + values

        b_obs = obs.reshape(-1, envs.obs_dim)
        b_logprobs = logprobs.reshape(-1)
        b_actions = actions.reshape(-1, envs.action_dim)
        b_advantages = advantages.reshape(-1)
        b_returns = returns.reshape(-1)
        b_values = values.reshape(-1)

        b_inds = np.arange(args.batch_size)
        clipfracs = []
        for _epoch in range(args.update_epochs):
            np.random.shuffle(b_inds)
            for start in range(0, args.batch_size, args.minibatch_size):
                mb_inds = b_inds[start : start + args.minibatch_size]

                _, newlogprob, entropy, newvalue = agent.get_action_and_value(b_obs[mb_inds], b_actions[mb_inds])
                logratio = newlogprob - b_logprobs[mb_inds]
                ratio = logratio.exp()

                with torch.no_grad():
                    approx_kl = ((ratio - 1) - logratio).mean().item()
                    clipfracs.append(((ratio - 1.0).abs() > args.clip_coef).float().mean().item())

                mb_advantages = b_advantages[mb_inds]
                if args.norm_adv:
                    mb_advantages = (mb_advantages - mb_advantages.mean()) / (mb_advantages.std() + 1e-8)

                # Policy loss
                pg_loss1 = -mb_advantages * ratio
                pg_loss2 = -mb_advantages * torch.clamp(ratio, 1 - args.clip_coef, 1 + args.clip_coef)
                pg_loss = torch.max(pg_loss1, pg_loss2).mean()

                # Value loss
                v_loss_unclipped = (newvalue.view(-1) - b_returns[mb_inds]) ** 2
                if args.clip_vloss:
                    v_moved = newvalue.view(-1) - b_values[mb_inds]
                    v_clipped = b_values[mb_inds] + torch.clamp(v_moved, -args.clip_coef, args.clip_coef)
                    v_loss_clipped = (v_clipped - b_returns[mb_inds]) ** 2
                    v_loss = 0.5 * torch.max(v_loss_unclipped, v_loss_clipped).mean()
                else:
                    v_loss = 0.5 * v_loss_unclipped.mean()

                entropy_loss = entropy.mean()
                loss = pg_loss - args.ent_coef * entropy_loss + v_loss * args.vf_coef

                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
                optimizer.step()

            if args.target_kl is not None and approx_kl > args.target_kl:
                break

        print(
            f"iteration {iteration}: mean reward {rewards.mean().item():.4f}, value loss {v_loss.item():.4f}, "
            f"policy loss {pg_loss.item():.4f}, entropy {entropy_loss.item():.3f}, KL {approx_kl:.4f}, "
            f"clipped {np.mean(clipfracs):.3f}, {iteration * args.batch_size / (time.time() - start_time):.0f} steps/s"
        )
