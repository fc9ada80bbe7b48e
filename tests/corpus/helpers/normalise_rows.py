"""Every row by its own statistics, along an axis that has a default."""


def masked_normalize(tensor, mask, dim=1, eps=1e-8):
    count = mask.sum(dim, keepdim=True).clamp(min=1)
    centred = (tensor - (tensor * mask).sum(dim, keepdim=True) / count) * mask
    return centred * ((centred**2).sum(dim, keepdim=True) / count).clamp(min=eps).rsqrt()
