#include "worker/image/alpha_mask.h"

#include <gtest/gtest.h>
#include <png.h>

#include <stdexcept>
#include <vector>

#include "worker/image/decode.h"
#include "worker/image/encode.h"

namespace mind::image {
namespace {

// Two pixels side by side, with these alphas.
std::string Png(std::vector<uint8_t> alphas) {
  std::vector<uint8_t> rgba;
  for (const uint8_t alpha : alphas) rgba.insert(rgba.end(), {10, 20, 30, alpha});
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<uint32_t>(alphas.size());
  image.height = 1;
  image.format = PNG_FORMAT_RGBA;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string file(size, '\0');
  png_image_write_to_memory(&image, file.data(), &size, 0, rgba.data(), 0, nullptr);
  file.resize(size);
  return file;
}

TEST(AlphaMask, IsWhiteWhereThePictureIsTransparent) {
  const auto mask = MaskOfTransparency(Png({0, 255, 127, 128}));
  ASSERT_TRUE(mask.has_value());
  const RgbPicture picture = DecodePicture(*mask);
  EXPECT_EQ(picture.width, 4);
  EXPECT_EQ(picture.height, 1);
  EXPECT_EQ(picture.data, (std::vector<uint8_t>{255, 255, 255, 0, 0, 0, 255, 255, 255, 0, 0, 0}));
}

TEST(AlphaMask, IsNoneWhereNothingIsTransparent) {
  const std::vector<uint8_t> pixels(12, 200);
  EXPECT_EQ(MaskOfTransparency(Png({255, 200})), std::nullopt);
  EXPECT_EQ(MaskOfTransparency(EncodePng({pixels.data(), 2, 2}, "")), std::nullopt);
  EXPECT_EQ(MaskOfTransparency(EncodeJpeg({pixels.data(), 2, 2}, 90)), std::nullopt);
  EXPECT_EQ(MaskOfTransparency("nothing"), std::nullopt);
}

TEST(AlphaMask, IsAsBrightAsThePictureIsOpaque) {
  const auto mask = MaskOfOpacity(Png({0, 255, 127}));
  ASSERT_TRUE(mask.has_value());
  EXPECT_EQ(DecodePicture(*mask).data, (std::vector<uint8_t>{0, 0, 0, 255, 255, 255, 127, 127, 127}));
  const std::vector<uint8_t> pixels(12, 200);
  EXPECT_EQ(MaskOfOpacity(Png({255, 255})), std::nullopt);
  EXPECT_EQ(MaskOfOpacity(EncodePng({pixels.data(), 2, 2}, "")), std::nullopt);
  EXPECT_EQ(MaskOfOpacity("nothing"), std::nullopt);
}

TEST(AlphaMask, ADamagedFileIsRefused) {
  const std::string file = Png({0, 255});
  EXPECT_THROW(MaskOfOpacity(file.substr(0, 40)), std::runtime_error);
  EXPECT_THROW(MaskOfTransparency(file.substr(0, 40)), std::runtime_error);
}

}  // namespace
}  // namespace mind::image
