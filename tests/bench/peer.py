#!/usr/bin/env python3
"""peer.py BENCH_ENGINE [--rounds N] [--threads N] [--size N]

The networks of Stable Diffusion 1.5 by diffusers, on random weights and on the CPU, in turns with ours
(bench-engine): one guided step, its two rows as one batch, and one picture decoded. Prints the smallest of the
rounds and our ratio to diffusers' better layout.

Needs torch and diffusers of its own (docs/benchmarks.md says which versions were measured):
  python3 -m venv peer && peer/bin/pip install torch diffusers transformers
"""
import argparse
import json
import resource
import subprocess
import sys
import time

import diffusers
import torch

UNET = dict(sample_size=64, cross_attention_dim=768, attention_head_dim=8, block_out_channels=(320, 640, 1280, 1280),
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3)
VAE = dict(block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
           down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)


def measured(work):
    before, begin = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    work()
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_SELF)
    return {"wall": wall, "processor": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def least(rounds):
    return {key: min(one[key] for one in rounds) for key in rounds[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench_engine")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=512)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.set_grad_enabled(False)
    unet = diffusers.UNet2DConditionModel(**UNET).eval()
    vae = diffusers.AutoencoderKL(**VAE).eval()
    extent = given.size // 8
    x, text, z = torch.randn(2, 4, extent, extent), torch.randn(2, 77, 768), torch.randn(1, 4, extent, extent)
    engine = subprocess.Popen([given.bench_engine, str(given.size), "0"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)

    ours, theirs = {"step": [], "decode": []}, {}
    for number in range(given.rounds):
        engine.stdin.write("\n")
        engine.stdin.flush()
        answer = json.loads(engine.stdout.readline())
        for what in ours:
            ours[what].append(answer[what])
        for layout in (torch.contiguous_format, torch.channels_last):
            unet.to(memory_format=layout)
            vae.to(memory_format=layout)
            works = {"step": lambda: unet(x.to(memory_format=layout), 500, text),
                     "decode": lambda: vae.decode(z.to(memory_format=layout))}
            for what, work in works.items():
                theirs.setdefault((what, str(layout).removeprefix("torch.")), []).append(measured(work))
        print(f"round {number + 1} of {given.rounds}", file=sys.stderr)
    engine.stdin.close()
    engine.wait()

    print(f"diffusers {diffusers.__version__}, torch {torch.__version__}, {given.threads} threads, {given.size}x{given.size}")
    print("| | wall, s | processor, s | ours / theirs, wall | processor |")
    print("| --- | --- | --- | --- | --- |")
    for what, rounds in ours.items():
        own = least(rounds)
        print(f"| ours, {what} | {own['wall']:.2f} | {own['processor']:.2f} | | |")
        for (of, layout), others in theirs.items():
            if of == what:
                peer = least(others)
                print(f"| diffusers, {what}, {layout} | {peer['wall']:.2f} | {peer['processor']:.2f} | "
                      f"{own['wall'] / peer['wall']:.2f} | {own['processor'] / peer['processor']:.2f} |")


if __name__ == "__main__":
    main()
