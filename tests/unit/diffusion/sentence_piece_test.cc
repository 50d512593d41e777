#include "worker/diffusion/text/sentence_piece.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/support/model_folder.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Directory(const std::string& model) {
  return std::string(MIND_TEST_DATA) + "/sentence_piece/" + model;
}

std::string Bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class SentencePieceAgreement : public testing::TestWithParam<const char*> {};

TEST_P(SentencePieceAgreement, EncodesAsItsOwnProgramDoes) {
  const auto tokenizer = SentencePieceTokenizer::FromDirectory(Directory(GetParam()), 8);
  const nlohmann::json cases = nlohmann::json::parse(Bytes(Directory("cases.json")));
  ASSERT_GT(cases.size(), 250U);
  for (const auto& item : cases) {
    EXPECT_EQ(tokenizer->Encode(item.at("text").get<std::string>()),
              item.at(GetParam()).get<std::vector<int64_t>>())
        << item.at("text");
  }
}

INSTANTIATE_TEST_SUITE_P(All, SentencePieceAgreement, testing::Values("tiny", "symbols", "bytes"));

TEST(SentencePiece, IsCutAndPadded) {
  const auto tokenizer = SentencePieceTokenizer::FromDirectory(Directory("tiny"), 8);
  EXPECT_EQ(tokenizer->model_length(), 8U);
  EXPECT_THAT(tokenizer->EncodePadded("a red apple", 2), ElementsAre(4, 34));
  EXPECT_THAT(tokenizer->EncodePadded("a red apple", 6), ElementsAre(4, 34, 28, 66, 2, 2));  // </s>
}

TEST(SentencePiece, InvalidUtf8IsReadAsUnknown) {
  const auto tokenizer = SentencePieceTokenizer::FromDirectory(Directory("tiny"), 8);
  EXPECT_THAT(tokenizer->Encode("a\xff\xfe\xe4\xb8"), ElementsAre(4, 0));
}

TEST(SentencePiece, WhatIsNoModelIsNamed) {
  const auto error = [](const std::string& bytes) {
    try {
      SentencePieceTokenizer(bytes, "folder/cog.model", 8);
      return std::string();
    } catch (const ModelError& e) {
      return std::string(e.what());
    }
  };
  EXPECT_THAT(error("not a model"), HasSubstr("folder/cog.model: not a protobuf message"));
  EXPECT_THAT(error(""), HasSubstr("folder/cog.model: not a SentencePiece model: no pieces in it"));
  EXPECT_THAT(error(std::string("\x0a\x03\x0a\x01\x61", 5)), HasSubstr("0 unknown pieces, one is needed"));
  EXPECT_THAT(error(std::string("\x12\x02\x18\x03", 4)),
              HasSubstr("model_type is 3; supported: 1 (unigram)"));
  EXPECT_THROW(SentencePieceTokenizer::FromDirectory(Directory(""), 8), ModelError);
}

TEST(SentencePiece, MangledFilesAreRefusedOrRead) {
  const std::string whole = Bytes(Directory("bytes/bytes.model"));
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string mangled = whole.substr(0, random() % 4 == 0 ? random() % whole.size() : whole.size());
    for (int k = 0; k < 5 && !mangled.empty(); ++k)
      mangled[random() % mangled.size()] = static_cast<char>(random());
    try {
      const SentencePieceTokenizer tokenizer(mangled, "mangled", 8);
      tokenizer.Encode("一个<猫> in the  house \xff 龘");
    } catch (const ModelError&) {
    }
  }
}

TEST(SentencePiece, ATaichuModelIsChineseAndHasItsOwnDefaults) {
  support::ModelFolder folder;
  folder.AddTaichu("taichu");
  ModelCache models(folder.path(), {});
  ASSERT_EQ(models.models().size(), 1U) << models.rejected().at(0).reason;
  const ModelInfo info = models.models()[0];
  EXPECT_THAT(info.languages, ElementsAre("zh"));
  EXPECT_EQ(info.default_steps, 60);
  EXPECT_EQ(info.default_guidance, 5);

  Engine engine(models, {});
  auto events = std::make_shared<Recorder>();
  TrajectoryRequest request;
  request.model = "taichu";
  request.picture.prompt = "一只猫";
  request.picture.guidance = info.default_guidance;
  request.width = info.default_width;
  request.height = info.default_height;
  request.sampler = info.default_sampler;
  request.steps = 3;
  engine.Submit(request, events);
  EXPECT_EQ(events->Wait(), Ending::kPicture) << events->Error();
}

}  // namespace
}  // namespace mind::diffusion
