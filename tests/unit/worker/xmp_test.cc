#include "worker/image/xmp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "worker/image/decode.h"
#include "worker/image/encode.h"
#include "worker/image/png_text.h"

namespace mind::image {
namespace {

using ::testing::HasSubstr;

constexpr int kXmpWidth = 37, kXmpHeight = 21;

std::vector<uint8_t> XmpPixels() {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < kXmpWidth * kXmpHeight * 3; ++i) pixels.push_back(static_cast<uint8_t>(i * 7));
  return pixels;
}

// Each format, as our encoders make it.
std::vector<std::string> Files() {
  static const std::vector<uint8_t> pixels = XmpPixels();
  const RgbView view{pixels.data(), kXmpWidth, kXmpHeight};
  return {EncodePng(view, "红苹果\nSteps: 3"), EncodeJpeg(view, 80), EncodeWebp(view, 80),
          EncodeLosslessWebp(view)};
}

std::string OutputOf(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  std::string output;
  std::array<char, 4096> buffer;
  for (size_t size = 0; (size = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    output.append(buffer.data(), size);
  pclose(pipe);
  return output;
}

TEST(Xmp, ThePictureStaysAsItIs) {
  for (const std::string& file : Files()) {
    for (const std::string& packet :
         {std::string("odd"), std::string("even"), XmpOfMadeByModel("a program")}) {
      const std::string with = WithXmp(file, packet);
      EXPECT_THAT(with, HasSubstr(packet));
      const RgbPicture before = DecodePicture(file), after = DecodePicture(with);
      EXPECT_EQ(after.width, kXmpWidth);
      EXPECT_EQ(after.height, kXmpHeight);
      EXPECT_EQ(after.data, before.data);
    }
  }
  EXPECT_EQ(TextsOfPng(WithXmp(Files()[0], "packet")).at("parameters"), "红苹果\nSteps: 3");
  EXPECT_EQ(TextsOfPng(WithXmp(Files()[0], "packet")).at("XML:com.adobe.xmp"), "packet");
}

TEST(Xmp, ExiftoolReadsThatAModelMadeIt) {
  ASSERT_EQ(OutputOf("exiftool -ver 2>&1").find("not found"), std::string::npos)
      << "exiftool is not installed: deploy/install.sh test (libimage-exiftool-perl)";
  const support::TemporaryFolder folder;
  for (const std::string& file : Files()) {
    const std::string path = folder / "picture";
    std::ofstream(path, std::ios::binary) << WithXmp(file, XmpOfMadeByModel("Mind-Diffusion 0.1.0"));
    const std::string said =
        OutputOf("exiftool -n -s -validate -warning -XMP:all -ImageSize " + path + " 2>&1");
    EXPECT_THAT(said, HasSubstr("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"));
    EXPECT_THAT(said, HasSubstr("Mind-Diffusion 0.1.0"));
    EXPECT_THAT(said, HasSubstr("37 21"));
    EXPECT_THAT(said, HasSubstr("Validate                        : 0 0 0"));
  }
}

TEST(Xmp, WhatItIsNotMadeForIsRefused) {
  EXPECT_THROW(WithXmp("", "packet"), std::runtime_error);
  EXPECT_THROW(WithXmp("GIF89a and more", "packet"), std::runtime_error);
  EXPECT_THROW(WithXmp(Files()[1], std::string(70'000, 'x')), std::runtime_error);
  EXPECT_THROW(WithXmp(WithXmp(Files()[2], "packet"), "packet"), std::runtime_error);
  EXPECT_EQ(DecodePicture(WithXmp(Files()[0], std::string(70'000, 'x'))).width, kXmpWidth);
}

}  // namespace
}  // namespace mind::image
