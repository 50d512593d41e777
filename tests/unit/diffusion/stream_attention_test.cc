#include "worker/diffusion/models/stream_attention.h"

#include <gtest/gtest.h>

#include "worker/diffusion/models/attention.h"
#include "worker/diffusion/models/modulation.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kWidth = 12, kHeads = 2, kHeadWidth = 4;
const AttentionStream::Shape kShape = {.width = kWidth, .heads = kHeads, .head_width = kHeadWidth};

NamedTensors Weights() {
  at::manual_seed(1);
  NamedTensors weights{"weights", {}};
  const auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    weights.tensors[name + ".weight"] = at::randn({out, in});
    weights.tensors[name + ".bias"] = at::randn({out});
  };
  for (const AttentionStream::Names& names : {AttentionStream::Main(), AttentionStream::Added()}) {
    for (const std::string& name : {names.q, names.k, names.v}) linear(name, kHeads * kHeadWidth, kWidth);
    for (const std::string& name : {names.norm_q, names.norm_k})
      weights.tensors[name + ".weight"] = at::randn({kHeadWidth});
    linear(names.out, kWidth, kHeads * kHeadWidth);
  }
  return weights;
}

at::Tensor Normed(const at::Tensor& x, const at::Tensor& weight) {
  return x / at::sqrt(x.square().mean(-1, true) + 1e-6) * weight;
}

TEST(StreamAttention, EachStreamHasProjectionsAndSeesAll) {
  const c10::InferenceMode inference;
  const NamedTensors stored = Weights();
  FileParameters weights(stored, {});
  const AttentionStream picture(Scope(weights), AttentionStream::Main(), kShape);
  const AttentionStream text(Scope(weights), AttentionStream::Added(), kShape);
  weights.ExpectAllTaken();
  const at::Tensor x = at::randn({2, 5, kWidth}), y = at::randn({2, 3, kWidth});
  const at::Tensor seen = Seen(Joined({text(y), picture(x)}), std::nullopt);

  const auto heads = [&](const std::string& layer, const at::Tensor& in) {
    return at::linear(in, stored.tensors.at(layer + ".weight"), stored.tensors.at(layer + ".bias"))
        .reshape({2, -1, kHeads, kHeadWidth})
        .transpose(1, 2);
  };
  const auto norm = [&](const std::string& layer, const at::Tensor& in) {
    return Normed(in, stored.tensors.at(layer + ".weight"));
  };
  const at::Tensor q =
      at::cat({norm("norm_added_q", heads("add_q_proj", y)), norm("norm_q", heads("to_q", x))}, 2);
  const at::Tensor k =
      at::cat({norm("norm_added_k", heads("add_k_proj", y)), norm("norm_k", heads("to_k", x))}, 2);
  const at::Tensor v = at::cat({heads("add_v_proj", y), heads("to_v", x)}, 2);
  const at::Tensor expected = at::matmul(at::softmax(at::matmul(q, k.transpose(2, 3)) / 2.0, -1), v)
                                  .transpose(1, 2)
                                  .reshape({2, 8, kHeads * kHeadWidth});
  EXPECT_TRUE(at::allclose(seen, expected, 1e-4, 1e-5));
  EXPECT_EQ(picture.Out(seen.narrow(1, 3, 5)).sizes(), x.sizes());
}

TEST(StreamAttention, OfTurnedTokensTheDistanceCounts) {
  const c10::InferenceMode inference;
  FileParameters weights(Weights(), {});
  const AttentionStream stream(Scope(weights), AttentionStream::Main(), kShape);
  const at::Tensor x = at::randn({1, 6, kWidth});
  const Rotary rotary = Rotary::OfAxes({4}, 100);
  const auto at_places = [&](int64_t first, int64_t step) {
    return Seen(stream(x), rotary.At(LinePositions({first}, {step}, 6, at::kCPU)));
  };
  EXPECT_TRUE(at::allclose(at_places(0, 1), at_places(17, 1), 1e-4, 1e-5));
  EXPECT_FALSE(at::allclose(at_places(0, 1), at_places(0, 2), 1e-2, 1e-2));
}

TEST(StreamAttention, WithoutNormsAndWithoutAWayBackThereAreNoWeightsForThem) {
  FileParameters weights(Weights(), {});
  AttentionStream::Shape shape = kShape;
  shape.normed = shape.out = false;
  const AttentionStream stream(Scope(weights), AttentionStream::Main(), shape);
  EXPECT_EQ(weights.layers().size(), 3u);
  EXPECT_EQ(stream(at::randn({1, 2, kWidth})).q.sizes(), at::IntArrayRef({1, 2, kHeads, kHeadWidth}));
}

TEST(StreamAttention, AModulationIsPartsOfOneLayer) {
  const c10::InferenceMode inference;
  NamedTensors stored{"weights", {}};
  stored.tensors["linear.weight"] = at::randn({3 * 4, 5});
  stored.tensors["linear.bias"] = at::randn({3 * 4});
  FileParameters weights(stored, {});
  const Modulation modulation(Scope(weights) / "linear", 5, 4, 3);
  const at::Tensor told = at::randn({2, 5});
  const std::vector<at::Tensor> parts = modulation(told);
  ASSERT_EQ(parts.size(), 3u);
  const at::Tensor all =
      at::linear(at::silu(told), stored.tensors.at("linear.weight"), stored.tensors.at("linear.bias"));
  EXPECT_TRUE(at::equal(parts[1], all.narrow(1, 4, 4).unsqueeze(1)));
}

}  // namespace
}  // namespace mind::diffusion
