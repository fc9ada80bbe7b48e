"""No operation pairs every sample with every other by accident.

Property.  No element-wise operation of the loss takes (N,) and (N, 1): broadcasting makes (N, N) of them.
Why.       The mean over N x N pairs runs without an error and teaches every sample the average of all: a critic that
           predicts the mean, a policy without credit. Shapes of the reference: openai/baselines,
           https://github.com/openai/baselines/blob/ea25b9e8/baselines/ppo2/model.py, all (N,).
Applies.   Shapes that the target itself makes, on the shapes in which it takes its inputs, or as they were recorded.
           Operands of one rank, (N, K, 1) and (N, 1, K), are paired on purpose.
Tested.    Every operation of one recorded call with eight samples, or eight sequences of five tokens.
Severity.  Critical: credit is meaningless. Potential where only (N,) inputs do it, and (N, 1) beside a policy's (N, D)
           would fit; and where the pairs are only added and averaged, which gives the sum of both means.
Fix.       Give both operands one shape: `squeeze(-1)` the critic's output, or drop `keepdim=True`. Assert equal shapes
           first.
"""

from dataclasses import replace

from ppo_audit import Location, Rule, Severity, Subject, Violation

RULE = Rule(
    code="PPO508",
    name="shapes-never-broadcast",
    family="shape",
    severity=Severity.CRITICAL,
    kinds=("loss", "trainer", "reduction"),
    must_flag=("values_as_column", "gather_not_squeezed", "log_prob_keeps_its_axis"),
)


def check(subject: Subject) -> Violation | None:
    product = subject.direct.outer_product()
    if product is None:
        return None
    found = broadcast(product.made or product.used, product.operation, product.shapes)
    return replace(found, severity=Severity.POTENTIAL, explains=()) if product.is_a_sum else found


def broadcast(place: Location | None, operation: str, shapes: tuple[tuple[int, ...], ...]) -> Violation:
    return Violation(
        f"`{operation}` of {' against '.join(map(str, shapes))} pairs every sample with every other.",
        counterexample={"shapes": [list(shape) for shape in shapes], "want": "one shape"},
        explains=(
            "PPO102",
            "PPO103",
            "PPO104",
            "PPO105",
            "PPO111",
            "PPO206",
            "PPO301",
            "PPO302",
            "PPO504",
            "PPO506",
            "PPO507",
        ),
        place=place,
    )
