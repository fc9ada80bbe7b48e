"""GRPO for control and tokens, behaviour cloning, and the two stages together."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ppo_audit.reference import grpo_advantages
from ppo_audit.reference.trainers import demonstrations, grpo, token_grpo
from ppo_audit.reference.trainers.behaviour_cloning import BC, BCConfig
from ppo_audit.reference.trainers.evaluation import evaluate_policy
from ppo_audit.reference.trainers.tokens import ANSWER_LENGTH, END, LENGTH, PADDING, PROMPT_LENGTH
from ppo_audit.reference.trainers.trainer import Setup, begin_from, start


def control(**options):
    config = grpo.GRPOConfig(group_size=4, **options)
    return start(Setup("native/CartPole-v1", environments=8), config, grpo.GRPO, 10_000)


def token_trainer(**options):
    config = token_grpo.TokenGRPOConfig(group_size=4, minibatch_size=8, **options)
    setup = Setup("native/ReverseTokens", environments=8, network="tokens", hidden=(32,))
    return start(setup, config, token_grpo.TOKEN_GRPO, 10_000)


class TestControl:
    def test_a_group_starts_from_one_state_and_groups_from_different_ones(self):
        trajectory, _ = grpo.collect_episodes(control(), 4)
        first = trajectory.observation[0]
        assert torch.equal(first[:4], first[:1].expand(4, -1))
        assert not torch.equal(first[0], first[4])

    def test_steps_after_the_first_end_are_not_valid(self):
        ended = torch.tensor([[0, 0, 1], [1, 0, 0], [0, 0, 1], [1, 0, 0]]).bool()
        expected = torch.tensor([[1, 1, 1], [1, 1, 0], [0, 1, 0], [0, 1, 0]]).bool()
        assert torch.equal(grpo.first_episode(ended), expected)

    def test_every_step_of_an_episode_has_its_advantage_within_its_group(self):
        trainer = control()
        trajectory, valid = grpo.collect_episodes(trainer, 4)
        samples = grpo.episode_samples(trainer, trajectory, valid, trainer.config)
        lengths = valid.sum(0).float()
        expected = grpo_advantages(lengths.view(2, 4)).view(1, 8).expand_as(valid)[valid]
        assert torch.allclose(samples.advantage, expected)
        assert len(samples.action) == int(valid.sum())

    def test_cartpole_improves_without_a_critic(self):
        trainer = control(learning_rate=3e-3)
        while trainer.steps < 60_000:
            metrics = grpo.GRPO.iterate(trainer)
        assert metrics["return"] > 100
        assert metrics.keys() >= {"policy_loss", "entropy", "kl", "clip_fraction", "ratio_max"}

    def test_the_kl_penalty_holds_the_policy_near_the_one_it_began_with(self):
        kls = []
        for coef in (0.0, 10.0):
            trainer = control(kl_coef=coef, learning_rate=3e-3)
            begin_from(trainer, trainer.network.state_dict())
            for _ in range(5):
                grpo.GRPO.iterate(trainer)
            x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0)) * 0.1
            with torch.no_grad():
                kls.append(trainer.family.kl(trainer.network.policy(x), trainer.reference.policy(x)).mean().item())
        assert kls[1] < kls[0] / 3

    def test_environments_that_make_no_whole_groups_are_refused(self):
        with pytest.raises(ValueError, match="in groups of 3, got 8 environments"):
            grpo.collect_episodes(control(), 3)


class TestTokens:
    def test_the_text_being_written_and_the_whole_text_give_the_same_log_probs(self):
        trainer = token_trainer()
        trajectory, valid = grpo.collect_episodes(trainer, 4)
        texts, _ = token_grpo.answered_texts(token_trainer(), trainer.config)  # the same seed, the same texts
        with torch.no_grad():
            logits = trainer.network.policy(trajectory.observation.flatten(0, 1))
        one_by_one = trainer.family.log_prob(logits, trajectory.action.flatten()).view(valid.shape)
        mask = texts.mask.T
        assert torch.equal(mask, valid[:ANSWER_LENGTH])
        assert torch.allclose(one_by_one[:ANSWER_LENGTH][mask], texts.log_prob_old.T[mask], atol=1e-5)

    def test_the_mask_covers_the_answer_to_its_end_token_and_no_further(self):
        texts, _ = token_grpo.answered_texts(token_trainer(), token_trainer().config)
        for tokens, mask in zip(texts.tokens.tolist(), texts.mask.tolist(), strict=True):
            answer = tokens[PROMPT_LENGTH:]
            stop = answer.index(END) + 1 if END in answer else ANSWER_LENGTH
            assert mask == [t < stop for t in range(ANSWER_LENGTH)]
            assert answer[stop:] == [PADDING] * (ANSWER_LENGTH - stop)

    @pytest.mark.parametrize("reduction", ["sequence", "token", "constant"])
    def test_the_gradient_of_each_token_equals_the_scalar_formula(self, reduction, monkeypatch):
        trainer = token_trainer(reduction=reduction)
        texts, _ = token_grpo.answered_texts(trainer, trainer.config)
        generator = torch.Generator().manual_seed(0)
        log_prob = texts.log_prob_old + 0.4 * torch.randn(texts.mask.shape, generator=generator)
        log_prob.requires_grad_()
        monkeypatch.setattr(token_grpo, "answer_log_probs", lambda *_: log_prob)
        token_grpo.token_loss(trainer, trainer.config, texts).backward()
        lengths = texts.mask.sum(1)
        for i in range(len(lengths)):
            for t in range(ANSWER_LENGTH):
                a = texts.advantage[i].item()
                r = math.exp(log_prob[i, t].item() - texts.log_prob_old[i, t].item())
                stopped = (a > 0 and r > 1.2) or (a < 0 and r < 0.8)
                count = {"sequence": 8 * lengths[i], "token": lengths.sum(), "constant": 8 * ANSWER_LENGTH}[reduction]
                expected = 0.0 if stopped or not texts.mask[i, t] else -r * a / float(count)
                assert log_prob.grad[i, t].item() == pytest.approx(expected, abs=1e-6)

    def test_later_tokens_and_padding_never_change_earlier_logits(self):
        network = token_trainer().network
        texts = torch.randint(0, 5, (3, LENGTH), generator=torch.Generator().manual_seed(0))
        texts[:, :2] = PADDING
        changed = texts.clone()
        changed[:, 8:] = PADDING
        with torch.no_grad():
            assert torch.allclose(network.all_logits(texts)[:, :8], network.all_logits(changed)[:, :8], atol=1e-6)
            assert network.all_logits(texts).isfinite().all()

    def test_the_share_of_right_tokens_rises(self):
        config = token_grpo.TokenGRPOConfig(group_size=16, learning_rate=2e-3)
        setup = Setup("native/ReverseTokens", environments=128, network="tokens", hidden=(32,))
        trainer = start(setup, config, token_grpo.TOKEN_GRPO, 100_000)
        returns = [token_grpo.TOKEN_GRPO.iterate(trainer)["return"] for _ in range(100)]
        assert np.mean(returns[-3:]) > returns[0] + 0.15


class TestBehaviourCloning:
    @pytest.mark.parametrize("network", ["separate", "transformer"])
    def test_a_student_learns_to_act_like_the_demonstrator(self, network, tmp_path):
        steps, count = 40, 6
        observation = torch.randn(steps, count, 4, generator=torch.Generator().manual_seed(0))
        shown = demonstrations.Demonstrations(
            observation, (observation[..., 2] > 0).long(), torch.ones(steps, count, dtype=torch.bool)
        )
        demonstrations.save(shown, tmp_path / "shown.pt")
        config = BCConfig(str(tmp_path / "shown.pt"), minibatch_size=32, learning_rate=1e-2)
        trainer = start(Setup("native/CartPole-v1", network=network, hidden=(32,), history=3), config, BC, 10_000)
        for _ in range(15):
            metrics = BC.iterate(trainer)
        assert metrics["agreement"] > 0.95

    def test_another_file_is_refused(self, tmp_path):
        torch.save({"weights": torch.zeros(2)}, tmp_path / "x.pt")
        with pytest.raises(ValueError, match="expected demonstrations of format"):
            demonstrations.read(tmp_path / "x.pt")

    def test_demonstrations_are_whole_episodes_from_their_first_step(self):
        trainer = control()
        shown = demonstrations.demonstrate(trainer, episodes=5, steps=200, seed=0)
        assert (shown.observation[0].abs() <= 0.05).all()
        assert shown.valid[0].all()
        lengths = shown.valid.sum(0)
        assert torch.equal(shown.valid, torch.arange(200)[:, None] < lengths)
        assert evaluate_policy(trainer, 5).mean >= 8
