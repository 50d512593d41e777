#include "worker/tools/inspect/watermarks.h"

#include <cstdio>
#include <exception>
#include <fstream>
#include <sstream>

#include "worker/image/decode.h"

namespace mind::inspect {

std::optional<image::Watermark> ReadKey(const std::string& path) {
  try {
    return image::Watermark::FromFile(path);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "--watermark-key: %s\n", e.what());
    return std::nullopt;
  }
}

bool FindWatermark(const image::Watermark& watermark, const std::string& path) {
  try {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    if (!file) throw std::runtime_error("cannot be read");
    const image::RgbPicture picture = image::DecodePicture(bytes.str());
    const double found = watermark.Find({picture.data.data(), picture.width, picture.height});
    const bool there = found >= image::Watermark::kFound;
    std::printf("%s: %dx%d\n  %-14s %s, %.1f of the %g that it takes\n", path.c_str(), picture.width,
                picture.height, "watermark", there ? "found" : "not found", found, image::Watermark::kFound);
    return there;
  } catch (const std::exception& e) {
    std::printf("%s\n  %-14s %s\n", path.c_str(), "wrong", e.what());
  }
  return false;
}

}  // namespace mind::inspect
