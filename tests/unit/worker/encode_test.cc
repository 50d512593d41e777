#include "worker/image/encode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "worker/image/infotext.h"

namespace mind::image {
namespace {

using testing::HasSubstr;

class EncodeTest : public testing::Test {
 protected:
  EncodeTest() : pixels_(16 * 8 * 3) {
    for (size_t i = 0; i < pixels_.size(); ++i) pixels_[i] = static_cast<uint8_t>(i * 7);
  }
  RgbView View() const { return {pixels_.data(), 16, 8}; }

  std::vector<uint8_t> pixels_;
};

TEST_F(EncodeTest, WritesTheFormatsAskedFor) {
  EXPECT_EQ(EncodePng(View(), "").substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(EncodeJpeg(View(), 90).substr(0, 3), "\xff\xd8\xff");
  const std::string webp = EncodeLosslessWebp(View());
  EXPECT_EQ(webp.substr(0, 4) + webp.substr(8, 4), "RIFFWEBP");
}

TEST_F(EncodeTest, SamePixelsGiveSameBytes) {
  EXPECT_EQ(EncodePng(View(), "x"), EncodePng(View(), "x"));
  EXPECT_EQ(EncodeLosslessWebp(View()), EncodeLosslessWebp(View()));
}

TEST_F(EncodeTest, ParametersAreTextChunks) {
  const std::string latin = EncodePng(View(), "caf\xc3\xa9");
  EXPECT_THAT(latin, HasSubstr(std::string("tEXtparameters\0caf\xe9", 19)));
  const std::string chinese = EncodePng(View(), "红苹果");
  EXPECT_THAT(chinese, HasSubstr("iTXtparameters"));
  EXPECT_THAT(chinese, HasSubstr("红苹果"));
  EXPECT_THAT(EncodePng(View(), ""), testing::Not(HasSubstr("parameters")));
}

TEST(EncodeInfotext, IsWhatA1111Reads) {
  const Infotext info{.prompt = "a cat",
                      .negative_prompt = "blurry",
                      .steps = 20,
                      .sampler = "dpmpp_2m_karras",
                      .guidance = 7.5,
                      .seed = 42,
                      .width = 512,
                      .height = 768,
                      .model = "sd, v1",
                      .version = "1"};
  EXPECT_EQ(FormatInfotext(info),
            "a cat\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: "
            "7.5, Seed: 42, "
            "Size: 512x768, Model: \"sd, v1\", RNG: CPU, Version: 1");
}

TEST(EncodeInfotext, LeavesOutAnEmptyNegativePrompt) {
  EXPECT_THAT(FormatInfotext({.prompt = "p", .sampler = "euler_a"}), testing::Not(HasSubstr("Negative")));
}

}  // namespace
}  // namespace mind::image
