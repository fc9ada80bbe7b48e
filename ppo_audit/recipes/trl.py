"""TRL's GRPOTrainer and RLOOTrainer, as installed: a model of one layer and a tokenizer of twelve words, made here."""

from __future__ import annotations

from functools import partial
from typing import Any

from ppo_audit.recipes import Variant

WORDS = ("[PAD]", "[EOS]", *"zero one two three four five six seven eight nine".split())
SIZES = {
    "per_device_train_batch_size": 8,
    "num_generations": 4,
    "num_iterations": 2,  # the library's default of one update for each batch never leaves a ratio of one
    "max_completion_length": 6,
    "max_steps": 4,
    "learning_rate": 1e-2,
}
QUIET = {
    "use_cpu": True,
    "bf16": False,
    "report_to": [],
    "save_strategy": "no",
    "logging_strategy": "no",
    "disable_tqdm": True,
    "gradient_checkpointing": False,
}


def grpo() -> tuple[Variant, ...]:
    """The library's default loss, and that of the GRPO paper with its KL."""
    return (
        Variant("default (loss_type=dapo)", partial(train, "GRPO")),
        Variant("loss_type=grpo, beta=0.04", partial(train, "GRPO", loss_type="grpo", beta=0.04)),
    )


def rloo() -> tuple[Variant, ...]:
    """The library's defaults."""
    return (Variant("default", partial(train, "RLOO")),)


def train(method: str, **settings: Any) -> None:
    """A few updates on words that are rewarded for being long; `settings` differ from the library's defaults."""
    import tempfile

    import transformers
    import trl
    from datasets import Dataset

    prompts = Dataset.from_dict({"prompt": [f"{first} {second}" for first in WORDS[2:6] for second in WORDS[6:10]]})
    transformers.set_seed(0)
    tokenizer = make_tokenizer()
    with tempfile.TemporaryDirectory() as folder:
        make_model(tokenizer).save_pretrained(folder)  # the reference model is loaded from there once more
        getattr(trl, f"{method}Trainer")(
            model=folder,
            reward_funcs=lambda completions, **_: [float(len(text)) for text in completions],
            args=getattr(trl, f"{method}Config")(output_dir=folder, **(SIZES | QUIET | settings)),
            train_dataset=prompts,
            processing_class=tokenizer,
        ).train()


def make_tokenizer() -> Any:
    """One token a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="zero"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", eos_token="[EOS]", padding_side="left")


def make_model(tokenizer: Any) -> Any:
    """A causal language model of one layer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=32,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
