"""The closest match is what a person would have meant."""

from ppo_audit.errors import closest, did_you_mean


class TestClosest:
    def test_capitals_do_not_matter(self):
        assert closest("ppo011", ["PPO101", "PPO902"]) == "PPO101"

    def test_nothing_near(self):
        assert closest("zzz", ["PPO101"]) is None
        assert did_you_mean("zzz", ["PPO101"]) == ""

    def test_the_question_goes_at_the_end_of_a_message(self):
        assert did_you_mean("entropy-sin", ["entropy-sign"]) == " Did you mean `entropy-sign`?"

    def test_no_choices(self):
        assert closest("PPO101", []) is None
