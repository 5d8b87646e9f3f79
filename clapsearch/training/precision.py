"""Half precision, where it pays."""

import torch


def half_type(device: str) -> torch.dtype | None:
    """Return the half precision that a device computes faster than float32; None if it has none.

    A CPU without instructions for bfloat16 emulates it: a step of training took eight times as long as in float32.

    Parameters
    ----------
    device : str
        ``cpu``, ``cuda`` or ``mps``.
    """
    if device != "cpu":
        return torch.float16
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return torch.bfloat16 if any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")) else None


def autocast(device: str, *, half: bool) -> torch.autocast:
    """Return the context in which a model computes: in half precision if that is asked for and pays."""
    dtype = half_type(device)
    return torch.autocast(device, dtype=dtype, enabled=half and dtype is not None)
