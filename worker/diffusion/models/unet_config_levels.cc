#include "worker/diffusion/models/unet_config_levels.h"

#include <algorithm>
#include <functional>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kMaxLevels = 16;
constexpr int64_t kMaxLevelChannels = 1 << 16;

// What diffusers' names of blocks say, with "Down" and "Downsample" (or "Up", "Upsample") taken out.
struct BlockType {
  const char* name;
  LevelKind kind;
  Transition transition;
};
constexpr BlockType kBlockTypes[] = {
    {"Block2D", LevelKind::kPlain, Transition::kConvolution},
    {"ResnetsampleBlock2D", LevelKind::kPlain, Transition::kResnet},
    {"SkipBlock2D", LevelKind::kPlain, Transition::kPyramid},
    {"AttnBlock2D", LevelKind::kSelfAttention, Transition::kConvolution},
    {"AttnSkipBlock2D", LevelKind::kSelfAttention, Transition::kPyramid},
    {"CrossAttnBlock2D", LevelKind::kCrossAttention, Transition::kConvolution},
    {"SimpleCrossAttnBlock2D", LevelKind::kAddedAttention, Transition::kResnet},
};

BlockType TypeOf(const Config& config, const std::string& key, const std::string& name, bool down) {
  const std::string direction = down ? "Down" : "Up";
  const size_t at = name.find(direction);
  const std::string rest =
      at == std::string::npos ? "" : name.substr(0, at) + name.substr(at + direction.size());
  std::string known;
  for (BlockType type : kBlockTypes) {
    if (rest == type.name) {
      const std::string resizing = config.String(down ? "downsample_type" : "upsample_type", "conv");
      if (resizing != "conv" && resizing != "resnet") {
        config.Unsupported(down ? "downsample_type" : "upsample_type", "conv, resnet");
      }
      if (type.kind == LevelKind::kSelfAttention && resizing == "resnet" &&
          type.transition == Transition::kConvolution) {
        type.transition = Transition::kResnet;
      }
      return type;
    }
    std::string full = type.name;
    const size_t place = full.find("sample");
    full.insert(place != std::string::npos ? place : full.find("Block2D"),
                place != std::string::npos && !down ? "Up" : direction);
    known += (known.empty() ? "" : ", ") + full;
  }
  config.Unsupported(key, known);
}

// A key that holds one value for all levels or a list with one each.
std::vector<int64_t> PerLevel(const Config& config, const std::string& key, size_t levels, int64_t fallback) {
  if (config.Unset(key)) return std::vector<int64_t>(levels, fallback);
  if (config.at(key).is_array()) {
    std::vector<int64_t> values = config.RequiredInts(key);
    if (values.size() != levels) config.Unsupported(key, "one value, or one for each of the levels");
    return values;
  }
  return std::vector<int64_t>(levels, config.RequiredInt(key));
}

// Transformers' layers: one number for all levels, or for each level a number or a list with one for each of
// its transformers. `transformers`: how many of them a level has.
std::vector<std::vector<int64_t>> TransformerLayers(const Config& config, const std::string& key,
                                                    size_t levels, int64_t transformers) {
  const std::string allowed = "1 to 64; or a list for the levels of such numbers, or of lists of " +
                              std::to_string(transformers) + " of them";
  const auto number = [&](const nlohmann::json& value) {
    if (!value.is_number_integer() || value.get<int64_t>() < 1 || value.get<int64_t>() > 64)
      config.Unsupported(key, allowed);
    return value.get<int64_t>();
  };
  const auto count = static_cast<size_t>(transformers);
  std::vector<std::vector<int64_t>> layers(levels, std::vector<int64_t>(count, 1));
  if (config.Unset(key)) return layers;
  const nlohmann::json& value = config.at(key);
  if (value.is_array() && value.size() != levels) config.Unsupported(key, allowed);
  for (size_t i = 0; i < levels; ++i) {
    const nlohmann::json& level = value.is_array() ? value.at(i) : value;
    if (!level.is_array()) {
      layers[i].assign(count, number(level));
      continue;
    }
    if (level.size() != count) config.Unsupported(key, allowed);
    for (size_t j = 0; j < count; ++j) layers[i][j] = number(level.at(j));
  }
  return layers;
}

// On the way up, coarsest first: what the file says, or the way down reversed.
std::vector<std::vector<int64_t>> UpTransformerLayers(const Config& config, const UNetConfig& c) {
  constexpr char kDown[] = "transformer_layers_per_block", kUp[] = "reverse_transformer_layers_per_block";
  const int64_t transformers = c.layers_per_block + 1;
  if (!config.Unset(kUp)) return TransformerLayers(config, kUp, c.levels.size(), transformers);
  std::vector<std::vector<int64_t>> layers;
  for (auto level = c.levels.rbegin(); level != c.levels.rend(); ++level) {
    const std::vector<int64_t>& down = level->transformer_layers;
    if (std::adjacent_find(down.begin(), down.end(), std::not_equal_to<>()) != down.end())
      config.Unsupported(kDown, std::string("lists for a level only beside ") + kUp);
    layers.emplace_back(static_cast<size_t>(transformers), down.front());
  }
  return layers;
}

std::vector<bool> PerLevelBool(const Config& config, const std::string& key, size_t levels) {
  if (config.Unset(key) || config.at(key).is_boolean())
    return std::vector<bool>(levels, config.Bool(key, false));
  std::vector<bool> values;
  if (config.at(key).is_array()) {
    for (const auto& value : config.at(key)) {
      if (value.is_boolean()) values.push_back(value.get<bool>());
    }
  }
  if (values.size() != levels) config.Unsupported(key, "a boolean, or one for each of the levels");
  return values;
}

// Residual blocks of each level.
std::vector<int64_t> ResnetsOf(const Config& config, size_t levels) {
  std::vector<int64_t> layers = PerLevel(config, "layers_per_block", levels, 2);
  for (const int64_t count : layers) {
    if (count < 1 || count > 64) config.Unsupported("layers_per_block", "1 to 64");
  }
  return layers;
}

}  // namespace

void ReadUNetLevels(const Config& config, bool conditional, bool control, UNetConfig& c) {
  const std::vector<int64_t> channels = config.RequiredInts("block_out_channels");
  const std::vector<std::string> down = config.RequiredStrings("down_block_types");
  const std::vector<std::string> up =
      control ? std::vector<std::string>() : config.RequiredStrings("up_block_types");
  if (channels.empty() || channels.size() > kMaxLevels)
    config.Unsupported("block_out_channels", "1 to 16 levels");
  if (down.size() != channels.size())
    config.Unsupported("down_block_types", "one for each of block_out_channels");
  if (!control && up.size() != channels.size())
    config.Unsupported("up_block_types", "one for each of block_out_channels");

  // The same key means the number of heads in one class and the width of a head in the other.
  const std::vector<int64_t> attention =
      PerLevel(config, "attention_head_dim", channels.size(), conditional ? 8 : 0);
  const std::vector<int64_t> resnets = ResnetsOf(config, channels.size());
  c.layers_per_block = resnets.front();
  const std::vector<std::vector<int64_t>> layers =
      TransformerLayers(config, "transformer_layers_per_block", channels.size(), c.layers_per_block);
  const std::vector<bool> only_cross = PerLevelBool(config, "only_cross_attention", channels.size());
  for (size_t i = 0; i < channels.size(); ++i) {
    if (channels[i] < 1 || channels[i] > kMaxLevelChannels)
      config.Unsupported("block_out_channels", "1 to 65536 channels");
    UNetLevel level;
    level.channels = channels[i];
    const BlockType down_type = TypeOf(config, "down_block_types", down[i], /*down=*/true);
    level.kind = down_type.kind;
    level.transition = down_type.transition;
    const bool width_of_head = !conditional || level.kind == LevelKind::kAddedAttention;
    level.heads = width_of_head && attention[i] > 0 ? channels[i] / attention[i]
                  : conditional                     ? attention[i]
                                                    : 1;
    level.layers = resnets[i];
    level.transformer_layers = layers[i];
    level.only_cross_attention = only_cross[i];
    if (level.kind == LevelKind::kCrossAttention && level.layers != c.layers_per_block)
      config.Unsupported("layers_per_block", "one number, with CrossAttn blocks");
    if (level.kind != LevelKind::kPlain && (level.heads < 1 || level.channels % level.heads != 0)) {
      config.Unsupported("attention_head_dim", "one that divides the level's channels");
    }
    c.levels.push_back(level);
    if (control) continue;
    const BlockType up_type = TypeOf(config, "up_block_types", up[i], /*down=*/false);
    c.up_kinds.push_back(up_type.kind);
    c.up_transitions.push_back(up_type.transition);
  }
  if (!control) c.up_transformer_layers = UpTransformerLayers(config, c);
  c.middle_transformer_layers = layers.back().front();
}

}  // namespace mind::diffusion
