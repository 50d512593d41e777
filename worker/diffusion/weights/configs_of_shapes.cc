#include "worker/diffusion/weights/configs_of_shapes.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

using nlohmann::json;

constexpr int64_t kGroups = 32, kWidthOfHead = 64, kFirstVersionsHeads = 8, kUpscalersHeads = 8;
constexpr int64_t kWidthOfVitH = 1280, kWidthOfItsHeads = 80;

int64_t SizeOf(const NamedTensors& tensors, const std::string& name, int64_t dimension) {
  const auto found = tensors.tensors.find(name);
  if (found == tensors.tensors.end()) throw ModelError(tensors.source + ": no tensor \"" + name + "\" in it");
  if (found->second.dim() <= dimension) {
    throw ModelError(tensors.source + ": tensor \"" + name + "\" has the shape " +
                     ShapeText(found->second.sizes()) + ", which says nothing of its network");
  }
  return found->second.size(dimension);
}

[[noreturn]] void Unknown(const NamedTensors& tensors, const std::string& what) {
  throw UnsupportedError(tensors.source + ": " + what +
                         "; put the model's small files (model_index.json and a config.json for each of its "
                         "parts) beside it");
}

void ExpectGroups(const NamedTensors& tensors, const std::vector<int64_t>& channels) {
  for (const int64_t width : channels) {
    if (width % kGroups != 0)
      Unknown(tensors, "layers of " + std::to_string(width) + " channels, no multiple of " +
                           std::to_string(kGroups) + ", have groups that shapes do not tell");
  }
}

int64_t HeadsOf(const NamedTensors& tensors, int64_t width) {
  if (width > kWidthOfHead && width % kWidthOfHead != 0)
    Unknown(tensors, "layers of " + std::to_string(width) + " channels, no multiple of " +
                         std::to_string(kWidthOfHead) + ", have heads that shapes do not tell");
  return std::max<int64_t>(1, width / kWidthOfHead);
}

// How deep the transformers of a level are, in order.
std::vector<int64_t> DepthsIn(const NamedTensors& unet, const std::string& level) {
  std::vector<int64_t> depths;
  const int64_t transformers = CountAfter(unet, level + ".attentions.");
  for (int64_t i = 0; i < transformers; ++i) {
    depths.push_back(CountAfter(unet, level + ".attentions." + std::to_string(i) + ".transformer_blocks."));
    if (depths.back() == 0) Unknown(unet, "attention of another kind than transformers in " + level);
  }
  return depths;
}

bool AllAre(const std::vector<int64_t>& depths, int64_t depth) {
  return std::all_of(depths.begin(), depths.end(), [depth](int64_t one) { return one == depth; });
}

// One number for a level whose transformers are equally deep, else one each.
json DepthsAsJson(const std::vector<int64_t>& depths, int64_t without_any) {
  if (depths.empty()) return without_any;
  return AllAre(depths, depths.front()) ? json(depths.front()) : json(depths);
}

// transformer_layers_per_block and, where the way up is not the way down reversed, its own list.
void SetDepths(const NamedTensors& unet, const std::vector<std::vector<int64_t>>& down,
               const std::vector<std::vector<int64_t>>& up, json& config) {
  const std::vector<int64_t> middle = DepthsIn(unet, "mid_block");
  const int64_t deepest = middle.empty() ? 1 : middle.front();
  if (!down.back().empty() && !middle.empty() && down.back().front() != deepest)
    Unknown(unet, "a middle " + std::to_string(deepest) + " transformer layers deep below levels of " +
                      std::to_string(down.back().front()));
  json on_the_way_down = json::array(), on_the_way_up = json::array();
  bool mirrored = true;
  for (size_t i = 0; i < down.size(); ++i) {
    on_the_way_down.push_back(DepthsAsJson(down[i], i + 1 == down.size() ? deepest : 1));
    const std::vector<int64_t>& opposite = up[down.size() - 1 - i];
    mirrored = mirrored &&
               (down[i].empty() || (AllAre(down[i], down[i].front()) && AllAre(opposite, down[i].front())));
    on_the_way_up.push_back(DepthsAsJson(up[i], 1));
  }
  config["transformer_layers_per_block"] = on_the_way_down;
  if (!mirrored) config["reverse_transformer_layers_per_block"] = on_the_way_up;
  config["mid_block_type"] = middle.empty() ? "UNetMidBlock2D" : "UNetMidBlock2DCrossAttn";
}

// Whether the attentions of a level look at the prompt alone: their first one's keys are as wide as that.
// Where the level is as wide as the prompt the two cannot be told apart, and it is not so.
bool LooksAtPromptOnly(const NamedTensors& unet, const std::string& level, int64_t channels) {
  const auto keys = unet.tensors.find(level + ".attentions.0.transformer_blocks.0.attn1.to_k.weight");
  return keys != unet.tensors.end() && keys->second.dim() == 2 && keys->second.size(1) != channels;
}

// What it is told beside prompt and noise level.
void SetConditions(const NamedTensors& unet, const std::vector<int64_t>& channels, json& config) {
  constexpr char kProjectedFrom[] = "projection_class_embeddings_input_dim";
  if (unet.HasPrefix("add_embedding.")) {
    config["addition_embed_type"] = "text_time";
    config[kProjectedFrom] = SizeOf(unet, "add_embedding.linear_1.weight", 1);
  }
  if (unet.HasPrefix("class_embedding.linear_1.")) {
    config["class_embed_type"] = "projection";
    config[kProjectedFrom] = SizeOf(unet, "class_embedding.linear_1.weight", 1);
  }
  if (!unet.Has("class_embedding.weight")) return;
  config["num_class_embeds"] = SizeOf(unet, "class_embedding.weight", 0);
  config["attention_head_dim"] = kUpscalersHeads;
  json only_cross = json::array();
  for (size_t i = 0; i < channels.size(); ++i)
    only_cross.push_back(LooksAtPromptOnly(unet, "down_blocks." + std::to_string(i), channels[i]));
  config["only_cross_attention"] = only_cross;
}

// The first cross-attention's path.
std::string FirstTransformer(const NamedTensors& unet) {
  constexpr char kContext[] = ".transformer_blocks.0.attn2.to_k.weight";
  for (const auto& [name, tensor] : unet.tensors) {
    if (name.starts_with("down_blocks.") && name.ends_with(kContext))
      return name.substr(0, name.size() - sizeof kContext + 1);
  }
  Unknown(unet, "a UNet that attends to no prompt");
}

}  // namespace

json UNetConfigOf(const NamedTensors& unet) {
  const int64_t levels = CountAfter(unet, "down_blocks.");
  const int64_t layers = CountAfter(unet, "down_blocks.0.resnets.");
  std::vector<int64_t> channels;
  std::vector<std::vector<int64_t>> down, up;
  json down_types = json::array(), up_types = json::array();
  for (int64_t i = 0; i < levels; ++i) {
    const std::string on_the_way_down = "down_blocks." + std::to_string(i),
                      on_the_way_up = "up_blocks." + std::to_string(i);
    if (CountAfter(unet, on_the_way_down + ".resnets.") != layers ||
        CountAfter(unet, on_the_way_up + ".resnets.") != layers + 1)
      Unknown(unet, "a UNet whose levels have unlike numbers of residual blocks");
    channels.push_back(SizeOf(unet, on_the_way_down + ".resnets.0.conv1.weight", 0));
    down.push_back(DepthsIn(unet, on_the_way_down));
    up.push_back(DepthsIn(unet, on_the_way_up));
    down_types.push_back(down.back().empty() ? "DownBlock2D" : "CrossAttnDownBlock2D");
    up_types.push_back(up.back().empty() ? "UpBlock2D" : "CrossAttnUpBlock2D");
  }
  const std::string transformer = FirstTransformer(unet);
  ExpectGroups(unet, channels);
  const bool linear = unet.tensors.at(transformer + ".proj_in.weight").dim() == 2;
  json heads = kFirstVersionsHeads;
  if (linear) {
    heads = json::array();
    for (const int64_t width : channels) heads.push_back(HeadsOf(unet, width));
  }
  json config = {
      {"_class_name", "UNet2DConditionModel"},
      {"in_channels", SizeOf(unet, "conv_in.weight", 1)},
      {"out_channels", SizeOf(unet, "conv_out.weight", 0)},
      {"block_out_channels", channels},
      {"layers_per_block", layers},
      {"down_block_types", down_types},
      {"up_block_types", up_types},
      {"cross_attention_dim", SizeOf(unet, transformer + ".transformer_blocks.0.attn2.to_k.weight", 1)},
      {"use_linear_projection", linear},
      {"attention_head_dim", heads}};
  SetDepths(unet, down, up, config);
  SetConditions(unet, channels, config);
  return config;
}

json AutoencoderConfigOf(const NamedTensors& vae) {
  std::vector<int64_t> channels;
  json down_types = json::array(), up_types = json::array();
  const int64_t levels = CountAfter(vae, "encoder.down_blocks.");
  if (levels == 0) throw ModelError(vae.source + ": no autoencoder with an encoder (\"encoder.…\") in it");
  for (int64_t i = 0; i < levels; ++i) {
    channels.push_back(
        SizeOf(vae, "encoder.down_blocks." + std::to_string(i) + ".resnets.0.conv1.weight", 0));
    down_types.push_back("DownEncoderBlock2D");
    up_types.push_back("UpDecoderBlock2D");
  }
  ExpectGroups(vae, channels);
  return {{"_class_name", "AutoencoderKL"},
          {"in_channels", SizeOf(vae, "encoder.conv_in.weight", 1)},
          {"out_channels", SizeOf(vae, "decoder.conv_out.weight", 0)},
          {"latent_channels", SizeOf(vae, "decoder.conv_in.weight", 1)},
          {"block_out_channels", channels},
          {"layers_per_block", CountAfter(vae, "encoder.down_blocks.0.resnets.")},
          {"mid_block_add_attention", vae.HasPrefix("encoder.mid_block.attentions.")},
          {"down_block_types", down_types},
          {"up_block_types", up_types}};
}

json ClipTextConfigOf(const NamedTensors& text, bool open_clip) {
  const std::string embeddings = "text_model.embeddings.", layers = "text_model.encoder.layers.";
  const int64_t width = SizeOf(text, embeddings + "token_embedding.weight", 1);
  json config = {{"model_type", "clip_text_model"},
                 {"vocab_size", SizeOf(text, embeddings + "token_embedding.weight", 0)},
                 {"hidden_size", width},
                 {"intermediate_size", SizeOf(text, layers + "0.mlp.fc1.weight", 0)},
                 {"num_hidden_layers", CountAfter(text, layers)},
                 {"num_attention_heads", HeadsOf(text, width)},
                 {"max_position_embeddings", SizeOf(text, embeddings + "position_embedding.weight", 0)},
                 {"hidden_act", open_clip ? "gelu" : "quick_gelu"},
                 {"eos_token_id", 2},
                 {"architectures", {"CLIPTextModel"}}};
  if (text.Has("text_projection.weight")) {
    config["architectures"] = {"CLIPTextModelWithProjection"};
    config["projection_dim"] = SizeOf(text, "text_projection.weight", 0);
  }
  return config;
}

json ClipVisionConfigOf(const NamedTensors& vision) {
  const std::string embeddings = "vision_model.embeddings.", layers = "vision_model.encoder.layers.";
  const int64_t width = SizeOf(vision, embeddings + "class_embedding", 0);
  const int64_t patch = SizeOf(vision, embeddings + "patch_embedding.weight", 2);
  const int64_t patches = SizeOf(vision, embeddings + "position_embedding.weight", 0) - 1;
  const int64_t projection = SizeOf(vision, "visual_projection.weight", 0);
  constexpr int64_t kOfClipsOwn =
      768;  // numbers that ViT-L makes; others are OpenCLIP's, with its activation
  const auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(patches))));
  if (side * side != patches) Unknown(vision, "a vision tower of pictures that are no squares");
  return {{"model_type", "clip_vision_model"},
          {"image_size", side * patch},
          {"patch_size", patch},
          {"hidden_size", width},
          {"intermediate_size", SizeOf(vision, layers + "0.mlp.fc1.weight", 0)},
          {"num_hidden_layers", CountAfter(vision, layers)},
          {"num_attention_heads", width == kWidthOfVitH ? width / kWidthOfItsHeads : HeadsOf(vision, width)},
          {"hidden_act", projection == kOfClipsOwn ? "quick_gelu" : "gelu"},
          {"projection_dim", projection}};
}

}  // namespace mind::diffusion
