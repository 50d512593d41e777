"""Records what scorers lead to: tests/data/scorers, which tests/unit/diffusion/scorer_records_test.cc compares.

    record_scorers.py GUIDED_DIFFUSION GLIDE OUT      with what requirements.lock pins

GUIDED_DIFFUSION: a checkout of openai/guided-diffusion, whose classifier is the reference (commit 22e0df8). GLIDE: one
of openai/glide-text2im, for its CLIP of noised pictures, its networks and its sampler (commit 69b5307). Else CLIP is
transformers', networks and samplers are diffusers'. Weights are random and not degenerate; they are written beside the
numbers, as their publishers lay them out.

What leads is the gradient by x of the score, times a scale. A classifier's is taken at x. CLIP's is taken at the
estimate of x0, decoded where the model is one of latents, and multiplied by alpha (docs/adr/0038): the denoiser is not
differentiated. Deterministic samplers get eps - sigma * lead (Dhariwal & Nichol 2021, algorithm 2), ancestral ones
have their mean shifted by variance * lead (algorithm 1).
"""

import json
import pathlib
import sys

import numpy
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel, UNet2DModel
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextModel,
    CLIPTokenizer,
)

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "data" / "golden" / "models"
STEPS, SEED = 6, 7


def randomise(module, seed):
    """Weights as the golden models have them: layers that training begins at zero are exercised too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1:
                fan_in = parameter[0].numel()
                parameter.copy_(noise * (0.9 / fan_in) ** 0.5)
            elif name.endswith("weight"):
                parameter.copy_(1 + 0.2 * noise)
            else:
                parameter.copy_(0.1 * noise)
            parameter.copy_(parameter.half())  # they are stored so, which loses nothing
    return module.eval()


class Clip:
    """The logit of a picture and a text."""

    SIDE = 24

    def __init__(self, out):
        self.tokenizer = CLIPTokenizer.from_pretrained(GOLDEN / "sd1" / "tokenizer")
        tower = {
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
        }
        config = CLIPConfig(
            text_config={
                **tower,
                "vocab_size": len(self.tokenizer),
                "max_position_embeddings": 77,
                "eos_token_id": 2,
            },
            vision_config={**tower, "image_size": self.SIDE, "patch_size": 8},
            projection_dim=8,
        )
        self.model = randomise(CLIPModel(config), 21).requires_grad_(False)
        self.model.logit_scale.fill_(3.0)
        self.model.half().save_pretrained(out)
        self.model.float()
        self.pixels = CLIPImageProcessor(
            size={"shortest_edge": self.SIDE},
            crop_size={"height": self.SIDE, "width": self.SIDE},
        )
        self.pixels.save_pretrained(out)

    def embedded(self, text):
        ids = self.tokenizer(text, padding="max_length", max_length=77, return_tensors="pt").input_ids
        features = self.model.get_text_features(input_ids=ids)
        return features / features.norm(dim=-1, keepdim=True)

    def score(self, picture, text):
        """picture: in [-1, 1], as far as it is within bounds."""
        small = torch.nn.functional.interpolate(
            picture / 2 + 0.5, size=(self.SIDE, self.SIDE), mode="bicubic", antialias=True
        )
        numbers = [torch.tensor(n).view(1, 3, 1, 1) for n in (self.pixels.image_mean, self.pixels.image_std)]
        features = self.model.get_image_features(pixel_values=(small - numbers[0]) / numbers[1])
        features = features / features.norm(dim=-1, keepdim=True)
        return self.model.logit_scale.exp() * (features * self.embedded(text)).sum()


def classifier(out):
    from guided_diffusion.unet import EncoderUNetModel

    network = EncoderUNetModel(
        image_size=16,
        in_channels=3,
        model_channels=32,
        out_channels=10,
        num_res_blocks=1,
        attention_resolutions=(2,),
        channel_mult=(1, 2),
        num_head_channels=16,
        use_scale_shift_norm=True,
        resblock_updown=True,
        pool="attention",
    )
    randomise(network, 22)
    out.mkdir()
    save_file({name: tensor.half() for name, tensor in network.state_dict().items()}, out / "model.safetensors")
    config = {
        "_class_name": "EncoderUNetModel",
        "image_size": 16,
        "classifier_width": 32,
        "classifier_depth": 1,
        "classifier_attention_resolutions": "8",
        "channel_mult": "1,2",
        "num_classes": 10,
        "num_head_channels": 16,
    }
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    return network


class NoisedClip:
    """GLIDE's own: a picture and its training step."""

    CONFIG = {
        "_class_name": "GlideClip",
        "logit_scale": 100.0,
        "beta_schedule": "squaredcos_cap_v2",
        "n_timesteps": 1000,
        "image_size": 16,
        "patch_size": 4,
        "max_text_len": 77,
        "n_embd": 8,
        "n_head_state_text": 8,
        "n_head_text": 2,
        "n_xf_blocks_text": 2,
        "n_head_state_image": 8,
        "n_head_image": 2,
        "n_xf_blocks_image": 2,
    }

    def __init__(self, tokenizer, out):
        from glide_text2im.clip.encoders import ImageEncoder, TextEncoder

        self.tokenizer = tokenizer
        config = {**self.CONFIG, "n_vocab": len(tokenizer)}
        device = torch.device("cpu")
        self.text = TextEncoder(
            n_bpe_vocab=config["n_vocab"],
            max_text_len=config["max_text_len"],
            n_embd=config["n_embd"],
            n_head=config["n_head_text"],
            n_xf_blocks=config["n_xf_blocks_text"],
            n_head_state=config["n_head_state_text"],
            device=device,
        )
        self.image = ImageEncoder(
            image_size=config["image_size"],
            patch_size=config["patch_size"],
            n_embd=config["n_embd"],
            n_head=config["n_head_image"],
            n_xf_blocks=config["n_xf_blocks_image"],
            n_head_state=config["n_head_state_image"],
            n_timestep=config["n_timesteps"],
            device=device,
        )
        out.mkdir()
        for network, seed, name in ((self.image, 23, "image"), (self.text, 24, "text")):
            randomise(network, seed)
            halves = {key: tensor.half() for key, tensor in network.state_dict().items()}
            save_file(halves, out / f"clip_{name}_enc.safetensors")
        (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")

    def embedded(self, text):
        ids = self.tokenizer(text).input_ids
        padded = torch.tensor([ids + [0] * (self.CONFIG["max_text_len"] - len(ids))])
        features = self.text(padded, torch.tensor([len(ids)]))
        return features / features.norm(dim=-1, keepdim=True)

    def score(self, x, t, embedded):
        features = self.image((x + 1) * 127.5, t)
        features = features / features.norm(dim=-1, keepdim=True)
        return self.CONFIG["logit_scale"] * (features * embedded).sum()


def glide_led(clip, text, scale, steps):
    """x after each step of GLIDE's base stage, unguided but by the scorer, as notebooks/clip_guided.ipynb has it."""
    import types

    from glide_text2im import model_creation

    options = json.loads((GOLDEN / "glide" / "base" / "config.json").read_text())
    vocabulary = types.SimpleNamespace(n_vocab=options["n_vocab"])
    model_creation.get_encoder = lambda: vocabulary
    names = model_creation.create_model.__code__.co_varnames[: model_creation.create_model.__code__.co_argcount]
    model = model_creation.create_model(**{name: options[name] for name in names}).eval()
    weights = next((GOLDEN / "glide" / "base").glob("*.safetensors"))
    model.load_state_dict({name: tensor.float() for name, tensor in load_file(weights).items()})
    diffusion = model_creation.create_gaussian_diffusion(
        steps=options["diffusion_steps"], noise_schedule=options["noise_schedule"], timestep_respacing=str(steps)
    )
    # Of "an oil painting of a corgi", as the golden record has it.
    recorded = load_file(GOLDEN.parent / "e2e" / "glide_two_stage.safetensors")
    told = {"tokens": recorded["tokens"][:1], "mask": recorded["mask"][:1]}
    embedded = clip.embedded(text).detach()

    def lead(x, t, **_):
        return scale * gradient(lambda seen: clip.score(seen, t, embedded), x)

    def leading(x, t, **kwargs):
        with torch.enable_grad():
            return lead(x, t, **kwargs)

    torch.manual_seed(SEED)
    shape = (1, 3, options["image_size"], options["image_size"])
    noise = torch.randn(shape)
    progress = diffusion.p_sample_loop_progressive(
        model, shape, noise=noise, clip_denoised=True, model_kwargs=told, cond_fn=leading, device="cpu"
    )
    return torch.cat([step["sample"] for step in progress])


def gradient(score, at):
    at = at.detach().requires_grad_(True)
    return torch.autograd.grad(score(at), at)[0]


def sampled(scheduler, x, predict, lead, generator):
    """x after each step. lead(x, t, eps, alpha, sigma): the scaled gradient by x."""
    scheduler.set_timesteps(STEPS)
    trajectory = []
    for t in scheduler.timesteps:
        alpha_bar = scheduler.alphas_cumprod[t]
        alpha, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        with torch.no_grad():
            eps = predict(x, t)
        leading = lead(x, t, eps, alpha, sigma)
        if isinstance(scheduler, DDPMScheduler):
            shift = scheduler._get_variance(t) * leading
            x = scheduler.step(eps, t, x, generator=generator).prev_sample + shift
        else:
            x = scheduler.step(eps - sigma * leading, t, x).prev_sample
        trajectory.append(x)
    return torch.cat(trajectory)


def main():
    guided_diffusion, glide, out = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    sys.path[:0] = [guided_diffusion, glide]
    numpy.bool = bool  # as their CLIP calls it
    torch.set_num_threads(1)
    out.mkdir(parents=True)
    clip = Clip(out / "clip")
    noisy = classifier(out / "classifier")
    numbers, cases = {}, []

    def record(name, model, scorer, scheduler, x, predict, lead, request, generator):
        numbers[f"{name}.x"] = sampled(scheduler, x, predict, lead, generator)
        print(name, "|x| at the end", float(numbers[f"{name}.x"][-1].abs().max()))
        sampler = "ddpm" if isinstance(scheduler, DDPMScheduler) else "ddim"
        cases.append({"name": name, "model": model, "scorer": scorer, "sampler": sampler, **request})

    # A model in pixels.
    unet = UNet2DModel.from_pretrained(GOLDEN / "ddpm-cifar" / "unet").eval()
    config = json.loads((GOLDEN / "ddpm-cifar" / "scheduler" / "scheduler_config.json").read_text())

    def by_clip(text, scale):
        def lead(x, t, eps, alpha, sigma):
            x0 = ((x - sigma * eps) / alpha).clamp(-1, 1)
            return scale * alpha * gradient(lambda picture: clip.score(picture, text), x0)

        return lead

    def by_class(label, scale):
        def lead(x, t, eps, alpha, sigma):
            def score(at):
                return torch.log_softmax(noisy(at, t.float().view(1)), dim=1)[0, label]

            return scale * gradient(score, x)

        return lead

    for kind in (DDIMScheduler, DDPMScheduler):
        for scorer, lead, request in (
            ("clip", by_clip("a photo of a dog", 10.0), {"target": "a photo of a dog", "scale": 10.0}),
            ("classifier", by_class(3, 100.0), {"target": "3", "scale": 100.0}),
        ):
            generator = torch.Generator().manual_seed(SEED)
            x = torch.randn((1, 3, 16, 16), generator=generator)
            name = f"pixels_{scorer}_{'ddim' if kind is DDIMScheduler else 'ddpm'}"
            record(
                name,
                "ddpm-cifar",
                scorer,
                kind.from_config(config),
                x,
                lambda at, t: unet(at, t).sample,
                lead,
                {"side": 16, **request},
                generator,
            )

    at = torch.randn((2, 3, 16, 16), generator=torch.Generator().manual_seed(31)) * 0.5
    times, labels = torch.tensor([250.0, 600.0]), torch.tensor([3, 8])
    numbers["classifier.x"], numbers["classifier.t"], numbers["classifier.label"] = at, times, labels
    numbers["classifier.gradient"] = gradient(
        lambda seen: torch.log_softmax(noisy(seen, times), dim=1).gather(1, labels[:, None]).sum(), at
    )
    numbers["clip.x"] = at.clone()
    numbers["clip.text"] = clip.embedded("a photo of a dog")[0]
    numbers["clip.gradient"] = gradient(
        lambda seen: sum(clip.score(one[None], "a photo of a dog") for one in seen), at
    )

    # A model of latents.
    sd1 = GOLDEN / "sd1"
    unet = UNet2DConditionModel.from_pretrained(sd1 / "unet").eval()
    vae = AutoencoderKL.from_pretrained(sd1 / "vae").eval().requires_grad_(False)
    reader = CLIPTextModel.from_pretrained(sd1 / "text_encoder").eval()
    config = json.loads((sd1 / "scheduler" / "scheduler_config.json").read_text())
    config["clip_sample"] = False  # latents have no bounds

    def encoded(prompt):
        ids = clip.tokenizer(prompt, padding="max_length", max_length=77, return_tensors="pt").input_ids
        return reader(ids)[0]

    with torch.no_grad():
        prompts = torch.cat([encoded(""), encoded("a photo of a cat")])

    def predict(x, t):
        nothing, wanted = unet(torch.cat([x, x]), t, encoder_hidden_states=prompts).sample.chunk(2)
        return nothing + 3.0 * (wanted - nothing)

    def score_latents(latents):
        return clip.score(vae.decode(latents / vae.config.scaling_factor).sample, "a photo of a dog")

    def lead(x, t, eps, alpha, sigma):
        return 30.0 * alpha * gradient(score_latents, (x - sigma * eps) / alpha)

    for kind in (DDIMScheduler, DDPMScheduler):
        generator = torch.Generator().manual_seed(SEED)
        record(
            f"latents_clip_{'ddim' if kind is DDIMScheduler else 'ddpm'}",
            "sd1",
            "clip",
            kind.from_config(config),
            torch.randn((1, 4, 8, 8), generator=generator),
            predict,
            lead,
            {"side": 64, "prompt": "a photo of a cat", "guidance": 3.0, "target": "a photo of a dog", "scale": 30.0},
            generator,
        )
    at = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(32))
    numbers["latents.x"], numbers["latents.gradient"] = at, gradient(score_latents, at)

    # GLIDE's first stage.
    noised = NoisedClip(clip.tokenizer, out / "noised_clip")
    at = torch.randn((2, 3, 16, 16), generator=torch.Generator().manual_seed(33))
    times, embedded = torch.tensor([0, 731]), noised.embedded("a photo of a dog").detach()
    numbers["noised_clip.x"], numbers["noised_clip.t"] = at, times.float()
    numbers["noised_clip.text"] = embedded[0]
    numbers["noised_clip.gradient"] = gradient(lambda seen: noised.score(seen, times, embedded), at)
    numbers["glide_noised_clip_ddpm.x"] = glide_led(noised, "a photo of a dog", 10.0, STEPS)
    cases.append(
        {
            "name": "glide_noised_clip_ddpm",
            "model": "glide",
            "scorer": "noised_clip",
            "sampler": "ddpm",
            "side": 64,
            "prompt": "an oil painting of a corgi",
            "guidance": 1.0,
            "target": "a photo of a dog",
            "scale": 10.0,
        }
    )

    save_file({name: tensor.contiguous() for name, tensor in numbers.items()}, out / "numbers.safetensors")
    (out / "cases.json").write_text(json.dumps({"steps": STEPS, "seed": SEED, "cases": cases}, indent=1) + "\n")


main()
