#include "worker/image/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "worker/image/encode.h"

namespace mind::image {
namespace {

using testing::HasSubstr;

constexpr int kWidth = 37, kHeight = 23;

std::vector<uint8_t> Pixels() {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < kWidth * kHeight * 3; ++i) pixels.push_back(static_cast<uint8_t>(i * 7 % 251));
  return pixels;
}

std::string ErrorOf(std::string_view file) {
  try {
    DecodePicture(file);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "";
}

TEST(Decode, ReadsWhatWasWritten) {
  const std::vector<uint8_t> pixels = Pixels();
  const RgbView view{pixels.data(), kWidth, kHeight};
  for (const std::string& file : {EncodePng(view, "text"), EncodeLosslessWebp(view)}) {
    const RgbPicture picture = DecodePicture(file);
    EXPECT_EQ(picture.width, kWidth);
    EXPECT_EQ(picture.height, kHeight);
    EXPECT_EQ(picture.data, pixels);
  }
  const std::vector<uint8_t> grey(kWidth * kHeight * 3, 128);
  const RgbPicture jpeg = DecodePicture(EncodeJpeg({grey.data(), kWidth, kHeight}, 95));
  ASSERT_EQ(jpeg.data.size(), grey.size());
  for (const uint8_t value : jpeg.data) EXPECT_NEAR(value, 128, 2);
}

TEST(Decode, KnowsFormatsByTheirFirstBytes) {
  const std::vector<uint8_t> pixels = Pixels();
  const RgbView view{pixels.data(), kWidth, kHeight};
  EXPECT_EQ(FormatOf(EncodePng(view, "")), "PNG");
  EXPECT_EQ(FormatOf(EncodeJpeg(view, 90)), "JPEG");
  EXPECT_EQ(FormatOf(EncodeLosslessWebp(view)), "WebP");
  EXPECT_EQ(FormatOf("GIF89a"), "");
  EXPECT_EQ(FormatOf(""), "");
}

TEST(Decode, RefusesWhatItCannotRead) {
  EXPECT_EQ(ErrorOf(""), "not a PNG, JPEG or WebP file");
  EXPECT_EQ(ErrorOf("GIF89a and so on"), "not a PNG, JPEG or WebP file");
  const std::vector<uint8_t> pixels = Pixels();
  const RgbView view{pixels.data(), kWidth, kHeight};
  for (const std::string& file : {EncodePng(view, ""), EncodeJpeg(view, 90), EncodeLosslessWebp(view)}) {
    for (const size_t kept : {size_t{12}, file.size() / 2, file.size() * 9 / 10}) {
      EXPECT_THAT(ErrorOf(std::string_view(file).substr(0, kept)), HasSubstr(std::string(FormatOf(file))))
          << kept << " of " << file.size();
    }
  }
}

TEST(Decode, RefusesHugePicturesBeforeTakingMemory) {
  std::string file = EncodePng({Pixels().data(), kWidth, kHeight}, "");
  // IHDR: length, type, width, height …, checksum over type and data. libpng may refuse the checksum first.
  file.replace(16, 8, std::string("\x7f\xff\xff\xff\x7f\xff\xff\xff", 8));
  EXPECT_NE(ErrorOf(file), "");
  EXPECT_THROW(CheckExtent(8193, 1), std::runtime_error);
  EXPECT_THROW(CheckExtent(8192, 8192), std::runtime_error);
  EXPECT_THROW(CheckExtent(0, 5), std::runtime_error);
  EXPECT_NO_THROW(CheckExtent(8192, 4096));
}

TEST(Decode, DamageNeverCrashes) {
  const std::vector<uint8_t> pixels = Pixels();
  const RgbView view{pixels.data(), kWidth, kHeight};
  std::mt19937 random(5);
  for (const std::string& whole : {EncodePng(view, ""), EncodeJpeg(view, 90), EncodeLosslessWebp(view)}) {
    for (int round = 0; round < 300; ++round) {
      std::string file = whole;
      for (int i = 0; i < 3; ++i) file[random() % file.size()] = static_cast<char>(random());
      try {
        const RgbPicture picture = DecodePicture(file);
        EXPECT_EQ(picture.data.size(),
                  static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height) * 3);
      } catch (const std::runtime_error&) {
        // Refused, which is as good.
      }
    }
  }
}

}  // namespace
}  // namespace mind::image
