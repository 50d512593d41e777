#include "worker/diffusion/pipelines/split_files.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "worker/diffusion/weights/names/latent_diffusion_names.h"

namespace mind::diffusion {
namespace {

constexpr char kBeforeTransformers[] = "model.diffusion_model.";
// Blocks of FLUX's and Stable Diffusion 3's transformers under their authors' names, of anyone's under
// diffusers', and of Z-Image's under both.
constexpr const char* kTransformerBlocks[] = {"double_blocks.", "joint_blocks.", "transformer_blocks.",
                                              "noise_refiner."};
constexpr const char* kClipTokenTables[] = {"text_model.embeddings.token_embedding.weight",
                                            "embeddings.token_embedding.weight"};
constexpr std::string_view kTokenTable = "embed_tokens.weight";  // of language models
constexpr char kT5Layers[] = "encoder.block.";
constexpr const char* kDecoders[] = {"decoder.conv_in.weight", "decoder.conv1.weight"};  // diffusers', Wan's

bool IsTransformer(const NamedTensors& shapes) {
  return std::any_of(std::begin(kTransformerBlocks), std::end(kTransformerBlocks),
                     [&shapes](const std::string& block) {
                       return shapes.HasPrefix(block) || shapes.HasPrefix(kBeforeTransformers + block);
                     });
}

bool IsAutoencoder(const NamedTensors& shapes) {
  return std::any_of(std::begin(kDecoders), std::end(kDecoders),
                     [&shapes](const char* name) { return shapes.Has(name); });
}

// Of each word so many numbers; of no encoder where it is unset.
bool AsWide(const at::Tensor& words, const Config& config, const char* key) {
  return words.dim() == 2 && words.size(1) == config.Int(key, words.size(1));
}

bool IsClip(const NamedTensors& shapes, const Config& config) {
  return std::any_of(std::begin(kClipTokenTables), std::end(kClipTokenTables), [&](const char* name) {
    const auto words = shapes.tensors.find(name);
    return words != shapes.tensors.end() && AsWide(words->second, config, "hidden_size");
  });
}

bool IsLanguageModel(const NamedTensors& shapes, const Config& config) {
  return std::any_of(shapes.tensors.begin(), shapes.tensors.end(), [&](const auto& named) {
    return named.first.ends_with(kTokenTable) && AsWide(named.second, config, "hidden_size");
  });
}

}  // namespace

bool HoldsComponent(const NamedTensors& shapes, const Config& config) {
  const std::string kind = config.String("_class_name", ""), text = config.String("model_type", "");
  if (kind.ends_with("Transformer2DModel")) return IsTransformer(shapes);
  if (kind.starts_with("AutoencoderKL")) return IsAutoencoder(shapes);
  if (text == "t5") return shapes.HasPrefix(kT5Layers);
  if (text == "clip_text_model") return IsClip(shapes, config);
  return text.starts_with("qwen") && !shapes.HasPrefix(kT5Layers) && IsLanguageModel(shapes, config);
}

NamedTensors FromSplitFile(NamedTensors stored) {
  if (stored.HasPrefix(kBeforeTransformers)) return stored.Under(kBeforeTransformers);
  return IsAutoencoder(stored) ? FromAutoencoder(stored) : stored;
}

}  // namespace mind::diffusion
