#include "server/store/source_pictures.h"

#include <utility>

namespace mind::server {
namespace {

struct Field {
  const char* name;
  const std::string& (v1::ImageSpec::*get)() const;
  std::string* (v1::ImageSpec::*change)();
};
constexpr Field kFields[] = {
    {"source_image", &v1::ImageSpec::source_image, &v1::ImageSpec::mutable_source_image},
    {"mask_image", &v1::ImageSpec::mask_image, &v1::ImageSpec::mutable_mask_image},
    {"depth_image", &v1::ImageSpec::depth_image, &v1::ImageSpec::mutable_depth_image},
};

}  // namespace

std::vector<SourcePicture> TakePictures(v1::ImageSpec& spec) {
  std::vector<SourcePicture> pictures;
  for (const Field& field : kFields) {
    if ((spec.*field.get)().empty()) continue;
    std::string& place = *(spec.*field.change)();
    pictures.push_back({field.name, MakeBlob(std::move(place))});
    place = pictures.back().blob.hash;
  }
  return pictures;
}

bool HasPictures(const v1::ImageSpec& spec) {
  for (const Field& field : kFields) {
    if (!(spec.*field.get)().empty()) return true;
  }
  return false;
}

bool PutPictures(PictureBytes pictures, v1::ImageSpec& spec) {
  for (const Field& field : kFields) {
    if ((spec.*field.get)().empty()) continue;
    const auto found = pictures.find((spec.*field.get)());
    if (found == pictures.end()) return false;
    *(spec.*field.change)() = found->second;
  }
  return true;
}

void DropPictures(v1::ImageSpec& spec) {
  spec.clear_source_image();
  spec.clear_mask_image();
  spec.clear_depth_image();
}

}  // namespace mind::server
