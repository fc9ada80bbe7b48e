"""Token-level GRPO: groups of completions, sampled at a temperature, masked after the end token."""

import torch
from torch import nn

torch.manual_seed(7)
VOCABULARY, PROMPTS, GROUP, LENGTH, END, TEMPERATURE, BETA = 8, 3, 4, 6, 0, 0.7, 0.04


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 16)
        self.rnn = nn.GRU(16, 16, batch_first=True)
        self.head = nn.Linear(16, VOCABULARY)

    def forward(self, tokens):
        return self.head(self.rnn(self.embed(tokens))[0])


model, reference = Model(), Model()
reference.load_state_dict(model.state_dict())
reference.requires_grad_(False)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)


def token_log_probs(network, tokens, completion):
    logits = network(tokens)[:, :-1] / TEMPERATURE
    return logits.log_softmax(-1).gather(-1, completion.unsqueeze(-1)).squeeze(-1)


@torch.no_grad()
def generate(prompt):
    tokens = prompt
    for _ in range(LENGTH):
        probabilities = (model(tokens)[:, -1] / TEMPERATURE).softmax(-1)
        tokens = torch.cat([tokens, torch.multinomial(probabilities, 1)], dim=1)
    return tokens


for step in range(3):
    prompt = torch.randint(1, VOCABULARY, (PROMPTS, 1)).repeat_interleave(GROUP, 0)
    tokens = generate(prompt)
    completion = tokens[:, 1:]
    ended = (completion == END).cumsum(1)
    mask = ((ended - (completion == END).long()) == 0).float()
    rewards = ((completion == prompt).float() * mask).sum(1) + 0.1 * torch.rand(PROMPTS * GROUP)
    grouped = rewards.view(PROMPTS, GROUP)
    centred = grouped - grouped.mean(1, keepdim=True)
    advantages = (centred / (grouped.std(1, keepdim=True) + 1e-4)).view(-1, 1)
    with torch.no_grad():
        old = token_log_probs(model, tokens, completion)
        ref = token_log_probs(reference, tokens, completion)
    for epoch in range(3):
        new = token_log_probs(model, tokens, completion)
        ratio = (new - old).clamp(-10, 10).exp()
        surrogate = torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)
        kl = (ref - new).exp() - (ref - new) - 1
        per_token = -(surrogate - BETA * kl)
        loss = (per_token * mask).sum() / mask.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
