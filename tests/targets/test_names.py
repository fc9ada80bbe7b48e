"""What names say, in the words of public code: the role, or nothing where a guess would be worse than a question."""

import pytest

from ppo_audit.targets.names import role_of, settle


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("logit_new", "logits"),
        ("logit_old", "old_logits"),
        ("phi_old_values", "old_value"),
        ("mb_resp_values", "value"),
        ("vs_pred_old", "old_value"),
        ("vs_teacher", "return_"),
        ("target_masks", "mask"),
        ("padding_mask_p1", "mask"),
        ("generation_logprobs", "old_log_prob"),
        ("inference_logprobs", "old_log_prob"),
        ("log_old_pi", "old_log_prob"),
        ("b_old_lps", "old_log_prob"),
        ("eps_clip_higher", "clip_range_high"),
        ("value_eps_clip", "clip_range_value"),
        ("vfcoef", "value_coef"),
        ("lambda_entropy", "entropy_coef"),
        ("lambda_gae_adv", "gae_lambda"),
        ("γ", "gamma"),
    ],
)
def test_a_compound_name_is_read_by_its_words(name, role):
    assert role_of(name) == role


@pytest.mark.parametrize(
    "name",
    "normalize_advantages adv_norm_eps clip_log_ratio_min clip_ratio_c clip_grad_norm clip_vloss loss_mask_sum "
    "ref_logits value_loss target_kl cost_advantages cost_adv".split(),
)
def test_a_name_of_something_else_is_not_taken_for_a_role(name):
    assert role_of(name) is None


@pytest.mark.parametrize(
    ("names", "past"),
    [
        ({"log_probs": "log_prob", "experience.action_log_probs": "log_prob"}, "experience.action_log_probs"),
        ({"logprob": "log_prob", "new_logprob": "log_prob"}, "logprob"),
        ({"gen_logps": "old_log_prob", "old_logps": "old_log_prob"}, "old_logps"),
    ],
)
def test_of_two_log_probs_one_is_of_the_past(names, past):
    settled = settle(names)
    assert settled[past] == "old_log_prob"
    assert [role for name, role in settled.items() if name != past] == ["log_prob"]
