#include "worker/diffusion/weights/names/flux_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/names/lora_names.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

TEST(FluxNames, AnOriginalLayerMayHoldSeveral) {
  const at::Tensor rows = at::arange(21, at::kFloat).view({21, 1});
  const auto parted = Parted(SharesOfFluxLayer("single_blocks.3.linear1"), rows);
  ASSERT_EQ(parted.size(), 4U);
  EXPECT_TRUE(at::equal(parted.at("single_transformer_blocks.3.attn.to_k"), rows.narrow(0, 3, 3)));
  EXPECT_TRUE(at::equal(parted.at("single_transformer_blocks.3.proj_mlp"), rows.narrow(0, 9, 12)));
  EXPECT_TRUE(SharesOfFluxLayer("transformer_blocks.0.attn.to_q").empty());
}

// Shift and scale of the last layer change places.
TEST(FluxNames, TheLastModulationIsTurnedRound) {
  const at::Tensor rows = at::arange(4, at::kFloat);
  const auto parted = Parted(SharesOfFluxLayer("final_layer.adaLN_modulation.1"), rows);
  EXPECT_TRUE(at::equal(parted.at("norm_out.linear"), at::tensor({2.0F, 3.0F, 0.0F, 1.0F})));
  EXPECT_TRUE(at::equal(FusedWeight(SharesOfFluxLayer("final_layer.adaLN_modulation.1"), parted), rows));
}

TEST(FluxNames, WhatIsNoPartIsNamed) {
  NamedTensors file{"flux.gguf", {}};
  for (const char* layer : {"double_blocks.0.img_attn.qkv.weight", "double_blocks.0.img_mod.lin.weight"})
    file.tensors[layer] = at::zeros({3, 2});
  ASSERT_TRUE(IsOriginalFlux(file));
  EXPECT_EQ(FromOriginalFlux(file).tensors.size(), 4U);
  file.tensors["heads.0.weight"] = at::zeros({3, 2});
  EXPECT_THAT([&] { FromOriginalFlux(file); },
              testing::ThrowsMessage<ModelError>(HasSubstr("flux.gguf: \"heads.0.weight\"")));
}

// A LoRA of the fused layer, under kohya's name and the authors': the rows of its up are shared out, down is
// that of each.
TEST(FluxNames, ALoraOfAFusedLayerIsThoseOfItsParts) {
  LayerWeights layers;
  for (const char* part : {"to_q", "to_k", "to_v"})
    layers[std::string("transformer.single_transformer_blocks.0.attn.") + part] = at::zeros({2, 5});
  layers["transformer.single_transformer_blocks.0.proj_mlp"] = at::zeros({8, 5});
  layers["transformer.single_transformer_blocks.0.proj_out"] = at::zeros({2, 10});  // it is FLUX.1's
  const at::Tensor up = at::randn({14, 3}), down = at::randn({3, 5});
  for (const std::string name :
       {"lora_unet_single_blocks_0_linear1.lora_", "diffusion_model.single_blocks.0.linear1.lora_"}) {
    NamedTensors file{"lora", {}};
    file.tensors[name + "down.weight"] = down;
    file.tensors[name + "up.weight"] = up;
    const auto updates = FromLora(file, layers);
    ASSERT_EQ(updates.size(), 4U) << name;
    const StoredUpdate& value = updates.at("transformer.single_transformer_blocks.0.attn.to_v");
    EXPECT_TRUE(at::equal(value.up, up.narrow(0, 4, 2)));
    EXPECT_TRUE(at::equal(value.down, down));
  }
}

TEST(FluxNames, LayersThatAreThereAreFound) {
  LayerWeights layers;
  layers["transformer.single_transformer_blocks.0.proj_out"] = at::zeros({1, 1});
  layers["transformer.transformer_blocks.0.ff.net.2"] = at::zeros({1, 1});
  const std::map<std::string, LayerShares> found = OriginalLayers(layers, "transformer.");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found.at("single_blocks.0.linear2").at(0).layer,
            "transformer.single_transformer_blocks.0.proj_out");
  EXPECT_EQ(found.at("double_blocks.0.img_mlp.2").at(0).layer, "transformer.transformer_blocks.0.ff.net.2");
  layers.erase("transformer.single_transformer_blocks.0.proj_out");  // it may be any network's
  EXPECT_TRUE(OriginalLayers(layers, "transformer.").empty());
}

}  // namespace
}  // namespace mind::diffusion
