"""Training programs in many shapes, and their faults: each edits one place of one program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("programs")


@dataclass(frozen=True)
class Program:
    """A correct program, and the rules that name its true hazards; `declined` says why it is not judged at all."""

    name: str
    hazards: tuple[str, ...] = ("PPO109",)
    declined: str = ""

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.py"


@dataclass(frozen=True)
class ProgramFault:
    """One edit of a program, the rule that owns it, and the line to point at where that is not the edited one."""

    name: str
    program: str
    old: str
    new: str
    rule: str
    at: str = ""

    @property
    def text(self) -> str:
        return (FOLDER / f"{self.program}.py").read_text().replace(self.old, self.new)


PROGRAMS = (
    Program("accelerator"),
    Program("accumulation"),
    Program("autocast_bf16", hazards=("PPO109", "PPO202")),
    Program("autograd_grad"),
    Program("class_trainer"),
    Program("closure_step"),
    Program("custom_function"),
    Program("data_loader"),
    Program("full_batch", hazards=("PPO109", "PPO202")),
    Program("grpo_tokens", hazards=("PPO109", "PPO415", "PPO503")),
    Program("helper_process"),
    Program("noisy_policy"),
    Program("numpy_buffer", hazards=("PPO109", "PPO202")),
    Program("own_thread", hazards=(), declined="the thread `learner`, and only the thread that began is recorded"),
    Program("path_condition"),
    Program("recurrent_gru"),
    Program("recurrent_lstm"),
    Program("separate_networks"),
    Program("several_heads"),
    Program("squashed_actions"),
    Program("two_losses_at_once"),
    Program("vmapped_policy", hazards=(), declined="reads what was not recorded, as inside `vmap`"),
)
"""Their ratios are guarded by a clamp between 5 and 10, whose dead zone is a hazard; unguarded ones would overflow."""

FAULTS = (
    ProgramFault("entropy_sign", "recurrent_gru", "- 0.01 * dist", "+ 0.01 * dist", "PPO401"),
    ProgramFault("entropy_sign_of_stacked_steps", "recurrent_lstm", "- 0.01 * torch", "+ 0.01 * torch", "PPO401"),
    ProgramFault("sum_not_averaged", "accumulation", "(loss / PARTS).backward()", "loss.backward()", "PPO907"),
    ProgramFault("wrapper_adds_up", "accelerator", "(loss / self.parts).backward()", "loss.backward()", "PPO907"),
    ProgramFault(
        "normalised_in_place",
        "helper_process",
        old="weights = (advantages - advantages.mean()).div(SCALE)",
        new="weights = advantages.sub_(advantages.mean()).div_(SCALE)",
        rule="PPO903",
    ),
    ProgramFault(
        "ratio_to_itself",
        "autograd_grad",
        old="- logp_old[rows], -5, 5",
        new="- chosen(log_policy, action[rows]).detach(), -5, 5",
        rule="PPO902",
    ),
    ProgramFault(
        "old_log_probs_refreshed",
        "separate_networks",
        old="order = torch.randperm(STEPS * ENVS)",
        new="order, b_old = torch.randperm(64), Categorical(logits=actor(b_obs)).log_prob(b_actions).detach()",
        rule="PPO903",
    ),
    ProgramFault(
        "advantages_not_shuffled",
        "numpy_buffer",
        old="torch.as_tensor(buffer.advantages[rows])",
        new="torch.as_tensor(buffer.advantages[start : start + 16])",
        rule="PPO906",
    ),
    ProgramFault("rows_in_another_order", "two_losses_at_once", "a = adv[mb]", "a = adv[mb.sort().values]", "PPO906"),
    ProgramFault(
        "tanh_correction_on_one_side",
        "class_trainer",
        old="density = dist.log_prob(raw)\n",
        new="density = dist.log_prob(raw) - torch.log(1 - raw.tanh().pow(2) + 1e-6)\n",
        rule="PPO901",
    ),
    ProgramFault(
        "mean_bounded_beyond_what_was_seen",
        "accumulation",
        old="dist = Normal(policy(obs[rows]), log_std.exp())",
        new="dist = Normal(policy(obs[rows]).clamp(-4, 4), log_std.exp())",
        rule="PPO901",
    ),
    ProgramFault(
        "density_bounded_beyond_what_was_seen",
        "numpy_buffer",
        old="ratio = (dist.log_prob(a).sum(-1) - old)",
        new="ratio = (dist.log_prob(a).clamp(min=-11).sum(-1) - old)",
        rule="PPO901",
    ),
    ProgramFault(
        "correction_bounded_beyond_what_was_seen",
        "squashed_actions",
        old="after = density(dist, torch.atanh(taken.clamp(-1 + 1e-6, 1 - 1e-6)), taken)",
        new="after = density(dist, torch.atanh(taken.clamp(-0.99, 0.99)), taken)",
        rule="PPO901",
    ),
    ProgramFault(
        "temperature_on_one_side",
        "separate_networks",
        old="policy = Categorical(logits=actor(b_obs[rows]))",
        new="policy = Categorical(logits=actor(b_obs[rows]) / 0.5)",
        rule="PPO901",
    ),
    ProgramFault(
        "stored_action_is_clipped",
        "accumulation",
        old="old_log_prob = behaviour.log_prob(actions).sum(-1)",
        new="old_log_prob = behaviour.log_prob(actions.clamp(-0.5, 0.5)).sum(-1)",
        rule="PPO901",
    ),
    ProgramFault("advantage_not_detached", "autograd_grad", "a = adv[rows]", "a = target[rows] - v", "PPO008"),
    ProgramFault("value_head_not_trained", "data_loader", ", *v_head.parameters()]", "]", "PPO904"),
    ProgramFault("critic_not_trained", "path_condition", ", *critic.parameters()]", "]", "PPO904"),
    ProgramFault(
        "gradients_never_cleared",
        "recurrent_gru",
        old="optimizer.zero_grad()",
        new="pass",
        rule="PPO907",
        at="loss.backward()",
    ),
    ProgramFault(
        "gradients_cleared_before_the_step",
        "several_heads",
        old="scaler.scale(loss).backward()\n",
        new="scaler.scale(loss).backward(); optimizer.zero_grad()\n",
        rule="PPO907",
        at="scaler.step(optimizer)",
    ),
    ProgramFault(
        "clipped_after_the_step",
        "class_trainer",
        old="nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)\n                self.optimizer.step()",
        new="self.optimizer.step()\n                nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)",
        rule="PPO907",
        at="nn.utils.clip_grad_norm_(",
    ),
    ProgramFault(
        "values_broadcast", "separate_networks", "critic(b_obs[rows]).squeeze(-1)", "critic(b_obs[rows])", "PPO508"
    ),
    ProgramFault("max_for_min", "full_batch", "-torch.min(ratio * adv", "-torch.max(ratio * adv", "PPO103"),
    ProgramFault(
        "entropy_not_summed", "accumulation", "dist.entropy().sum(-1).mean()", "dist.entropy().mean()", "PPO402"
    ),
    ProgramFault("variance_for_deviation", "autocast_bf16", "(a.std() + 1e-6)", "(a.var() + 1e-6)", "PPO203"),
    ProgramFault("min_for_max_of_values", "two_losses_at_once", "worse = torch.max(", "worse = torch.min(", "PPO302"),
    ProgramFault("flags_of_starts_read_as_ends", "separate_networks", "else dones[t + 1])", "else dones[t])", "PPO908"),
    ProgramFault("done_off_by_one", "numpy_buffer", "1.0 - self.dones[t]", "1.0 - self.dones[t - 1]", "PPO908"),
    ProgramFault("carry_across_ends", "numpy_buffer", "GAMMA * LAM * live * gae", "GAMMA * LAM * gae", "PPO908"),
    ProgramFault(
        "bootstrap_and_carry_across_ends", "numpy_buffer", "1.0 - self.dones[t]", "1.0 - 0 * self.dones[t]", "PPO908"
    ),
    ProgramFault(
        "kl_of_the_other_sign",
        "full_batch",
        old="(logp_old - logp).mean().item()",
        new="(logp - logp_old).mean().item()",
        rule="PPO905",
        at="loss_pi, kl =",
    ),
    ProgramFault(
        "samples_with_replacement",
        "several_heads",
        old="torch.randperm(N).split(12)",
        new="torch.randint(N, (N,)).split(12)",
        rule="PPO906",
        at="a = advantage[rows]",
    ),
)


def write(fault: ProgramFault, folder: Path) -> Path:
    """The faulty program in `folder`."""
    faulty = folder / f"{fault.name}.py"
    faulty.write_text(fault.text)
    return faulty


def line_of(fault: ProgramFault) -> int:
    """The line, counted from 1, at which the fault must be found: that of `at`, else the first one that was edited."""
    lines = fault.text.splitlines()
    wanted = fault.at or next(line for line in fault.new.splitlines() if line.strip())
    return next(number for number, line in enumerate(lines, 1) if wanted in line)
