#!/usr/bin/env python3
"""blocks.py MIND_GOLDEN [FAMILY...]

One block of each kind of every family of transformers, as wide as it is published, against diffusers' with the same
random weights: in bfloat16, where both round, and in float32. Weights and records lie in a temporary folder, one
family's at a time (2 GB at the most), and mind-golden reads them as it reads any record.

Fails where an answer in float32 differs by more than mind-golden allows (2e-5 of the largest value), or one in
bfloat16 by more than twice what diffusers' own does from its own in float32.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import zlib

import diffusers
import safetensors.torch
import torch

TIMES = torch.tensor([0.5, 0.25])  # of 1: what bfloat16 holds exactly, as each number that is told here
ROWS, TOKENS, HIGH, WIDE = 2, 40, 12, 16  # rows, a prompt's tokens, and patches of a picture


def numbers(name, *shape):
    """The same for the same name, and such as bfloat16 holds."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(shape, generator=generator).bfloat16().float()


def places(*first):
    """Of a grid's tokens: what is given, then their rows and columns."""
    rows, columns = torch.meshgrid(torch.arange(HIGH), torch.arange(WIDE), indexing="ij")
    fixed = [torch.full((HIGH * WIDE,), value) for value in first]
    return torch.stack([*fixed, rows.flatten(), columns.flatten()], -1)


def z_image(config):
    told = {"t": TIMES}
    for row in range(ROWS):
        told[f"x{row}"] = numbers(f"x{row}", config["in_channels"], 1, 2 * HIGH, 2 * WIDE)
        told[f"cap{row}"] = numbers(f"cap{row}", TOKENS - 9 * row, config["cap_feat_dim"])
    return told, {}


def call_z_image(network, told, _):
    pictures, prompts = [told["x0"], told["x1"]], [told["cap0"], told["cap1"]]
    made = network(pictures, told["t"], prompts, return_dict=False)[0]
    return {f"sample{row}": answer for row, answer in enumerate(made)}


def tokens(config, pooled=None, ids=(), guided=False):
    told = {"hidden_states": numbers("x", ROWS, HIGH * WIDE, config["in_channels"]),
            "encoder_hidden_states": numbers("text", ROWS, TOKENS, config["joint_attention_dim"]), "timestep": TIMES}
    if pooled:
        told["pooled_projections"] = numbers("pooled", ROWS, pooled)
    if guided:
        told["guidance"] = torch.tensor([4.0, 1.0])
    return {**told, **dict(ids)}


def flux1(config):
    ids = {"img_ids": places(0).float(), "txt_ids": torch.zeros(TOKENS, 3)}
    return tokens(config, config["pooled_projection_dim"], ids, guided=True), {}


def flux2(config):
    lines = torch.zeros(TOKENS, 4, dtype=torch.long)
    lines[:, 3] = torch.arange(TOKENS)
    picture = torch.cat([places(0), torch.zeros(HIGH * WIDE, 1, dtype=torch.long)], -1)
    return tokens(config, ids={"img_ids": picture.expand(ROWS, -1, -1).contiguous(),
                               "txt_ids": lines.expand(ROWS, -1, -1).contiguous()}), {}


def qwen_image(config):
    mask = torch.ones(ROWS, TOKENS, dtype=torch.long)
    mask[1, TOKENS - 9:] = 0
    return {**tokens(config), "mask": mask}, {"img_shapes": [[[1, HIGH, WIDE]]] * ROWS}


def sd3(config):
    told = tokens(config, config["pooled_projection_dim"])
    told["hidden_states"] = numbers("x", ROWS, config["in_channels"], 2 * HIGH, 2 * WIDE)
    told["timestep"] = 1000 * TIMES
    return told, {}


def call(network, told, arguments):
    named = dict(told)
    if "mask" in named:
        named["encoder_hidden_states_mask"] = named.pop("mask").bool()
    return {"sample": network(**named, **arguments, return_dict=False)[0]}


SD3 = dict(in_channels=16, out_channels=16, patch_size=2, sample_size=128, attention_head_dim=64, num_layers=2,
           joint_attention_dim=4096, pooled_projection_dim=2048, qk_norm="rms_norm")
FAMILIES = {  # class, published widths with a block of each kind (Stable Diffusion 3's last is a kind), inputs, call
    "z-image": (diffusers.ZImageTransformer2DModel, dict(
        all_patch_size=(2,), all_f_patch_size=(1,), in_channels=16, dim=3840, n_layers=1, n_refiner_layers=1, n_heads=30,
        n_kv_heads=30, cap_feat_dim=2560, axes_dims=[32, 48, 48], axes_lens=[1536, 512, 512]), z_image, call_z_image),
    "flux2-klein-4b": (diffusers.Flux2Transformer2DModel, dict(
        in_channels=128, num_layers=1, num_single_layers=1, num_attention_heads=24, attention_head_dim=128,
        joint_attention_dim=7680, guidance_embeds=False), flux2, call),
    "qwen-image": (diffusers.QwenImageTransformer2DModel, dict(
        in_channels=64, out_channels=16, num_layers=1, num_attention_heads=24, attention_head_dim=128,
        joint_attention_dim=3584, axes_dims_rope=(16, 56, 56)), qwen_image, call),
    "flux1-dev": (diffusers.FluxTransformer2DModel, dict(
        in_channels=64, num_layers=1, num_single_layers=1, num_attention_heads=24, attention_head_dim=128,
        joint_attention_dim=4096, pooled_projection_dim=768, guidance_embeds=True), flux1, call),
    "sd3.5-medium": (diffusers.SD3Transformer2DModel, dict(
        SD3, num_attention_heads=24, caption_projection_dim=1536, pos_embed_max_size=384,
        dual_attention_layers=(0,)), sd3, call),
    "sd3.5-large": (diffusers.SD3Transformer2DModel, dict(
        SD3, num_attention_heads=38, caption_projection_dim=2432, pos_embed_max_size=192), sd3, call),
}


def randomise(network):
    """As training leaves them, about: what goes in comes out about as large, and norms scale by about one."""
    for name, weight in network.named_parameters():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        weight.data.normal_(generator=generator)
        if weight.dim() > 1:
            weight.data *= weight[0].numel() ** -0.5
        else:
            weight.data.mul_(0.1).add_(1 if "norm" in name and name.endswith("weight") else 0)


def as_type(told, dtype):
    """What a network is told as numbers; places and masks stay what they are."""
    exact = ("img_ids", "txt_ids", "mask")
    return {name: value if name in exact else value.to(dtype) for name, value in told.items()}


def relative(ours, theirs):
    return max(((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max()).item() for name in theirs)


def checked(golden, folder, *flags):
    """The largest relative error that mind-golden prints of the only case, and whether it held."""
    run = subprocess.run([golden, folder, "--filter", "components/", *flags], capture_output=True, text=True)
    print("  " + run.stdout.strip().replace("\n", "\n  ") + run.stderr, flush=True)
    found = re.search(r"error (\S+)", run.stdout)
    return (float(found[1]) if found else float("nan")), run.returncode == 0


def check(golden, name):
    kind, config, inputs, run = FAMILIES[name]
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        torch.set_default_dtype(torch.bfloat16)
        network = kind(**config).eval()
        torch.set_default_dtype(torch.float32)
        network.to(torch.bfloat16)
        randomise(network)
        weights = f"{folder}/weights"
        network.save_pretrained(weights, max_shard_size="100GB")
        told, arguments = inputs(config)
        made = {}
        for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
            made[precision] = {key: answer.float().contiguous()
                               for key, answer in run(network.to(dtype), as_type(told, dtype), arguments).items()}
        del network
        for precision, answers in made.items():
            place = f"{folder}/{precision}"
            os.makedirs(f"{place}/components")
            os.makedirs(f"{place}/models/{name}")
            os.symlink(weights, f"{place}/models/{name}/transformer")
            record = {f"in.{key}": value.contiguous() for key, value in told.items()}
            record.update({f"out.{key}": value for key, value in answers.items()})
            safetensors.torch.save_file(record, f"{place}/components/{name}.safetensors")
            with open(f"{place}/components/index.json", "w") as index:
                case = {"name": name, "model": f"models/{name}/transformer"}
                json.dump([{**case, "arguments": arguments} if arguments else case], index)
        theirs = relative(made["bf16"], made["fp32"])
        exact, held = checked(golden, f"{folder}/fp32")
        rounded, also = checked(golden, f"{folder}/bf16", "--precision", "bf16")
    print(f"{name}: float32 {exact:.1e}, bfloat16 {rounded:.1e} (diffusers from its own in float32: {theirs:.1e})", flush=True)
    return held and also and rounded <= 2 * theirs


def main():
    golden, *names = sys.argv[1:] or sys.exit(__doc__)
    unknown = set(names) - set(FAMILIES)
    if unknown:
        sys.exit(f"blocks.py: no family {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}")
    failed = [name for name in names or FAMILIES if not check(golden, name)]
    if failed:
        sys.exit(f"off: {', '.join(failed)}")


main()
