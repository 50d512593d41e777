#include "worker/tools/inspect/contents.h"

#include <cstdio>
#include <map>
#include <set>

namespace mind::diffusion {
namespace {

bool AnyHolds(const NamedTensors& weights, const std::string& part) {
  for (const auto& [name, tensor] : weights.tensors) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

std::string LatentDiffusion(const NamedTensors& weights) {
  if (weights.HasPrefix("conditioner.")) return "SDXL, the whole model under its original names";
  std::string kind = "Stable Diffusion 1";
  if (weights.HasPrefix("cond_stage_model.model.")) kind = "Stable Diffusion 2";
  if (weights.HasPrefix("cond_stage_model.transformer.text_model.") ==
      weights.HasPrefix("cond_stage_model.model."))
    kind = "latent diffusion";
  const auto first = weights.tensors.find("model.diffusion_model.input_blocks.0.0.weight");
  if (first != weights.tensors.end() && first->second.dim() == 4) {
    if (first->second.size(1) == 9) kind += " for inpainting";
    if (first->second.size(1) == 5) kind += " with depth";
  }
  return kind + ", the whole model under its original names";
}

const char* TypeName(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "fp32";
    case at::kHalf:
      return "fp16";
    case at::kBFloat16:
      return "bf16";
    default:
      return at::toString(type);
  }
}

}  // namespace

std::string KindOfContents(const NamedTensors& weights) {
  if (weights.HasPrefix("lora_unet_") || weights.HasPrefix("lora_te_")) return "a LoRA (kohya's names)";
  if (AnyHolds(weights, ".lora_A.") || AnyHolds(weights, "lora.down."))
    return "a LoRA (PEFT's or diffusers' names)";
  if (AnyHolds(weights, "diffusion_model.input_blocks.") &&
      weights.HasPrefix("cond_stage_model.transformer.embedding_table"))
    return "Wukong-Huahua, the whole model (MindSpore's names): put it beside the model's small JSON files "
           "and tokenizer";
  if (weights.HasPrefix("subpixel_conv.")) return "the third stage of Taichu-GLIDE, a GAN that enlarges";
  if (AnyHolds(weights, "diffusion_model.input_blocks.")) return LatentDiffusion(weights);
  if (weights.HasPrefix("ema_model.")) return "the report's DDPM (abarankab's state dict)";
  if (AnyHolds(weights, "guider_net.") || weights.HasPrefix("diffusion_with_p_sample."))
    return "a stage of GLIDE (MindSpore's names)";
  if (weights.HasPrefix("transformer.resblocks.") && weights.HasPrefix("input_blocks."))
    return "a stage of GLIDE (OpenAI's names)";
  if (weights.HasPrefix("x_embedder.")) return "DiT (its original names)";
  if (weights.HasPrefix("transformer_blocks.") && weights.HasPrefix("pos_embed."))
    return "a diffusers transformer (DiT)";
  if (weights.HasPrefix("encoder.down_blocks.")) return "a diffusers autoencoder";
  if (weights.HasPrefix("down_blocks.")) return "a diffusers UNet";
  if (weights.HasPrefix("text_model.")) return "a CLIP text encoder";
  if (AnyHolds(weights, "encoder.layer.")) return "a BERT text encoder";
  if (weights.HasPrefix("encoder.layers.")) return "a tiny autoencoder (TAESD)";
  return "";
}

std::string SizeOfContents(const NamedTensors& weights) {
  int64_t numbers = 0;
  std::set<std::string> types;
  for (const auto& [name, tensor] : weights.tensors) {
    if (!tensor.is_floating_point()) continue;
    numbers += tensor.numel();
    types.insert(TypeName(tensor.scalar_type()));
  }
  std::string named;
  for (const std::string& type : types) named += (named.empty() ? "" : " and ") + type;
  char text[160];
  std::snprintf(text, sizeof text, "%zu tensors, %.2f M numbers as %s", weights.tensors.size(),
                static_cast<double>(numbers) / 1e6, named.empty() ? "nothing" : named.c_str());
  return text;
}

}  // namespace mind::diffusion
