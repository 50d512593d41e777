// Models whose parts lie beside their small files, each in one file of its own, as ComfyUI's users have them.
#include "worker/diffusion/pipelines/split_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_flux.h"
#include "tests/support/tiny_flux2.h"
#include "tests/support/tiny_qwen_image.h"
#include "tests/support/tiny_sd3.h"
#include "tests/support/tiny_z_image.h"
#include "tests/support/whole_file.h"
#include "tests/unit/diffusion/made_alone.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using SplitWeights = std::map<std::string, at::Tensor>;

void WriteSplit(const fs::path& file, const SplitWeights& tensors) {
  std::ofstream(file, std::ios::binary) << SerializeSafeTensors(tensors);
}

SplitWeights Prefixed(const SplitWeights& tensors) {
  SplitWeights prefixed;
  for (const auto& [name, tensor] : tensors) prefixed["model.diffusion_model." + name] = tensor;
  return prefixed;
}

// Under its authors' names, with queries, keys and values stacked and the norm that nothing uses.
SplitWeights AsZImageIsPublished(const SplitWeights& tensors) {
  static const NameRules kRules{{"^all_(x_embedder|final_layer)\\.2-1\\.", "$1."},
                                {"\\.attention\\.norm_([qk])\\.", ".attention.$1_norm."},
                                {"\\.attention\\.to_out\\.0\\.", ".attention.out."}};
  SplitWeights file = {{"norm_final.weight", at::ones({24})}};
  for (const auto& [name, tensor] : tensors) {
    const size_t query = name.find(".to_q.");
    if (name.find(".to_k.") != std::string::npos || name.find(".to_v.") != std::string::npos) continue;
    if (query == std::string::npos) {
      file[kRules(name)] = tensor;
      continue;
    }
    std::string key = name, value = name;
    key.replace(query, 6, ".to_k.");
    value.replace(query, 6, ".to_v.");
    file[name.substr(0, query) + ".qkv.weight"] = at::cat({tensor, tensors.at(key), tensors.at(value)});
  }
  return file;
}

class SplitFiles : public testing::Test {
 protected:
  static std::string Tokenizer() {
    return (mind::support::ModelFolder::Golden() / "models/sd1/tokenizer").string();
  }
  fs::path At(const std::string& model) const { return folder_.path() + "/" + model; }

  // The component's weights, taken out of its folder.
  SplitWeights Taken(const std::string& model, const std::string& component) const {
    const fs::path folder = At(model) / component;
    SplitWeights tensors;
    for (const auto& [name, tensor] : ReadComponent(folder.string()).tensors) tensors[name] = tensor.clone();
    for (const std::string& file : ComponentFiles(folder.string())) fs::remove(file);
    return tensors;
  }
  // Moves it as it is into a file at the root.
  void Move(const std::string& model, const std::string& component, const std::string& name) const {
    WriteSplit(At(model) / (name + ".safetensors"), Taken(model, component));
  }
  // The same model once more, to be split.
  void Copy() const { fs::copy(At("whole"), At("split"), fs::copy_options::recursive); }

  // Both make the same picture, and take the same room.
  void ExpectTheSame() const {
    ModelCache models(folder_.path(), {});
    ASSERT_TRUE(models.rejected().empty()) << models.rejected()[0].reason;
    TrajectoryRequest request;
    request.model = "whole";
    request.picture.prompt = "a cat";
    request.picture.guidance = 4;
    request.width = request.height = 16;
    request.sampler = "euler";
    request.steps = 2;
    request.seed = 7;
    const at::Tensor expected = PictureMadeAlone(models, {.row_threads = 2}, request);
    request.model = "split";
    EXPECT_TRUE(at::equal(PictureMadeAlone(models, {.row_threads = 2}, request), expected));
    for (const Precision precision : {Precision::kFloat32, Precision::kBFloat16}) {
      const ModelDirectory whole(At("whole").string()), split(At("split").string());
      // But for the norm that nothing uses.
      EXPECT_NEAR(static_cast<double>(split.WeightBytes(precision)),
                  static_cast<double>(whole.WeightBytes(precision)), 100);
      EXPECT_EQ(split.DroppableParts(precision).size(), whole.DroppableParts(precision).size());
    }
  }
  std::string Refusal() const {
    try {
      LoadPipeline(At("split").string(), {});
    } catch (const ModelError& e) {
      return e.what();
    }
    return "";
  }

  const c10::InferenceMode inference_;
  mind::support::ModelFolder folder_;
};

TEST_F(SplitFiles, OfZImage) {
  TinyZImage::Write(At("whole").string());
  Copy();
  WriteSplit(At("split") / "z_image_turbo_bf16.safetensors",
             Prefixed(AsZImageIsPublished(Taken("split", "transformer"))));
  Move("split", "text_encoder", "qwen_3_4b");
  WriteSplit(At("split") / "ae.safetensors", WholeFile::AutoencoderNamed(Taken("split", "vae")));
  ExpectTheSame();
}

TEST_F(SplitFiles, OfKlein) {
  TinyFlux2::Write(At("whole").string());
  Copy();
  Move("split", "transformer", "flux-2-klein-4b");
  Move("split", "text_encoder", "qwen_3_4b");
  SplitWeights vae;
  for (const auto& [name, tensor] : WholeFile::AutoencoderNamed(Taken("split", "vae"))) {
    const bool encoders = name.starts_with("quant_conv."), decoders = name.starts_with("post_quant_conv.");
    vae[(encoders ? "encoder." : decoders ? "decoder." : "") + name] = tensor;
  }
  WriteSplit(At("split") / "flux2-vae.safetensors", vae);
  ExpectTheSame();
}

TEST_F(SplitFiles, OfQwenImage) {
  TinyQwenImage::Write(At("whole").string());
  Copy();
  WriteSplit(At("split") / "qwen_image_bf16.safetensors", Prefixed(Taken("split", "transformer")));
  Move("split", "text_encoder", "qwen_2.5_vl_7b");
  Move("split", "vae", "qwen_image_vae");
  ExpectTheSame();
}

TEST_F(SplitFiles, OfFlux) {
  TinyFlux::Write(At("whole").string(), Tokenizer());
  Copy();
  Move("split", "transformer", "flux1-dev");
  Move("split", "text_encoder", "clip_l");
  Move("split", "text_encoder_2", "t5xxl_fp16");
  WriteSplit(At("split") / "ae.safetensors", WholeFile::AutoencoderNamed(Taken("split", "vae")));
  ExpectTheSame();
}

// Its CLIPs are told apart by how wide they are.
TEST_F(SplitFiles, OfStableDiffusion3) {
  TinySd3::Write(At("whole").string(), Tokenizer());
  Copy();
  Move("split", "transformer", "sd3.5_medium");
  Move("split", "text_encoder", "clip_l");
  Move("split", "text_encoder_2", "clip_g");
  Move("split", "text_encoder_3", "t5xxl_fp16");
  ExpectTheSame();
}

TEST_F(SplitFiles, AFoldersOwnWeightsGoFirst) {
  TinyZImage::Write(At("whole").string());
  Copy();
  fs::copy(At("split") / "text_encoder/model.safetensors", At("split") / "another_qwen.safetensors");
  WriteSplit(At("split") / "z_image.safetensors", {{"noise_refiner.0.weight", at::ones({2})}});
  ExpectTheSame();
}

TEST_F(SplitFiles, WhatCannotBeToldApartIsNamed) {
  TinyZImage::Write(At("whole").string());
  Copy();
  Move("split", "text_encoder", "qwen_3_4b");
  fs::copy(At("split") / "qwen_3_4b.safetensors", At("split") / "qwen_3_4b_fp8.safetensors");
  EXPECT_THAT(Refusal(), testing::AllOf(HasSubstr("several files may be its text_encoder"),
                                        HasSubstr("qwen_3_4b.safetensors"), HasSubstr("keep one")));
  // Of another width it is none.
  fs::remove(At("split") / "qwen_3_4b.safetensors");
  WriteSplit(At("split") / "qwen_3_4b_fp8.safetensors", {{"model.embed_tokens.weight", at::ones({266, 8})}});
  EXPECT_THAT(Refusal(), testing::AllOf(HasSubstr("text_encoder: no weights, and "),
                                        HasSubstr("is not its text_encoder")));
  WriteSplit(At("split") / "other.safetensors", {{"a.weight", at::ones({2})}});
  EXPECT_THAT(Refusal(), HasSubstr("keep one, or such as hold a component each"));
}

}  // namespace
}  // namespace mind::diffusion
