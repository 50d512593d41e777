#include "worker/diffusion/models/qwen_vision.h"

#include <algorithm>

#include "worker/diffusion/models/activation.h"
#include "worker/diffusion/models/attention.h"

namespace mind::diffusion {
namespace {

constexpr double kQwenVisionEpsilon = 1e-6, kQwenVisionTheta = 10000;
constexpr int64_t kMostQwenVision = 1 << 20;  // of any number in its configuration

int64_t VisionNumber(const Config& config, const char* key, int64_t fallback, int64_t most) {
  const int64_t value = config.Int(key, fallback);
  if (value < 1 || value > most) config.Unsupported(key, "1 to " + std::to_string(most));
  return value;
}

// How a picture's tokens are laid out in windows.
struct VisionWindows {
  at::Tensor order;            // int64 [tokens]: which token stands at each place
  std::vector<int64_t> sizes;  // tokens of each window
};

VisionWindows WindowsOf(int64_t rows, int64_t columns, int64_t window) {
  std::vector<int64_t> order;
  VisionWindows windows;
  for (int64_t top = 0; top < rows; top += window) {
    for (int64_t left = 0; left < columns; left += window) {
      const size_t before = order.size();
      for (int64_t row = top; row < std::min(top + window, rows); ++row) {
        for (int64_t column = left; column < std::min(left + window, columns); ++column)
          order.push_back(row * columns + column);
      }
      windows.sizes.push_back(static_cast<int64_t>(order.size() - before));
    }
  }
  windows.order = at::tensor(order, at::kLong);
  return windows;
}

// Where each patch is, line and column: int64 [tokens, merged², 2].
at::Tensor VisionPlaces(int64_t rows, int64_t columns, int64_t merged) {
  const auto places = [&](const at::Tensor& numbers) {
    return numbers.expand({rows, columns})
        .reshape({rows / merged, merged, columns / merged, merged})
        .permute({0, 2, 1, 3})
        .reshape({-1, merged * merged});
  };
  return at::stack(
      {places(at::arange(rows, at::kLong).unsqueeze(1)), places(at::arange(columns, at::kLong).unsqueeze(0))},
      -1);
}

}  // namespace

QwenVisionConfig QwenVisionConfig::From(const Config& config) {
  if (config.Unset("vision_config") || !config.at("vision_config").is_object())
    config.Unsupported("vision_config", "an object");
  const Config vision(config.at("vision_config"), config.name() + " (vision_config)");
  QwenVisionConfig c;
  c.layers = VisionNumber(vision, "depth", c.layers, 1024);
  c.width = VisionNumber(vision, "hidden_size", c.width, kMostQwenVision);
  c.feed_forward = VisionNumber(vision, "intermediate_size", c.feed_forward, kMostQwenVision);
  c.heads = VisionNumber(vision, "num_heads", c.heads, 1024);
  c.out = VisionNumber(vision, "out_hidden_size", c.out, kMostQwenVision);
  c.patch = VisionNumber(vision, "patch_size", c.patch, 1024);
  c.merged = VisionNumber(vision, "spatial_merge_size", c.merged, 64);
  c.frames = VisionNumber(vision, "temporal_patch_size", c.frames, 64);
  const int64_t window = VisionNumber(vision, "window_size", c.window * c.token(), kMostQwenVision);
  c.window = window / c.token();
  if (c.window < 1) vision.Unsupported("window_size", "a token's pixels or more");
  if (c.width % (4 * c.heads) != 0) vision.Unsupported("num_heads", "a divisor of a quarter of hidden_size");
  if (!vision.Unset("fullatt_block_indexes")) c.whole = vision.RequiredInts("fullatt_block_indexes");
  for (const char* key : {"in_chans", "in_channels"}) {
    if (vision.Int(key, 3) != 3) vision.Unsupported(key, "3");
  }
  if (vision.String("hidden_act", "silu") != "silu") vision.Unsupported("hidden_act", "silu");
  return c;
}

QwenVisionBlock::QwenVisionBlock(const Scope& scope, const QwenVisionConfig& c)
    : heads_(c.heads),
      attention_norm_(scope / "norm1", c.width, kQwenVisionEpsilon),
      feed_forward_norm_(scope / "norm2", c.width, kQwenVisionEpsilon),
      qkv_(scope / "attn.qkv", c.width, 3 * c.width),
      out_(scope / "attn.proj", c.width, c.width),
      feed_forward_(scope / "mlp", c.width, c.feed_forward,
                    {.gate = "gate_proj", .in = "up_proj", .out = "down_proj"}, Activation::kSilu,
                    /*bias=*/true) {}

at::Tensor QwenVisionBlock::operator()(const at::Tensor& x, const Rotation& rotation,
                                       const std::vector<int64_t>& windows) const {
  const auto parts = qkv_(attention_norm_(x)).unsqueeze(0).chunk(3, -1);
  const at::Tensor& values = parts[2];
  const auto turned = [&](const at::Tensor& part) {
    return Rotated(part.unflatten(-1, {heads_, part.size(-1) / heads_}), rotation, RotaryPairs::kHalves)
        .flatten(2)
        .to(values.scalar_type());
  };
  const at::Tensor queries = turned(parts[0]), keys = turned(parts[1]);
  std::vector<at::Tensor> seen;
  int64_t begin = 0;
  for (const int64_t size : windows) {
    const auto within = [&](const at::Tensor& all) { return all.narrow(1, begin, size); };
    seen.push_back(MultiHeadAttention(within(queries), within(keys), within(values), heads_));
    begin += size;
  }
  const at::Tensor h = x + out_(at::cat(seen, 1).squeeze(0)).to(at::kFloat);
  return h + feed_forward_(feed_forward_norm_(h));
}

QwenVision::QwenVision(const Scope& scope, const QwenVisionConfig& config)
    : config_(config),
      rotary_(Rotary::OfAxes(std::vector<int64_t>(2, config.width / config.heads / 2), kQwenVisionTheta)),
      patch_in_(scope / "patch_embed.proj", config.numbers(), config.width, /*bias=*/false),
      merged_norm_(scope / "merger.ln_q", config.width, kQwenVisionEpsilon),
      merged_in_(scope / "merger.mlp.0", config.merged * config.merged * config.width,
                 config.merged * config.merged * config.width),
      merged_out_(scope / "merger.mlp.2", config.merged * config.merged * config.width, config.out) {
  for (int64_t i = 0; i < config.layers; ++i)
    blocks_.emplace_back(scope / "blocks" / static_cast<size_t>(i), config);
}

at::Tensor QwenVision::operator()(const at::Tensor& patches, int64_t rows, int64_t columns) const {
  const int64_t merged = config_.merged, together = merged * merged, count = rows * columns;
  const VisionWindows windows = WindowsOf(rows / merged, columns / merged, config_.window);
  std::vector<int64_t> sizes;
  for (const int64_t tokens : windows.sizes) sizes.push_back(tokens * together);
  const at::Tensor order = windows.order.to(patches.device());
  // Window by window, the patches of a token together.
  const auto ordered = [&](const at::Tensor& x) {
    return x.reshape({count / together, together, x.size(-1)}).index_select(0, order).flatten(0, 1);
  };
  at::Tensor x = ordered(patch_in_(patches).to(at::kFloat));
  const at::Tensor places = VisionPlaces(rows, columns, merged).to(patches.device());
  const Rotation rotation = rotary_.At(ordered(places));
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const bool whole =
        std::find(config_.whole.begin(), config_.whole.end(), static_cast<int64_t>(i)) != config_.whole.end();
    x = blocks_[i](x, rotation, whole ? std::vector<int64_t>{count} : sizes);
  }
  const at::Tensor tokens = merged_norm_(x).reshape({count / together, together * config_.width});
  const at::Tensor made = merged_out_(Activate(Activation::kGelu, merged_in_(tokens))).to(at::kFloat);
  return made.index_select(0, at::argsort(order));
}

at::Tensor QwenPatches(const at::Tensor& picture, const QwenVisionConfig& config) {
  const int64_t p = config.patch, m = config.merged, t = config.token();
  const int64_t rows = picture.size(1) / t, columns = picture.size(2) / t;
  return picture.reshape({3, rows, m, p, columns, m, p})
      .permute({1, 4, 2, 5, 0, 3, 6})
      .unsqueeze(5)
      .expand({rows, columns, m, m, 3, config.frames, p, p})
      .reshape({rows * m * columns * m, config.numbers()});
}

}  // namespace mind::diffusion
