#include <numeric>

#include "worker/diffusion/models/qwen_text.h"

namespace mind::diffusion {
namespace {

// The part of a text_encoder/config.json that describes the language model: newer transformers keep it by
// itself where there is another network beside it.
Config LanguageModelIn(const Config& config) {
  if (config.Unset("text_config")) return config;
  if (!config.at("text_config").is_object()) config.Unsupported("text_config", "an object");
  return Config(config.at("text_config"), config.name() + " (text_config)");
}

// What a configuration says of rotary positions under transformers 5's key, or under those before it, where
// theta stands beside.
Config RotaryIn(const Config& config) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (config.Unset(key)) continue;
    if (!config.at(key).is_object()) config.Unsupported(key, "an object");
    return Config(config.at(key), config.name() + " (" + key + ")");
  }
  return Config(nlohmann::json::object(), config.name());
}

void ReadRotary(const Config& config, QwenTextConfig& c) {
  const Config rotary = RotaryIn(config);
  const std::string key = rotary.Unset("rope_type") ? "type" : "rope_type";
  const std::string kind = rotary.String(key, "default");
  if (kind != "default" && kind != "mrope") rotary.Unsupported(key, "default, mrope");
  c.theta = rotary.Double("rope_theta", config.Double("rope_theta", c.theta));
  if (!(c.theta > 0)) config.Unsupported("rope_theta", "a positive number");
  if (rotary.Unset("mrope_section")) return;
  c.sections = rotary.RequiredInts("mrope_section");
  if (c.sections.size() != 3) rotary.Unsupported("mrope_section", "three numbers");
  for (const int64_t section : c.sections) {
    if (section < 1 || section > c.head_width) rotary.Unsupported("mrope_section", "positive numbers");
  }
  if (2 * std::accumulate(c.sections.begin(), c.sections.end(), int64_t{0}) != c.head_width)
    rotary.Unsupported("mrope_section", "three numbers whose sum is half the width of a head, " +
                                            std::to_string(c.head_width));
}

}  // namespace

QwenTextConfig QwenTextConfig::From(const Config& whole) {
  const std::string kind = whole.String("model_type", "");
  if (kind != "qwen3" && kind != "qwen2_5_vl") whole.Unsupported("model_type", "qwen3, qwen2_5_vl");
  const Config config = LanguageModelIn(whole);
  QwenTextConfig c;
  c.vocabulary = config.RequiredInt("vocab_size");
  c.width = config.RequiredInt("hidden_size");
  c.feed_forward = config.RequiredInt("intermediate_size");
  c.layers = config.RequiredInt("num_hidden_layers");
  c.heads = config.RequiredInt("num_attention_heads");
  constexpr int64_t kMost = 1 << 20;
  const auto within = [&](const char* key, int64_t value, int64_t most) {
    if (value < 1 || value > most) config.Unsupported(key, "1 to " + std::to_string(most));
  };
  within("vocab_size", c.vocabulary, 16 * kMost);
  within("hidden_size", c.width, kMost);
  within("intermediate_size", c.feed_forward, kMost);
  within("num_hidden_layers", c.layers, 1024);
  within("num_attention_heads", c.heads, 1024);
  c.key_heads = config.Int("num_key_value_heads", c.heads);
  if (c.key_heads < 1 || c.heads % c.key_heads != 0)
    config.Unsupported("num_key_value_heads", "a divisor of num_attention_heads");
  c.normed_heads = kind == "qwen3";
  c.biased = kind == "qwen2_5_vl";
  c.head_width = config.Int("head_dim", c.normed_heads ? 128 : c.width / c.heads);
  if (c.head_width < 2 || c.head_width > kMost || c.head_width % 2 != 0)
    config.Unsupported("head_dim", "an even number");
  c.epsilon = config.Double("rms_norm_eps", c.epsilon);
  if (config.String("hidden_act", "silu") != "silu") config.Unsupported("hidden_act", "silu");
  if (config.Bool("attention_bias", false)) config.Unsupported("attention_bias", "false");
  if (config.Bool("use_sliding_window", false)) config.Unsupported("use_sliding_window", "false");
  ReadRotary(config, c);
  if (c.sections.empty() && c.biased) config.Unsupported("rope_scaling", "an object with mrope_section");
  return c;
}

}  // namespace mind::diffusion
