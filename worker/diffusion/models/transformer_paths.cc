#include "worker/diffusion/models/transformer_paths.h"

namespace mind::diffusion {
namespace {

// Of the transformers of one level, by how many layers each has.
void Append(const std::string& level, const std::vector<int64_t>& layers, std::vector<std::string>& paths) {
  for (size_t i = 0; i < layers.size(); ++i) {
    for (int64_t j = 0; j < layers[i]; ++j)
      paths.push_back(level + ".attentions." + std::to_string(i) + ".transformer_blocks." +
                      std::to_string(j));
  }
}

// With those that see nothing but the prompt, or without.
std::vector<std::string> Paths(const UNetConfig& config, bool all) {
  std::vector<std::string> paths;
  for (size_t i = 0; i < config.levels.size(); ++i) {
    const UNetLevel& level = config.levels[i];
    if (level.kind == LevelKind::kCrossAttention && (all || !level.only_cross_attention))
      Append("down_blocks." + std::to_string(i), level.transformer_layers, paths);
  }
  if (config.middle == LevelKind::kCrossAttention && (all || !config.middle_only_cross_attention))
    Append("mid_block", {config.middle_transformer_layers}, paths);
  for (size_t i = 0; i < config.up_kinds.size(); ++i) {
    const UNetLevel& level = config.levels[config.levels.size() - 1 - i];
    if (config.up_kinds[i] == LevelKind::kCrossAttention && (all || !level.only_cross_attention))
      Append("up_blocks." + std::to_string(i), config.up_transformer_layers[i], paths);
  }
  return paths;
}

}  // namespace

std::vector<std::string> CrossAttentions(const UNetConfig& config) {
  return Paths(config, /*all=*/true);
}

std::vector<std::string> SelfAttentions(const UNetConfig& config) {
  return Paths(config, /*all=*/false);
}

bool IsIn(std::string_view path, std::string_view name) {
  if (name.empty() || path.substr(0, name.size()) != name) return false;
  return path.size() == name.size() || path[name.size()] == '.' || path[name.size()] == '_';
}

}  // namespace mind::diffusion
